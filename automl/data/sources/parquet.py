"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from automl.data.sources._arrow_types import refuse_empty, to_piece
from automl.data.sources._origin import Origin
from automl.data.sources.base import Piece, Request
from automl.errors import DataError


class Parquet:
    """Apache Parquet."""

    suffixes = (".parquet", ".pq", ".parq")
    magic = (b"PAR1", b"PARE")
    likely: tuple[bytes, ...] = ()
    is_text = False

    def read(self, origin: Origin, request: Request) -> Piece:
        with _opened(origin) as file:
            return to_piece(file.read(), request.options, origin.name)

    def iterate(self, origin: Origin, request: Request, chunk_rows: int) -> Iterator[Piece]:
        with _opened(origin) as file:
            for batch in file.iter_batches(batch_size=chunk_rows):
                table = pa.Table.from_batches([batch])
                yield to_piece(table, request.options, origin.name)


SOURCE = Parquet()


@contextmanager
def _opened(origin: Origin) -> Iterator[Any]:
    from pyarrow import parquet  # takes longer than a small CSV does

    try:
        with origin.open_seekable() as stream, parquet.ParquetFile(stream) as file:
            refuse_empty(file.metadata.num_rows, file.metadata.num_columns, origin.name)
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{origin.name} is not a readable Parquet file: {_first_line(error)}.",
            hint="Write or copy the file again.",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(". ")
