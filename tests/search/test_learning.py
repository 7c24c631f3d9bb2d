"""The learning curve: which rows a part holds, what there is time to train, its scores."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import candidates, make_data, make_scorer

from automl.search.executors.inline import InlineExecutor
from automl.search.learning import (
    SHARES,
    Course,
    contenders,
    course_within,
    course_without_clock,
    learn,
)
from automl.search.parts import part_rows
from automl.search.rules import RaceRules
from automl.search.ship import NotDone
from automl.search.store import RunData
from automl.search.trial import FoldRun, Trial
from automl.task import Objective


def trial(data: RunData, *, seconds: float = 1.0, number: int = 0, **params: Any) -> Trial:
    """A finished trial of the fake engine whose folds took so long."""
    n_splits = len(data.splits)
    made = Trial(
        number, candidates(params)[0], Path("."), n_splits, state="done", loss=1.0 + number
    )
    for k in range(n_splits):
        made.folds[k] = FoldRun(k, [1.0], 1, seconds, Path("m"), None)
    return made


@pytest.mark.parametrize("objective", [Objective.SOFTMAX, Objective.SQUARED])
@pytest.mark.parametrize("inner_stop", [0.0, 0.15])
def test_parts_are_nested_and_stop_on_rows_of_their_own(
    objective: Objective, inner_stop: float
) -> None:
    data = make_data(objective, n=600, folds=3, inner_stop=inner_stop)
    split = data.splits[1]
    inner: set[int] = set()
    for share in (0.125, 0.25, 0.5, 1.0):
        part, stop = part_rows(data, 1, share)
        used = set(part) if not inner_stop else set(part) | set(stop)
        assert used >= inner
        assert used <= set(split.train)
        assert not set(part) & set(stop)
        assert not (set(part) | set(stop)) & set(split.valid)
        assert len(used) == pytest.approx(share * len(split.train), abs=2) or share == 1.0
        inner = used


def test_parts_hold_the_classes_in_their_shares_and_one_of_each() -> None:
    data = make_data(Objective.SOFTMAX, n=2000, folds=2)
    rare = data.splits[0].train[-1]
    y = np.where(np.arange(2000) == rare, 3.0, data.y)
    data = replace(data, y=y, n_classes=4)
    train = data.splits[0].train
    part, _ = part_rows(data, 0, 0.125)
    assert rare in part
    for code in range(3):
        assert np.mean(y[part] == code) == pytest.approx(np.mean(y[train] == code), abs=0.02)


def test_groups_stay_together() -> None:
    data = replace(make_data(n=600, folds=2), groups=np.arange(600) // 7)
    train = data.splits[0].train
    part, stop = part_rows(data, 0, 0.25)
    left = np.setdiff1d(train, part)
    assert not set(data.groups[part]) & set(data.groups[left])
    assert set(stop) <= set(left)


def test_a_part_of_rows_with_a_time_is_the_latest() -> None:
    times = np.random.default_rng(0).permutation(300).astype(np.float64)
    data = replace(make_data(Objective.SQUARED, n=300, folds=3, inner_stop=0.2), times=times)
    train = data.splits[0].train
    part, stop = part_rows(data, 0, 0.5)
    known = np.concatenate([part, stop])
    assert times[known].min() > times[np.setdiff1d(train, known)].max()
    assert times[stop].min() > times[part].max()


def test_as_many_splits_as_there_is_time_for() -> None:
    data = make_data(n=3000, folds=5)
    one = trial(data, seconds=1.0)

    def splits(seconds: float) -> int:
        return len(course_within([one], data, seconds=seconds, n_workers=2).splits)

    assert [splits(0.7), splits(1.4), splits(60.0)] == [1, 2, 5]
    assert course_within([one], data, seconds=0.7, n_workers=2).shares == SHARES


def test_a_dear_winner_gives_way_to_its_like_then_to_smaller_parts() -> None:
    data = make_data(n=3000, folds=5)
    dear, cheap = trial(data, seconds=9.0), trial(data, seconds=0.1, number=1)
    assert course_within([dear, cheap], data, seconds=1.0, n_workers=2).trial is cheap
    small = course_within([dear], data, seconds=4.0, n_workers=2)
    assert small.shares == (0.25, 0.125, 0.0625)
    with pytest.raises(NotDone, match="no time was left") as late:
        course_within([dear], data, seconds=0.5, n_workers=2)
    assert late.value.late


def test_few_rows_have_no_curve() -> None:
    data = make_data(n=150, folds=3)
    with pytest.raises(NotDone, match="too few rows"):
        course_without_clock(trial(data), [trial(data)], data)


def test_without_a_clock_it_is_a_tenth_of_the_race() -> None:
    data = make_data(n=3000, folds=5)
    one = trial(data)
    counts = [len(course_without_clock(one, [one] * n, data).splits) for n in (1, 6, 100)]
    assert counts == [1, 3, 5]


def test_contenders_are_the_winner_and_its_like() -> None:
    data = make_data(n=300)
    a, b, c, d = (trial(data, number=i) for i in range(4))
    found = contenders([d, c, b, a], {c.name: 1.0}, {b.name: False, d.name: True})
    assert [one.name for one in found] == [a.name, c.name, d.name]


def curve_of(
    folder: Path, data: RunData, made: Trial, seconds: float = math.inf, splits: int = 2
) -> Any:
    data.write(folder / "store")
    executor = InlineExecutor()
    executor.open(folder / "store")
    rules = RaceRules(None, lambda: math.inf, 20, 5, 0, False, [1.0])
    stacked = np.concatenate([data.y[s.valid] for s in data.splits])[:, None]
    course = Course(made, tuple(range(splits)), (0.5, 0.25))
    return learn(
        course,
        stacked,
        make_scorer(data),
        data,
        executor,
        rules=rules,
        folder=folder / "learning",
        seconds_left=lambda: seconds,
    )


def test_scores_are_of_the_valid_rows_and_the_last_is_known(fake: str, tmp_path: Path) -> None:
    data = make_data(Objective.SQUARED, n=600, folds=3)
    curve = curve_of(tmp_path, data, trial(data, slope=0.0, trees=1))
    assert curve.rows.tolist() == [[100, 200, 400]] * 2
    for k in range(2):
        valid = data.y[data.splits[k].valid]
        for place, share in ((0, 0.25), (1, 0.5)):
            mean = data.y[part_rows(data, k, share)[0]].mean()
            rmse = math.sqrt(np.mean((valid - mean) ** 2))
            assert curve.scores[k, place] == pytest.approx(rmse, rel=1e-6)
    assert curve.scores[:, 2] == pytest.approx(0.0)  # the margins that were given


def test_a_split_that_fails_does_not_count(fake: str, tmp_path: Path) -> None:
    data = make_data(Objective.SQUARED, n=600, folds=3)
    curve = curve_of(tmp_path, data, trial(data, fail="no luck", only=[0]), splits=3)
    assert curve.splits == (1, 2)
    with pytest.raises(NotDone, match="no luck") as reason:
        curve_of(tmp_path, data, trial(data, fail="no luck"))
    assert not reason.value.late


def test_what_the_clock_cuts_short_does_not_count(fake: str, tmp_path: Path) -> None:
    data = make_data(Objective.SQUARED, n=600, folds=3)
    with pytest.raises(NotDone, match="the clock cut it short") as reason:
        curve_of(tmp_path, data, trial(data, trees=9, sleep=0.05), seconds=0.1)
    assert reason.value.late
