"""Many classes at a high learning rate: Newton's steps stay bounded."""

from __future__ import annotations

import numpy as np
import pytest

from automl.engines.base import FitSetup
from automl.engines.lightgbm import ENGINE
from automl.features.matrix import Feature, Matrix
from automl.task import Objective, Task

CLASSES, ROUNDS = 24, 12


@pytest.mark.parametrize(("rate", "bounded"), [(0.3, True), (0.1, False)])
def test_margins_of_a_fast_learner_stay_bounded(rate: float, bounded: bool) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(720) % CLASSES
    centres = rng.normal(size=(CLASSES, 8))
    values = centres[y] + rng.normal(scale=0.5, size=(len(y), 8))
    matrix = Matrix(np.asfortranarray(values), tuple(Feature(f"x{i}", (i,)) for i in range(8)))
    setup = FitSetup(
        Task.MULTICLASS, Objective.SOFTMAX, n_classes=CLASSES, max_trees=ROUNDS, threads=1
    )
    prepared = ENGINE.prepare(matrix, y.astype(float), None, setup=setup)
    params = {"learning_rate": rate, "num_leaves": 15, "min_data_in_leaf": 10}
    booster = ENGINE.fit(prepared, np.arange(len(y)), None, params=params, setup=setup)
    step = rate * CLASSES / 3
    first = -float(np.log(CLASSES))  # what the sums begin with
    n_rounds = np.arange(1, ROUNDS + 1)
    moved = np.array([np.abs(booster.margin(matrix, n) - first).max() for n in n_rounds.tolist()])
    within = moved <= 1.001 * step * n_rounds
    assert within.all() if bounded else not within.all()
    assert (booster.margin(matrix).argmax(axis=1) == y).mean() > 0.9
