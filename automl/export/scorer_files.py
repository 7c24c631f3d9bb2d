"""Delimited text for the scorer: its columns, some thousand rows at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_CHUNK_ROWS = 16_384


def read_csv(path: str | Path, facts: Mapping[str, Any]) -> Iterator[dict[str, list[Any]]]:
    """The cells of a delimited file by column, some thousand rows at a time.

    Cells are texts without surrounding white space, None = missing. The delimiter is the one that
    divides the first line into names that the model knows. Raises ValueError for a row of another
    length, and without rows.
    """
    csv.field_size_limit(2**31 - 1)
    wanted = {facts["target"], *(column["name"] for column in facts["inputs"])}
    markers = frozenset(facts["markers"])
    with open(path, encoding=_encoding(path), newline="") as stream:
        mark, first = _delimiter(stream.readline(), wanted)
        stream.seek(0)
        rows = csv.reader(stream, delimiter=mark)
        if facts["named"] or wanted.intersection(first):
            first = next(rows, [])
        else:
            first = [""] * len(first)
        names = _unique(first)
        for start, block in _blocks(rows, len(names)):
            wrong = next((i for i, row in enumerate(block) if len(row) != len(names)), None)
            if wrong is not None:
                n_cells = len(block[wrong])
                raise ValueError(f"Row {start + wrong + 1} has {n_cells} cells, not {len(names)}.")
            columns = zip(*block, strict=True)
            yield {
                name: [None if (text := cell.strip()) in markers else text for cell in column]
                for name, column in zip(names, columns, strict=True)
            }


def _delimiter(line: str, wanted: set[str]) -> tuple[str, list[str]]:
    """The delimiter of a first line, and its cells."""
    found = {mark: next(csv.reader([line], delimiter=mark), []) for mark in ",\t;|"}
    cells = {mark: [cell.strip() for cell in row] for mark, row in found.items()}
    best = max(cells, key=lambda mark: (len(wanted.intersection(cells[mark])), len(cells[mark])))
    return best, cells[best]


def _encoding(path: str | Path) -> str:
    """UTF-8, or Windows-1252 where the bytes are not that."""
    with open(path, encoding="utf-8", newline="") as stream:
        try:
            while stream.read(1 << 20):
                pass
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _blocks(rows: Iterable[list[str]], width: int) -> Iterator[tuple[int, list[list[str]]]]:
    """(rows before it, rows) of each block; blank lines are none. ValueError without any row."""
    start, block = 0, []
    for row in rows:
        if row or width == 1:
            block.append(row or [""])
        if len(block) == _CHUNK_ROWS:
            yield start, block
            start, block = start + len(block), []
    if block:
        yield start, block
    elif not start:
        raise ValueError("The table has no rows.")


def _unique(header: Sequence[str]) -> list[str]:
    """The names of a header, each once: `column_3` where it is empty, `a_2` for the second `a`."""
    stripped = [name.strip() for name in header]
    taken, names = set(stripped), list[str]()
    for position, name in enumerate(stripped, 1):
        new, number = name, 2 if name else position
        while not new or new in names or (new != name and new in taken):
            new, number = f"{name or 'column'}_{number}", number + 1
        taken.add(new)
        names.append(new)
    return names
