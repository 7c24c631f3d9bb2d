"""The guarantees of the validation splits, on random tables."""

from __future__ import annotations

import time
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data._deal import join_units
from automl.data.duplicates import duplicate_rows
from automl.data.folds import Asked, Ties, make_folds
from automl.data.splits import Folds
from automl.errors import ConfigError, DataError
from automl.task import Task

many = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 10**6)
ASKED, TIES = ({field.name for field in fields(part)} for part in (Asked, Ties))


def classes(rng: np.random.Generator, counts: list[int]) -> np.ndarray:
    return rng.permutation(np.repeat(np.arange(len(counts)), counts)).astype(float)


def folds_of(y: np.ndarray, task: Task = Task.BINARY, **facts: object) -> Folds:
    n_classes = int(y.max()) + 1 if task.is_classification else 0
    asked = Asked(**{name: facts.pop(name) for name in facts.keys() & ASKED})  # type: ignore[arg-type]
    ties = Ties(**{name: facts.pop(name) for name in facts.keys() & TIES})  # type: ignore[arg-type]
    sizes = {"n_classes": n_classes, "n_cells": 10, "seed": 0, **facts}
    return make_folds(y, task, asked=asked, ties=ties, **sizes)  # type: ignore[arg-type]


def check_partition(folds: Folds, y: np.ndarray, *, never: np.ndarray | None = None) -> None:
    """Each repeat validates every row once, but those in `never`; train is all the rest."""
    expected = np.setdiff1d(np.arange(len(y)), [] if never is None else never)
    for repeat in range(folds.n_repeats):
        splits = [split for split in folds.splits if split.repeat == repeat]
        valid = np.concatenate([split.valid for split in splits])
        assert sorted(valid) == expected.tolist()
        for split in splits:
            assert len(split.valid)
            both = np.concatenate([split.train, split.valid])
            assert np.array_equal(np.sort(both), np.arange(len(y)))
            assert np.all(np.diff(split.train) > 0)


@many
@given(
    seed=seeds, counts=st.lists(st.integers(1, 30), min_size=0, max_size=4), k=st.integers(2, 8)
)
def test_classes_are_spread_evenly_and_none_is_lost(seed: int, counts: list[int], k: int) -> None:
    rng = np.random.default_rng(seed)
    y = classes(rng, [*counts, 12, 20])
    folds = folds_of(y, Task.MULTICLASS, n_folds=k, seed=seed)
    lone = [c for c, count in enumerate(counts) if count == 1]
    assert folds.scheme == "stratified"
    assert folds.singletons == tuple(lone)
    assert folds.rare == tuple(c for c in range(len(counts) + 2) if 1 < (y == c).sum() < k)
    assert len(folds.splits) == k
    check_partition(folds, y, never=np.flatnonzero(np.isin(y, lone)))
    table = np.array([np.bincount(y[s.valid].astype(int), minlength=9) for s in folds.splits])
    assert np.ptp(table.sum(axis=1)) <= 2 + len(counts)
    for c, count in enumerate([*counts, 12, 20]):
        if count > 1:
            assert (table[:, c] > 0).sum() >= min(2, k)
            assert (table[:, c] > 0).sum() == count or count > k
            assert np.ptp(table[:, c]) <= 2
        for split in folds.splits:
            assert (y[split.train] == c).any()


@many
@given(seed=seeds, n=st.integers(8, 300), k=st.integers(2, 4))
def test_regression_folds_are_even_in_the_target(seed: int, n: int, k: int) -> None:
    y = np.random.default_rng(seed).lognormal(0.0, 2.0, n)
    folds = folds_of(y, Task.REGRESSION, n_folds=k)
    check_partition(folds, y)
    assert folds.scheme == "kfold"
    assert np.ptp([len(split.valid) for split in folds.splits]) <= 1
    upper = y >= np.median(y)
    if n >= 100:
        for split in folds.splits:
            assert upper[split.valid].mean() == pytest.approx(0.5, abs=0.15)


@many
@given(
    seed=seeds,
    n_groups=st.integers(8, 60),
    k=st.integers(2, 5),
    task=st.sampled_from([Task.BINARY, Task.REGRESSION]),
)
def test_groups_are_never_parted(seed: int, n_groups: int, k: int, task: Task) -> None:
    rng = np.random.default_rng(seed)
    groups = np.append(rng.permutation(n_groups), rng.integers(0, n_groups, 5 * n_groups)) * 7 - 3
    y = rng.integers(0, 2, len(groups)).astype(float)
    y[:8] = [0, 1] * 4
    folds = folds_of(y, task, groups=groups, n_folds=k)
    assert folds.scheme == "group"
    check_partition(folds, y)
    for split in folds.splits:
        assert not np.intersect1d(groups[split.train], groups[split.valid]).size
    sizes = [len(split.valid) for split in folds.splits]
    assert max(sizes) <= len(y) / k + np.bincount(groups + 3).max() + 1


@many
@given(seed=seeds, copies=st.integers(2, 3), repeats=st.integers(1, 3))
def test_equal_rows_share_a_fold(seed: int, copies: int, repeats: int) -> None:
    rng = np.random.default_rng(seed)
    distinct = rng.integers(20, 60)
    ids = rng.permutation(np.repeat(np.arange(distinct), copies))
    y = rng.integers(0, 2, distinct)
    y[:4] = [0, 1, 0, 1]
    y = y[ids].astype(float)
    folds = folds_of(y, duplicates=ids, n_folds=4, repeats=repeats)
    check_partition(folds, y)
    assert not folds.warnings
    for split in folds.splits:
        assert not np.intersect1d(ids[split.train], ids[split.valid]).size
        assert set(y[split.valid]) <= set(y[split.train])


def test_rows_with_too_many_copies_are_spread() -> None:
    ids = np.append(np.zeros(60, dtype=int), np.arange(1, 41))
    y = np.tile([0.0, 1.0], 50)
    folds = folds_of(y, duplicates=ids, n_folds=5)
    check_partition(folds, y)
    assert [len(split.valid) for split in folds.splits] == [20] * 5
    assert "60 rows have more copies than fit a fold (up to 60)" in folds.warnings[0]


def test_too_few_different_rows_are_dealt_one_by_one() -> None:
    y = np.repeat([0.0, 1.0], 10)
    folds = folds_of(y, duplicates=np.repeat([0, 1, 2, 3], 5), n_folds=5)
    check_partition(folds, y)
    assert folds.splits[0].valid.size == 4


def test_a_class_whose_rows_are_all_copies_stays_in_training() -> None:
    y = np.array([2.0, 2.0] + [0.0, 1.0] * 20)
    folds = folds_of(y, Task.MULTICLASS, duplicates=np.append([0, 0], np.arange(1, 41)))
    assert folds.singletons == (2,)
    check_partition(folds, y, never=np.array([0, 1]))


def test_groups_and_copies_hold_together() -> None:
    rng = np.random.default_rng(1)
    groups, ids = np.repeat(np.arange(40), 5), np.arange(200)
    ids[[0, 7, 14]] = 0  # ties groups 0, 1 and 2
    y = rng.integers(0, 2, 200).astype(float)
    folds = folds_of(y, groups=groups, duplicates=ids, n_folds=5)
    check_partition(folds, y)
    for split in folds.splits:
        assert len(np.intersect1d(split.valid, [0, 7, 14])) in (0, 3)
        assert not np.intersect1d(groups[split.train], groups[split.valid]).size
    tied = folds_of(y, groups=groups, duplicates=np.arange(200) % 5, n_folds=5)
    assert "not kept in one fold" in tied.warnings[0]
    check_partition(tied, y)


@many
@given(seed=seeds, n=st.integers(1, 30), a=st.integers(1, 12), b=st.integers(1, 12))
def test_joined_units_are_the_connected_rows(seed: int, n: int, a: int, b: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, a, n), rng.integers(0, b, n)
    label = np.arange(n)
    for _ in range(n):  # the slow way: spread the least label along every tie
        for i in range(n):
            tied = (first == first[i]) | (second == second[i])
            label[tied] = label[tied].min()
    joined = join_units(first, second)
    assert np.array_equal(joined[:, None] == joined, label[:, None] == label)


@many
@given(
    seed=seeds,
    n=st.integers(20, 200),
    n_times=st.integers(8, 300),
    k=st.integers(1, 5),
    holdout=st.booleans(),
    grouped=st.booleans(),
)
def test_training_rows_come_before_validated_ones(
    seed: int, n: int, n_times: int, k: int, holdout: bool, grouped: bool
) -> None:
    rng = np.random.default_rng(seed)
    times = np.append([0.0, 1.0, 2.0], rng.integers(0, n_times, n - 3)).astype(float)
    times[-1] = np.nan
    groups = rng.integers(0, 50, n) if grouped else None
    asked = {"holdout": 0.25} if holdout else {"n_folds": k + 1}
    folds = folds_of(rng.normal(size=n), Task.REGRESSION, times=times, groups=groups, **asked)
    assert folds.refit
    assert folds.scheme == ("holdout" if holdout else "time")
    assert "without a time count as the earliest ones: 1." in folds.warnings[0]
    when = np.nan_to_num(times, nan=-1.0)
    start = -1.0
    for split in folds.splits:
        first, last = when[split.valid].min(), when[split.valid].max()
        assert when[split.train].max() < first
        assert first > start  # windows do not overlap and move on
        start = last
        if groups is not None:
            assert not np.intersect1d(groups[split.train], groups[split.valid]).size
        else:
            assert len(split.train) == (when < first).sum()


def test_time_windows_grow_and_cover_the_end() -> None:
    y, times = np.tile([0.0, 1.0], 60), np.arange(120.0)[::-1].copy()
    folds = folds_of(y, times=times, n_folds=5)
    assert [(len(s.train), len(s.valid)) for s in folds.splits] == [
        (20 * i, 20) for i in range(1, 6)
    ]
    assert 0 in folds.splits[-1].valid  # the first row of the file is the latest
    holdout = folds_of(y, times=times, holdout=0.25)
    assert np.array_equal(holdout.splits[0].valid, np.arange(30))


def test_time_windows_that_could_not_learn_are_left_out() -> None:
    y = np.append(np.zeros(60), np.tile([0.0, 1.0], 30))
    folds = folds_of(y, times=np.arange(120.0), n_folds=5)
    assert len(folds.splits) == 2
    assert "2 of 5 time-ordered splits are possible" in folds.warnings[0]
    for split in folds.splits:
        assert len(np.unique(y[split.train])) == 2
    with pytest.raises(DataError, match="No time-ordered split has two classes"):
        folds_of(np.append(np.zeros(30), np.ones(10)), times=np.arange(40.0), holdout=0.5)


def test_a_holdout_keeps_every_class_on_both_sides() -> None:
    y = classes(np.random.default_rng(4), [2, 3, 1, 500, 300])
    folds = folds_of(y, Task.MULTICLASS, holdout=0.2)
    (split,) = folds.splits
    assert (folds.scheme, folds.refit, folds.singletons) == ("holdout", True, (2,))
    assert len(split.valid) == pytest.approx(0.2 * len(y), abs=3)
    assert set(y[split.train]) == {0, 1, 2, 3, 4}
    assert set(y[split.valid]) == {0, 1, 3, 4}
    assert (y[split.valid] == 3).sum() == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    ("n", "n_cells", "splits", "repeats"),
    [(12, 60, 5, 3), (900, 1, 5, 3), (2500, 1, 8, 1), (3000, 1, 5, 1)],
)
def test_the_size_of_the_table_chooses_the_folds(
    n: int, n_cells: int, splits: int, repeats: int
) -> None:
    folds = folds_of(np.tile([0.0, 1.0], n // 2), n_cells=n_cells)
    assert len(folds.splits) == splits * repeats
    assert folds.n_repeats == repeats
    assert not folds.refit
    assert f"{splits} folds" in folds.reason


def test_very_large_tables_get_one_holdout_unless_asked_otherwise() -> None:
    y = np.tile([0.0, 1.0], 2000)
    by_cells = folds_of(y, n_cells=20_000_001)
    assert (by_cells.scheme, len(by_cells.splits[0].valid)) == ("holdout", 800)
    assert len(folds_of(y, n_cells=20_000_001, n_folds=3).splits) == 3
    y = np.tile([0.0, 1.0], 300_000)
    started = time.perf_counter()
    by_rows = folds_of(y)
    assert time.perf_counter() - started < 5.0
    assert (by_rows.scheme, len(by_rows.splits[0].valid)) == ("holdout", 100_000)


def test_the_seed_decides() -> None:
    y = np.tile([0.0, 1.0], 200)

    def valid(seed: int) -> list[list[int]]:
        return [split.valid.tolist() for split in folds_of(y, seed=seed).splits]

    assert valid(1) == valid(1)
    assert valid(1) != valid(2)
    assert valid(1)[:5] != valid(1)[5:10]  # a repeat is another partition


def test_few_groups_make_few_folds() -> None:
    y, groups = np.tile([0.0, 1.0], 30), np.repeat([5, 6, 9], 20)
    folds = folds_of(y, groups=groups)
    assert len(folds.splits) == 3
    assert "Only 3 groups" in folds.warnings[0]
    with pytest.raises(ConfigError, match="--folds is 5, but only 3 groups"):
        folds_of(y, groups=groups, n_folds=5)
    with pytest.raises(DataError, match="group column has a single value"):
        folds_of(y, groups=np.zeros(60, dtype=int))


def test_classes_in_one_group_only() -> None:
    y = np.append(np.tile([0.0, 1.0], 45), np.full(10, 2.0))
    groups = np.repeat(np.arange(10), 10)
    folds = folds_of(y, Task.MULTICLASS, groups=groups, n_folds=4)
    assert folds.singletons == (2,)
    check_partition(folds, y, never=np.arange(90, 100))
    many_rows = np.append(np.tile([0.0, 1.0], 25), np.full(50, 2.0))
    folds = folds_of(
        many_rows,
        Task.MULTICLASS,
        groups=np.append(np.repeat(np.arange(5), 10), [9] * 50),
        n_folds=3,
    )
    assert "occur in one group only" in folds.warnings[0]
    with pytest.raises(DataError, match="Fewer than two classes.*two groups"):
        folds_of(np.repeat([0.0, 1.0], 10), groups=np.repeat([0, 1], 10))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_folds": 1}, "--folds is 1, but 20 rows allow 2 to 10.*--holdout"),
        ({"n_folds": 11}, "--folds is 11"),
        ({"n_folds": 3, "holdout": 0.2}, "exclude each other"),
        ({"holdout": 0.0}, "--holdout is 0, which is not between"),
        ({"holdout": 1.0}, "--holdout is 1"),
        ({"holdout": 0.01}, "leaves one side without rows"),
        ({"repeats": 0}, "cannot be repeated 0 times"),
    ],
)
def test_options_that_cannot_be_met_are_refused(options: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        folds_of(np.tile([0.0, 1.0], 10), **options)


def test_tables_that_no_split_can_validate_are_refused() -> None:
    with pytest.raises(DataError, match="3 rows with a target cannot be split"):
        folds_of(np.array([0.0, 1.0, 0.0]))
    with pytest.raises(DataError, match="Fewer than two classes.*two rows"):
        folds_of(np.array([0.0] * 9 + [1.0]))
    with pytest.raises(DataError, match="time column has a single value"):
        folds_of(np.tile([0.0, 1.0], 10), times=np.ones(20))


def test_messages_name_the_classes() -> None:
    y = np.append([0.0, 1.0, 1.0], np.repeat([2.0, 3.0], 20))
    told = folds_of(y, Task.MULTICLASS, n_folds=5).messages(["lynx", "wolf", "cat", "dog"])
    assert told[0].startswith("Class 'lynx': the only row")
    assert told[1].startswith("Class 'wolf': fewer rows or groups than folds")


@many
@given(seed=seeds, n=st.integers(0, 40), p=st.integers(1, 4))
def test_equal_rows_get_equal_ids(seed: int, n: int, p: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 3, (n, p)).astype(float)
    numbers[numbers == 2] = np.nan
    frame = pd.DataFrame(numbers, columns=["same"] * p)
    frame["text"] = pd.Series(rng.choice(["a", "b"], n), dtype="str").where(rng.random(n) < 0.6)
    frame["flag"] = np.array([True, None], dtype=object)[rng.integers(0, 2, n)]
    ids = duplicate_rows(frame)
    keys: dict[tuple[str, ...], int] = {}
    expected = [keys.setdefault(tuple(map(repr, row)), len(keys)) for row in frame.to_numpy()]
    assert ids.tolist() == expected


def test_rows_without_columns_are_equal() -> None:
    assert duplicate_rows(pd.DataFrame(index=range(3))).tolist() == [0, 0, 0]
