"""The distribution of one column: a histogram of numbers, or the rows of its frequent levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.data.schema import Kind
from automl.insight.histogram import binned
from automl.insight.outliers import Outliers
from automl.insight.view import (
    Floats,
    View,
    level_counts,
    may_show,
    may_show_levels,
)

_N_BINS = 24
_MOST_LEVELS = 10
_FEW = 20  # distinct numbers that are drawn one by one
_STRETCH = 3.0  # a range so much wider than 99 % of the numbers is cut


@dataclass(frozen=True)
class Shape:
    """edges: (b + 1,) of a histogram, () for bars.  labels: (b,) of bars, () for a histogram.

    counts: (b,) rows.  below, above: rows beyond the range that is drawn.  rest: rows of the
    levels that are not drawn, and their number.  what: what is counted, such as "characters".
    """

    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    below: int = 0
    above: int = 0
    rest: tuple[int, int] = (0, 0)
    what: str = ""


def shape_of(view: View, outliers: Outliers | None) -> Shape | None:
    """The distribution, or None where it would show persons or identifiers, or nothing."""
    if view.is_id or (view.personal is not None and view.kind is not Kind.TEXT):
        return None
    if view.kind is Kind.TEXT and view.codes is not None:
        lengths = np.array([float(len(text)) for text in view.levels])
        return _histogram(lengths[view.codes[view.codes >= 0]], None, what="characters per cell")
    if view.kind is Kind.BOOLEAN and view.values is not None:
        present = view.values[~np.isnan(view.values)]
        counts = (int((present == 0).sum()), int((present == 1).sum()))
        return Shape(counts, labels=tuple(view.levels[:2]))
    if view.codes is not None:
        return _bars(view)
    return _histogram(view.present, outliers)


def _bars(view: View) -> Shape | None:
    if not may_show_levels(view):
        return None
    counts = level_counts(view)
    shown = [i for i in range(min(_MOST_LEVELS, len(counts))) if may_show(counts[i])]
    rest = int(counts.sum() - counts[shown].sum())
    labels = tuple(view.levels[i][:60] for i in shown)
    return Shape(
        tuple(counts[shown].tolist()), labels=labels, rest=(rest, len(counts) - len(shown))
    )


def _histogram(values: Floats, outliers: Outliers | None, what: str = "") -> Shape | None:
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    if outliers is not None:
        low, high = max(low, outliers.low), min(high, outliers.high)
        inside = values[(values >= low) & (values <= high)]
        low, high = float(inside.min()), float(inside.max())
    elif len(values) >= 50:
        some = values[:: max(1, len(values) // 50_000)]
        q1, middle, q99 = np.quantile(some, (0.005, 0.5, 0.995)).tolist()
        if high - middle > _STRETCH * (q99 - middle):
            high = q99
        if middle - low > _STRETCH * (middle - q1):
            low = q1
    edges = _edges(values, low, high)
    first, last = float(edges[0]), float(edges[-1])
    counts = binned(values, first, last, len(edges) - 1).astype(np.int64)
    below = int((values < first).sum())
    above = len(values) - int(counts.sum()) - below
    return Shape(
        tuple(counts.tolist()), edges=tuple(edges.tolist()), below=below, above=above, what=what
    )


def _edges(values: Floats, low: float, high: float) -> Floats:
    """Bins of equal width; around whole numbers where there are few of them."""
    if high <= low:
        width = max(abs(low) * 1e-3, 0.5)
        return np.array([low - width, low + width])
    if bool((values[:10_000] % 1 == 0).all()):
        span = int(high - low) + 1
        step = max(1, -(-span // _N_BINS))
        n_bins = -(-span // step)
        return low - 0.5 + step * np.arange(n_bins + 1, dtype=np.float64)
    return np.linspace(low, high, _N_BINS + 1)
