"""Echoes: training rows that stand for new rows which repeat known ones.

Copies of a row share a fold, so that a score speaks for rows that were never seen. But where a
table repeats itself, so will new data: by Good and Turing (Good, The population frequencies of
species and the estimation of population parameters, 1953) a new row repeats a known one with a
probability of 1 - (rows without a copy) / (all rows). A model that is chosen for new rows alone
is then more cautious than it should be. So choices (tree counts, pruning, blend, calibration)
count rows of both kinds in that proportion; scores that are reported never do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from automl.data.folds import Folds, IntArray, Split

_LEAST_SHARE = 0.02  # below, choices would not change
_MOST_SHARE = 0.5  # more looks like rows that were written several times by mistake


def repeat_share(duplicates: IntArray, y: NDArray[np.float64]) -> float:
    """Probability that a new row repeats a known one whose copies agree on the target, 0..0.5.

    duplicates: (n,) ids of rows that are equal in all columns.  y: (n,) target.
    """
    sizes = np.bincount(duplicates)
    repeats = 1.0 - np.count_nonzero(sizes == 1) / len(duplicates)
    several = np.count_nonzero(sizes[duplicates] > 1)
    if not several:
        return 0.0
    agreeing = np.count_nonzero(_can_echo(duplicates, y)) / several
    return min(repeats * agreeing, _MOST_SHARE)


def with_echoes(
    folds: Folds, duplicates: IntArray, y: NDArray[np.float64], *, seed: int
) -> tuple[Folds, float]:
    """`folds` with echo rows in every split, and the share of new rows that they stand for.

    A split's echoes are random training rows of it that have copies, all of one target value. The
    share is 0, and the folds are unchanged, where new rows are not drawn like the known ones
    (groups, time), for a single holdout, and where hardly any row has a copy.
    """
    share = repeat_share(duplicates, y)
    if share < _LEAST_SHARE or folds.scheme not in ("stratified", "kfold"):
        return folds, 0.0
    rng = np.random.default_rng(seed)
    can_echo = _can_echo(duplicates, y)
    splits = tuple(_with_echo(split, can_echo, share, rng) for split in folds.splits)
    return replace(folds, splits=splits), share


def _with_echo(
    split: Split, can_echo: NDArray[np.bool_], share: float, rng: np.random.Generator
) -> Split:
    pool = split.train[can_echo[split.train]]
    wanted = round(share / (1.0 - share) * len(split.valid))
    return replace(split, echo=np.sort(rng.permutation(pool)[:wanted]))


def _can_echo(duplicates: IntArray, y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) whether a row has a copy and all its copies have the same target."""
    n_groups = int(duplicates.max()) + 1
    low, high = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
    np.minimum.at(low, duplicates, y)
    np.maximum.at(high, duplicates, y)
    agreeing = (np.bincount(duplicates) > 1) & (low == high)
    return np.asarray(agreeing[duplicates])
