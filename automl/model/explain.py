"""An explanation: contributions of the original columns to the margin, and their summaries.

Notation: n = rows, c = used original columns, k = outputs (classes for multiclass, else 1).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import Kind

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reasons:
    """The columns that moved each row's margin most, by falling absolute contribution.

    columns, values: (n, k) objects, names and cells as text ("" = missing).
    contributions: (n, k) float64, margin units of the explained output.
    """

    columns: NDArray[np.object_]
    values: NDArray[np.object_]
    contributions: Floats

    def to_frame(self) -> pd.DataFrame:
        """(n, 3k) table: `reason_<i>`, `reason_<i>_value`, `reason_<i>_contribution`, i from 1."""
        table: dict[str, Any] = {}
        for j in range(self.columns.shape[1]):
            table[f"reason_{j + 1}"] = self.columns[:, j]
            table[f"reason_{j + 1}_value"] = self.values[:, j]
            table[f"reason_{j + 1}_contribution"] = self.contributions[:, j]
        return pd.DataFrame(table, index=pd.RangeIndex(len(self.columns)))


@dataclass(frozen=True, eq=False)
class Importance:
    """How much, and in which direction, each column moves the margins of some rows.

    mean_abs: (c, k) mean absolute contribution, margin units.
    correlation: (c, k) Spearman rank correlation of the column's value with its contribution;
        NaN for columns that are not numbers, booleans or dates, and where either is constant.
    """

    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    mean_abs: Floats
    correlation: Floats
    n_rows: int

    @property
    def total(self) -> Floats:
        """(c,) mean absolute contributions, added over the outputs."""
        return np.asarray(self.mean_abs.sum(axis=1))

    @property
    def order(self) -> NDArray[np.intp]:
        """(c,) indices of the columns by falling total; file order among equals."""
        return np.argsort(-self.total, kind="stable")

    @property
    def direction(self) -> Floats:
        """(c, k) sign of the correlation: +1 = larger values raise the output."""
        return np.sign(self.correlation)

    def table(self) -> pd.DataFrame:
        """One row per column by falling importance: column, importance, share, direction.

        With several outputs, importance and direction follow for each of them.
        """
        total, order = self.total, self.order
        share = total / total.sum() if total.sum() > 0 else total
        table: dict[str, Any] = {
            "column": [self.columns[i] for i in order],
            "importance": total[order],
            "share": share[order],
        }
        if len(self.outputs) == 1:
            table["direction"] = self.direction[order, 0]
        else:
            for j, output in enumerate(self.outputs):
                table[f"importance_{output}"] = self.mean_abs[order, j]
                table[f"direction_{output}"] = self.direction[order, j]
        return pd.DataFrame(table)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON: columns by falling importance, each with one entry per output."""
        total = self.total
        return {
            "rows": self.n_rows,
            "outputs": list(self.outputs),
            "columns": [
                {
                    "column": self.columns[i],
                    "importance": float(total[i]),
                    "share": float(total[i] / total.sum()) if total.sum() > 0 else 0.0,
                    "by_output": [
                        {
                            "output": output,
                            "importance": float(self.mean_abs[i, j]),
                            "correlation": _number_or_none(self.correlation[i, j]),
                            "direction": _number_or_none(self.direction[i, j]),
                        }
                        for j, output in enumerate(self.outputs)
                    ],
                }
                for i in self.order
            ],
        }


@dataclass(frozen=True, eq=False)
class Explanation:
    """Exact SHAP values of a predictor in the original columns.

    values: (n, c), or (n, c, classes) for multiclass, (n, c, levels) for several quantiles;
        margin units (log-odds of the positive class, raw score of a class, or (transformed)
        target units).
    base_values: (n,) or (n, classes); margin: the same shape; values.sum(1) + base_values is the
        margin, up to rounding: see `additivity_error`.
    columns: names of all used original columns.  data: (n, c) original cells.
    classes: label texts, () for regression, or the names of several quantiles.
    numbers: (n, c) cells of numeric, boolean and datetime columns as float64, else NaN.
    kinds: of the columns.
    predicted: (n,) index of the predicted class for multiclass, or of the middle one of several
        quantiles, whose margins are not put in order; else None.
    """

    values: Floats
    base_values: Floats
    margin: Floats
    columns: tuple[str, ...]
    data: pd.DataFrame
    classes: tuple[str, ...]
    numbers: Floats
    kinds: tuple[Kind, ...]
    predicted: NDArray[np.intp] | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the margins speak for: the classes, the positive class, or "prediction"."""
        if self.values.ndim == 3:
            return self.classes
        return (self.classes[1],) if self.classes else ("prediction",)

    def of_output(self, place: int) -> Explanation:
        """The explanation of one output of several, as that of a regression."""
        return replace(
            self,
            values=self.values[:, :, place],
            base_values=self.base_values[:, place],
            margin=self.margin[:, place],
            classes=(),
            predicted=None,
        )

    @cached_property
    def cube(self) -> Floats:
        """(n, c, k) values, also with one output."""
        return self.values if self.values.ndim == 3 else self.values[:, :, np.newaxis]

    @property
    def additivity_error(self) -> float:
        """Largest |Σ values + base − margin| / max(1, |margin|, Σ |values|) of a row and class."""
        if len(self.values) == 0:
            return 0.0
        gap = np.abs(self.values.sum(axis=1) + self.base_values - self.margin)
        size = np.maximum(np.abs(self.margin), np.abs(self.values).sum(axis=1))
        return float((gap / np.maximum(1.0, size)).max())

    @cached_property
    def texts(self) -> NDArray[np.object_]:
        """(n, c) original cells as text, "" for missing ones."""
        texts = np.empty(self.data.shape, dtype=object)
        for j in range(self.data.shape[1]):
            texts[:, j] = cell_texts(self.data.iloc[:, j])
        return texts

    def top(self, k: int) -> Reasons:
        """The `k` columns (or all, if fewer) with the largest absolute contributions per row.

        Multiclass: contributions to the class that is predicted for the row.
        """
        rows = np.arange(len(self.values))
        values = self.values if self.predicted is None else self.values[rows, :, self.predicted]
        k = max(0, min(k, len(self.columns)))
        chosen = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :k]
        texts = np.empty(chosen.shape, dtype=object)
        for j in range(self.data.shape[1]):
            hit_rows, hit_places = np.nonzero(chosen == j)
            texts[hit_rows, hit_places] = cell_texts(self.data.iloc[hit_rows, j])
        return Reasons(
            columns=np.asarray(self.columns, dtype=object)[chosen],
            values=texts,
            contributions=np.take_along_axis(values, chosen, axis=1),
        )

    def global_importance(self) -> Importance:
        """Mean absolute contribution and direction of each column over these rows."""
        cube = self.cube
        shape = cube.shape[1:]
        return Importance(
            columns=self.columns,
            outputs=self.outputs,
            mean_abs=np.abs(cube).mean(axis=0) if len(cube) else np.zeros(shape),
            correlation=np.vstack(
                [rank_correlation(self.numbers[:, j], cube[:, j]) for j in range(shape[0])]
            )
            if shape[0]
            else np.zeros(shape),
            n_rows=len(cube),
        )

    def to_shap(self) -> Any:
        """The same as a `shap.Explanation`, the cells as `data` and `display_data`.

        `data` holds numbers for numeric, boolean and datetime columns (days since 1970-01-01)
        and texts for all others; it is float64 where all columns are numbers.
        """
        import shap

        return shap.Explanation(
            values=self.values,
            base_values=self.base_values,
            data=self.plot_data(),
            display_data=self.texts,
            feature_names=list(self.columns),
            output_names=list(self.outputs) if self.values.ndim == 3 else None,
        )

    def plot_data(self) -> NDArray[Any]:
        """(n, c) numbers, and texts (object) in columns that hold none."""
        words = np.array([kind in (Kind.CATEGORICAL, Kind.TEXT) for kind in self.kinds], bool)
        if not words.any():
            return self.numbers
        mixed = self.numbers.astype(object)
        mixed[:, words] = np.where(self.texts == "", "(missing)", self.texts)[:, words]
        return mixed


def rank_correlation(numbers: Floats, contributions: Floats) -> Floats:
    """(k,) Spearman correlations of (n,) numbers with (n, k) contributions, ties averaged.

    Rows with a NaN number are left out; NaN if fewer than 2 rows remain or a side is constant.
    Source: Spearman, The proof and measurement of association between two things, 1904.
    """
    present = ~np.isnan(numbers)
    result = np.full(contributions.shape[1], np.nan)
    if present.sum() < 2:
        return result
    x = pd.Series(numbers[present]).rank().to_numpy(dtype=np.float64)
    y = pd.DataFrame(contributions[present]).rank().to_numpy(dtype=np.float64)
    x, y = x - x.mean(), y - y.mean(axis=0)
    size = np.sqrt((x * x).sum() * (y * y).sum(axis=0))
    np.divide(x @ y, size, out=result, where=size > 0)
    return result


def cell_texts(cells: pd.Series[Any]) -> NDArray[np.object_]:
    """(n,) cells as text: "" for missing, whole numbers without ".0", dates in ISO 8601."""
    missing = cells.isna().to_numpy(dtype=bool)
    texts = np.empty(len(cells), dtype=object)
    for i, (cell, is_missing) in enumerate(zip(_values(cells), missing, strict=True)):
        texts[i] = "" if is_missing else _cell_text(cell)
    return texts


def _values(cells: pd.Series[Any]) -> Sequence[Any]:
    return cells.tolist()


def _cell_text(cell: Any) -> str:
    # Beyond 2**53 a float has no unique whole number; repr is exact there.
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, dt.datetime):
        text = cell.isoformat()
        return text.removesuffix("T00:00:00")
    return str(cell)


def _number_or_none(value: np.floating[Any] | float) -> float | None:
    return None if np.isnan(value) else float(value)
