"""Deal units of rows to parts, so that every part is a small image of the table.

Notation: a *unit* is a set of rows that are never parted (a group, the copies of one row, or a
single row); a *stratum* is a class or a bin of the target; `share` (n_parts,) is how much of the
rows each part should get, summing to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

# Placing units one by one is best but slow: so many take about 0.05 s.
_ONE_BY_ONE = 3000
# A unit is large when it holds more than this share of a part: it is placed on its own then.
_LARGE = 0.02


@dataclass(frozen=True)
class Units:
    """Which rows belong together and which strata they hold.

    of_row: (n_rows,) unit of each row, 0..n-1.  size: (n,) rows of each unit.
    pair_unit, pair_stratum, pair_rows: the (unit, stratum) pairs that occur, by rising unit,
        and their rows.  spread: (n_strata,) units in which each stratum occurs.
    """

    of_row: IntArray
    size: IntArray
    pair_unit: IntArray
    pair_stratum: IntArray
    pair_rows: IntArray
    spread: IntArray

    @property
    def n(self) -> int:
        return len(self.size)

    @classmethod
    def of(cls, unit: IntArray, strata: IntArray, n_strata: int) -> Units:
        """Units from (n_rows,) ids of any numbering and (n_rows,) strata 0..n_strata-1."""
        of_row = np.unique(unit, return_inverse=True)[1]
        pairs, rows = np.unique(of_row * n_strata + strata, return_counts=True)
        stratum = pairs % n_strata
        spread = np.bincount(stratum, minlength=n_strata)
        return cls(of_row, np.bincount(of_row), pairs // n_strata, stratum, rows, spread)

    def rarest(self) -> IntArray:
        """(n,) index of the pair that holds the stratum found in fewest units, for each unit."""
        order = np.lexsort((self.spread[self.pair_stratum], self.pair_unit))
        first = np.searchsorted(self.pair_unit[order], np.arange(self.n))
        return np.asarray(order[first])


def join_units(first: IntArray, second: IntArray) -> IntArray:
    """(n_rows,) ids of the finest units that part neither the units of `first` nor of `second`."""
    first = np.unique(first, return_inverse=True)[1]
    second = np.unique(second, return_inverse=True)[1]
    label = np.arange(len(first))
    while True:
        before = label
        for ids in (first, second):
            least = np.full(ids.max() + 1, len(ids))
            np.minimum.at(least, ids, label)
            label = least[ids]
        # A label is itself a row, whose own label is at least as small: chains halve each round.
        label = label[label]
        if np.array_equal(label, before):
            return label


def deal(units: Units, share: Floats, *, pinned: NDArray[np.bool_], seed: list[int]) -> IntArray:
    """(n_units,) part of each unit, -1 for `pinned` units.

    Rows and strata are spread over the parts by `share`. A stratum found in few units is in as
    many parts as it has units, and first in the larger ones. Same seed, same parts.
    """
    rng = np.random.default_rng(seed)
    part = np.full(units.n, -1, dtype=np.int64)
    rarest = units.rarest()
    own = units.pair_stratum[rarest]
    few = units.spread[own] <= min(math.ceil(1.0 / share.min()), 100)
    if units.n <= _ONE_BY_ONE and units.size.max() > 1:
        alone = np.ones(units.n, dtype=bool)
    else:
        alone = few | ((units.size > 1) & (units.size > _LARGE * share.min() * units.size.sum()))
    luck = rng.permutation(units.n)
    order = np.lexsort((luck, -units.size, np.where(few, units.spread[own], len(luck))))
    load = _place(units, order[(alone & ~pinned)[order]], part, share, own)
    rest = np.flatnonzero(~alone & ~pinned)
    if len(rest):
        keys = (luck[rest], -units.size[rest], -units.pair_rows[rarest][rest], own[rest])
        room = np.maximum(share * units.size[~pinned].sum() - load, 0.0)
        part[rest[np.lexsort(keys)]] = _rounds(len(rest), room, rng)
    return _without_empty(part, units.size, len(share))


def _without_empty(part: IntArray, size: IntArray, n_parts: int) -> IntArray:
    """`part` after giving the smallest unit of the fullest part to each part that has none."""
    counts = np.bincount(part[part >= 0], minlength=n_parts)
    for empty in np.flatnonzero(counts == 0):
        fullest = int(np.argmax(counts))
        candidates = np.flatnonzero(part == fullest)
        part[candidates[np.argmin(size[candidates])]] = empty
        counts[fullest] -= 1
        counts[empty] += 1
    return part


def _place(units: Units, order: IntArray, part: IntArray, share: Floats, own: IntArray) -> Floats:
    """Write the part of the units in `order` one by one; (n_parts,) rows that each part got.

    Each unit goes where rows of its strata are missing most, by the fall in the sum of squared
    gaps relative to the size of a stratum; all rows together count as one more stratum.
    """
    n_strata = len(units.spread)
    rows = np.bincount(units.pair_stratum, weights=units.pair_rows, minlength=n_strata)
    total = np.append(rows, rows.sum())
    gap = np.outer(total, share)  # (n_strata + 1, n_parts) rows still wanted
    empty = np.ones((n_strata, len(share)))
    ends = np.searchsorted(units.pair_unit, np.arange(units.n + 1))
    most = 2.0 * total[-1]
    for unit in order:
        pairs = slice(ends[unit], ends[unit + 1])
        strata = np.append(units.pair_stratum[pairs], n_strata)
        added = np.append(units.pair_rows[pairs], units.size[unit])
        gain = (added / total[strata]) @ gap[strata]
        chosen = int(np.argmax(gain + most * empty[own[unit]]))
        part[unit] = chosen
        gap[strata, chosen] -= added
        empty[strata[:-1], chosen] = 0.0
    return np.asarray(total[-1] * share - gap[-1])


def _rounds(n: int, room: Floats, rng: np.random.Generator) -> IntArray:
    """(n,) parts in turns, each as often as its room asks and evenly spaced."""
    wanted = n * room / room.sum()
    times = np.floor(wanted).astype(np.int64)
    times[np.argsort(times - wanted, kind="stable")[: n - times.sum()]] += 1
    names = rng.permutation(len(room))
    if times.max() - times.min() <= 1:
        # Plain turns are exact in every window; the parts that get one more come first.
        names = names[np.argsort(-times[names], kind="stable")]
        return np.asarray(names[np.arange(n) % len(names)])
    moment = np.concatenate([(np.arange(count) + 0.5) / count for count in times[names] if count])
    return np.asarray(np.repeat(names, times[names])[np.argsort(moment, kind="stable")])
