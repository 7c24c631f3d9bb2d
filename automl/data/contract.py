"""What the rows of a table have against the schema of a model, counted while they are scored."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from automl.data.cells import Mask, level_texts, text_array
from automl.data.changes import (
    lacks_unit,
    misread_mark,
    other_format,
    spoken_format,
    swaps_day_and_month,
)
from automl.data.parse import UNSEEN, shown_text
from automl.data.schema import Column, Kind, ParsedTable, Schema
from automl.data.sources._texts import TextTable, column_cells

# What is named one by one; everything is counted.
LISTED_CELLS = 100
LISTED_LEVELS = 20
LISTED_NAMES = 1000
# Different unseen levels of a column that are counted one by one, and texts kept to find out how
# wrong cells are written: bounds of memory.
_KEPT_LEVELS = 1000
_KEPT_TEXTS = 200
CellsOf = Callable[[], "pd.Series[Any]"]  # the cells of a column as they were read
_EXPECTED = {
    Kind.NUMERIC: "a finite number",
    Kind.DATETIME: "a date",
    Kind.BOOLEAN: "one of two words",
}


@dataclass(frozen=True)
class WrongCell:
    """A cell that does not have its column's type; row 1 is the first row of data."""

    row: int
    column: str
    value: str
    expected: str


@dataclass
class Unseen:
    """Cells of one column whose level was not in the training data.

    first_row: of the first one.  levels: cells by level; `n` counts those of further levels, too.
    """

    first_row: int
    n: int = 0
    levels: Counter[str] = field(default_factory=Counter)


@dataclass
class OutOfRange:
    """Cells of one column outside of the range of its training cells."""

    first_row: int
    n_below: int = 0
    n_above: int = 0
    lowest: float = np.inf
    highest: float = -np.inf

    @property
    def n(self) -> int:
        return self.n_below + self.n_above


@dataclass(frozen=True)
class Change:
    """A column whose cells are written in another way than in training.

    what: "format" (such cells could not be read), "mark" (they could, but probably mean something
    else) or "unit" (they lack the unit or currency of the training cells).
    n: cells that show it.  value: the first one, in `row`.
    """

    column: str
    what: str
    trained: str
    found: str
    n: int
    row: int
    value: str
    note: str = ""

    @property
    def text(self) -> str:
        """One sentence for people."""
        cells = f"{self.n:,} cell{'s' * (self.n != 1)}"
        text = f"Column {self.column!r}: {cells} written with {self.found}, in training with "
        return f"{text}{self.trained}: {self.value!r} in row {self.row}{self.note}"


class Check:
    """Counts what is found in a table that is given chunk by chunk.

    extra: columns that the model does not know.  absent: used columns that the table lacks.
    moved: known columns that stand in another order than in training.
    wrong: the first wrong cells; n_wrong, unseen, out_of_range: all such cells, by column.
    """

    def __init__(self, schema: Schema, target: str) -> None:
        self.schema = schema
        self.target = target
        self.n_rows = 0
        self.extra: tuple[str, ...] = ()
        self.absent: tuple[str, ...] = ()
        self.moved: tuple[str, ...] = ()
        self.wrong: list[WrongCell] = []
        self.n_wrong: Counter[str] = Counter()
        self.unseen: dict[str, Unseen] = {}
        self.out_of_range: dict[str, OutOfRange] = {}
        self._texts: dict[int, list[tuple[int, str]]] = {}  # (row, text) of wrong cells
        self._marks: dict[str, Change] = {}
        self._unit_rows: dict[int, tuple[int, int, str] | None] = {}  # (cells, row, text)

    def see_columns(self, names: Sequence[str]) -> None:
        """Compare the columns of the table with those of the schema."""
        known, there = set(self.schema.names), set(names)
        used = [self.schema.columns[i].name for i in self.schema.used]
        self.extra = tuple(name for name in names if name not in known | {self.target})
        self.absent = tuple(name for name in used if name not in there)
        found = [name for name in names if name in known]
        trained = [name for name in self.schema.names if name in there]
        self.moved = tuple(a for a, b in zip(found, trained, strict=False) if a != b)

    def add(self, table: pd.DataFrame | TextTable, parsed: ParsedTable, first_row: int) -> None:
        """Count the rows of one more chunk; first_row: number of its first one."""
        self.n_rows += parsed.n_rows
        places = {str(name): place for place, name in enumerate(table.columns)}
        for i in self.schema.used:
            column = self.schema.columns[i]
            if column.name in places:
                cells = partial(column_cells, table, places[column.name])
                self._add_column(i, cells, parsed, first_row)
        for i, row, text in parsed.bad[: LISTED_CELLS - len(self.wrong)]:
            column = self.schema.columns[i]
            expected = _EXPECTED.get(column.kind, "a level of the training data")
            self.wrong.append(WrongCell(first_row + row, column.name, text, expected))

    @property
    def misread(self) -> tuple[Change, ...]:
        """Columns whose cells could be read, but probably mean other numbers."""
        return tuple(self._marks.values())

    def changes(self) -> tuple[Change, ...]:
        """All columns whose cells are written in another way than in training."""
        found = list(self._marks.values())
        for i, examples in self._texts.items():
            column = self.schema.columns[i]
            other = other_format(column, [text for _, text in examples])
            if other is None:
                continue
            spoken, n = other
            if len(examples) < self.n_wrong[column.name]:  # the rest was not looked at
                n = round(n / len(examples) * self.n_wrong[column.name])
            note = ""
            if column.kind is Kind.DATETIME and swaps_day_and_month(column, spoken):
                note = "; dates that fit both orders were read as in training"
            row, text = examples[0]
            found.append(
                Change(column.name, "format", spoken_format(column), spoken, n, row, text, note)
            )
        for i, lacking in self._unit_rows.items():
            column = self.schema.columns[i]
            if lacking is not None and column.name not in self.n_wrong:
                n, row, text = lacking
                unit = lacks_unit(column, [text])
                found.append(Change(column.name, "unit", str(unit), "no unit", n, row, text))
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Everything that was found, as plain JSON types."""
        kinds = {column.name: column for column in self.schema.columns}
        return {
            "n_rows": self.n_rows,
            "columns": {
                "missing": list(self.absent),
                "n_extra": len(self.extra),
                "extra": list(self.extra[:LISTED_NAMES]),
                "n_reordered": len(self.moved),
                "reordered": list(self.moved[:LISTED_NAMES]),
            },
            "wrong_type": {
                "n": self.n_wrong.total(),
                "by_column": dict(self.n_wrong),
                "cells": [asdict(cell) for cell in self.wrong],
            },
            "unseen": {
                "n": sum(found.n for found in self.unseen.values()),
                "columns": [_unseen_json(kinds[k], v) for k, v in self.unseen.items()],
            },
            "out_of_range": {
                "n": sum(found.n for found in self.out_of_range.values()),
                "columns": [_range_json(kinds[k], v) for k, v in self.out_of_range.items()],
            },
            "changes": [asdict(change) for change in self.changes()],
        }

    def _add_column(self, i: int, cells: CellsOf, parsed: ParsedTable, first_row: int) -> None:
        column = self.schema.columns[i]
        if i in parsed.wrong:
            n, examples = parsed.wrong[i]
            self.n_wrong[column.name] += n
            kept = self._texts.setdefault(i, [])
            room = _KEPT_TEXTS - len(kept)
            kept += [(first_row + row, text) for row, text in examples[: max(room, 0)]]
        values = parsed.values[i]
        if column.kind is Kind.CATEGORICAL:
            self._add_unseen(column, cells, np.asarray(values) == UNSEEN, first_row)
        elif column.kind in (Kind.NUMERIC, Kind.DATETIME) and column.minimum is not None:
            self._add_range(column, cells, np.asarray(values), first_row)
        if column.formats.get("prefixes") or column.formats.get("suffixes"):
            self._add_unit(i, cells(), first_row)

    def _add_unseen(self, column: Column, cells: CellsOf, unseen: Mask, first_row: int) -> None:
        rows = np.flatnonzero(unseen)
        if not len(rows):
            return
        found = self.unseen.setdefault(column.name, Unseen(first_row + int(rows[0])))
        found.n += len(rows)
        for text, n in cells().iloc[rows].value_counts(dropna=False).items():
            level = shown_text(str(text).strip())
            if level in found.levels or len(found.levels) < _KEPT_LEVELS:
                found.levels[level] += int(n)

    def _add_range(self, column: Column, cells: CellsOf, values: Any, first_row: int) -> None:
        below, above = values < column.minimum, values > column.maximum
        rows = np.flatnonzero(below | above)
        if not len(rows):
            return
        found = self.out_of_range.setdefault(column.name, OutOfRange(first_row + int(rows[0])))
        found.n_below += int(below.sum())
        found.n_above += int(above.sum())
        found.lowest = min(found.lowest, float(values[rows].min()))
        found.highest = max(found.highest, float(values[rows].max()))
        most = 2 * len(rows) > np.count_nonzero(~np.isnan(values))
        if column.kind is not Kind.NUMERIC or not most or column.name in self._marks:
            return
        written = cells()
        if pd.api.types.is_string_dtype(written.dtype):
            sample = rows[:_KEPT_TEXTS]
            texts = text_array(str(text).strip() for text in written.iloc[sample])
            mark = misread_mark(column, texts, values[sample])
            if mark is not None:
                self._marks[column.name] = Change(
                    column.name,
                    "mark",
                    spoken_format(column),
                    f"three digits behind each {mark!r}, as if it had another meaning",
                    len(rows),
                    first_row + int(sample[0]),
                    shown_text(str(texts[0])),
                )

    def _add_unit(self, i: int, cells: pd.Series[Any], first_row: int) -> None:
        """Remember whether no cell so far has the unit of the column's training cells."""
        rows = np.flatnonzero(cells.notna())[:_KEPT_TEXTS]
        known = self._unit_rows.get(i, (0, 0, ""))
        if known is None or not len(rows):
            return
        texts = [str(text) for text in cells.iloc[rows]]
        if lacks_unit(self.schema.columns[i], texts) is None:
            self._unit_rows[i] = None
            return
        n, row, text = known
        if n == 0:
            row, text = first_row + int(rows[0]), shown_text(texts[0].strip())
        self._unit_rows[i] = (n + int(cells.notna().sum()), row, text)


def _unseen_json(column: Column, found: Unseen) -> dict[str, Any]:
    close = {_plain(level): level for level in reversed(column.levels)}
    levels = [
        {"level": level, "n": n, "close_to": close.get(_plain(level))}
        for level, n in found.levels.most_common(LISTED_LEVELS)
    ]
    return {"column": column.name, "n": found.n, "first_row": found.first_row, "levels": levels}


def _range_json(column: Column, found: OutOfRange) -> dict[str, Any]:
    return {
        "column": column.name,
        "n_below": found.n_below,
        "n_above": found.n_above,
        "trained": [_bound(column, column.minimum), _bound(column, column.maximum)],
        "found": [_bound(column, found.lowest), _bound(column, found.highest)],
        "first_row": found.first_row,
    }


def _bound(column: Column, value: float | None) -> float | str | None:
    """A number, or the text of a date."""
    if value is None or column.kind is not Kind.DATETIME:
        return value
    return level_texts(np.array([value]), "datetime")[0]


def _plain(level: str) -> str:
    """A level without what is easily lost: capitals, accents as marks of their own, zeros."""
    text = unicodedata.normalize("NFKC", level).casefold()
    return " ".join(text.split()).lstrip("0").removesuffix(".0")
