"""How a column's contributions follow its cells and those of a second column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import Kind
from automl.insight.toward import number_text, others_text
from automl.insight.view import day_text
from automl.model.explain import Explanation, cell_texts

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

OWN_BINS, OTHER_BINS = 12, 4  # of a column in its own plot, and of its partner
MISSING = "(missing)"


@dataclass(frozen=True)
class Bins:
    """Rows of equal or near cells.

    codes: (n,) bin of each row.  labels: of the bins, in the order of the column's values, or of
    levels by falling count; what is missing comes last.  missing: the bin of missing cells.
    """

    codes: Codes
    labels: tuple[str, ...]
    missing: int | None


def bins_of(explanation: Explanation, column: int, most: int, *, masked: bool) -> Bins:
    """The bins of a column: its levels, or ranges with about as many rows each.

    Levels beyond the `most` frequent are one bin. masked: levels are not named.
    """
    if explanation.kinds[column] in (Kind.NUMERIC, Kind.DATETIME):
        return _ranges(explanation, column, most, masked=masked)
    return _levels(explanation, column, most, masked=masked)


def _ranges(explanation: Explanation, column: int, most: int, *, masked: bool) -> Bins:
    numbers = explanation.numbers[:, column]
    there = np.isfinite(numbers)
    cuts = np.empty(0)
    if there.any():
        inner = np.linspace(0.0, 1.0, most + 1)[1:-1]
        cuts = np.unique(np.quantile(numbers[there], inner, method="lower"))
        cuts = cuts[cuts < numbers[there].max()]
    codes = np.searchsorted(cuts, numbers, side="left").astype(np.intp)
    used = np.unique(codes[there])
    codes = np.searchsorted(used, codes).astype(np.intp)
    date = explanation.kinds[column] is Kind.DATETIME
    labels = [_range_text(numbers[there & (codes == k)], date, masked) for k in range(len(used))]
    missing = None
    if not there.all():
        missing = len(labels)
        codes[~there] = missing
        labels.append(MISSING)
    return Bins(codes, tuple(labels), missing)


def _range_text(numbers: Floats, date: bool, masked: bool) -> str:
    if masked:
        return "•••"
    write = day_text if date else number_text
    low, high = write(float(numbers.min())), write(float(numbers.max()))
    return low if low == high else f"{low} to {high}"


def _levels(explanation: Explanation, column: int, most: int, *, masked: bool) -> Bins:
    texts = pd.Series(cell_texts(explanation.data.iloc[:, column]))
    counts = texts[texts != ""].value_counts()
    shown = [str(level) for level in counts.index[: most if len(counts) <= most else most - 1]]
    place = {level: k for k, level in enumerate(shown)}
    labels = [f"level {k + 1}" for k in range(len(shown))] if masked else list(shown)
    rest = len(labels)
    if len(counts) > len(shown):
        labels.append(others_text(len(counts) - len(shown)))
    missing = None
    codes: Codes = np.array([place.get(text, rest) for text in texts], dtype=np.intp)
    if (texts == "").any():
        missing = len(labels)
        codes[(texts == "").to_numpy(dtype=bool)] = missing
        labels.append(MISSING)
    return Bins(codes, tuple(labels), missing)


def within(explanation: Explanation, column: int, output: int) -> tuple[Floats, Codes]:
    """(n,) contributions less what the column's own cell says, and the bin of the cell.

    Within a range of numbers, a line through its rows is taken off as well.
    """
    bins = bins_of(explanation, column, OWN_BINS, masked=True)
    left = explanation.cube[:, column, output].astype(np.float64).copy()
    numbers = explanation.numbers[:, column]
    for k in range(len(bins.labels)):
        rows = np.flatnonzero(bins.codes == k)
        left[rows] -= left[rows].mean() if len(rows) else 0.0
        x = numbers[rows]
        if len(rows) < 3 or k == bins.missing or not np.isfinite(x).all():
            continue
        x = x - x.mean()
        size = float(x @ x)
        if size > 0:
            left[rows] -= x * float(x @ left[rows]) / size
    return left, bins.codes


def explained_spread(left: Floats, own: Codes, other: Codes) -> tuple[float, float]:
    """(standard deviation, share) of `left` that a second column's bins explain within own bins.

    Both are corrected for what as many random bins would explain; 0 where there is no more.
    """
    cells = own * (int(other.max()) + 1) + other
    _, place = np.unique(cells, return_inverse=True)
    counts = np.bincount(place)
    means = np.bincount(place, weights=left) / counts
    total = float(left @ left)
    between = float(counts @ (means * means))
    n, n_cells, n_own = len(left), len(counts), len(np.unique(own))
    spare = n - n_cells
    if total <= 0 or spare <= 0 or n_cells <= n_own:
        return 0.0, 0.0
    noise = (total - between) / spare
    real = between - (n_cells - n_own) * noise
    if real <= 0:
        return 0.0, 0.0
    return float(np.sqrt(real / n)), float(real / total)


def dependence(
    explanation: Explanation, column: int, output: int, *, masked: bool, rows: Codes
) -> dict[str, Any]:
    """A column's contributions by its cells: points and bins of numbers, or levels.

    rows: those that may be drawn as points.
    """
    kind = explanation.kinds[column]
    values = explanation.cube[:, column, output]
    bins = bins_of(explanation, column, OWN_BINS, masked=masked)
    found: dict[str, Any] = {
        "column": explanation.columns[column],
        "kind": kind.value,
        "output": explanation.outputs[output],
        "bins": [
            _spread(label, values[bins.codes == k])
            for k, label in enumerate(bins.labels)
            if (bins.codes == k).any()
        ],
        "points": None,
    }
    if kind in (Kind.NUMERIC, Kind.DATETIME) and not masked:
        x = explanation.numbers[rows, column]
        there = np.isfinite(x)
        found["points"] = {
            "x": rounded(x[there]),
            "y": rounded(values[rows][there]),
            "rows": rows[there].tolist(),
        }
    return found


def _spread(label: str, values: Floats) -> dict[str, Any]:
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return {
        "label": label,
        "n": len(values),
        "mean": float(values.mean()),
        "low": float(low),
        "median": float(middle),
        "high": float(high),
    }


def rounded(values: Floats) -> list[float]:
    """The values in six digits: a drawing shows no more, and a page holds thousands."""
    return [float(f"{value:.6g}") for value in values.tolist()]


def heights(explanation: Explanation, column: int, rows: Codes) -> list[float | None]:
    """Of each row, the place of its cell in the column, 0 = low … 1 = high; None = no number."""
    numbers = explanation.numbers[:, column]
    there = np.isfinite(numbers)
    if explanation.kinds[column] not in (Kind.NUMERIC, Kind.DATETIME, Kind.BOOLEAN):
        return [None] * len(rows)
    if there.sum() < 2 or np.ptp(numbers[there]) == 0:
        return [0.5 if there[row] else None for row in rows.tolist()]
    rank = pd.Series(numbers).rank(method="average").to_numpy(dtype=np.float64)
    place = (rank - np.nanmin(rank)) / (np.nanmax(rank) - np.nanmin(rank))
    return [round(float(place[row]), 3) if there[row] else None for row in rows.tolist()]
