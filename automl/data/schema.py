"""What columns are: `Kind`, `Column`, `Schema`; and `ParsedTable`, the typed cells of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Kind(StrEnum):
    """How a column enters the model; the words are those of `--column name=kind`."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    DATETIME = "datetime"
    TEXT = "text"


class Drop(StrEnum):
    """Why a column does not enter the model."""

    IDENTIFIER = "identifier"
    CONSTANT = "constant"
    DUPLICATE = "duplicate"
    EMPTY = "empty"
    USER = "user"
    ROLE = "role"  # group, time or weight column


@dataclass(frozen=True)
class Column:
    """One original column, as found in the training rows.

    name: unique name; `header` is the text in the file where that was empty or repeated.
    source: the type of the cells as read: "number", "text", "boolean" or "datetime". It fixes the
        text of a level: a number read as a level is written without a trailing ".0".
    drop: why the column is not used, or None; `reason` says it for people, also for used ones.
    missing: share of missing cells, 0..1.  n_unique: distinct present values.
    minimum, maximum: of the present values; days since 1970-01-01 for datetimes.
    levels: the levels of categorical and boolean columns by falling count (all of them).
        For boolean: (text of False, text of True).
    counts: rows of each level.
    bins: 21 quantiles (0, 5, …, 100 %) of numeric and datetime columns, to measure drift.
    formats: how cells are parsed: datetime formats, or for numbers the decimal mark, thousands
        mark, prefixes and suffixes that were found ({"decimal": ",", …}).
    monotone: direction asked for by the user, -1, 0 or +1.
    hash_key: of a categorical column of personal data, whose levels are keyed hashes; else "".
    """

    name: str
    kind: Kind
    source: str
    reason: str
    header: str = ""
    drop: Drop | None = None
    missing: float = 0.0
    n_unique: int = 0
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    bins: tuple[float, ...] = ()
    formats: Mapping[str, Any] = field(default_factory=dict)
    monotone: int = 0
    hash_key: str = ""

    @property
    def used(self) -> bool:
        return self.drop is None

    @cached_property
    def level_codes(self) -> dict[str, int]:
        """Index in `levels` by level."""
        return {level: code for code, level in enumerate(self.levels)}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        known = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        for name in ("levels", "counts", "bins"):
            known[name] = tuple(known.get(name, ()))
        known["kind"] = Kind(known["kind"])
        known["drop"] = None if known.get("drop") is None else Drop(known["drop"])
        return cls(**known)


@dataclass(frozen=True)
class Schema:
    """The columns of the training table in file order, without the target."""

    columns: tuple[Column, ...]

    @cached_property
    def used(self) -> tuple[int, ...]:
        """Indices of the columns that enter the model."""
        return tuple(i for i, column in enumerate(self.columns) if column.used)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def to_json(self) -> dict[str, Any]:
        return {"columns": [column.to_json() for column in self.columns]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        return cls(tuple(Column.from_json(column) for column in data["columns"]))


@dataclass(frozen=True)
class ParsedTable:
    """Typed cells of the used columns of some rows.

    values: by column index of the schema. numeric, boolean, datetime: (n_rows,) float64, NaN =
        missing (boolean 0/1; datetime = days since 1970-01-01, fractions are the time of day).
        categorical: (n_rows,) int32 index into `Column.levels`, -1 = missing, -2 = unseen.
        text: pandas Series of dtype `str`, missing = NaN.
    bad: (column index, row index, text) of cells that do not have the column's type and count
        as missing, in file order, at most `max_bad` of them; n_bad counts all of them.
    wrong: by column index of such cells: how many, and (row index, text) of the first few.
    """

    n_rows: int
    values: Mapping[int, NDArray[np.float64] | NDArray[np.int32] | pd.Series[str]]
    bad: Sequence[tuple[int, int, str]] = ()
    n_bad: int = 0
    wrong: Mapping[int, tuple[int, Sequence[tuple[int, str]]]] = field(default_factory=dict)

    def take(self, rows: NDArray[np.integer[Any]]) -> ParsedTable:
        """The typed cells of some rows, in that order; what was wrong with cells is left out."""
        values = {
            i: column.iloc[rows] if isinstance(column, pd.Series) else column[rows]
            for i, column in self.values.items()
        }
        return ParsedTable(len(rows), values)

    @classmethod
    def joined(cls, tables: Sequence[ParsedTable]) -> ParsedTable:
        """The rows of some tables of one schema, one table behind the other.

        What was wrong with cells is left out: each table says it of its own rows.
        """
        if len(tables) == 1:
            return cls(tables[0].n_rows, tables[0].values)
        values: dict[int, Any] = {}
        for i, first in tables[0].values.items():
            parts: list[Any] = [table.values[i] for table in tables]
            if isinstance(first, pd.Series):
                values[i] = pd.concat(parts, ignore_index=True)
            else:
                values[i] = np.concatenate(parts)
        return cls(sum(table.n_rows for table in tables), values)
