"""JSON lines: one object per line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json
from pyarrow import types

from automl.data.sources._arrow_types import refuse_empty, to_piece
from automl.data.sources._origin import Origin
from automl.data.sources._text import Text, read_text
from automl.data.sources.base import Piece, Request
from automl.errors import DataError

_BLOCK_LINES = 50_000
_BLOCK_BYTES = 1 << 26  # fewer lines are parsed at once if they are longer than this
# More brackets in a line go to Python's parser, which ends at a bound: Arrow's goes down into any
# depth until the process has no stack left.
_MOST_BRACKETS = 200
_MIXED = "mixed"
_ARROW = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "text": pa.string()}
_INT64 = range(-(2**63), 2**63)

Kinds = dict[str, str]  # column -> "int", "float", "bool", "text" or "mixed", in file order
Lines = Sequence[bytes]


class JsonLines:
    """Objects whose keys are the columns; a key that a line lacks is missing there.

    Text stays text, also where it looks like a date. A column with cells of several types (say,
    numbers and words) is text, as it stands in the file. The file is read twice, so that all
    chunks have the same columns.
    """

    suffixes = (".jsonl", ".ndjson", ".jsonlines", ".json")
    magic: tuple[bytes, ...] = ()
    likely = (b'{"', b"{}", b'{ "')
    is_text = False

    def read(self, origin: Origin, request: Request) -> Piece:
        text = _text(origin, request)
        kinds = _kinds(text)
        tables = [_table(lines, at, kinds, origin.name) for at, lines in _blocks(text)]
        return _piece(pa.concat_tables(tables), text, request)

    def iterate(self, origin: Origin, request: Request, chunk_rows: int) -> Iterator[Piece]:
        text = _text(origin, request)
        kinds = _kinds(text)
        pending: list[Any] = []
        for at, lines in _blocks(text, min(chunk_rows, _BLOCK_LINES)):
            pending.append(_table(lines, at, kinds, origin.name))
            while sum(table.num_rows for table in pending) > chunk_rows:
                table = pa.concat_tables(pending)
                yield _piece(table.slice(0, chunk_rows), text, request)
                pending = [table.slice(chunk_rows)]
        yield _piece(pa.concat_tables(pending), text, request)


SOURCE = JsonLines()


class _Number(str):
    """A number as it is written in the file."""

    __slots__ = ()


def _text(origin: Origin, request: Request) -> Text:
    if origin.head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        raise DataError(
            f"{origin.name} is one JSON array, not JSON lines.",
            hint="Write one object per line, for example with: jq -c '.[]' FILE",
        )
    return read_text(origin, request.options.encoding)


def _piece(table: Any, text: Text, request: Request) -> Piece:
    piece = to_piece(table, request.options, text.origin.name)
    return Piece(piece.cells, piece.headers, (*text.notes, *piece.notes))


def _blocks(text: Text, n_lines: int = _BLOCK_LINES) -> Iterator[tuple[list[int], list[bytes]]]:
    """(numbers from 1, lines) of some lines that are not blank, until the file ends."""
    with text.open_utf8() as stream:
        numbers: list[int] = []
        lines: list[bytes] = []
        size = 0
        for number, line in enumerate(stream, 1):
            if line.isspace():
                continue
            numbers.append(number)
            lines.append(line)
            size += len(line)
            if len(lines) == n_lines or size > _BLOCK_BYTES:
                yield numbers, lines
                numbers, lines, size = [], [], 0
        if lines:
            yield numbers, lines


def _kinds(text: Text) -> Kinds:
    """What the columns are, from all lines; raises DataError for a line that is no flat object."""
    name = text.origin.name
    kinds: Kinds = {}
    n_rows = 0
    for numbers, lines in _blocks(text):
        n_rows += len(lines)
        try:
            found = _arrow_kinds(_parse(lines), name)
        except pa.ArrowInvalid:  # a wrong line, or cells of several types
            found = _python_kinds(_objects(lines, numbers, name), name)
        for column, kind in found.items():
            kinds[column] = _merged(kinds.get(column, ""), kind)
    refuse_empty(n_rows, len(kinds), name)
    try:
        "".join(kinds).encode()
    except UnicodeEncodeError as error:
        raise _no_unicode(f"A key of {name}") from error
    return {column: kind or "text" for column, kind in kinds.items()}


def _merged(one: str, other: str) -> str:
    """The kind of a column with cells of two kinds; "" = only missing cells so far."""
    if not one or not other or one == other:
        return one or other
    return "float" if {one, other} == {"int", "float"} else _MIXED


def _parse(lines: Lines, schema: Any = None) -> Any:
    """The lines as an Arrow table; ArrowInvalid where Arrow cannot, or must not, read them."""
    data = b"".join(lines)
    if data.count(b"{") + data.count(b"[") > len(lines) + _MOST_BRACKETS and any(
        line.count(b"{") + line.count(b"[") > _MOST_BRACKETS for line in lines
    ):
        raise pa.ArrowInvalid("many brackets in one line")
    return arrow_json.read_json(
        io.BytesIO(data),
        # One block: types are inferred from all of it, and a line may be of any length.
        read_options=arrow_json.ReadOptions(block_size=len(data) + 1, use_threads=False),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema),
    )


def _arrow_kinds(table: Any, name: str) -> Kinds:
    return {
        field.name: _arrow_kind(table.column(i), field.name, name)
        for i, field in enumerate(table.schema)
    }


def _arrow_kind(column: Any, column_name: str, name: str) -> str:
    if types.is_nested(column.type):
        raise _nested(column_name, name)
    if types.is_floating(column.type):
        largest = pc.max(pc.abs(column)).as_py() or 0.0
        # Integers beyond int64 were rounded by the parser; as text they keep their digits.
        return _MIXED if 2**63 <= largest < float("inf") else "float"
    if types.is_integer(column.type):
        return "int"
    if types.is_boolean(column.type):
        return "bool"
    return "" if types.is_null(column.type) else "text"


def _objects(lines: Lines, numbers: Sequence[int], name: str) -> list[dict[str, Any]]:
    """The lines as objects, their numbers as written; raises DataError naming a wrong line."""
    decoder = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    objects = []
    for number, line in zip(numbers, lines, strict=True):
        try:
            found = decoder.decode(line.decode("utf-8").strip())
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{name}, line {number} is not valid JSON: {error}.",
                hint="Write one complete object per line.",
            ) from error
        if not isinstance(found, dict):
            start = line[:40].decode("utf-8", "replace").strip()
            raise DataError(
                f"{name}, line {number} is not a JSON object: {start}.",
                hint='Write each row as {"column": value, ...}.',
            )
        objects.append(found)
    return objects


def _python_kinds(objects: Sequence[Mapping[str, Any]], name: str) -> Kinds:
    kinds: Kinds = {}
    for row in objects:
        for column, cell in row.items():
            if isinstance(cell, dict | list):
                raise _nested(column, name)
            kinds[column] = _merged(kinds.get(column, ""), _python_kind(cell))
    return kinds


def _python_kind(cell: str | bool | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "bool"
    if not isinstance(cell, _Number):
        return "text"
    if not cell.lstrip("-").isdigit():
        return "float"
    return "int" if len(cell) <= 20 and int(cell) in _INT64 else _MIXED


def _table(lines: Lines, numbers: Sequence[int], kinds: Kinds, name: str) -> Any:
    """The lines as an Arrow table with the columns `kinds`."""
    if _MIXED not in kinds.values():
        schema = pa.schema([(column, _ARROW[kind]) for column, kind in kinds.items()])
        try:
            return _parse(lines, schema)
        except pa.ArrowInvalid:  # a key that is repeated within a line: the last one counts
            pass
    objects = _objects(lines, numbers, name)
    columns = []
    for column, kind in kinds.items():
        cells = [_cell(row.get(column), kind) for row in objects]
        try:
            columns.append(pa.array(cells, _ARROW.get(kind, pa.string())))
        except UnicodeEncodeError as error:
            raise _no_unicode(f"Column {column!r} of {name} has a cell that") from error
    return pa.table(columns, names=list(kinds))


def _no_unicode(what: str) -> DataError:
    return DataError(
        f"{what} is no valid Unicode.",
        hint="Look for half of a surrogate pair, such as \\ud83d.",
    )


def _cell(cell: Any, kind: str) -> Any:
    if cell is None:
        return None
    if kind in ("int", "float"):
        return int(cell) if kind == "int" else float(cell)
    if kind == _MIXED and isinstance(cell, bool):
        return "true" if cell else "false"
    return cell


def _nested(column: str, name: str) -> DataError:
    return DataError(
        f"Column {column!r} of {name} holds lists or objects, not plain cells.",
        hint="Leave it out, or divide it into plain columns.",
    )
