"""Nested parts of a split's training rows, for the learning curve, and the rows that stop them.

Notation: n = rows that a split trains on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.features.matrix import IntArray
from automl.search.stopping import hold_back
from automl.search.store import RunData

Rows = NDArray[np.intp]
_BINS = 10  # of a numeric target, whose shares every part keeps


def part_rows(data: RunData, split: int, share: float) -> tuple[IntArray, IntArray]:
    """(rows to train on, rows whose loss is the curve) for about `share` of a split's rows.

    A smaller part lies within a larger one, of the same run. Rows of one group stay together.
    Classes, and tenths of a numeric target, have their shares, and every class has a row. Where
    rows have a time, a part holds the latest ones.
    The curve is of training rows that the part leaves out, as many as validate the split at most;
    where splits hold rows back to stop their training, the part does so too.
    """
    train = data.splits[split].train
    order, ends = _order(data, train)
    n_part = int(ends[np.searchsorted(ends, min(share, 1.0) * len(train), side="left")])
    part = np.sort(train[order[:n_part]])
    if data.inner_stop or n_part == len(train):
        return hold_back(data, part)
    n_stop = min(len(train) - n_part, max(len(data.splits[split].valid), 1))
    return part, np.sort(train[order[n_part : n_part + n_stop]])


def _order(data: RunData, train: IntArray) -> tuple[Rows, Rows]:
    """((n,) positions in `train`, a prefix being a part, and the rising sizes parts may have)."""
    _, units = np.unique(data.groups[train], return_inverse=True)
    rng = np.random.default_rng([data.seed, 5])
    chance = rng.permutation(int(units.max()) + 1)  # of each unit
    if data.times is not None:
        latest = np.full(len(chance), -np.inf)
        np.maximum.at(latest, units, data.times[train])
        rank = np.lexsort((chance, -latest))
    else:
        rank = _spread(_strata(data, train, units), chance, classes=data.task.is_classification)
    place = np.empty(len(rank), dtype=np.intp)
    place[rank] = np.arange(len(rank))
    order = np.argsort(place[units], kind="stable")
    return order, np.cumsum(np.bincount(place[units]))


def _strata(data: RunData, train: IntArray, units: Rows) -> Rows:
    """(n_units,) the class, or the tenth of the target, of each unit's first row."""
    first = np.unique(units, return_index=True)[1]
    y = data.y[train][first]
    if data.task.is_classification:
        return y.astype(np.intp)
    edges = np.quantile(y, np.linspace(0.0, 1.0, _BINS + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, y, side="right"), dtype=np.intp)


def _spread(strata: Rows, chance: Rows, *, classes: bool) -> Rows:
    """(n_units,) units in an order in which every prefix holds the strata in their shares."""
    by_stratum = np.lexsort((chance, strata))
    sizes = np.bincount(strata)
    starts = np.cumsum(sizes) - sizes
    nth = np.empty(len(strata), dtype=np.intp)
    nth[by_stratum] = np.arange(len(strata)) - starts[strata[by_stratum]]
    at = (nth + 0.5) / sizes[strata]
    if classes:
        at[nth == 0] = 0.0  # one of each class comes first
    return np.lexsort((chance, at))
