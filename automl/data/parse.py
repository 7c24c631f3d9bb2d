"""Cells of new rows as the typed arrays of a schema, with every cell that does not fit named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.cells import (
    Cells,
    Codes,
    Floats,
    Mask,
    Texts,
    level_text,
    plain_numbers,
    read_cells,
    text_array,
)
from automl.data.dates import parse_date_cells, parse_dates
from automl.data.hashing import hashed
from automl.data.numbers import parse_number_cells, parse_numbers, wrong_texts
from automl.data.schema import Column, Kind, ParsedTable, Schema
from automl.data.sources._texts import TextColumn, TextTable
from automl.errors import ConfigError, DataError, did_you_mean

MISSING = -1
UNSEEN = -2
MODES = ("default", "lenient", "strict")

# Words for False and True, in lower case. Only whole pairs make a column boolean.
BOOLEAN_WORDS = (("no", "yes"), ("false", "true"), ("f", "t"), ("n", "y"))
_PAIRS = (*BOOLEAN_WORDS, ("0", "1"), ("0.0", "1.0"))
BOOLEAN_BITS = {w: float(i) for pair in _PAIRS for i, w in enumerate(pair)}
# A cell may hold megabytes; messages and reports show its beginning.
_SHOWN = 200
_NAMED = 20

Values = NDArray[np.float64] | NDArray[np.int32] | pd.Series


@dataclass(frozen=True)
class Parsed:
    """One column of some rows: its values as in `ParsedTable`, and True where a cell is bad."""

    values: Any
    bad: Mask

    @property
    def missing(self) -> Mask:
        """(n_rows,) True where the value is missing, bad cells included."""
        if isinstance(self.values, pd.Series):
            return np.asarray(self.values.isna(), dtype=bool)
        if self.values.dtype == np.int32:
            return np.asarray(self.values == MISSING, dtype=bool)
        return np.asarray(np.isnan(self.values), dtype=bool)


def parse_table(
    frame: pd.DataFrame | TextTable,
    schema: Schema,
    *,
    mode: str = "default",
    first_row: int = 1,
    max_bad: int = 100,
) -> ParsedTable:
    """The used columns of `schema` in `frame`, typed; one row out per row in.

    Columns are found by name; their order and further columns do not matter. A cell that does not
    have its column's type is missing and reported in `ParsedTable.bad`; an unseen level is -2.
    mode: "default": a missing column is an error. "lenient": it is filled as missing.
        "strict": the first bad cell or unseen level in file order is an error, too.
    first_row: number of the frame's first row in its file, for messages (1 = first data row).
    Raises DataError as said above or for a repeated column name; ConfigError for another mode.
    """
    check_mode(mode)
    names = [str(name) for name in frame.columns]
    places = column_places(names, schema, lenient=mode == "lenient")
    rest = {
        i: frame.column(place) if isinstance(frame, TextTable) else frame.iloc[:, place]
        for i, place in places.items()
    }
    return typed_columns(
        {}, rest, schema, n_rows=len(frame), mode=mode, first_row=first_row, max_bad=max_bad
    )


def check_mode(mode: str) -> None:
    """Raise ConfigError for an unknown mode."""
    if mode not in MODES:
        raise ConfigError(f"Unknown mode {mode!r}.", hint=f"Use one of {', '.join(MODES)}.")


def typed_columns(  # noqa: PLR0913 - what is known of the rows, and how to speak of them
    ready: Mapping[int, Any],
    rest: Mapping[int, pd.Series[Any] | TextColumn],
    schema: Schema,
    *,
    n_rows: int,
    mode: str,
    first_row: int,
    max_bad: int = 100,
) -> ParsedTable:
    """The used columns of `schema`; see `parse_table`.

    ready: values by column index where they are known, and nothing is wrong with them.
    rest: the cells of further columns; a used column that is in neither is missing.
    """
    values: dict[int, Any] = {}
    bad: list[tuple[int, int, str]] = []  # (row, column, text), sorted by row below
    wrong_by: dict[int, tuple[int, list[tuple[int, str]]]] = {}
    for i in schema.used:
        if i in ready:
            values[i] = ready[i]
            continue
        column = schema.columns[i]
        if i not in rest:
            values[i] = _all_missing(column.kind, n_rows)
            continue
        if column.kind is Kind.NUMERIC and not column.formats:
            numbers = plain_numbers(rest[i])
            if numbers is not None:
                values[i] = numbers
                continue
        cells = read_cells(rest[i])
        parsed = parse_cells(cells, column)
        values[i] = parsed.values
        wrong = parsed.bad
        if mode == "strict" and column.kind is Kind.CATEGORICAL:
            wrong = wrong | (parsed.values == UNSEEN)
        rows = np.flatnonzero(wrong)
        if len(rows):
            shown = [(int(r), shown_text(cells.text_at(int(r)))) for r in rows[: max_bad or 1]]
            wrong_by[i] = (len(rows), shown)
            bad += [(row, i, text) for row, text in shown]
    n_bad = sum(n for n, _ in wrong_by.values())
    bad.sort(key=lambda cell: cell[:2])
    if mode == "strict" and n_bad:
        raise _strict_error(schema, bad, first_row)
    listed = tuple((i, row, text) for row, i, text in bad[:max_bad])
    return ParsedTable(n_rows, values, listed, n_bad, wrong_by)


def shown_text(text: str) -> str:
    """`text`, cut where it is too long to be shown."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def parse_cells(cells: Cells, column: Column) -> Parsed:
    """`cells` as the kind of `column`, by its formats and levels."""
    none_bad = np.zeros(cells.n_rows, dtype=bool)
    if column.kind is Kind.NUMERIC:
        return Parsed(*parse_number_cells(cells, column.formats))
    if column.kind is Kind.DATETIME:
        return Parsed(*parse_date_cells(cells, column.formats))
    if column.kind is Kind.BOOLEAN:
        return Parsed(*_parse_booleans(cells, column))
    if column.kind is Kind.CATEGORICAL:
        return Parsed(_parse_levels(cells, column), none_bad)
    codes, texts = cells.distinct()
    padded = np.append(texts, np.nan)  # code -1 takes the last entry
    return Parsed(pd.Series(padded[codes], dtype="str"), none_bad)


def column_levels(cells: Cells, column: Column) -> tuple[Codes, Texts]:
    """(codes, texts) of `cells`, each text as the schema spells that level of `column`."""
    codes, texts = distinct_levels(cells, column.source)
    return codes, hashed(texts, column.hash_key) if column.hash_key else texts


def distinct_levels(cells: Cells, source: str) -> tuple[Codes, Texts]:
    """(codes, texts) of `cells`, each text as a column of this source writes its levels.

    So the text '1.0' is the level '1' where training had numbers, and 'true' is 'True' where it
    had booleans. Codes may point to equal texts.
    """
    codes, texts = cells.distinct()
    if cells.source == source or source == "text":
        return codes, texts
    if source == "number":
        numbers = parse_numbers(texts, {})
        return codes, _replaced(texts, numbers, [level_text(n) for n in numbers])
    if source == "boolean":
        bits = np.array(
            [BOOLEAN_BITS.get(text.lower(), np.nan) for text in texts], dtype=np.float64
        )
        return codes, _replaced(texts, bits, ["True" if bit else "False" for bit in bits])
    stamps = parse_dates(texts, ())
    known = ~np.isnan(stamps)
    typed = Cells("datetime", stamps[known], np.empty(0, dtype=np.intp), np.empty(0, dtype=object))
    order, names = typed.distinct()
    texts = texts.copy()
    texts[known] = names[order]
    return codes, texts


def _replaced(texts: Texts, values: Floats, names: Sequence[str]) -> Texts:
    """`names` where the values are known, else `texts`."""
    return np.where(np.isnan(values), texts, text_array(names))


def _parse_levels(cells: Cells, column: Column) -> NDArray[np.int32]:
    codes, texts = column_levels(cells, column)
    known = column.level_codes
    found = np.array([known.get(text, MISSING) for text in texts.tolist()], dtype=np.intp)
    by_number = column.source == "text" and cells.source == "number" and not column.hash_key
    if by_number and (found < 0).any():
        # Codes that lost their zeros on the way: the number 123 is the level '00123' or '123.0'.
        meant = levels_by_number(column.levels)
        for i in np.flatnonzero(found < 0):
            found[i] = meant.get(float(texts[i]), MISSING)
    table = np.append(np.where(found < 0, UNSEEN, found), MISSING)
    return np.asarray(table[codes], dtype=np.int32)


def levels_by_number(levels: Sequence[str]) -> dict[float, int]:
    """Index of the only level that means each number."""
    numbers = parse_numbers(text_array(levels), {})
    found: dict[float, int] = {}
    for i, number in enumerate(numbers):
        found[float(number)] = MISSING if float(number) in found else i
    return found


def _parse_booleans(cells: Cells, column: Column) -> tuple[Floats, Mask]:
    if cells.source in ("boolean", "number"):
        bad = ~np.isnan(cells.values) & (cells.values != 0) & (cells.values != 1)
        return np.where(bad, np.nan, cells.values), bad
    codes, texts = cells.distinct()
    own = {level.lower(): float(i) for i, level in enumerate(column.levels)}
    words = {**BOOLEAN_BITS, **own}
    bits = [words.get(text.lower(), np.nan) for text in texts]
    table = np.array([*bits, np.nan], dtype=np.float64)
    wrong = np.append(wrong_texts(texts, table[:-1]), False)
    return table[codes], wrong[codes]


def column_places(names: Sequence[str], schema: Schema, *, lenient: bool) -> dict[int, int]:
    """Position in `names` of each used column of `schema` that is there.

    Raises DataError for a repeated column name and, unless `lenient`, for absent columns.
    """
    used = [(i, schema.columns[i].name) for i in schema.used]
    wanted = {name for _, name in used}
    twice = {name for name, count in Counter(names).items() if count > 1 and name in wanted}
    if twice:
        raise DataError(
            f"Column {sorted(twice)[0]!r} is there more than once.", hint="Rename one of them."
        )
    places = {name: k for k, name in enumerate(names)}
    absent = [name for _, name in used if name not in places]
    if absent and not lenient:
        others = [name for name in names if name not in wanted]
        raise _absent_error(absent, others, none_found=len(absent) == len(used))
    return {i: places[name] for i, name in used if name in places}


def _absent_error(absent: Sequence[str], others: Sequence[str], *, none_found: bool) -> DataError:
    close = did_you_mean(absent[0], others[:1000]) if others else None
    hint = "Add the columns, or use --lenient to score them as missing."
    if none_found and others and not close:
        shown = ", ".join(repr(shown_text(name)) for name in others[:3])
        hint = f"The table's columns are {shown}{', …' * (len(others) > 3)}: is its header there?"
    if close:
        hint = f"For {absent[0]!r}: {close[0].lower()}{close[1:]} {hint}"
    noun = "columns are" if len(absent) > 1 else "column is"
    listed = ", ".join(repr(name) for name in absent[:_NAMED])
    if len(absent) > _NAMED:
        listed += f" and {len(absent) - _NAMED:,} more"
    return DataError(f"{len(absent)} {noun} missing from the data: {listed}.", hint=hint)


def _all_missing(kind: Kind, n_rows: int) -> Any:
    if kind is Kind.CATEGORICAL:
        return np.full(n_rows, MISSING, dtype=np.int32)
    if kind is Kind.TEXT:
        return pd.Series(np.full(n_rows, np.nan, dtype=object), dtype="str")
    return np.full(n_rows, np.nan)


def _strict_error(
    schema: Schema, bad: Sequence[tuple[int, int, str]], first_row: int
) -> DataError:
    row, i, text = bad[0]
    column = schema.columns[i]
    what = {
        Kind.NUMERIC: "is not a finite number",
        Kind.DATETIME: "is not a date in the column's format",
        Kind.BOOLEAN: f"is neither {' nor '.join(repr(level) for level in column.levels)}",
    }.get(column.kind, "was not seen in training")
    return DataError(
        f"Row {first_row + row}, column {column.name!r}: {text!r} {what}.",
        hint="Correct the cell, or leave out --strict to score it as missing or unseen.",
    )
