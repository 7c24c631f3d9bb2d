"""What a kind of source has to offer (`Source`), is asked for (`Request`) and gives (`Piece`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from automl.data.sources._origin import Origin
from automl.data.sources._texts import TextTable

# Cells that mean "missing" in every source, unless `keep_na` is given.
MISSING_MARKERS = (
    "",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "NaN",
    "nan",
    "null",
    "NULL",
    "<NA>",
    "?",
)


@dataclass(frozen=True)
class ReadOptions:
    """How a file is to be read; None = find out from the file.

    delimiter: one character between the cells of delimited text.
    encoding: name of a text encoding, as Python knows it.
    decimal: "," makes cells such as `3,5` of delimited text numbers; "." or None leaves them text.
    na_values: further cells that mean "missing".
    keep_na: only the empty cell and `na_values` are missing; "NA" is a text like any other.
    header: whether the first row of delimited text holds the names of its columns.
    known_names: names that the columns may have; a first row that holds one is a header.
    nameless: such tables have no header; a first row without a known name is data.
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    na_values: tuple[str, ...] = ()
    keep_na: bool = False
    header: bool | None = None
    known_names: frozenset[str] = frozenset()
    nameless: bool = False

    @property
    def markers(self) -> tuple[str, ...]:
        """The cells, without surrounding white space, that are missing."""
        usual = ("",) if self.keep_na else MISSING_MARKERS
        return tuple(dict.fromkeys((*usual, *(value.strip() for value in self.na_values))))


@dataclass(frozen=True)
class Request:
    """What is wanted from a source.

    text: columns of delimited text that stay text, cell for cell as in the file.
    typed: False leaves all columns of delimited text as text; other sources carry their types.
    """

    options: ReadOptions = field(default_factory=ReadOptions)
    text: frozenset[str] = frozenset()
    typed: bool = True


@dataclass(frozen=True)
class Piece:
    """Some rows of a source, in file order, with unique column names.

    cells: columns of texts that nobody has asked for types of, else a frame.
    headers: the column names as they stand in the file.
    notes: what was found out about the file, for people.
    """

    cells: pd.DataFrame | TextTable
    headers: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Source(Protocol):
    """One kind of file.

    suffixes: endings of file names, with the dot, in lower case.
    magic: first bytes that no other kind of file has.
    likely: first bytes that suggest this kind where the name's ending says nothing.
    is_text: the frames' cells come from text, not from a file that carries types.
    """

    @property
    def suffixes(self) -> tuple[str, ...]: ...
    @property
    def magic(self) -> tuple[bytes, ...]: ...
    @property
    def likely(self) -> tuple[bytes, ...]: ...
    @property
    def is_text(self) -> bool: ...

    def read(self, origin: Origin, request: Request) -> Piece:
        """All rows; raises DataError if `origin` cannot be read as this kind or has no rows."""
        ...

    def iterate(self, origin: Origin, request: Request, chunk_rows: int) -> Iterator[Piece]:
        """The rows in pieces of `chunk_rows` (the last one shorter), in bounded memory."""
        ...
