"""The constant prediction is the best one, and its loss is the boosters'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import fold_task, make_data, trainer

from automl.search.baseline import baseline_margins, constant_margin, objective_losses
from automl.task import Objective

each_objective = pytest.mark.parametrize("objective", list(Objective))
each_weight = pytest.mark.parametrize("weighted", [False, True])


@each_objective
@each_weight
def test_no_other_constant_has_less_loss(objective: Objective, weighted: bool) -> None:
    data = make_data(objective, weighted=weighted, n=61, folds=1)
    everything = np.arange(61)
    constant = constant_margin(data, everything)
    assert constant.shape == (data.n_outputs,)
    data = make_data(objective, weighted=weighted, n=61, folds=1)
    assert len(data.splits[0].valid) == 61

    def loss(margin: np.ndarray) -> float:
        return float(np.mean(objective_losses(data, np.tile(margin, (61, 1)))))

    least = loss(constant)
    rng = np.random.default_rng(0)
    for scale in (1e-4, 1e-2, 0.3):
        for step in rng.normal(scale=scale, size=(40, data.n_outputs)):
            assert loss(constant + step) >= least - 1e-12


@each_objective
def test_each_split_has_the_constant_of_its_training_rows(objective: Objective) -> None:
    data = make_data(objective, repeats=2)
    stacked = baseline_margins(data)
    assert stacked.shape == (120, data.n_outputs)
    first = data.splits[0]
    assert (stacked[: len(first.valid)] == constant_margin(data, first.train)).all()
    assert len(np.unique(stacked[:, 0])) > 1


@each_objective
@each_weight
def test_loss_is_the_same_function_as_the_curves(
    objective: Objective, weighted: bool, fake: str, tmp_path: Path
) -> None:
    data = make_data(objective, weighted=weighted)
    runs = trainer(data)
    ends = [runs.run(fold_task(tmp_path, k))["curve"][-1] for k in range(3)]
    stacked = np.concatenate(
        [
            runs._load("fake", tmp_path / f"fold_{k:02d}.json").margin(
                data.matrix.take(data.splits[k].valid)
            )
            for k in range(3)
        ]
    )
    assert np.mean(objective_losses(data, stacked)) == pytest.approx(np.mean(ends), rel=1e-12)


def test_class_without_training_rows_has_a_finite_margin() -> None:
    data = make_data(Objective.SOFTMAX)
    rows = np.flatnonzero(data.y != 2)
    assert np.isfinite(constant_margin(data, rows)).all()
    binary = make_data(Objective.LOGISTIC)
    assert np.isfinite(constant_margin(binary, np.flatnonzero(binary.y == 0))).all()
