"""Write a table chunk by chunk as CSV, Parquet or JSON, to a file or to a stream."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import pandas as pd

from automl.errors import ConfigError, DataError

FORMATS = ("csv", "parquet", "jsonl")
_SUFFIXES = {
    ".csv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
# What a spreadsheet takes for the start of a formula (OWASP, CSV Injection), also in full width
# and behind blanks.
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@＝＋－＠]")  # noqa: RUF001
_NUMBER = re.compile(r"\s*[+-]?(\d[\d\s.,']*|\.\d+)([eE][+-]?\d+)?\s*%?\s*")


class ChunkWriter(Protocol):
    """Takes the rows of one table chunk by chunk; every chunk has the columns of the first."""

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`."""
        ...

    def close(self) -> None:
        """Write what the format needs at its end. The stream itself stays open."""
        ...


def format_of(output: Path | None, asked: str | None) -> str:
    """The format to write: the one asked for, else by the suffix of `output`, else CSV.

    Raises ConfigError for a suffix that no format has, and for Parquet without a file.
    """
    if asked is not None and asked not in FORMATS:
        raise ConfigError(f"Unknown format {asked!r}.", hint=f"Known: {', '.join(FORMATS)}.")
    if output is None:
        if asked == "parquet":
            raise ConfigError(
                "Parquet cannot be written to the terminal or a pipe.",
                hint="Name a file with --output, or pass --format csv.",
            )
        return asked or "csv"
    if asked is not None:
        return asked
    suffixes = [suffix.lower() for suffix in output.suffixes]
    plain = suffixes[-2:-1] if suffixes[-1:] == [".gz"] else suffixes[-1:]
    if not plain or plain[0] not in _SUFFIXES:
        raise ConfigError(
            f"Cannot tell the format of '{output.name}' from its name.",
            hint="End it in .csv, .parquet or .jsonl, or pass --format.",
        )
    return _SUFFIXES[plain[0]]


@contextmanager
def placed(output: Path | BinaryIO) -> Iterator[BinaryIO]:
    """A binary stream whose file appears under its name only when everything was written.

    output: a path (one that ends in .gz is compressed), or an open binary stream, which is
        flushed and left open.
    Raises ConfigError if there is no such folder, DataError if the file cannot be opened or
    finished. After an error nothing is left behind. Errors of a stream are not translated.
    """
    if not isinstance(output, Path):
        yield output
        output.flush()
        return
    _check_place(output)
    draft = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
    try:
        with ExitStack() as stack:
            with naming(output):
                raw = stack.enter_context(open(draft, "xb"))
            yield stack.enter_context(_compressed(raw, output))
            with naming(output):
                stack.close()
        with naming(output):
            draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def writing(
    output: Path | BinaryIO, format: str, *, excel_safe: bool = False
) -> Iterator[ChunkWriter]:
    """A writer of tables in `format`, to an output that is `placed`.

    excel_safe: in CSV, column names and texts that a spreadsheet would run as a formula are
        written with a leading apostrophe. Otherwise every cell is written as it is.
    """
    with placed(output) as stream:
        writer = _WRITERS[format](stream, excel_safe)
        if isinstance(output, Path):
            writer = _Named(writer, output)
        yield writer
        writer.close()


class _Named:
    """A writer whose file system errors name the file."""

    def __init__(self, writer: ChunkWriter, output: Path) -> None:
        self._writer = writer
        self._output = output

    def write(self, frame: pd.DataFrame) -> None:
        with naming(self._output):
            self._writer.write(frame)

    def close(self) -> None:
        with naming(self._output):
            self._writer.close()


def guarded(cells: pd.Series[Any]) -> pd.Series[Any]:
    """`cells` where text that a spreadsheet would run as a formula begins with an apostrophe.

    Numbers with a sign stay as they are, in text or not.
    """
    if cells.dtype.kind in "biufcmM":
        return cells
    return cells.map(_guarded_cell)


def _guarded_cell(cell: object) -> object:
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def _check_place(output: Path) -> None:
    if output.is_dir():
        raise ConfigError(f"'{output}' is a directory.", hint="Name a file in it with --output.")
    if not output.parent.is_dir():
        raise ConfigError(
            f"There is no directory '{output.parent}' to write '{output.name}' in.",
            hint="Create it first, or pass another --output.",
        )


@contextmanager
def naming(output: Path) -> Iterator[None]:
    """Turn the file system's own errors while `output` is written into one that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"Cannot write '{output}': {error.strerror or error}.",
            hint="Free some space or choose another place with --output.",
        ) from error


@contextmanager
def _compressed(raw: BinaryIO, output: Path) -> Iterator[BinaryIO]:
    if output.suffix.lower() != ".gz":
        yield raw
        return
    # No name and no time in the header: equal rows give equal bytes.
    with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream:
        yield cast(BinaryIO, stream)


class _CsvWriter:
    """UTF-8, comma, LF; floats in the shortest form that reads back to the same number."""

    def __init__(self, stream: BinaryIO, excel_safe: bool) -> None:
        self._stream = stream
        self._excel_safe = excel_safe
        self._header = True

    def write(self, frame: pd.DataFrame) -> None:
        if self._excel_safe:
            frame = frame.apply(guarded).rename(columns=_guarded_cell)
        header = self._header
        self._header = False
        if len(frame) and all(map(_is_plain, frame.dtypes)):
            if header:
                self._stream.write(_pandas_csv(frame.iloc[:0], header=True))
            self._stream.write(_arrow_csv(frame))
        else:
            self._stream.write(_pandas_csv(frame, header=header))

    def close(self) -> None:
        return


def _is_plain(dtype: Any) -> bool:
    """Whether cells of this type are numbers or text of a library's own type."""
    return dtype.kind in "iuf" or getattr(dtype, "storage", "") == "pyarrow"


def _pandas_csv(frame: pd.DataFrame, *, header: bool) -> bytes:
    text = io.StringIO(newline="")
    frame.to_csv(text, index=False, header=header, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _arrow_csv(frame: pd.DataFrame) -> memoryview:
    """The lines of numbers and texts, about eight times as fast as pandas writes them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.large_string()
    columns = [_arrow_cells(frame.iloc[:, i]) for i in range(frame.shape[1])]
    if len(columns) == 1:  # a missing cell alone in its line: two quotes, lest the line be blank
        columns = [pc.if_else(pc.equal(columns[0], ""), pa.scalar('""', text), columns[0])]
    lines = pc.binary_join_element_wise(*columns, pa.scalar(",", text))
    lines = pc.binary_join_element_wise(lines, pa.scalar("", text), pa.scalar("\n", text))
    ends = np.frombuffer(lines.buffers()[1], dtype=np.int64)
    first, last = int(ends[lines.offset]), int(ends[lines.offset + len(lines)])
    return memoryview(lines.buffers()[2])[first:last]


def _arrow_cells(cells: pd.Series[Any]) -> Any:
    """Text of each cell, "" where it is missing; in quotes where CSV needs them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.large_string()
    column = pc.fill_null(pc.cast(pa.array(cells, from_pandas=True), text), "")
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if cells.dtype.kind in "iuf":
        return column
    special = pc.match_substring_regex(column, '[",\r\n]')
    if not pc.any(special).as_py():
        return column
    quote = pa.scalar('"', text)
    inner = pc.replace_substring(column, '"', '""')
    wrapped = pc.binary_join_element_wise(quote, inner, quote, pa.scalar("", text))
    return pc.if_else(special, wrapped, column)


class _JsonlWriter:
    """One JSON object a row; missing and infinite numbers are null, times are ISO 8601."""

    def __init__(self, stream: BinaryIO, excel_safe: bool) -> None:
        self._stream = stream

    def write(self, frame: pd.DataFrame) -> None:
        lines = "".join(f"{line}\n" for line in _json_lines(frame))
        self._stream.write(lines.encode("utf-8", "surrogatepass"))

    def close(self) -> None:
        return


class _JsonWriter:
    """One array of objects, one object a line; cells as in JSON lines."""

    def __init__(self, stream: BinaryIO, excel_safe: bool) -> None:
        self._stream = stream
        self._separator = "[\n"

    def write(self, frame: pd.DataFrame) -> None:
        for line in _json_lines(frame):
            self._stream.write((self._separator + line).encode("utf-8", "surrogatepass"))
            self._separator = ",\n"

    def close(self) -> None:
        self._stream.write(b"[]\n" if self._separator == "[\n" else b"\n]\n")


def _json_lines(frame: pd.DataFrame) -> list[str]:
    names = [str(name) for name in frame.columns]
    columns = [_json_cells(frame[name]) for name in frame.columns]
    return [
        json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=_json_text)
        for row in zip(*columns, strict=True)
    ]


def _json_cells(cells: pd.Series[Any]) -> list[object]:
    present = cells.notna()
    if cells.dtype.kind == "f":
        present &= np.isfinite(cells)
    return cast("list[object]", cells.astype(object).where(present, None).tolist())


def _json_text(value: object) -> str:
    """The text of a date, time or decimal."""
    return value.isoformat() if isinstance(value, pd.Timestamp) else str(value)


class _ParquetWriter:
    """Row groups of one chunk each, all with the types of the first chunk."""

    def __init__(self, stream: BinaryIO, excel_safe: bool) -> None:
        self._stream = stream
        self._parquet: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._parquet is None:
            table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
            table = table.cast(_without_nulls(table.schema))
            self._parquet = pq.ParquetWriter(self._stream, table.schema)
        else:
            schema = self._parquet.schema
            table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        self._parquet.write_table(table)

    def close(self) -> None:
        if self._parquet is not None:
            self._parquet.close()


def _without_nulls(schema: Any) -> Any:
    """`schema` where a column without any value is text, so that later chunks can hold some."""
    import pyarrow as pa

    fields = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in schema]
    return pa.schema(fields)


_WRITERS: dict[str, Callable[[BinaryIO, bool], ChunkWriter]] = {
    "csv": _CsvWriter,
    "parquet": _ParquetWriter,
    "jsonl": _JsonlWriter,
    "json": _JsonWriter,
}
