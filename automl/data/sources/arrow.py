"""Arrow IPC files, also called Feather, and Arrow IPC streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from automl.data.sources._arrow_types import refuse_empty, to_piece
from automl.data.sources._origin import Origin
from automl.data.sources.base import Piece, Request
from automl.errors import DataError

_FILE = b"ARROW1"
_FEATHER_1 = b"FEA1"


class Arrow:
    """Apache Arrow: the file format, which is Feather version 2, and the stream format."""

    suffixes = (".arrow", ".feather", ".ftr", ".ipc", ".arrows")
    magic = (_FILE, _FEATHER_1, b"\xff\xff\xff\xff")
    likely: tuple[bytes, ...] = ()
    is_text = False

    def read(self, origin: Origin, request: Request) -> Piece:
        with _opened(origin) as (schema, batches):
            table = pa.Table.from_batches(list(batches), schema)
        refuse_empty(table.num_rows, table.num_columns, origin.name)
        return to_piece(table, request.options, origin.name)

    def iterate(self, origin: Origin, request: Request, chunk_rows: int) -> Iterator[Piece]:
        n_rows = 0
        with _opened(origin) as (schema, batches):
            for table in _divided(schema, batches, chunk_rows):
                n_rows += table.num_rows
                yield to_piece(table, request.options, origin.name)
        refuse_empty(n_rows, len(schema.names), origin.name)


SOURCE = Arrow()


@contextmanager
def _opened(origin: Origin) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The schema and the record batches, which are read one by one.

    Arrow believes what a file says of its offsets and indices, so each batch is validated before
    anything follows them out of the file's bounds.
    """
    if origin.head.startswith(_FEATHER_1):
        raise DataError(  # its reader trusts the file and may crash
            f"{origin.name} is a Feather file of the old version 1, which is not read.",
            hint="Write it again as Feather version 2 or Parquet.",
        )
    try:
        with origin.open_seekable() as stream:
            if origin.head.startswith(_FILE):
                with ipc.open_file(stream) as file:
                    numbers = range(file.num_record_batches)
                    _refuse_bare(file.schema, origin)
                    yield file.schema, (_valid(file.get_batch(number)) for number in numbers)
            else:
                with ipc.open_stream(stream) as file:
                    _refuse_bare(file.schema, origin)
                    yield file.schema, map(_valid, file)
    except (pa.ArrowException, OSError, MemoryError) as error:  # a length may be immense
        reason = str(error).partition("\n")[0].rstrip(". ")
        raise DataError(
            f"{origin.name} is not a readable Arrow file: {reason}.",
            hint="Write or copy the file again.",
        ) from error


def _refuse_bare(schema: Any, origin: Origin) -> None:
    if not schema.names:  # a number of rows alone would be divided for ever
        refuse_empty(0, 0, origin.name)


def _valid(batch: Any) -> Any:
    batch.validate(full=True)
    return batch


def _divided(schema: Any, batches: Iterator[Any], chunk_rows: int) -> Iterator[Any]:
    """Tables of `chunk_rows` rows, the last one shorter, none empty."""
    pending: list[Any] = []
    for batch in batches:
        pending.append(batch)
        while sum(part.num_rows for part in pending) > chunk_rows:
            table = pa.Table.from_batches(pending, schema)
            yield table.slice(0, chunk_rows)
            pending = table.slice(chunk_rows).to_batches()
    last = pa.Table.from_batches(pending, schema)
    if last.num_rows:
        yield last
