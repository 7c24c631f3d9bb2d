"""A blank line is no row, except in a table of one column, where it is a missing cell."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from automl.data.read import read_chunks, read_table
from automl.errors import DataError


def cells(path: Path) -> list[str | None]:
    """The cells of the one column, read whole and in chunks of every size."""
    frame = read_table(path)
    assert len(frame.columns) == 1
    whole = ["" if pd.isna(cell) else str(cell) for cell in frame.iloc[:, 0]]
    for size in range(1, len(whole) + 2):
        chunks = [chunk.frame for chunk in read_chunks(path, chunk_rows=size)]
        assert {len(chunk) for chunk in chunks[:-1]} <= {size}
        assert 1 <= len(chunks[-1]) <= size
        assert ["" if pd.isna(cell) else cell for chunk in chunks for cell in chunk["y"]] == whole
    return [cell or None for cell in whole]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y\na\n\nb\n", ["a", None, "b"]),
        ("y\na\n\nb", ["a", None, "b"]),
        ("y\r\na\r\n\r\nb\r\n", ["a", None, "b"]),
        ("y\n\na\n", [None, "a"]),
        ("y\na\n   \nb\n", ["a", None, "b"]),
        ("y\na\n\n", ["a"]),
        ("y\na\n  ", ["a"]),
        ("y\na\n\n\n", ["a", None]),
        ('y\na\n""\n', ["a", None]),
        ('y\n"a\n\nb"\n\nc\n', ["a\n\nb", None, "c"]),
        ("\n\ny\na\n\nb\n", ["a", None, "b"]),
    ],
)
def test_one_column(text: str, expected: list[str | None], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    assert cells(path) == expected


def test_numbers_with_blank_lines_stay_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("y\n1\n\n2\n", encoding="utf-8")
    assert read_table(path)["y"].tolist()[::2] == [1.0, 2.0]


def test_a_header_and_one_blank_line_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("y\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="no rows"):
        read_table(path)
    with pytest.raises(DataError, match="no rows"):
        list(read_chunks(path))


def test_blank_lines_count_as_rows_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("y\na\n\nb,c\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"row 3 \(line 4\) has 2 fields"):
        read_table(path)


def test_a_wider_table_has_no_blank_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,a\n\n \n2,b\n\n", encoding="utf-8")
    assert read_table(path)["y"].tolist() == ["a", "b"]
