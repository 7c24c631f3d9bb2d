"""Delimited text: CSV, TSV and their relatives."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from automl.cores import over_columns
from automl.data.sources import _text_cells as text_cells
from automl.data.sources._dialect import DELIMITERS, Dialect, any_field_size, find_dialect, records
from automl.data.sources._names import unique_names
from automl.data.sources._origin import Origin
from automl.data.sources._text import Text, read_text
from automl.data.sources._texts import TextColumn, TextTable
from automl.data.sources.base import Piece, Request
from automl.errors import ConfigError, DataError

# A row has to fit into a block, so larger ones are tried for larger rows.
_BLOCKS = (1 << 20, 1 << 24, 1 << 28)


class Delimited:
    """Cells divided by a delimiter, rows by line ends; also what has no other kind."""

    suffixes = (".csv", ".tsv", ".tab", ".psv", ".txt", ".data", ".dat")
    magic: tuple[bytes, ...] = ()
    likely: tuple[bytes, ...] = ()
    is_text = True

    def read(self, origin: Origin, request: Request) -> Piece:
        layout = _Layout.of(origin, request)
        attempt = _Attempt()
        while True:
            try:
                with layout.text.open_native(layout.dialect.start) as stream:
                    table = arrow_csv.read_csv(stream, **layout.arrow_options(attempt))
                break
            except pa.ArrowInvalid as error:
                attempt = layout.next_attempt(attempt, error)
        table = layout.without_spare(table)
        layout.check_rows(table.num_rows)
        layout.check_end(table)
        deque(layout.check_escapes(table.to_batches()), maxlen=0)
        return layout.piece(table)

    def iterate(self, origin: Origin, request: Request, chunk_rows: int) -> Iterator[Piece]:
        layout = _Layout.of(origin, request)
        n_rows, n_given = 0, 0
        pending: list[Any] = []
        for batch in layout.check_escapes(_batches(layout)):
            n_rows += batch.num_rows
            pending.append(batch)
            while sum(part.num_rows for part in pending) > chunk_rows + layout.n_spare:
                table = pa.Table.from_batches(pending)
                yield layout.piece(table.slice(0, chunk_rows), first=n_given == 0)
                n_given += chunk_rows
                pending = table.slice(chunk_rows).to_batches()
        layout.check_rows(n_rows)
        last = layout.without_spare(pa.Table.from_batches(pending))
        layout.check_rows(last.num_rows)
        layout.check_end(last)
        yield layout.piece(last, first=n_given == 0)


SOURCE = Delimited()


@dataclass(frozen=True)
class _Attempt:
    """How Arrow is asked to read the rows; what it refuses is tried once more in another way.

    block: index of a size in `_BLOCKS`.  blanks: lines of nothing but blanks are left out.
    """

    block: int = 0
    blanks: bool = False


def _batches(layout: _Layout) -> Iterator[Any]:
    """The record batches of the file; a new attempt goes on behind the rows that were given."""
    n_given = 0
    attempt = _Attempt()
    while True:
        n_skip = n_given
        try:
            with layout.text.open_native(layout.dialect.start) as stream:
                for batch in arrow_csv.open_csv(stream, **layout.arrow_options(attempt)):
                    skipped = min(n_skip, batch.num_rows)
                    n_skip -= skipped
                    rows = batch.slice(skipped)
                    if rows.num_rows:
                        n_given += rows.num_rows
                        yield rows
            return
        except pa.ArrowInvalid as error:
            attempt = layout.next_attempt(attempt, error)


@dataclass(frozen=True)
class _Layout:
    """All that is known about a file before its rows are read."""

    text: Text
    dialect: Dialect
    request: Request
    names: tuple[str, ...]
    headers: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, origin: Origin, request: Request) -> _Layout:
        options = request.options
        if options.decimal not in (None, ".", ","):
            raise ConfigError(
                f"The decimal mark {options.decimal!r} is unknown.", hint="Use '.' or ','."
            )
        text = read_text(origin, options.encoding)
        dialect = find_dialect(text, options)
        headers = dialect.header or tuple([""] * dialect.n_columns)
        names, notes = unique_names(headers)
        if dialect.header is None:
            notes = ()  # that columns have no names is said already
        _refuse_other_delimiter(origin, dialect)
        return cls(text, dialect, request, names, headers, (*text.notes, *dialect.notes, *notes))

    @property
    def n_spare(self) -> int:
        """1 where a cell is a row and the last line is blank: Arrow takes that for a row."""
        lines = self.text.tail.splitlines()
        return int(self.dialect.width == 1 and bool(lines) and not lines[-1].strip())

    def without_spare(self, table: Any) -> Any:
        """The last rows of the file without the blank line behind them."""
        n_rows = table.num_rows
        if self.n_spare == 0 or n_rows == 0 or (table.column(0)[-1].as_py() or "").strip():
            return table
        return table.slice(0, n_rows - 1)

    def arrow_options(self, attempt: _Attempt) -> dict[str, Any]:
        """All columns as strings, called by their position; missing markers null."""
        columns = [str(i) for i in range(self.dialect.width)]
        quoted = self.dialect.quote in self.text.quotes
        return {
            "read_options": arrow_csv.ReadOptions(
                column_names=columns,
                block_size=_BLOCKS[attempt.block],
                # What is called back in Python must not be called by threads that read ahead.
                use_threads=not attempt.blanks,
            ),
            "parse_options": arrow_csv.ParseOptions(
                delimiter=self.dialect.delimiter,
                quote_char=self.dialect.quote if quoted else False,
                escape_char=self.dialect.escape or False,
                newlines_in_values=quoted,
                ignore_empty_lines=self.dialect.width > 1,
                invalid_row_handler=_skip_blank if attempt.blanks else None,
            ),
            "convert_options": arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=True,
                null_values=list(self.request.options.markers),
                check_utf8=False,  # read_text has proved the encoding
            ),
        }

    def next_attempt(self, attempt: _Attempt, error: Exception) -> _Attempt:
        """Another way to read what Arrow refused with `error`; DataError if there is none."""
        if "Empty CSV file" in str(error):
            self.check_rows(0)
        if "straddl" in str(error):
            if attempt.block + 1 < len(_BLOCKS):
                return replace(attempt, block=attempt.block + 1)
            raise DataError(
                f"{self.text.origin.name} has a row of more than {_BLOCKS[-1] >> 20} MiB.",
                hint="Look for a quote that is opened and never closed.",
            ) from error
        if not attempt.blanks:
            return replace(attempt, blanks=True)
        self.raise_ragged()
        raise DataError(
            f"{self.text.origin.name} cannot be read as a table: {error}.",
            hint="Check the delimiter and the quotes.",
        ) from error

    def raise_ragged(self) -> None:
        """Reads the file again, slowly, to name the first row that is too short or too long."""
        dialect = self.dialect
        with self.text.open() as stream, any_field_size():
            for _ in range(dialect.lines):
                stream.readline()
            row = 0
            try:
                for start, _, fields in records(stream, dialect):
                    row += 1
                    spare = len(fields) == dialect.n_columns + 1 == dialect.width
                    if len(fields) != dialect.width or (spare and fields[-1].strip()):
                        raise self._ragged(row, dialect.lines + start + 1, fields)
            except csv.Error as error:
                raise DataError(
                    f"{self.text.origin.name}, row {row + 1}: {error}.",
                    hint="Check the quotes in that row.",
                ) from error

    def _ragged(self, row: int, line: int, fields: list[str]) -> DataError:
        n_found, n_expected = len(fields), self.dialect.n_columns
        return DataError(
            f"{self.text.origin.name}, row {row} (line {line}) has {n_found} "
            f"field{'s' * (n_found > 1)}, expected {n_expected}.",
            hint=self._ragged_hint(fields),
        )

    def _ragged_hint(self, fields: list[str]) -> str:
        if self.dialect.n_columns == 1:
            return "Is the first line a title? Remove it, or name the delimiter."
        if fields[0].lstrip().startswith("#"):
            return "Comments are skipped only before the table: remove this line."
        if any("\n" in field for field in fields):
            return "Look for a quote that is opened and never closed: a cell goes over lines here."
        if len(fields) > self.dialect.n_columns:
            return f"Put cells that contain the delimiter ({self.dialect.spoken}) into quotes."
        return "Complete the row, or look for a quote that is opened and never closed."

    def check_rows(self, n_rows: int) -> None:
        if n_rows == 0:
            n_columns = self.dialect.n_columns
            raise DataError(
                f"{self.text.origin.name} has a header ({n_columns} column"
                f"{'s' * (n_columns > 1)}) and no rows.",
                hint="Give a table with rows below the header.",
            )

    def check_end(self, table: Any) -> None:
        """A last cell over several lines was quoted, so the file must end with the quote."""
        last = table.column(table.num_columns - 1)[-1].as_py() or ""
        end = self.text.tail.rstrip().removesuffix(self.dialect.delimiter)
        if "\n" in last.strip() and not end.endswith(self.dialect.quote):
            start = last.splitlines()[0][:40]
            raise DataError(
                f"{self.text.origin.name} ends inside of a quoted cell that begins with "
                f"{start!r}.",
                hint="Close the quote.",
            )

    def check_escapes(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches, compared with what Python's csv module reads where quotes are escaped.

        A backslash behind a closing quote has no meaning that readers agree on.
        """
        if self.dialect.escape is None:
            yield from batches
            return
        markers = frozenset(self.request.options.markers)
        with self.text.open() as stream, any_field_size():
            for _ in range(self.dialect.lines):
                stream.readline()
            rows = records(stream, self.dialect)
            for batch in batches:
                cells = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                for row, (start, _, fields) in zip(cells, rows, strict=False):
                    if not all(map(_agree, row, fields, repeat(markers))):
                        raise DataError(
                            f"{self.text.origin.name}, line {self.dialect.lines + start + 1}: "
                            "a cell goes on behind its closing quote.",
                            hint="Put a backslash before every quote inside of a cell.",
                        )
                yield batch

    def piece(self, table: Any, *, first: bool = True) -> Piece:
        """The columns of an Arrow table of strings, cleaned and typed as asked for.

        first: these are the first rows of the file, which the notes are made from.
        """
        n_rows = table.num_rows
        columns = table.columns
        del table
        if self.dialect.width > self.dialect.n_columns and columns.pop().null_count < len(
            columns[0]
        ):
            self.raise_ragged()
        if not self.request.typed:
            return self._texts(columns, n_rows, first=first)
        columns.reverse()

        def converted(name: str) -> tuple[str, text_cells.Cells, bool]:
            column = self._column(waiting[name].pop(), name)
            has_commas = pa.types.is_string(column.type) and self._has_commas(column)
            return name, text_cells.to_array(column), has_commas

        # Each Arrow column is freed as soon as it is converted.
        waiting = {name: [columns.pop()] for name in self.names}
        data: dict[str, text_cells.Cells] = {}
        commas: list[str] = []
        for name, cells, has_commas in over_columns(converted, self.names, n_rows=n_rows):
            data[name] = cells
            if has_commas:
                commas.append(name)
        return Piece(pd.DataFrame(data, copy=False), self.headers, self._noted(commas))

    def _texts(self, columns: list[Any], n_rows: int, *, first: bool) -> Piece:
        texts = {
            name: TextColumn(column, self._clean)
            for name, column in zip(self.names, columns, strict=True)
        }
        probed = texts.items() if first else ()
        commas = [
            name for name, text in probed if self._has_commas(text.head(text_cells.PROBE_ROWS))
        ]
        return Piece(TextTable(texts, n_rows), self.headers, self._noted(commas))

    def _has_commas(self, column: Any) -> bool:
        return self.dialect.delimiter != "," and text_cells.has_decimal_commas(column)

    def _noted(self, commas: list[str]) -> tuple[str, ...]:
        if not commas:
            return self.notes
        shown = ", ".join(map(repr, commas[:5])) + ", …" * (len(commas) > 5)
        return (*self.notes, f"decimal comma in {shown}")

    def _column(self, column: Any, name: str) -> Any:
        options = self.request.options
        if name in self.request.text:
            return text_cells.clean(column, options.markers, marked=True)
        if options.decimal != ",":
            # Most columns of numbers have no white space: they need not be looked at for it.
            numbers = text_cells.to_numbers(column)
            if numbers is not None:
                return numbers
        column = self._clean(column)
        numbers = text_cells.to_numbers(column)
        return column if numbers is None else numbers

    def _clean(self, column: Any) -> Any:
        options = self.request.options
        column = text_cells.clean(column, options.markers)
        return text_cells.with_decimal_point(column) if options.decimal == "," else column


def _agree(cell: str | None, field: str, markers: frozenset[str]) -> bool:
    return field in markers if cell is None else cell == field


def _skip_blank(row: Any) -> str:
    return "error" if row.text.strip() else "skip"


def _refuse_other_delimiter(origin: Origin, dialect: Dialect) -> None:
    """One column whose header holds a delimiter was divided by the wrong one."""
    if dialect.n_columns != 1 or dialect.header is None:
        return
    other = next((mark for mark in DELIMITERS if mark in dialect.header[0]), None)
    if other is not None:
        raise DataError(
            f"{origin.name} has one column named {dialect.header[0][:60]!r}, divided by "
            f"{dialect.spoken}.",
            hint=f"Try --delimiter {other!r}.",
        )
