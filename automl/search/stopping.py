"""Rows held back to stop training, for a split that has no sibling to choose its tree count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.features.matrix import IntArray
from automl.search.store import RunData


def stopping_rows(data: RunData, split: int) -> tuple[IntArray, IntArray]:
    """(rows to train on, rows whose loss is the curve) of a split.

    With siblings (`data.inner_stop` is 0) the curve comes from the scored rows, and the split is
    scored at the count that the siblings choose. Else a share of the training rows is held back:
    the latest by time, or whole groups (copies of a row are one), but never all rows of a class.
    """
    train = data.splits[split].train
    if not data.inner_stop:
        return train, data.splits[split].scored
    return hold_back(data, train)


def hold_back(data: RunData, train: IntArray) -> tuple[IntArray, IntArray]:
    """`train` without the rows that stop the training, and those: `data.inner_stop` of them."""
    n_held = max(1, int(len(train) * data.inner_stop))
    if data.times is not None:
        held = np.zeros(len(train), dtype=bool)
        held[np.argsort(data.times[train], kind="stable")[-n_held:]] = True
    else:
        held = _whole_groups(data.groups[train], n_held, seed=data.seed)
    if data.task.is_classification:
        held &= ~_rows_of_lost_classes(data.y[train], held)
    return train[~held], train[held]


def _whole_groups(groups: IntArray, n_rows: int, *, seed: int) -> NDArray[np.bool_]:
    """(n,) True for about `n_rows` rows that make up whole groups, drawn at random."""
    _, codes = np.unique(groups, return_inverse=True)
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    taken = order[np.cumsum(sizes[order]) <= n_rows]
    # One group larger than the share: the smallest must do.
    taken = taken if len(taken) else np.array([int(np.argmin(sizes))])
    return np.isin(codes, taken)


def _rows_of_lost_classes(y: NDArray[np.float64], held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) True for rows of classes that `held` would take out of training altogether."""
    codes = y.astype(np.int64)
    left = np.bincount(codes[~held], minlength=int(codes.max()) + 1)
    return np.asarray(left[codes] == 0)
