"""The rows of one request: cells as they were given, as the model takes them, and what was found.

Three modes, as in `automl predict`, but a service says what is wrong instead of going on:
"default" refuses missing columns and cells of the wrong type, "lenient" scores both as missing
and warns, "strict" also refuses levels that the training data did not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automl.data.parse import UNSEEN
from automl.data.schema import Column, Kind, ParsedTable, Schema
from automl.errors import did_you_mean
from automl.serve.cells import Cell, CellReader, Typed, WrongCell
from automl.serve.refusal import SHOWN_VIOLATIONS, Refusal, Violation, broken_contract

MODES = ("default", "lenient", "strict")
_SHOWN_NAMES = 20
_SHOWN_TEXT = 200
_SCALARS = (str, int, float, bool, type(None))
_CELLS = frozenset(_SCALARS)
_ABSENT: Any = object()


@dataclass
class Rows:
    """Some rows for one model.

    given, typed: by position among the used columns, the cells as they came and as they are
    scored.  warnings: JSON objects for the answer.  parsed: the typed cells of a table that was
    parsed as a whole, in place of `typed`.
    """

    n: int
    given: Sequence[Sequence[Cell]]
    typed: list[list[Typed]]
    warnings: list[dict[str, Any]] = field(default_factory=list)
    parsed: ParsedTable | None = None

    def part(self, start: int, stop: int) -> Rows:
        """Some of the rows; without warnings."""
        if start == 0 and stop >= self.n:
            return self
        stop = min(stop, self.n)
        given = [column[start:stop] for column in self.given]
        typed = [column[start:stop] for column in self.typed]
        parsed = None if self.parsed is None else self.parsed.take(np.arange(start, stop))
        return Rows(stop - start, given, typed, parsed=parsed)


class RowReader:
    """Types the rows of requests by the schema of one model."""

    def __init__(self, schema: Schema, target: str, markers: frozenset[str]) -> None:
        self.columns = tuple(schema.columns[i] for i in schema.used)
        self._readers = [CellReader(column, markers) for column in self.columns]
        self._known = frozenset(schema.names) | {target}
        self._names = [column.name for column in self.columns]
        self._usual = [(reader.column.name, reader.usual) for reader in self._readers]

    def records(self, records: Sequence[Mapping[str, Any]], mode: str) -> Rows:
        """Rows from objects, one each. Raises Refusal that names rows and columns."""
        if len(records) == 1 and (plain := self._plain(records[0])) is not None:
            return plain
        found: list[Violation] = []
        given: list[Sequence[Cell]] = []
        n_wrong = 0
        absent: list[str] = []
        for name in self._names:
            try:
                given.append([record[name] for record in records])
            except KeyError:
                given.append([record.get(name) for record in records])
                rows = [i for i, record in enumerate(records, 1) if name not in record]
                n_wrong += len(rows)
                if len(rows) == len(records):
                    absent.append(name)
                else:
                    rows = rows[:SHOWN_VIOLATIONS]
                    found += [Violation(i, name, "the column is missing") for i in rows]
        warnings = []
        if n_wrong and mode != "lenient":
            others = [name for name in records[0] if name not in self._known]
            found = [*self._absent(absent, others, len(records)), *found]
            raise broken_contract(found, max(len(found), n_wrong))
        if n_wrong:
            warnings.append({"kind": "missing_columns", "columns": absent[:_SHOWN_NAMES]})
        made = self._typed(given, len(records), mode)
        made.warnings = [*warnings, *made.warnings, *self._extra(records[0])]
        return made

    def _plain(self, record: Mapping[str, Any]) -> Rows | None:
        """One row of which there is nothing to say, which is what most requests are; else None."""
        if len(record) != len(self._names):
            return None
        given: list[Sequence[Cell]] = []
        typed: list[list[Typed]] = []
        for name, usual in self._usual:
            cell = record.get(name, _ABSENT)
            if cell.__class__ not in _CELLS:
                return None
            value = usual(cell)
            if value is None:
                return None
            given.append((cell,))
            typed.append([value])
        return Rows(1, given, typed)

    def table(self, columns: Mapping[str, Sequence[Cell]], n: int, mode: str) -> Rows:
        """Rows from columns of `n` cells each. Raises Refusal that names rows and columns."""
        warnings = self.check_names(columns, n, mode)
        nothing: list[Cell] = [None] * n
        rows = self._typed([columns.get(name, nothing) for name in self._names], n, mode)
        rows.warnings = [*warnings, *rows.warnings]
        return rows

    def check_names(self, names: Mapping[str, Any], n: int, mode: str) -> list[dict[str, Any]]:
        """What is said of the columns of a table; Refusal (422) if one is missing."""
        absent = [name for name in self._names if name not in names]
        if absent and mode != "lenient":
            others = [name for name in names if name not in self._known]
            raise broken_contract(self._absent(absent, others, n))
        warnings: list[dict[str, Any]] = []
        if absent:
            warnings.append({"kind": "missing_columns", "columns": absent[:_SHOWN_NAMES]})
        return warnings + self._extra(names)

    def replaced(self, rows: Rows, position: int, cells: Sequence[Cell]) -> Rows:
        """The only row of `rows`, once for each of `cells` in the column at `position`."""
        n = len(cells)
        typed = [list(column) * n for column in rows.typed]
        given: list[Sequence[Cell]] = [list(column) * n for column in rows.given]
        reader = self._readers[position]
        typed[position] = reader.read(cells) or [reader.one(cell) for cell in cells]
        given[position] = list(cells)
        return Rows(n, given, typed)

    def position(self, name: str) -> int:
        """Where the used column `name` is; Refusal if it is none."""
        if name not in self._names:
            raise Refusal(
                422,
                f"{name[:_SHOWN_TEXT]!r} is no column that the model uses.",
                hint=did_you_mean(name[:_SHOWN_TEXT], self._names[:1000]),
            )
        return self._names.index(name)

    def _typed(self, given: list[Sequence[Cell]], n: int, mode: str) -> Rows:
        found: list[Violation] = []
        n_wrong = 0
        typed: list[list[Typed]] = []
        warnings: list[dict[str, Any]] = []
        for column, reader, cells in zip(self.columns, self._readers, given, strict=True):
            values = reader.read(cells)
            if values is None:
                values, wrong = _one_by_one(reader, cells)
                if wrong:
                    n_wrong += len(wrong)
                    found += wrong[:SHOWN_VIOLATIONS]
            typed.append(values)
            if column.kind is Kind.CATEGORICAL:
                new = _unseen(column, cells, values)
                if new and mode == "strict":
                    n_wrong += new["n"]
                    message = f"{new['example']!r} was not seen in training"
                    found.append(Violation(new["row"], column.name, message))
                elif new:
                    warnings.append(new)
            elif column.minimum is not None and column.maximum is not None:
                warnings += _beyond(column, values)
        if found and mode != "lenient":
            found.sort(key=lambda one: one.row or 0)
            raise broken_contract(found, n_wrong)
        if found:
            shown = [one.to_json() for one in found[:SHOWN_VIOLATIONS]]
            warnings.append({"kind": "wrong_type", "n": n_wrong, "cells": shown})
        return Rows(n, given, typed, warnings)

    def _absent(self, absent: Sequence[str], others: Sequence[str], n: int) -> list[Violation]:
        """A violation of each column that no row has."""
        row = 1 if n == 1 else None
        found: list[Violation] = []
        for name in absent:
            close = did_you_mean(name, others[:1000]) if others and len(found) < 3 else None
            near = f"; {close[0].lower()}{close[1:].rstrip('?')}?" if close else ""
            found.append(Violation(row, name, f"the column is missing{near}"))
        return found

    def _extra(self, names: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What is said of columns that the model does not know; those of the first row."""
        extra = [name for name in names if name not in self._known]
        if not extra:
            return []
        shown = [name[:_SHOWN_TEXT] for name in extra[:_SHOWN_NAMES]]
        return [{"kind": "extra_columns", "n": len(extra), "columns": shown}]


def _one_by_one(reader: CellReader, cells: Sequence[Cell]) -> tuple[list[Typed], list[Violation]]:
    values: list[Typed] = []
    wrong: list[Violation] = []
    one: Callable[[Cell], Typed] = reader.one
    name = reader.column.name
    for row, cell in enumerate(cells, 1):
        if not isinstance(cell, _SCALARS):
            what = "an object" if isinstance(cell, dict) else "a list"
            message = f"{what} is no cell: give a text, a number, true, false or null"
        else:
            try:
                values.append(one(cell))
                continue
            except WrongCell as error:
                message = str(error)
        values.append(reader.missing)
        wrong.append(Violation(row, name, message))
    return values, wrong


def _unseen(
    column: Column, cells: Sequence[Cell], values: Sequence[Typed]
) -> dict[str, Any] | None:
    if UNSEEN not in values:
        return None
    row = values.index(UNSEEN)
    return {
        "kind": "unseen_level",
        "column": column.name,
        "n": values.count(UNSEEN),
        "row": row + 1,
        "example": str(cells[row])[:_SHOWN_TEXT],
    }


def _beyond(column: Column, values: Sequence[Any]) -> list[dict[str, Any]]:
    low, high = column.minimum, column.maximum
    assert low is not None
    assert high is not None
    rows = [i for i, value in enumerate(values, 1) if value < low or value > high]
    if not rows:
        return []
    return [
        {
            "kind": "out_of_range",
            "column": column.name,
            "n": len(rows),
            "row": rows[0],
            "trained": [low, high] if column.kind is Kind.NUMERIC else None,
        }
    ]
