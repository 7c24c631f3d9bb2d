"""The columns of a table as its profile sees them: typed, measured, their values masked.

Shapes: n = rows looked at (all, or a sample), N = all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.cores import over_columns
from automl.data.cells import read_cells
from automl.data.infer import infer_column
from automl.data.personal import Personal, find_personal, masked
from automl.data.schema import Column, Drop, Kind

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# A level that so few rows have may tell who they are: it is counted, but not shown.
LEAST_ROWS_SHOWN = 5
_SAMPLES = 5


@dataclass(frozen=True)
class View:
    """One column.

    values: (n,) float64 of numbers, dates (days) and booleans, NaN = missing; None for the rest.
    codes: (n,) index into `levels`, -1 = missing; None for numbers and dates.
    levels: texts as in the file, by falling count.
    whole: (N,) all numbers where the file has plain numbers, else None.
    missing: share over all rows.  distinct: values of the rows looked at; `all_distinct` says
    that there are hardly others.  bad: cells looked at that are not of the column's type.
    personal: what it tells of persons, or None.  target: it is the column to predict.
    """

    column: Column
    values: Floats | None
    codes: Codes | None
    levels: tuple[str, ...]
    whole: Floats | None
    missing: float
    distinct: int
    all_distinct: bool
    bad: int
    personal: Personal | None
    target: bool = False

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def kind(self) -> Kind:
        return self.column.kind

    @property
    def is_id(self) -> bool:
        return self.column.drop is Drop.IDENTIFIER

    @property
    def is_number(self) -> bool:
        """Numbers and dates, which have an order and a distance; not identifiers."""
        return self.values is not None and self.kind is not Kind.BOOLEAN

    @cached_property
    def present(self) -> Floats:
        """The numbers that are there, of all rows where they are known."""
        values = self.values if self.whole is None else self.whole
        assert values is not None
        gone = np.isnan(values)
        return values[~gone] if gone.any() else values

    @property
    def absent(self) -> NDArray[np.bool_]:
        """(n,) True where the cell is missing."""
        if self.codes is not None:
            return np.asarray(self.codes < 0)
        assert self.values is not None
        return np.asarray(np.isnan(self.values))

    @property
    def varies(self) -> bool:
        return self.column.drop not in (Drop.EMPTY, Drop.CONSTANT)


def look_at(
    frame: pd.DataFrame,
    rows: Codes | None,
    *,
    headers: Mapping[str, str],
    target: str | None,
) -> list[View]:
    """A view of each column of `frame`.

    rows: the rows looked at; None = all. Missing cells and plain numbers are those of all rows in
    any case.
    """

    def look(i: int) -> View:
        name = frame.columns[i]
        header = headers.get(str(name), str(name))
        return _look(frame.iloc[:, i], rows, header, is_target=name == target)

    return list(over_columns(look, range(frame.shape[1]), n_rows=len(frame)))


def _look(series: pd.Series[Any], rows: Codes | None, header: str, *, is_target: bool) -> View:
    name = str(series.name)
    seen = series if rows is None else series.iloc[rows]
    cells = read_cells(seen)
    asked = Column(name, Kind.CATEGORICAL, "text", "", header=header)
    column, parsed = infer_column(cells, asked, None, role=False)
    values, codes, levels, bad = None, None, column.levels, 0
    if parsed is None or column.drop is Drop.IDENTIFIER or column.kind is Kind.TEXT:
        if cells.source == "text" or column.kind is Kind.TEXT:
            found, texts = cells.distinct()
            codes, levels = _by_count(found, [str(text) for text in texts])
        else:
            values = cells.values
    elif column.kind is Kind.CATEGORICAL:
        codes = np.maximum(np.asarray(parsed.values, dtype=np.int64), -1)
    else:
        values, bad = np.asarray(parsed.values, dtype=np.float64), int(parsed.bad.sum())
    plain = pd.api.types.is_numeric_dtype(series.dtype) and cells.source == "number"
    whole = _numbers(series) if plain and column.kind is Kind.NUMERIC else None
    return View(
        column=column,
        values=values,
        codes=codes,
        levels=levels,
        whole=whole,
        missing=column.missing if rows is None else float(series.isna().mean()),
        distinct=column.n_unique,
        all_distinct=rows is None or not _has_singles(values, codes),
        bad=bad,
        personal=None if is_target else find_personal(name, cells, column.kind),
        target=is_target,
    )


def _numbers(series: pd.Series[Any]) -> Floats:
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _has_singles(values: Floats | None, codes: Codes | None) -> bool:
    """Whether a value occurs once; else (Good, 1953) hardly a value was missed by the sample."""
    if codes is not None:
        return bool((np.bincount(codes[codes >= 0]) == 1).any())
    assert values is not None
    return bool((np.unique(values[~np.isnan(values)], return_counts=True)[1] == 1).any())


def _by_count(codes: Any, texts: list[str]) -> tuple[Codes, tuple[str, ...]]:
    """Codes and texts with the most frequent text first."""
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    order = np.argsort(-counts, kind="stable")
    rank = np.full(len(texts) + 1, -1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], tuple(texts[i] for i in order)


def samples(view: View) -> tuple[str, ...]:
    """A few cells for people: the form of texts, numbers in two digits."""
    if view.values is not None:
        present = np.unique(view.values[~np.isnan(view.values)])
        if view.personal is not None or view.is_id:
            return _forms([f"{value:.15g}" for value in present[: _SAMPLES * 4]])
        if view.kind is Kind.BOOLEAN:
            return view.levels
        chosen = (
            present[np.linspace(0, len(present) - 1, _SAMPLES).astype(int)]
            if len(present)
            else present
        )
        if view.kind is Kind.DATETIME:
            return tuple(dict.fromkeys(day_text(day)[:7] for day in chosen))
        return tuple(dict.fromkeys(f"≈\u00a0{rough_text(value)}" for value in chosen))
    if may_show_levels(view):
        counts = level_counts(view)
        shown = [text for text, n in zip(view.levels, counts, strict=True) if may_show(n)]
        return tuple(text[:60] for text in shown[:_SAMPLES])
    return _forms(list(view.levels[:: max(1, len(view.levels) // (_SAMPLES * 4))]))


def _forms(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(masked(text) for text in texts))[:_SAMPLES]


def may_show_levels(view: View) -> bool:
    """Whether the frequent levels of a column may be written down."""
    return view.personal is None and not view.is_id and view.kind is not Kind.TEXT


def may_show(n_rows: int) -> bool:
    return n_rows >= LEAST_ROWS_SHOWN


def level_counts(view: View) -> Codes:
    """(n_levels,) rows looked at of each level."""
    assert view.codes is not None
    return np.bincount(view.codes[view.codes >= 0], minlength=len(view.levels))


def rough_text(value: float) -> str:
    """A number in two digits."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if 100 <= abs(rounded) < 1e9 else f"{rounded:g}"


def day_text(days: float) -> str:
    """A day as people write it: 2024-05-31."""
    return str(np.datetime64(round(float(days)), "D"))
