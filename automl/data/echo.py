"""Echoes: training rows that stand for new rows which repeat known ones.

Copies of a row share a fold, so that a score speaks for rows that were never seen. But where a
table repeats itself, so will new data: by Good and Turing (Good, The population frequencies of
species and the estimation of population parameters, 1953) a new row repeats a known one with a
probability of 1 - (rows without a copy) / (all rows). A model that is chosen for new rows alone
is then more cautious than it should be. So choices (tree counts, pruning, blend, calibration)
count rows of both kinds in that proportion, and so does the headline, which says how much of it
that is; the scores of folds and candidates never do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from automl.data.splits import Folds, IntArray, Split

_LEAST_SHARE = 0.02  # below, choices would not change
_CLEAR = 3.0  # standard errors
_MOST_SHARE = 0.5  # more looks like rows that were written several times by mistake


def repeat_share(duplicates: IntArray, y: NDArray[np.float64]) -> float:
    """Probability that a new row repeats a known one and its target with it, 0..0.5.

    duplicates: (n,) ids of rows that are equal in all columns.  y: (n,) target.
    The Good-Turing estimate, times how far copies agree on the target beyond chance (Cohen's
    kappa of pairs of copies, 1960); 0 where that is not clearly more than chance.
    """
    sizes = np.bincount(duplicates)
    repeats = 1.0 - np.count_nonzero(sizes == 1) / len(duplicates)
    return float(min(repeats * _agreement(duplicates, y), _MOST_SHARE))


def _agreement(duplicates: IntArray, y: NDArray[np.float64]) -> float:
    """Kappa of the targets of two copies of one row: 0 = as by chance, 1 = always equal."""
    _, codes = np.unique(y, return_inverse=True)
    sizes = np.bincount(duplicates).astype(np.float64)
    n_pairs = float((sizes * (sizes - 1)).sum())
    if n_pairs == 0:
        return 0.0
    several = sizes[duplicates] > 1
    cells = duplicates[several].astype(np.int64) * (int(codes.max()) + 1) + codes[several]
    _, same = np.unique(cells, return_counts=True)
    agree = float((same * (same - 1.0)).sum()) / n_pairs
    chance = float(((np.bincount(codes[several]) / several.sum()) ** 2).sum())
    if chance >= 1.0:
        return 0.0  # copies have one target only: nothing could disagree
    error = np.sqrt(max(agree * (1.0 - agree), 0.0) / np.count_nonzero(sizes > 1))
    clear = agree - chance > _CLEAR * error
    return max((agree - chance) / (1.0 - chance), 0.0) if clear else 0.0


def with_echoes(folds: Folds, duplicates: IntArray, y: NDArray[np.float64], *, seed: int) -> Folds:
    """`folds` with echo rows in every split and the share of new rows that they stand for.

    A split's echoes are random training rows of it that have copies, all of one target value. The
    folds are unchanged where new rows are not drawn like the known ones (groups, time), for a
    single holdout, and where hardly any row has a copy.
    """
    share = repeat_share(duplicates, y)
    if share < _LEAST_SHARE or folds.scheme not in ("stratified", "kfold"):
        return folds
    rng = np.random.default_rng(seed)
    can_echo = _can_echo(duplicates, y)
    splits = tuple(_with_echo(split, can_echo, share, rng) for split in folds.splits)
    return replace(folds, splits=splits, repeat_share=share)


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
