"""Echo rows: how many, which, and where there are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from automl.data.duplicates import duplicate_rows
from automl.data.echo import repeat_share, with_echoes
from automl.data.folds import Asked, Ties, make_folds
from automl.data.splits import Folds
from automl.task import Task

FIVE = Asked(n_folds=5)


def repeated(n_single: int, n_twice: int) -> tuple[np.ndarray, np.ndarray]:
    """(ids, target) of a table in which `n_twice` rows are there twice."""
    ids = np.concatenate([np.arange(n_single), np.repeat(n_single + np.arange(n_twice), 2)])
    return ids, (ids % 2).astype(np.float64)


def folds_of(
    y: np.ndarray, ids: np.ndarray, asked: Asked = FIVE, times: np.ndarray | None = None
) -> Folds:
    return make_folds(
        y,
        Task.BINARY,
        n_classes=2,
        n_cells=len(y),
        seed=0,
        asked=asked,
        ties=Ties(duplicates=ids, times=times),
    )


def test_share_is_the_good_turing_estimate() -> None:
    ids, y = repeated(600, 200)
    assert repeat_share(ids, y) == pytest.approx(1 - 600 / 1000)
    assert repeat_share(np.arange(50), np.zeros(50)) == 0.0


def test_share_predicts_how_often_new_rows_repeat_known_ones() -> None:
    rng = np.random.default_rng(0)
    known, new = rng.integers(0, 8000, 4000), rng.integers(0, 8000, 4000)
    _, ids = np.unique(known, return_inverse=True)
    assert repeat_share(ids, (ids % 2).astype(np.float64)) == pytest.approx(
        np.isin(new, known).mean(), abs=0.05
    )


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_copies_that_agree_by_chance_echo_nothing(share: float) -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        _, ids = np.unique(rng.integers(0, 2000, 3000), return_inverse=True)
        noise = (rng.random(3000) < share).astype(np.float64)
        assert repeat_share(ids, noise) < 0.02


def test_copies_with_different_targets_echo_nothing() -> None:
    ids, y = repeated(600, 200)
    y[-400::2] = 0.0
    y[-399::2] = 1.0
    assert repeat_share(ids, y) == 0.0


def test_table_written_twice_counts_at_most_half() -> None:
    ids, y = repeated(0, 500)
    assert repeat_share(ids, y) == 0.5


def test_echoes_are_training_rows_with_copies_in_the_expected_number() -> None:
    ids, y = repeated(600, 200)
    folds = with_echoes(folds_of(y, ids), ids, y, seed=1)
    assert folds.repeat_share == pytest.approx(0.4)
    for split in folds.splits:
        assert set(split.echo) <= set(split.train)
        assert not set(ids[split.valid]) & set(ids[split.train])
        assert (np.bincount(ids)[ids[split.echo]] == 2).all()
        assert len(split.echo) / len(split.scored) == pytest.approx(0.4, abs=0.01)
        assert (split.scored[: len(split.valid)] == split.valid).all()


def test_no_echoes_where_new_rows_are_not_like_the_known_ones() -> None:
    ids, y = repeated(600, 200)
    times = np.arange(len(y), dtype=np.float64)
    for folds in (folds_of(y, ids, times=times), folds_of(y, ids, Asked(holdout=0.2))):
        assert with_echoes(folds, ids, y, seed=0) is folds


def test_same_seed_same_echoes() -> None:
    rng = np.random.default_rng(3)
    frame_ids = rng.integers(0, 300, 600)
    ids = duplicate_rows(pd.DataFrame({"a": frame_ids}))
    y = (ids % 2).astype(np.float64)
    folds = folds_of(y, ids)
    one = with_echoes(folds, ids, y, seed=7)
    two = with_echoes(folds, ids, y, seed=7)
    for a, b in zip(one.splits, two.splits, strict=True):
        assert np.array_equal(a.echo, b.echo)
