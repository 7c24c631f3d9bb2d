"""JSON lines: one object per line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from automl.data.sources._arrow_types import refuse_empty, to_piece
from automl.data.sources._origin import Origin
from automl.data.sources._text import Text, read_text
from automl.data.sources.base import Piece, Request
from automl.errors import DataError

# Lines that are parsed at once, and at most how many bytes of them.
_BLOCK_LINES = 50_000
_BLOCK_BYTES = 1 << 26


class JsonLines:
    """Objects whose keys are the columns; a key that a line lacks is missing there.

    Text stays text, also where it looks like a date. A column with cells of several types (say,
    numbers and words) is text as it stands in the file.
    """

    suffixes = (".jsonl", ".ndjson", ".jsonlines", ".json")
    magic: tuple[bytes, ...] = ()
    likely = (b'{"', b"{}", b'{ "')
    is_text = False

    def read(self, origin: Origin, request: Request) -> Piece:
        text = _text(origin, request)
        schema = _schema(text)
        table = pa.concat_tables(_tables(text, schema, _BLOCK_LINES))
        piece = to_piece(table, request.options, origin.name)
        return Piece(piece.frame, piece.headers, (*text.notes, *piece.notes))

    def iterate(self, origin: Origin, request: Request, chunk_rows: int) -> Iterator[Piece]:
        text = _text(origin, request)
        for table in _tables(text, _schema(text), chunk_rows):
            piece = to_piece(table, request.options, origin.name)
            yield Piece(piece.frame, piece.headers, (*text.notes, *piece.notes))


SOURCE = JsonLines()


def _text(origin: Origin, request: Request) -> Text:
    if origin.head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        raise DataError(
            f"{origin.name} is one JSON array, not JSON lines.",
            hint="Write one object per line, for example with: jq -c '.[]' FILE",
        )
    return read_text(origin, request.options.encoding)
