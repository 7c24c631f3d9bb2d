"""Small parsed tables, built by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.data.schema import Column, Kind, ParsedTable, Schema

Table = Callable[..., tuple[ParsedTable, Schema]]


def make_table(
    columns: Mapping[str, tuple[Kind, Sequence[Any]]], monotone: Mapping[str, int] | None = None
) -> tuple[ParsedTable, Schema]:
    """A parsed table and its schema from typed cells; a category's cells are level codes."""
    made, values = [], {}
    for i, (name, (kind, cells)) in enumerate(columns.items()):
        levels: tuple[str, ...] = ()
        if kind is Kind.CATEGORICAL:
            values[i] = np.asarray(cells, dtype=np.int32)
            levels = tuple(f"level {code}" for code in range(max(values[i].max(), 0) + 1))
        elif kind is Kind.TEXT:
            values[i] = pd.Series(list(cells), dtype="str")
        else:
            values[i] = np.asarray(cells, dtype=np.float64)
        direction = (monotone or {}).get(name, 0)
        made.append(Column(name, kind, "text", "by hand", levels=levels, monotone=direction))
    n_rows = len(next(iter(values.values())))
    return ParsedTable(n_rows, values), Schema(tuple(made))


def take_rows(parsed: ParsedTable, rows: slice) -> ParsedTable:
    """Some rows of a parsed table."""
    values = {
        i: cells.iloc[rows].reset_index(drop=True) if isinstance(cells, pd.Series) else cells[rows]
        for i, cells in parsed.values.items()
    }
    return ParsedTable(len(range(*rows.indices(parsed.n_rows))), values)


@pytest.fixture
def table() -> Table:
    return make_table


@pytest.fixture
def part() -> Callable[[ParsedTable, slice], ParsedTable]:
    return take_rows
