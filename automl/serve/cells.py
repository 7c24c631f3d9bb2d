"""Cells of a request as typed cells of the schema: one by one, so that rows cannot affect others.

A cell of JSON means what the same cell of a CSV file means to `automl predict`; numbers and truth
values keep their types. The typed cells are plain Python values, because requests are put
together before they become arrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from math import inf, isfinite, nan
from typing import Any, Final

import numpy as np
import pandas as pd

from automl.data.cells import level_text, read_cells
from automl.data.dates import ISO
from automl.data.parse import MISSING, UNSEEN, parse_cells
from automl.data.schema import Column, Kind

PLAIN_NUMBER: Final = r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?"
_PLAIN = re.compile(PLAIN_NUMBER)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH = date(1970, 1, 1).toordinal()
_NUMBERS = frozenset((int, float, type(None)))
_TEXTS = frozenset((str, type(None)))
_REMEMBERED = 10_000  # texts of a column whose typed cell is known
_SHOWN = 60

Cell = str | int | float | bool | None
Typed = float | int | str


class WrongCell(Exception):
    """A cell that its column cannot take; the text says why."""


class CellReader:
    """Types the cells of one column.

    markers: texts that are missing cells.
    """

    def __init__(self, column: Column, markers: frozenset[str]) -> None:
        self.column = column
        self._markers = markers
        self._known: dict[tuple[type, Cell], Typed] = {}
        typed: dict[Kind, Callable[[Cell], Typed]] = {
            Kind.NUMERIC: self._number,
            Kind.BOOLEAN: self._truth,
            Kind.CATEGORICAL: self._level,
            Kind.DATETIME: self._day,
            Kind.TEXT: self._text,
        }
        self._one = typed[column.kind]
        missing: dict[Kind, Typed] = {Kind.CATEGORICAL: MISSING, Kind.TEXT: ""}
        self.missing = missing.get(column.kind, nan)
        self._codes = dict(column.level_codes)
        self._direct = column.kind is Kind.CATEGORICAL and not column.hash_key
        self._direct = self._direct and column.source == "text"
        self._numeric = column.kind is Kind.NUMERIC
        codes = column.kind is Kind.CATEGORICAL
        self._low = 0.0 if codes else -inf if column.minimum is None else column.minimum
        self._high = inf if codes or column.maximum is None else column.maximum
        self._iso = tuple(column.formats.get("formats", ())) == (ISO,)

    def read(self, cells: Sequence[Cell]) -> list[Typed] | None:
        """The typed cells where that is plain; None = go through them with `one`."""
        kinds = set(map(type, cells))
        if self.column.kind is Kind.NUMERIC and kinds <= _NUMBERS:
            try:
                numbers: list[Typed] = [nan if c is None else float(c) for c in cells]
            except OverflowError:
                return None
            return None if inf in numbers or -inf in numbers else numbers
        if self._direct and kinds <= _TEXTS:
            codes = self._codes
            try:
                return [MISSING if c is None else codes[c] for c in cells]  # type: ignore[index]
            except KeyError:
                return None
        return None

    def usual(self, cell: Cell) -> Typed | None:
        """The typed cell where nothing is to be said of it: no warning, no doubt; else None."""
        if cell is None:
            return self.missing
        if self._direct:
            return self._codes.get(cell) if type(cell) is str else None
        if self._numeric and (type(cell) is float or type(cell) is int):
            return float(cell) if self._low <= cell <= self._high else None
        found = self._known.get((type(cell), cell)) if type(cell) is str else None
        if found is None or self.column.kind is Kind.TEXT:
            return found
        return found if self._low <= found <= self._high else None  # type: ignore[operator]

    def one(self, cell: Cell) -> Typed:
        """One typed cell. Raises WrongCell."""
        if cell is None:
            return self.missing
        key = (type(cell), cell)
        found = self._known.get(key)
        if found is None:
            if isinstance(cell, str):
                cell = cell.strip()
                if cell in self._markers and cell not in self._codes:
                    return self.missing
            found = self._one(cell)
            if not isinstance(key[1], str) or len(key[1]) < 200:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[key] = found
        return found

    def _number(self, cell: Cell) -> float:
        if isinstance(cell, bool):
            raise WrongCell(f"{_shown(cell)} is a truth value, not a number")
        if isinstance(cell, (int, float)):
            number = _float(cell)
            if not isfinite(number):
                raise WrongCell("the number is beyond the range of double precision")
            return number
        if not self.column.formats and _PLAIN.fullmatch(str(cell)):
            number = float(str(cell))
            if isfinite(number):
                return number
        return float(self._parsed(cell, "is not a finite number"))

    def _truth(self, cell: Cell) -> float:
        levels = " nor ".join(repr(level[:_SHOWN]) for level in self.column.levels)
        return float(self._parsed(cell, f"is neither {levels}"))

    def _level(self, cell: Cell) -> int:
        code = self._codes.get(cell, UNSEEN) if self._direct and isinstance(cell, str) else UNSEEN
        if code != UNSEEN:
            return code
        if isinstance(cell, bool):  # as a file may have written it
            codes = [int(self._parsed(text, "")) for text in (str(cell), str(cell).lower())]
            return max(codes)
        return int(self._parsed(cell, "is no level"))

    def _day(self, cell: Cell) -> float:
        if isinstance(cell, bool):
            raise WrongCell(f"{_shown(cell)} is a truth value, not a date")
        if self._iso and isinstance(cell, str) and _ISO_DAY.fullmatch(cell):
            try:
                return float(date.fromisoformat(cell).toordinal() - _EPOCH)
            except ValueError:
                raise WrongCell(f"{_shown(cell)} is not a date") from None
        return float(self._parsed(cell, "is not a date in a format of the column"))

    def _text(self, cell: Cell) -> str:
        if isinstance(cell, (int, float)) and not isinstance(cell, bool):
            return level_text(_float(cell)) if isinstance(cell, float) else str(cell)
        return str(cell)

    def _parsed(self, cell: Cell, what: str) -> Any:
        """The typed cell as `automl predict` reads it."""
        if isinstance(cell, int) and not isinstance(cell, bool):
            cell = _float(cell) if abs(cell) > 2**63 - 1 else cell
        if isinstance(cell, float) and not isfinite(cell):
            raise WrongCell("the number is beyond the range of double precision")
        series = pd.Series([cell], dtype="str" if isinstance(cell, str) else None)
        parsed = parse_cells(read_cells(series), self.column)
        if parsed.bad[0]:
            raise WrongCell(f"{_shown(cell)} {what}")
        return parsed.values[0]


def array_of(column: Column, cells: Sequence[Typed]) -> Any:
    """Typed cells as a column of a `ParsedTable`."""
    if column.kind is Kind.CATEGORICAL:
        return np.array(cells, dtype=np.int32)
    if column.kind is Kind.TEXT:
        return pd.Series([cell if cell else None for cell in cells], dtype="str")
    return np.array(cells, dtype=np.float64)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf


def _shown(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    text = repr(cell)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
