"""Records, as a service gets them, read into the typed arrays of a schema without a frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.cells import level_text, text_array
from automl.data.dates import date_reader
from automl.data.hashing import hashed
from automl.data.numbers import number_reader
from automl.data.parse import (
    BOOLEAN_BITS,
    MISSING,
    UNSEEN,
    check_mode,
    column_places,
    levels_by_number,
    typed_columns,
)
from automl.data.schema import Column, Kind, ParsedTable, Schema
from automl.errors import DataError

Cell: TypeAlias = Any
# The typed values of some cells, which are all of one source (see `_plain`); None where they are
# for the general way, which knows all types of cells and says what is wrong with one.
Lane = Callable[[Sequence[Cell], str], "NDArray[Any] | pd.Series[Any] | None"]

_NONE = type(None)
_TEXT = frozenset((str, _NONE))
_NUMBER = frozenset((int, float, _NONE))
_TEXT_OR_GONE = frozenset((str, float, _NONE))
_BOOLEAN = frozenset((bool, _NONE))
# Beyond it pandas may take whole numbers for something else than numbers.
_WHOLE_LIMIT = float(2**63)


class RecordReader:
    """Reads records by a schema, with the result of `parse_table` of a frame made from them.

    Plain cells, a column all texts, all numbers or all truth values, go straight into their
    arrays: about 3 µs a cell. Columns of anything else take the way of a frame.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._lanes = {i: _lane(schema.columns[i]) for i in schema.used}
        self._names = {i: schema.columns[i].name for i in schema.used}

    def records(
        self, records: Sequence[Mapping[str, Cell]], *, mode: str = "default", first_row: int = 1
    ) -> ParsedTable:
        """The typed cells of some rows; a column that a record lacks is missing in its row.

        mode, first_row and what is raised: as in `parse_table`. DataError also where a record
        is no mapping.
        """
        check_records(records)
        first = records[0].keys() if records else {}.keys()
        names: Any = first
        if any(record.keys() != first for record in records[1:]):
            names = dict.fromkeys(name for record in records for name in record)
        return self._typed(
            names,
            lambda name: [record.get(name, math.nan) for record in records],
            n_rows=len(records),
            mode=mode,
            first_row=first_row,
        )

    def columns(
        self, columns: Mapping[str, Sequence[Cell]], *, mode: str = "default", first_row: int = 1
    ) -> ParsedTable:
        """The typed cells of columns of one length, by name; DataError where lengths differ."""
        n_rows = len(next(iter(columns.values()), ()))
        for name, cells in columns.items():
            if len(cells) != n_rows:
                other = next(iter(columns))
                raise DataError(
                    f"Column {str(name)!r} has {len(cells):,} cells, {str(other)!r} has "
                    f"{n_rows:,}.",
                    hint="Give every column a cell for each row; null where it is missing.",
                )
        return self._typed(
            columns.keys(),
            lambda name: list(columns[name]),
            n_rows=n_rows,
            mode=mode,
            first_row=first_row,
        )

    def _typed(
        self,
        keys: Any,
        cells_of: Callable[[Any], list[Cell]],
        *,
        n_rows: int,
        mode: str,
        first_row: int,
    ) -> ParsedTable:
        check_mode(mode)
        found = self._names
        if any(name not in keys for name in found.values()) or any(
            type(key) is not str for key in keys
        ):
            spoken = list(keys)
            names = [str(key) for key in spoken]
            places = column_places(names, self._schema, lenient=mode == "lenient")
            found = {i: spoken[place] for i, place in places.items()}
        ready: dict[int, Any] = {}
        rest: dict[int, pd.Series[Any]] = {}
        for i, name in found.items():
            cells = cells_of(name)
            try:
                values = self._plain_values(i, cells, mode)
                if values is None:
                    rest[i] = pd.DataFrame([{"cell": cell} for cell in cells])["cell"]
                else:
                    ready[i] = values
            except UnicodeEncodeError:
                raise _half_pair(cells, str(name), first_row) from None
        return typed_columns(
            ready, rest, self._schema, n_rows=n_rows, mode=mode, first_row=first_row
        )

    def _plain_values(self, i: int, cells: list[Cell], mode: str) -> Any | None:
        source, plain = _plain(cells)
        values = self._lanes[i](plain, source) if source else None
        strict = mode == "strict" and self._schema.columns[i].kind is Kind.CATEGORICAL
        return None if strict and values is not None and (values == UNSEEN).any() else values


def _half_pair(cells: Sequence[Cell], name: str, first_row: int) -> DataError:
    """The error of a text that no encoding can write, which JSON may spell nevertheless."""
    wrong = (
        k
        for k, cell in enumerate(cells)
        if type(cell) is str and any("\ud800" <= letter <= "\udfff" for letter in cell)
    )
    return DataError(
        f"Row {first_row + next(wrong, 0)}, column {name!r}: the text has half of a surrogate "
        "pair, which is no character.",
        hint="Correct the text where it was written.",
    )


def check_records(rows: Sequence[object]) -> None:
    """Raise DataError if one of `rows` is no mapping."""
    for i, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise DataError(
                f"Row {i} is a {type(row).__name__}, not a mapping of column names to cells.",
                hint="Give a DataFrame or a list of dicts.",
            )


def _lane(column: Column) -> Lane:
    if column.kind is Kind.NUMERIC:
        return _numbers(column)
    if column.kind is Kind.BOOLEAN:
        return _booleans(column)
    if column.kind is Kind.DATETIME:
        return _dates(column)
    return _levels(column) if column.kind is Kind.CATEGORICAL else _texts


def _plain(cells: list[Cell]) -> tuple[str, list[Cell]]:
    """The source of cells and the cells, missing texts being None.

    Source: "text", "number" or "boolean" as pandas would find, "" where that takes a closer look.
    """
    kinds = set(map(type, cells))
    if kinds <= _TEXT:
        return "text", cells
    if kinds <= _NUMBER:
        return "number", cells
    if kinds <= _BOOLEAN:
        return "boolean", cells
    if kinds <= _TEXT_OR_GONE and all(cell != cell for cell in cells if type(cell) is float):
        return "text", [None if type(cell) is float else cell for cell in cells]
    return "", cells


def _known(cells: Sequence[Cell]) -> NDArray[np.float64] | None:
    """Numbers as float64; None where one is infinite or large."""
    values = np.array(cells, dtype=np.float64)
    return None if (np.abs(values) >= _WHOLE_LIMIT).any() else values


def _looked_up(cells: Sequence[Cell], value: Callable[[str], float]) -> NDArray[np.float64] | None:
    """The value of each text, NaN for missing ones; None where a text has no value."""
    values = np.empty(len(cells))
    for k, cell in enumerate(cells):
        text = "" if cell is None else cell.strip()
        found = value(text) if text else math.nan
        if text and not math.isfinite(found):
            return None
        values[k] = found
    return values


def _numbers(column: Column) -> Lane:
    value = number_reader(column.formats)
    return lambda cells, source: _looked_up(cells, value) if source == "text" else _known(cells)


def _dates(column: Column) -> Lane:
    value = date_reader(list(column.formats.get("formats", ())))
    return lambda cells, source: _looked_up(cells, value) if source == "text" else None


def _booleans(column: Column) -> Lane:
    own = {level.lower(): float(i) for i, level in enumerate(column.levels)}
    bits = {**BOOLEAN_BITS, **own}

    def lane(cells: Sequence[Cell], source: str) -> NDArray[np.float64] | None:
        if source == "text":
            return _looked_up(cells, lambda text: bits.get(text.lower(), math.nan))
        values = _known(cells)
        if values is None or (~np.isnan(values) & (values != 0) & (values != 1)).any():
            return None
        return values

    return lane


def _texts(cells: Sequence[Cell], source: str) -> pd.Series[Any] | None:
    if source != "text":
        return None
    texts = [None if cell is None else cell.strip() or None for cell in cells]
    return pd.Series(text_array(texts), dtype="str")


def _levels(column: Column) -> Lane:
    """Codes of levels, each text spelled as `parse.distinct_levels` does."""
    codes, spelled = column.level_codes, _spelling(column)
    by_number = cache(lambda: levels_by_number(column.levels))

    def code_of(text: str, source: str) -> int:
        text = spelled(text, source)
        if column.hash_key:
            return codes.get(hashed(text_array([text]), column.hash_key)[0], UNSEEN)
        code = codes.get(text, UNSEEN)
        if code == UNSEEN and source == "number" and column.source == "text":
            meant = by_number().get(float(text), MISSING)
            return UNSEEN if meant == MISSING else meant
        return code

    def lane(cells: Sequence[Cell], source: str) -> NDArray[np.int32] | None:
        other = column.source == "datetime"
        if other or (source == "number" and _known(cells) is None):
            return None
        texts = map(_cell_text, cells)
        found = [code_of(text, source) if text else MISSING for text in texts]
        return np.array(found, dtype=np.int32)

    return lane


def _cell_text(cell: str | float | None) -> str:
    """A plain cell as the text of a level, "" where it is missing."""
    if type(cell) is str:
        return cell.strip()
    if cell is None or cell != cell:
        return ""
    return str(cell) if type(cell) is bool else level_text(float(cell))


def _spelling(column: Column) -> Callable[[str, str], str]:
    """What spells the text of a cell of another source as the levels of `column` are."""
    number = number_reader({})

    def spelled(text: str, source: str) -> str:
        if source == column.source or column.source == "text":
            return text
        if column.source == "number":
            value = number(text)
            return text if math.isnan(value) else level_text(value)
        bit = BOOLEAN_BITS.get(text.lower())
        return text if bit is None else ("True" if bit else "False")

    return spelled
