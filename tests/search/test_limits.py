"""What a blend may cost to score, and what greedy selection makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import candidates, make_data

from automl.search.blend import Limits, blended, greedy_blend
from automl.search.limits import MAX_ROW_SECONDS, blend_limits
from automl.search.ship import refit_trees
from automl.search.trial import FoldRun, Trial
from automl.task import Objective

TRUTH = np.random.default_rng(0).normal(size=(400, 1))


def noisy(scale: float, seed: int) -> np.ndarray:
    return TRUTH + np.random.default_rng(seed).normal(scale=scale, size=TRUTH.shape)


def loss(margin: np.ndarray) -> float:
    return float(np.sqrt(np.mean((margin - TRUTH) ** 2)))


def trial_of(
    folder: Path, number: int, trees: list[int], loss: float, engine: str = "fake"
) -> Trial:
    one = candidates({}, engine=engine)[0]
    trial = Trial(number, one, folder, len(trees), state="done", loss=loss)
    for k, count in enumerate(trees):
        trial.folds[k] = FoldRun(k, [0.5], count, 1.0, folder / "m", None, n_trees=count)
    return trial


def test_blend_keeps_to_its_limits_and_uses_them() -> None:
    margins = {f"m{i}": noisy(1.0 + 0.02 * i, i + 1) for i in range(6)}
    seconds = {name: 1.0 + 3.0 * (name == "m0") for name in margins}
    trees = dict.fromkeys(margins, 100.0)
    blend = greedy_blend(margins, loss, limits=Limits(seconds=seconds, max_seconds=3.0))
    # The best single one alone is too dear; three of the others fill the room.
    assert "m0" not in blend.weights
    assert len(blend.weights) == 3
    assert blend.loss == loss(blended(blend.weights, margins))
    few = greedy_blend(margins, loss, limits=Limits(trees=trees, max_trees=250))
    assert len(few.weights) == 2


def test_three_cheap_members_may_beat_a_dear_one_that_fits() -> None:
    margins = {f"m{i}": noisy(1.0, i + 1) for i in range(1, 4)} | {"dear": noisy(0.97, 9)}
    assert min(margins, key=lambda name: loss(margins[name])) == "dear"
    seconds = dict.fromkeys(margins, 1.0) | {"dear": 3.0}
    prices = {name: cost * 30.0 for name, cost in seconds.items()}
    limits = Limits(seconds=seconds, max_seconds=3.0)
    weights = greedy_blend(margins, loss, prices=prices, limits=limits).weights
    assert set(weights) == {"m1", "m2", "m3"}


def test_nearest_member_ships_where_none_fits() -> None:
    margins = {"a": noisy(0.2, 1), "b": noisy(0.9, 2)}
    limits = Limits(trees={"a": 900.0, "b": 300.0}, max_trees=100)
    assert greedy_blend(margins, loss, limits=limits).weights == {"b": 1.0}


@pytest.mark.usefixtures("fake")
def test_costs_are_counted_from_what_ships(tmp_path: Path) -> None:
    trials = [trial_of(tmp_path, 0, [10, 30], 0.5), trial_of(tmp_path, 1, [4, 4], 0.6)]
    data = make_data(Objective.SOFTMAX, folds=2)
    bag = blend_limits(trials, data, refit=False, max_members=8, max_trees=None)
    assert dict(bag.trees) == {trials[0].name: 120.0, trials[1].name: 24.0}
    assert bag.seconds[trials[0].name] == pytest.approx(5 * bag.seconds[trials[1].name])
    assert bag.max_seconds == pytest.approx(3 * MAX_ROW_SECONDS)
    refit = blend_limits(trials, data, refit=True, max_members=8, max_trees=50)
    # Twice the rows of a fold's training are worth twice the trees.
    assert dict(refit.trees) == {trials[0].name: 120.0, trials[1].name: 24.0}
    assert refit.max_trees == 50
    assert refit.max_seconds == float("inf")


@pytest.mark.usefixtures("fake")
def test_best_trial_always_leaves_room_for_others(tmp_path: Path) -> None:
    big = trial_of(tmp_path, 0, [10**6], 0.1)
    limits = blend_limits([big], make_data(), refit=False, max_members=8, max_trees=None)
    assert limits.max_seconds == pytest.approx(3 * limits.seconds[big.name])


@pytest.mark.usefixtures("fake")
def test_more_rows_are_worth_more_trees_but_no_smaller_penalty(tmp_path: Path) -> None:
    data = make_data(folds=2)
    assert refit_trees(trial_of(tmp_path, 0, [6, 8], 0.5), data) == 14
    assert refit_trees(trial_of(tmp_path, 0, [6, 8], 0.5, engine="linear"), data) == 7
