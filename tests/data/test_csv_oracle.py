"""What is read of delimited text is what Python's csv module reads under the stated dialect."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest
from hostile import hostile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl.data.read import ReadOptions, Table, read, read_chunks
from automl.data.sources._dialect import Dialect, find_dialect
from automl.data.sources._origin import Origin
from automl.data.sources._text import read_text
from automl.errors import AutoMLError

OPTIONS = ReadOptions(keep_na=True)  # the empty cell alone is missing
PLAIN = (
    b"name,price,when\nAda,1.5,2020-01-02\nBob,2.5,2020-01-03\nEve,,\n",
    b'a;b\n"x;y";1\n"say ""hi""";2\n',
    "größe\tb\r\n1\tπ\r\n2\tx\r\n".encode("utf-16"),
    b'sep=|\n"k"|"a\nb"\n1|2\n',
    b'# made by x\na,b\n"q\\"r",1\n"s",2\n',
)


def accepted(path: Path) -> list[list[str]] | None:
    """The cells of the file, or None if it is refused; whole and in chunks it must be the same."""
    chunks = read_chunks(path, options=OPTIONS, chunk_rows=7)
    try:
        rows = [row for table in chunks for row in cells_of(table)]
    except AutoMLError:
        with pytest.raises(AutoMLError, match=r"."):
            read(path, options=OPTIONS)
        return None
    names = frozenset(next(read_chunks(path, options=OPTIONS)).frame.columns)
    assert cells_of(read(path, options=OPTIONS, text=names)) == rows
    return rows


def cells_of(table: Table) -> list[list[str]]:
    rows = table.frame.to_numpy(dtype=object).tolist()
    return [["" if cell != cell else cell for cell in row] for row in rows]  # noqa: PLR0124 - NaN


def by_csv_module(path: Path) -> list[list[str]]:
    """The cells of the file by Python's csv module, under the dialect that was found."""
    with Origin(path) as origin:
        text = read_text(origin)
        dialect = find_dialect(text, OPTIONS)
        with text.open() as stream:
            for _ in range(dialect.lines):
                stream.readline()
            body = stream.read()
    # A byte order mark before the first row is no cell's text.
    lines = io.StringIO(body.removeprefix("\ufeff"), newline="")
    reader = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
    )
    rows = [[cell.strip() for cell in row] or [""] for row in reader if not blank(row, dialect)]
    if (
        dialect.width == 1
        and len(rows) > 1
        and rows[-1] == [""]
        and not body.rstrip(" \t\r\n")[-1:]
    ):
        rows.pop()
    assert not any(cell for row in rows for cell in row[dialect.n_columns :])
    return [row[: dialect.n_columns] for row in rows]


def blank(row: list[str], dialect: Dialect) -> bool:
    """A line of nothing but blanks is no row, except in a table of one column."""
    narrow = len(row) < dialect.width or not row
    return dialect.width > 1 and narrow and not any(map(str.strip, row))


def assert_equal(path: Path) -> bool:
    found = accepted(path)
    if found is None:
        return False
    expected = by_csv_module(path)
    if len(expected) == len(found) + 1 and expected[-1] == [""]:
        expected.pop()  # in a table of one column a blank last line ends the row before it
    assert found == expected
    return True


QUOTED = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('"\n,;\t|'), max_size=5
)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(QUOTED, min_size=width, max_size=width), min_size=1, max_size=6
        )
    ),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_written_tables(tmp_path, rows, delimiter, end, quoting, encoding):
    names = [f"name {i}" for i in range(len(rows[0]))]
    path = tmp_path / "t.csv"
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerows([names, *rows])
    assert_equal(path)


@pytest.mark.parametrize(
    ("encoding", "marks"),
    [(None, 1), (None, 2), ("utf-8", 0), ("utf-8", 1), ("utf-16", 1), ("utf-16-le", 1)],
)
def test_a_byte_order_mark_moves_no_row(tmp_path, encoding, marks):
    path = tmp_path / "t.csv"
    path.write_bytes(("\ufeff" * marks + "name\nab\ncd\n").encode(encoding or "utf-8"))
    table = read(path, options=ReadOptions(encoding=encoding))
    assert (table.headers, cells_of(table)) == (("name",), [["ab"], ["cd"]])


@pytest.mark.parametrize("seed", [0])
def test_hostile_tables(tmp_path, seed):
    agree(tmp_path, seed, 300)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_many_hostile_tables(tmp_path, seed):
    agree(tmp_path, seed, 2000)


def agree(folder: Path, seed: int, n: int) -> None:
    rng = random.Random(seed)
    n_accepted = 0
    for _ in range(n):
        path = folder / "t.csv"
        path.write_bytes(hostile(rng, PLAIN))
        n_accepted += assert_equal(path)
    assert n_accepted > n / 5  # else nothing was tested
