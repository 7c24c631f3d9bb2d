"""What a blend may cost to score, and what greedy selection makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import candidates, make_data

from automl.search.blend import Limits, blended, greedy_blend
from automl.search.limits import ROOM_SECONDS, blend_limits
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
    trees = {name: 100.0 + 300.0 * (name == "m0") for name in margins}
    blend = greedy_blend(margins, loss, limits=Limits(trees=trees, max_trees=350))
    # The best single one alone is too large; three of the others fill the room.
    assert "m0" not in blend.weights
    assert len(blend.weights) == 3
    assert blend.loss == loss(blended(blend.weights, margins))


def test_members_beyond_the_room_must_buy_more() -> None:
    margins = {f"m{i}": noisy(1.0, i + 1) for i in range(4)}
    seconds = dict.fromkeys(margins, 1.0)

    def size(dear_rate: float) -> int:
        limits = Limits(seconds=seconds, room=2.0, dear_rate=dear_rate)
        return len(greedy_blend(margins, loss, limits=limits).weights)

    # The third lowers the loss by about 0.13, the fourth by 0.08.
    assert [size(rate) for rate in (0.0, 0.1, 1.0)] == [4, 3, 2]


def test_cheap_members_may_beat_a_dear_one_that_fits() -> None:
    margins = {f"m{i}": noisy(1.0, i + 1) for i in range(1, 4)} | {"dear": noisy(0.97, 9)}
    assert min(margins, key=lambda name: loss(margins[name])) == "dear"
    costs = dict.fromkeys(margins, 1.0) | {"dear": 3.0}
    limits = Limits(seconds=costs, rate=0.003, trees=costs, max_trees=3.0)
    assert set(greedy_blend(margins, loss, limits=limits).weights) == {"m1", "m2", "m3"}


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
    assert bag.room == pytest.approx(3 * ROOM_SECONDS)
    assert bag.dear_rate > 0
    refit = blend_limits(trials, data, refit=True, max_members=8, max_trees=50)
    # Twice the rows of a fold's training are worth twice the trees.
    assert dict(refit.trees) == {trials[0].name: 120.0, trials[1].name: 24.0}
    assert refit.max_trees == 50
    assert refit.dear_rate == 0.0  # the user says what it may cost


@pytest.mark.usefixtures("fake")
def test_more_rows_are_worth_more_trees_but_no_smaller_penalty(tmp_path: Path) -> None:
    data = make_data(folds=2)
    assert refit_trees(trial_of(tmp_path, 0, [6, 8], 0.5), data) == 14
    assert refit_trees(trial_of(tmp_path, 0, [6, 8], 0.5, engine="linear"), data) == 7
