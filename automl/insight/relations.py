"""How columns go together: one matrix over numbers and categories.

Notation: n = rows looked at, k = columns, l = levels of a category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import Kind
from automl.insight.view import Codes, Floats, View

MOST_COLUMNS = 200
_MOST_LEVELS = 50
_LEAST_PAIRS = 20
_CELLS = 400_000_000  # rows times pairs of columns, about two seconds
_FEWEST_ROWS, _MOST_ROWS = 1000, 20_000
SAME = 0.98


@dataclass(frozen=True)
class Relations:
    """strength: (k, k) in -1..1: Spearman's rank correlation of two numbers; the correlation
    ratio (eta) of a number and a category and Cramér's V of two categories, both in 0..1 and
    corrected for chance (Bergsma 2013); NaN with too few common rows.  pearson: (k, k), NaN
    unless both are numbers.  n_rows: rows that it was computed on.  left_out: columns too many.
    """

    names: tuple[str, ...]
    numeric: tuple[bool, ...]
    strength: Floats
    pearson: Floats
    n_rows: int
    left_out: int

    def measure(self, i: int, j: int) -> str:
        n_numbers = self.numeric[i] + self.numeric[j]
        return ("Cramér's V", "correlation ratio", "Spearman")[n_numbers]

    def strongest(self) -> list[tuple[int, int]]:
        """Pairs of columns, the strongest first."""
        rows, columns = np.triu_indices(len(self.names), 1)
        size = np.nan_to_num(np.abs(self.strength[rows, columns]))
        order = np.argsort(-size, kind="stable")
        return [(int(rows[i]), int(columns[i])) for i in order]


def relate(views: Sequence[View], seed: int) -> Relations | None:
    """The relations of the columns that vary and repeat; None for fewer than two of them."""
    usable = [view for view in views if _usable(view)]
    kept = sorted(usable[:MOST_COLUMNS], key=lambda view: not view.is_number)
    if len(kept) < 2:
        return None
    n = len(kept[0].absent)
    size = int(np.clip(_CELLS / len(kept) ** 2, _FEWEST_ROWS, _MOST_ROWS))
    rows = np.arange(n)
    if n > size:
        rows = np.sort(np.random.default_rng([seed, 11]).choice(n, size, replace=False))
    numbers = [view.values[rows] for view in kept if view.is_number and view.values is not None]
    codes = [_few_levels(view)[rows] for view in kept if not view.is_number]
    a = len(numbers)
    strength = np.full((len(kept), len(kept)), np.nan)
    pearson = strength.copy()
    if numbers:
        frame = pd.DataFrame(np.column_stack(numbers))
        pearson[:a, :a] = _correlated(frame)
        strength[:a, :a] = _correlated(frame.rank())
        for j, category in enumerate(codes):
            ratio = _correlation_ratios(frame.to_numpy(), category)
            strength[:a, a + j] = strength[a + j, :a] = ratio
    for i, one in enumerate(codes):
        for j in range(i):
            strength[a + i, a + j] = strength[a + j, a + i] = _cramers_v(one, codes[j])
    np.fill_diagonal(strength, 1.0)
    names = tuple(view.name for view in kept)
    numeric = tuple(view.is_number for view in kept)
    return Relations(names, numeric, strength, pearson, len(rows), len(usable) - len(kept))


def _usable(view: View) -> bool:
    return view.varies and not view.is_id and view.kind is not Kind.TEXT


def _correlated(frame: pd.DataFrame) -> Floats:
    with np.errstate(all="ignore"):
        return frame.corr(min_periods=_LEAST_PAIRS).to_numpy()


def _few_levels(view: View) -> Codes:
    """Codes with all rare levels as one."""
    if view.codes is None:
        assert view.values is not None
        return np.nan_to_num(view.values, nan=-1.0).astype(np.int64)
    return np.minimum(view.codes, _MOST_LEVELS)


def _correlation_ratios(numbers: Floats, codes: Codes) -> Floats:
    """(k,) eta of each column of (n, k) `numbers` with one category."""
    out = np.full(numbers.shape[1], np.nan)
    for j, column in enumerate(numbers.T):
        both = ~np.isnan(column) & (codes >= 0)
        x, level = column[both], codes[both]
        n, counts = len(x), np.bincount(level)
        n_levels = int((counts > 0).sum())
        if n < _LEAST_PAIRS or n_levels < 2 or n <= n_levels or np.ptp(x) == 0:
            continue
        x = (x - x.mean()) / x.std()
        sums = np.bincount(level, x)
        explained = float((sums**2 / np.maximum(counts, 1)).sum()) / n
        out[j] = np.sqrt(max(0.0, 1.0 - (1.0 - explained) * (n - 1) / (n - n_levels)))
    return out


def _cramers_v(a: Codes, b: Codes) -> float:
    """Cramér's V, corrected for chance: W. Bergsma, A bias-correction for Cramér's V, 2013."""
    both = (a >= 0) & (b >= 0)
    n = int(both.sum())
    if n < _LEAST_PAIRS:
        return float("nan")
    width = int(b[both].max()) + 1
    table = np.bincount(a[both] * width + b[both])
    table = np.pad(table, (0, -len(table) % width)).reshape(-1, width).astype(np.float64)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    r, c = table.shape
    if min(r, c) < 2:
        return float("nan")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = float(((table - expected) ** 2 / expected).sum()) / n
    phi = max(0.0, phi - (r - 1) * (c - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(min(1.0, np.sqrt(phi / least))) if least > 0 else float("nan")


def twins(frame: pd.DataFrame, views: Sequence[View]) -> list[tuple[str, str]]:
    """(column, earlier column) with equal cells in all rows, missing ones included."""
    found: list[tuple[str, str]] = []
    first: dict[tuple[object, ...], list[int]] = {}
    for i, view in enumerate(views):
        if view.distinct < 2:
            continue
        alike = first.setdefault((str(frame.dtypes.iloc[i]), view.distinct, view.missing), [])
        other = next((j for j in alike if _equal(frame, i, j)), None)
        if other is None:
            alike.append(i)
        else:
            found.append((view.name, views[other].name))
    return found


def _equal(frame: pd.DataFrame, i: int, j: int) -> bool:
    head = slice(0, 1000)
    a, b = frame.iloc[:, i], frame.iloc[:, j]
    return bool(a.iloc[head].equals(b.iloc[head])) and bool(a.equals(b))


def natural_copies(views: Sequence[View]) -> float:
    """Expected share of all pairs of rows that are equal if columns were independent."""
    log = 0.0
    for view in views:
        cells: NDArray[np.generic] = view.codes if view.codes is not None else _cells(view)
        counts = np.unique(cells, return_counts=True)[1].astype(np.float64)
        n = counts.sum()
        pairs = float((counts * (counts - 1)).sum()) / max(n * (n - 1), 1.0)
        log += float(np.log(max(pairs, 1.0 / max(n * n, 1.0))))
    return float(np.exp(max(log, -700.0)))


def _cells(view: View) -> Floats:
    assert view.values is not None
    return np.nan_to_num(view.values, nan=-1.234567e300)
