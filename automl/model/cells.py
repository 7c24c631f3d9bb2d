"""Typed cells of a table as numbers, and as the cells that people read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import Column, Kind, ParsedTable, Schema

NUMBERS = (Kind.NUMERIC, Kind.BOOLEAN, Kind.DATETIME)


def cell_numbers(cells: ParsedTable, schema: Schema) -> NDArray[np.float64]:
    """(n, n_used) cells that are numbers, booleans or dates; NaN for all others."""
    numbers = np.full((cells.n_rows, len(schema.used)), np.nan)
    for j, i in enumerate(schema.used):
        if schema.columns[i].kind in NUMBERS:
            numbers[:, j] = np.asarray(cells.values[i], dtype=np.float64)
    return numbers


def cell_frame(cells: ParsedTable, schema: Schema) -> pd.DataFrame:
    """(n, n_used) table of the used columns: numbers, dates, levels and texts; NaN = missing.

    A level that training did not know is missing: its text is not among the typed cells.
    """
    columns = {
        schema.columns[i].name: _series(schema.columns[i], cells.values[i]) for i in schema.used
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(cells.n_rows))


def drawn_cells(schema: Schema, n_rows: int, seed: int = 0) -> ParsedTable:
    """Typed cells drawn from the ranges and levels of the training table, some missing."""
    rng = np.random.default_rng(seed)
    return ParsedTable(n_rows, {i: _drawn(schema.columns[i], n_rows, rng) for i in schema.used})


def _drawn(column: Column, n: int, rng: np.random.Generator) -> Any:
    gone = rng.random(n) < 0.05  # noqa: PLR2004 - few enough
    if column.kind is Kind.CATEGORICAL:  # from unseen (-2) and missing (-1) on
        return rng.integers(-2, len(column.levels), n).astype(np.int32)
    if column.kind is Kind.TEXT:
        return pd.Series(np.where(gone, np.nan, np.array("some words", dtype=object)), dtype="str")
    if column.kind is Kind.BOOLEAN:
        return np.where(gone, np.nan, rng.integers(0, 2, n))
    bins = np.array(column.bins or (0.0, 1.0))
    places = rng.uniform(0, len(bins) - 1, n)
    drawn = np.where(rng.random(n) < 0.5, np.rint(places), places)  # noqa: PLR2004 - half are bins
    return np.where(gone, np.nan, np.interp(drawn, np.arange(len(bins)), bins))


def _series(column: Column, values: Any) -> pd.Series[Any]:
    if column.kind is Kind.TEXT:
        return pd.Series(values).reset_index(drop=True)
    if column.kind is Kind.NUMERIC:
        return pd.Series(np.asarray(values, dtype=np.float64))
    if column.kind is Kind.DATETIME:
        days = np.asarray(values, dtype=np.float64)
        moments = np.full(len(days), "NaT", dtype="datetime64[s]")
        there = np.isfinite(days)
        moments[there] = np.rint(days[there] * 86_400).astype(np.int64).astype("datetime64[s]")
        return pd.Series(moments)
    levels = np.asarray([*column.levels, None], dtype=object)
    numbers = np.asarray(values, dtype=np.float64)
    known = (numbers >= 0) & (numbers < len(column.levels))
    codes = np.where(known, numbers, len(column.levels)).astype(np.intp)
    return pd.Series(levels[codes], dtype="str")
