"""Read a table from a file or stdin, whole or in chunks, whatever kind of file it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import cast

import pandas as pd

from automl import plugins
from automl.data.sources._origin import Origin
from automl.data.sources._texts import TextTable
from automl.data.sources.base import MISSING_MARKERS, Piece, ReadOptions, Request, Source
from automl.errors import ConfigError

__all__ = [
    "MISSING_MARKERS",
    "ReadOptions",
    "Table",
    "TextTable",
    "give_back_memory",
    "read",
    "read_chunks",
    "read_table",
]

_SOURCES = "automl.data.sources"
_DEFAULTS = ReadOptions()
_ANY_TEXT = "delimited"


@dataclass(frozen=True)
class Table:
    """Rows of a file.

    cells: unique column names; texts of a CSV whose types nobody asked for, else a frame.
    path: as given.  digest: SHA-256 of the file's bytes as stored.
    notes: what was found out about the file, for people: encoding, delimiter, lines skipped …
    headers: the column names as they stand in the file; "" where the file has none.
    text_read: the cells come from text (a CSV), not from a file that carries types.
    first_row: rows of the file before this table; 0 unless it is a later chunk.
    """

    cells: pd.DataFrame | TextTable
    path: str
    notes: tuple[str, ...]
    headers: tuple[str, ...]
    digest: str
    text_read: bool
    first_row: int = 0

    @property
    def frame(self) -> pd.DataFrame:
        """The cells as a frame, as `read` and `read_chunks` describe them."""
        return self.cells.frame if isinstance(self.cells, TextTable) else self.cells


def give_back_memory() -> None:
    """Return to the system what reading a table took and nobody needs any more."""
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None:
        pyarrow.default_memory_pool().release_unused()


def read(
    path: str | os.PathLike[str],
    *,
    options: ReadOptions = _DEFAULTS,
    text: Collection[str] = (),
) -> Table:
    """All rows of the file at `path`; "-" reads stdin.

    The kind of file is told by its first bytes, then by its name's ending; everything else that
    is text is taken as delimited. `.gz` and `.zst` are decompressed.

    A column of delimited text becomes int64 or float64 if all its present cells are plain
    numbers (no leading zeros, plus signs or thousands marks; integers that the type cannot hold
    exactly stay text); all others, and those named in `text`, are pandas `str` with NaN for
    missing, without surrounding white space. Parquet, Arrow and JSON lines keep their types:
    int64, float64 (also integers with missing cells), bool (`str` "True"/"False" if cells are
    missing), datetime64[us] (UTC), `str`.

    Raises DataError if there is no readable table, ConfigError for an impossible option.
    """
    with Origin(path) as origin:
        source = _source(origin)
        piece = source.read(origin, Request(options, frozenset(text)))
        return _table(origin, source, piece, origin.digest)


def read_table(path: str | os.PathLike[str], *, options: ReadOptions = _DEFAULTS) -> pd.DataFrame:
    """The table in the file at `path` as a frame; see `read`."""
    return read(path, options=options).frame


def read_chunks(
    path: str | os.PathLike[str],
    *,
    options: ReadOptions = _DEFAULTS,
    chunk_rows: int = 50_000,
    typed: bool = False,
) -> Iterator[Table]:
    """The rows of the file at `path` in tables of `chunk_rows`, in file order, in bounded memory.

    All columns of delimited text are `str`, unless `typed`: then each chunk's columns are typed
    by that chunk's cells alone, so that the same column may be numbers here and text there.
    Other files carry their types. There is at least one chunk, and none is empty.

    Raises as `read` does; for a row that is wrong, when its chunk is reached.
    """
    if chunk_rows < 1:
        raise ConfigError(f"chunk_rows is {chunk_rows}.", hint="It has to be 1 or more.")
    with Origin(path) as origin:
        source, digest, first_row = _source(origin), origin.digest, 0
        request = Request(options, typed=typed)
        for piece in source.iterate(origin, request, chunk_rows):
            yield _table(origin, source, piece, digest, first_row)
            first_row += len(piece.cells)


def _table(origin: Origin, source: Source, piece: Piece, digest: str, first_row: int = 0) -> Table:
    return Table(
        cells=piece.cells,
        path=origin.path,
        notes=piece.notes,
        headers=piece.headers,
        digest=digest,
        text_read=source.is_text,
        first_row=first_row,
    )


def _source(origin: Origin) -> Source:
    """The kind of source: by first bytes that are certain, then the ending, then likely ones."""
    sources = _sources()
    start = origin.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for source in sources.values():
        if origin.head.startswith(source.magic):
            return source
    for source in sources.values():
        if origin.suffix in source.suffixes:
            return source
    for source in sources.values():
        if start.startswith(source.likely):
            return source
    return sources[_ANY_TEXT]


@cache
def _sources() -> dict[str, Source]:
    return {
        name: cast(Source, plugins.load(_SOURCES, name, "SOURCE"))
        for name in plugins.names(_SOURCES)
    }
