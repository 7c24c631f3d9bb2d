"""Which cells are missing together: the patterns of missing columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from automl.insight.view import View

_MOST_PATTERNS = 12
_MOST_COLUMNS = 24


@dataclass(frozen=True)
class Holes:
    """columns: those with missing cells, most first.  patterns: per pattern the indices of the
    columns that are missing together, and the number of rows that show exactly it.
    n_complete: rows without a missing cell.  n_rows: all rows.  others: rows of further patterns.
    left_out: columns with missing cells beyond the first.
    """

    columns: tuple[str, ...]
    patterns: tuple[tuple[tuple[int, ...], int], ...]
    n_complete: int
    n_rows: int
    others: int
    left_out: int


def find_holes(frame: pd.DataFrame, views: Sequence[View]) -> Holes | None:
    """The patterns of missing cells in all rows of `frame`; None where no cell is missing."""
    order = sorted(
        (i for i, view in enumerate(views) if view.missing > 0), key=lambda i: -views[i].missing
    )
    if not order:
        return None
    shown = order[:_MOST_COLUMNS]
    gone = frame.iloc[:, shown].isna().to_numpy()
    bits = np.ascontiguousarray(np.packbits(gone, axis=1))
    keys = bits.view(np.dtype((np.void, bits.shape[1]))).ravel()
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    by_count = sorted(zip(first.tolist(), counts.tolist(), strict=True), key=lambda p: -p[1])
    found = [(tuple(np.flatnonzero(gone[row]).tolist()), count) for row, count in by_count]
    broken = [(columns, count) for columns, count in found if columns]
    kept = broken[:_MOST_PATTERNS]
    return Holes(
        columns=tuple(views[i].name for i in shown),
        patterns=tuple(kept),
        n_complete=sum(count for columns, count in found if not columns),
        n_rows=len(frame),
        others=sum(count for _, count in broken[_MOST_PATTERNS:]),
        left_out=len(order) - len(shown),
    )
