"""Tables are read as they were written: text, numbers, types, chunks."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet

from automl import plugins
from automl.data.read import ReadOptions, Table, read, read_chunks, read_table
from automl.data.sources._names import unique_names
from automl.errors import AutoMLError


@pytest.fixture
def write(tmp_path):
    """A function that writes bytes or text to a file and returns its path."""

    def write(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    return write


def cells(table: Table | pd.DataFrame) -> dict[str, list[object]]:
    frame = table.frame if isinstance(table, Table) else table
    return {str(name): [None if pd.isna(cell) else cell for cell in frame[name]] for name in frame}


def has_note(table: Table, words: str) -> bool:
    return any(words in note for note in table.notes)


# ---------------------------------------------------------------- types of delimited text


def test_plain_numbers_become_numbers_and_the_rest_stays_text(write):
    table = read(
        write(
            "i,f,m,zip,plus,word,bool,big\n"
            "1,.5,1,00123,+1,a,True,1\n"
            "-2,-3.20,,12345,2,b,False,99999999999999999999\n"
            "0,1e5,3,99999,3,inf,True,2\n"
        )
    )
    kinds = {name: str(dtype) for name, dtype in table.frame.dtypes.items()}
    assert kinds == {
        "i": "int64",
        "f": "float64",
        "m": "float64",
        "zip": "str",
        "plus": "str",
        "word": "str",
        "bool": "str",
        "big": "str",
    }
    assert cells(table)["f"] == [0.5, -3.2, 1e5]
    assert cells(table)["m"] == [1.0, None, 3.0]
    assert cells(table)["zip"] == ["00123", "12345", "99999"]
    assert table.text_read


@pytest.mark.parametrize(
    "cell",
    ["01", "-01", "00.5", "+5", "1,000", "1_000", "0x1F", "inf", "1e", "1e999", "--1", "1."],
)
def test_what_is_a_plain_number(write, cell):
    frame = read_table(write(f'a,b\n"{cell}",x\n2,y\n'))
    assert str(frame["a"].dtype) == ("float64" if cell == "1." else "str")


def test_one_late_word_keeps_all_cells_text(write):
    rows = "".join(f"{i}.50,{i}\n" for i in range(5000)) + "none,7\n"
    frame = read_table(write("a,b\n" + rows))
    assert frame["a"].iloc[3] == "3.50"
    assert frame["a"].iloc[-1] == "none"
    assert str(frame["b"].dtype) == "int64"


def test_integers_that_float64_cannot_hold(write):
    large = 2**53 + 1
    frame = read_table(write(f"whole,gap\n{large},{large}\n1,\n"))
    assert frame["whole"].tolist() == [large, 1]
    assert frame["gap"].iloc[0] == str(large)
    limit = read_table(write(f"gap,x\n{2**53},1\n,1\n"))
    assert limit["gap"].iloc[0] == float(2**53)


def test_text_columns_are_the_text_of_the_file(write):
    path = write("y,x\n1.0,1.0\n 0.50 ,2\nNA,3\n")
    assert cells(read(path, text=["y"])) == {"y": ["1.0", "0.50", None], "x": [1.0, 2.0, 3.0]}


def test_white_space_around_cells_is_removed(write):
    frame = read_table(write("a , b\n <=50K , 1\n\t>50K,\xa02\n NA , 3\n"))
    assert cells(frame) == {"a": ["<=50K", ">50K", None], "b": [1, 2, 3]}


@pytest.mark.parametrize(
    "cell", ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "<NA>", "?", '"NA"']
)
def test_missing_markers(write, cell):
    assert cells(read(write(f"a,b\n{cell},x\n1,y\n")))["a"] == [None, 1.0]


@pytest.mark.parametrize("cell", ["None", "none", "-", "missing", "unknown", "."])
def test_words_that_are_no_missing_markers(write, cell):
    assert cells(read(write(f"a,b\n{cell},x\n1,y\n")))["a"] == [cell, "1"]


def test_na_values_and_keep_na(write):
    path = write("a,b\nNA,-\n,1\nx,-999\n")
    found = cells(read(path, options=ReadOptions(keep_na=True, na_values=("-", " -999 "))))
    assert found == {"a": ["NA", None, "x"], "b": [None, 1.0, None]}


def test_an_all_missing_column_is_text(write):
    frame = read_table(write("a,b\n,1\n?,2\n"))
    assert str(frame["a"].dtype) == "str"
    assert frame["a"].isna().all()


# ---------------------------------------------------------------- how delimited text is written


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(write, delimiter, end):
    rows = [["a", "b c", "d"], ["1", "x, y; z", "2.5"], ["2", "", "3"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    table = read(write(text.getvalue()))
    assert cells(table) == {"a": [1, 2], "b c": ["x, y; z", None], "d": [2.5, 3.0]}
    assert has_note(table, "delimiter") == (delimiter != ",")


def test_decimal_commas_are_noted_and_stay_text(write):
    path = write("a;b;c\n1,5;2;x\n-2,25;3;y\n")
    table = read(path)
    assert cells(table) == {"a": ["1,5", "-2,25"], "b": [2, 3], "c": ["x", "y"]}
    assert has_note(table, "decimal comma in 'a'")
    parsed = read(path, options=ReadOptions(decimal=","))
    assert cells(parsed)["a"] == [1.5, -2.25]


def test_decimal_commas_without_a_header(write):
    assert cells(read(write("1,5;2,5\n3,5;4,5\n"))) == {
        "column_1": ["1,5", "3,5"],
        "column_2": ["2,5", "4,5"],
    }


def test_single_quotes(write):
    table = read(write("a,b\n'x, y',1\n'it''s',2\n"))
    assert cells(table) == {"a": ["x, y", "it's"], "b": [1, 2]}
    assert has_note(table, "quoted with '")


def test_an_apostrophe_is_no_quote(write):
    assert cells(read(write("a,b\n'tis,1\no'clock,2\n")))["a"] == ["'tis", "o'clock"]


def test_escaped_quotes(write):
    table = read(write('a,b\n"say \\"hi, you\\"",1\n"x",2\n'))
    assert cells(table) == {"a": ['say "hi, you"', "x"], "b": [1, 2]}


def test_no_header(write):
    table = read(write("1,2.5,?\n3,4.5,6\n"))
    assert list(table.frame) == ["column_1", "column_2", "column_3"]
    assert len(table.frame) == 2
    assert table.headers == ("", "", "")
    assert has_note(table, "no header")


def test_a_header_of_positions(write):
    assert list(read_table(write("0,1,2\n5,6,7\n"))) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("# made by hand, in May\n\n#\n", ["a", "b"]),
        ("\n  \n", ["a", "b"]),
        ("sep=,\n", ["a", "b"]),
    ],
)
def test_lines_before_the_table(write, head, names):
    table = read(write(head + "a,b\n1,x\n"))
    assert list(table.frame) == names
    assert cells(table) == {"a": [1], "b": ["x"]}
    assert has_note(table, "before the table")


@pytest.mark.parametrize("head", ["#a,b\nu,v\n", "# a,b\n1,v\n", "#\n   #a,b\nu,v\n"])
def test_a_header_behind_a_hash(write, head):
    table = read(write(head))
    assert list(table.frame) == ["a", "b"]
    assert len(table.frame) == 1


def test_a_declared_delimiter(write):
    assert cells(read(write("sep=;\na;b,c\n1;2,5\n"))) == {"a": [1], "b,c": ["2,5"]}


@pytest.mark.parametrize("line", ['"sep=;"', "SEP=;", "sep=;,,", "sep=;\r"])
def test_declared_delimiters_as_programs_write_them(write, line):
    assert cells(read(write(f"{line}\na;b,c\n1;2,5\n"))) == {"a": [1], "b,c": ["2,5"]}


@pytest.mark.parametrize(
    ("text", "options", "names"),
    [
        ("x,y\n1,2\n", {"header": False}, ["column_1", "column_2"]),
        ("1,2\n3,4\n", {"header": True}, ["1", "2"]),
        ("1,2\n3,4\n", {"known_names": frozenset(["2"])}, ["1", "2"]),
        ("x,y\n1,2\n", {"nameless": True}, ["column_1", "column_2"]),
        (
            "column_2,z\n1,2\n",
            {"nameless": True, "known_names": frozenset(["column_2"])},
            ["column_2", "z"],
        ),
        ("#x,y\n1,2\n", {"header": False}, ["column_1", "column_2"]),
    ],
)
def test_a_header_as_said_or_known(write, text, options, names):
    table = read(write(text), options=ReadOptions(**options))
    assert list(table.frame.columns) == names
    assert len(table.frame) == (2 if "column_1" in names and "#" not in text else 1)


def test_blank_lines_of_blanks_in_a_long_file(write):
    path = write("a,b\n" + "1,2\n" * 300_000 + "  \n" + "3,4\n" * 300_000)
    sizes = [len(table.frame) for table in read_chunks(path, chunk_rows=250_000)]
    assert sizes == [250_000, 250_000, 100_000]


def test_a_last_delimiter_in_every_row(write):
    expected = {"a": [1, 3], "b": [2, 4]}
    assert cells(read(write("a,b\n1,2,\n3,4,\n"))) == expected
    assert cells(read(write("a,b,\n1,2\n3,4\n"))) == expected
    assert cells(read(write("1,2,\n3,4,\n"))) == {"column_1": [1, 3], "column_2": [2, 4]}


def test_blank_lines_are_ignored(write):
    assert cells(read(write("a,b\n1,2\n\n   \n3,4\n\n"))) == {"a": [1, 3], "b": [2, 4]}


def test_one_column(write):
    assert cells(read(write("name\nAnn Lee\nBob\n"))) == {"name": ["Ann Lee", "Bob"]}


def test_a_file_without_a_last_line_end(write):
    assert cells(read(write('a,b\n1,"x\ny"'))) == {"a": [1], "b": ["x\ny"]}


def test_column_names(write):
    table = read(write(' a ,a,a_2,,"x\ny","{""j"":[1]}",ü\n1,2,3,4,5,6,7\n'))
    assert list(table.frame) == ["a", "a_3", "a_2", "column_4", "x\ny", '{"j":[1]}', "ü"]
    assert table.headers[:4] == (" a ", "a", "a_2", "")
    assert has_note(table, "'a' to 'a_3'")


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "", " ", "column_1", "column", "b"])))
def test_names_are_unique_and_first_ones_keep_theirs(headers):
    names, _ = unique_names(headers)
    assert len(set(names)) == len(names) == len(headers)
    for header in {h.strip() for h in headers} - {""}:
        assert names[[h.strip() for h in headers].index(header)] == header


def test_a_wide_table(write):
    names = [f"a column with the number {i}" for i in range(10_000)]
    row = ",".join(str(i) for i in range(10_000))
    frame = read_table(write(",".join(names) + "\n" + row + "\n" + row + "\n"))
    assert frame.shape == (2, 10_000)
    assert frame.iloc[1, 9_999] == 9_999


def test_a_cell_longer_than_a_block(write):
    long = "x" * 5_000_000
    path = write("a,b\n" + "1,s\n" * 10 + f'2,"{long}"\n' + "3,t\n" * 10)
    frame = read_table(path)
    assert frame["b"].str.len().tolist() == [1] * 10 + [5_000_000] + [1] * 10
    chunks = [chunk.frame for chunk in read_chunks(path, chunk_rows=4)]
    assert [len(chunk) for chunk in chunks] == [4, 4, 4, 4, 4, 1]
    assert pd.concat(chunks)["b"].tolist() == frame["b"].tolist()


# ---------------------------------------------------------------- bytes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(write, encoding):
    table = read(write("größe,b\n1,π\n2,x\n".encode(encoding)))
    assert cells(table) == {"größe": [1, 2], "b": ["π", "x"]}
    assert table.notes == ()


def test_windows_text_is_read_with_a_note(write):
    table = read(write("name,b\nx,1\nCafé,2 €\n".encode("cp1252")))
    assert cells(table)["name"] == ["x", "Café"]
    assert cells(table)["b"] == ["1", "2 €"]
    assert has_note(table, "line 3 is not UTF-8")


def test_a_named_encoding(write):
    path = write("имя,b\nАня,1\n".encode("cp1251"))
    table = read(path, options=ReadOptions(encoding="cp1251"))
    assert cells(table) == {"имя": ["Аня"], "b": [1]}


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst", "t.csv", "t"])
@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_compressed_files(write, codec, name):
    plain = b"a;b\n1;x\n" + b"2;y\n" * 100_000
    packed = gzip.compress(plain) if codec == "gzip" else pa.compress(plain, codec, asbytes=True)
    path = write(packed, name)
    table = read(path)
    assert table.frame.shape == (100_001, 2)
    assert table.digest == hashlib.sha256(packed).hexdigest()


def test_gzip_files_of_several_parts(write):
    path = write(gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"), "t.csv.gz")
    assert cells(read(path)) == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize("content", [b"a,b\n1,x\n", gzip.compress(b"a,b\n1,x\n", mtime=0)])
def test_stdin(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    table = read("-")
    assert cells(table) == {"a": [1], "b": ["x"]}
    assert table.path == "-"
    assert table.digest == hashlib.sha256(content).hexdigest()


def test_parquet_from_stdin(monkeypatch):
    file = io.BytesIO()
    parquet.write_table(pa.table({"a": [1, 2]}), file)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.getvalue())))
    assert cells(read("-")) == {"a": [1, 2]}


# ---------------------------------------------------------------- chunks


def test_chunks_of_text(write):
    path = write("a,b\n" + "".join(f"{i},NA\n" for i in range(10)))
    chunks = list(read_chunks(path, chunk_rows=4))
    assert [chunk.first_row for chunk in chunks] == [0, 4, 8]
    assert [len(chunk.frame) for chunk in chunks] == [4, 4, 2]
    assert {str(dtype) for chunk in chunks for dtype in chunk.frame.dtypes} == {"str"}
    assert cells(chunks[2]) == {"a": ["8", "9"], "b": [None, None]}
    assert chunks[0].digest == read(path).digest
    assert all(list(chunk.frame.index) == list(range(len(chunk.frame))) for chunk in chunks)


def test_typed_chunks(write):
    chunks = list(read_chunks(write("a,b\n1,x\n2,y\nz,z\n"), chunk_rows=2, typed=True))
    assert [str(chunk.frame["a"].dtype) for chunk in chunks] == ["int64", "str"]


@pytest.mark.parametrize("chunk_rows", [1, 3, 7, 100])
@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "arrows", "jsonl"])
def test_chunks_are_the_whole(tmp_path, kind, chunk_rows):
    frame = pd.DataFrame({"a": range(7), "b": list("uvwxyzä")})
    path = save(frame, tmp_path / f"t.{kind}")
    chunks = list(read_chunks(path, chunk_rows=chunk_rows, typed=True))
    joined = pd.concat([chunk.frame for chunk in chunks], ignore_index=True)
    pd.testing.assert_frame_equal(joined, read_table(path))
    pd.testing.assert_frame_equal(joined, frame)
    assert [len(c.frame) for c in chunks[:-1]] == [chunk_rows] * (len(chunks) - 1)
    assert [c.first_row for c in chunks] == list(range(0, 7, chunk_rows))


# ---------------------------------------------------------------- files that carry types


def save(frame: pd.DataFrame, path: Path) -> Path:
    table = pa.Table.from_pandas(frame, preserve_index=None)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=4)
    elif path.suffix == ".arrow":
        feather.write_feather(table, path, chunksize=4)
    elif path.suffix == ".arrows":
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
            out.write_table(table, max_chunksize=4)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


@pytest.fixture
def typed() -> pa.Table:
    day = pd.Timestamp("2024-02-29").to_pydatetime()
    return pa.table(
        {
            "i8": pa.array([1, -2], pa.int8()),
            "gap": pa.array([1, None], pa.int64()),
            "large": pa.array([2**53 + 1, None], pa.int64()),
            "huge": pa.array([2**64 - 1, 0], pa.uint64()),
            "f32": pa.array([0.5, None], pa.float32()),
            "dec": pa.array([1, None], pa.int64()).cast(pa.decimal128(21, 2)),
            "bool": [True, False],
            "maybe": [True, None],
            "date": pa.array([day.date(), None], pa.date32()),
            "zone": pa.array([day, None], pa.timestamp("ns", "Europe/Oslo")),
            "time": pa.array([3_600, None], pa.time32("s")),
            "span": pa.array([1500, None], pa.duration("ms")),
            "dict": pa.array(["u", None]).dictionary_encode(),
            "text": pa.array([" x ", "NA"], pa.large_string()),
            "bytes": pa.array([b"x", None], pa.binary()),
            "view": pa.array(["x", None], pa.string_view()),
            "null": pa.nulls(2),
        }
    )


def test_arrow_types(typed, tmp_path):
    path = tmp_path / "t.feather"
    feather.write_feather(typed, path)
    table = read(path)
    kinds = {name: str(dtype) for name, dtype in table.frame.dtypes.items()}
    numbers = {"i8": "int64", "gap": "float64", "f32": "float64", "dec": "float64"}
    dates = {"date": "datetime64[us]", "zone": "datetime64[us]", "span": "float64"}
    others = {"bool": "bool"}
    expected = dict.fromkeys(typed.column_names, "str") | numbers | dates | others
    assert kinds == expected
    row = table.frame.iloc[0]
    assert row["large"] == str(2**53 + 1)
    assert row["huge"] == str(2**64 - 1)
    assert row["maybe"] == "True"
    assert row["dec"] == 1.0
    assert row["date"] == pd.Timestamp("2024-02-29")
    assert row["span"] == 1.5
    assert row["time"] == "01:00:00"
    assert row["text"] == "x"
    missing = [name for name in table.frame if pd.isna(table.frame[name].iloc[1])]
    assert set(typed.column_names) - set(missing) == {"i8", "huge", "bool"}
    assert not table.text_read


def test_na_values_of_numbers(tmp_path):
    path = save(pd.DataFrame({"a": [1, -999], "b": [-999.0, 2]}), tmp_path / "t.parquet")
    found = cells(read(path, options=ReadOptions(na_values=("-999", "word"))))
    assert found == {"a": [1.0, None], "b": [None, 2.0]}


def test_the_index_that_pandas_stores_is_left_out(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3]}).iloc[[2, 0, 1]]
    table = read(save(frame, tmp_path / "t.parquet"))
    assert list(table.frame) == ["a"]
    assert has_note(table, "index")


def test_repeated_names_in_arrow(tmp_path):
    path = tmp_path / "t.feather"
    with pa.OSFile(str(path), "wb") as file:
        table = pa.table([[1], [2]], names=["a", "a"])
        with pa.ipc.new_file(file, table.schema) as out:
            out.write_table(table)
    assert cells(read(path)) == {"a": [1], "a_2": [2]}


def test_a_parquet_file_by_another_name(tmp_path):
    frame = pd.DataFrame({"a": [1, 2]})
    path = save(frame, tmp_path / "t.parquet").rename(tmp_path / "t.csv")
    assert not read(path).text_read


def test_compressed_parquet(tmp_path):
    path = save(pd.DataFrame({"a": [1, 2]}), tmp_path / "t.parquet")
    packed = tmp_path / "t.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert cells(read(packed)) == {"a": [1, 2]}


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.dump", "t.jsonl.gz"])
def test_json_lines(write, name):
    text = (
        '{"a": 1, "b": "2020-01-01", "c": true, "e": 1}\n'
        "\n"
        '{"b": "NA", "a": 2.5, "c": null, "d": "ü", "e": "1.50"}\n'
        '{"a": null, "e": 1.50}\n'
    )
    data = text.encode("utf-8")
    table = read(write(gzip.compress(data) if name.endswith("gz") else data, name))
    assert cells(table) == {
        "a": [1.0, 2.5, None],
        "b": ["2020-01-01", None, None],
        "c": ["True", None, None],
        "d": [None, "ü", None],
        "e": ["1", "1.50", "1.50"],
    }
    assert not table.text_read


def test_json_chunks_share_columns_and_types(write):
    rows = [{"a": 1}, {"a": 2}, {"a": "x", "b": "2020-01-01"}, {"b": "y"}]
    path = write("\n".join(map(json.dumps, rows)), "t.jsonl")
    chunks = [cells(chunk) for chunk in read_chunks(path, chunk_rows=2)]
    assert chunks == [
        {"a": ["1", "2"], "b": [None, None]},
        {"a": ["x", None], "b": ["2020-01-01", "y"]},
    ]


def test_large_json_integers_keep_their_digits(write):
    path = write('{"a": 99999999999999999999}\n{"a": 1}\n', "t.jsonl")
    assert cells(read(path)) == {"a": ["99999999999999999999", "1"]}


def test_every_source_names_what_it_reads():
    endings: list[str] = []
    for name in plugins.names("automl.data.sources"):
        source = plugins.load("automl.data.sources", name, "SOURCE")
        endings += source.suffixes
        assert isinstance(source.magic, tuple)
        assert isinstance(source.likely, tuple)
    assert len(set(endings)) == len(endings)
    assert all(ending == ending.lower() and ending[0] == "." for ending in endings)


# ---------------------------------------------------------------- any table of text

# Cells that are neither missing markers nor changed by removing white space; NUL is no text.
CELL = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from("\"',;|\n\t")
).map(str.strip)
MARKERS = ReadOptions().markers


@st.composite
def tables(draw):
    n_columns = draw(st.integers(2, 4))
    header = [f"n{i} {draw(CELL)}".strip() for i in range(n_columns)]
    row = st.lists(CELL, min_size=n_columns, max_size=n_columns)
    return [header, *draw(st.lists(row, min_size=1, max_size=8))]


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=tables(), delimiter=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n"]))
def test_any_quoted_table_comes_back(tmp_path, rows, delimiter, end):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(
        rows
    )
    path = tmp_path / "t.csv"
    path.write_bytes(text.getvalue().encode("utf-8"))
    table = read(path, text=[name.strip() for name in rows[0]])
    assert list(table.frame) == rows[0]
    assert_same_cells(table.frame, rows[1:])
    chunks = [chunk.frame for chunk in read_chunks(path, chunk_rows=3)]
    assert_same_cells(pd.concat(chunks), rows[1:])


PLAIN = st.text(st.characters(codec="utf-8", categories=["L", "N"]) | st.sampled_from(' -_.:/"'))


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    cells=st.lists(st.tuples(PLAIN, PLAIN, PLAIN), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
)
def test_any_barely_quoted_table_comes_back(tmp_path, cells, delimiter):
    rows = [["x a", "y b", "z"], *([cell.strip() for cell in row] for row in cells)]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    path = tmp_path / "t.csv"
    path.write_bytes(text.getvalue().encode("utf-8"))
    assert_same_cells(read(path, text=rows[0]).frame, rows[1:])


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.text(st.sampled_from("ab1.,;|\t\n\r\"'# \\é\ufeff{}[]:"), min_size=1).map(
        str.encode
    )
    | st.binary(min_size=1),
    name=st.sampled_from(["t.csv", "t.jsonl", "t.parquet", "t.arrow"]),
)
def test_anything_is_read_or_refused(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    try:
        frame = read_table(path)
    except AutoMLError:
        with pytest.raises(AutoMLError, match=r"\w"):
            list(read_chunks(path))
    else:
        chunks = [chunk.frame for chunk in read_chunks(path, chunk_rows=2)]
        assert all(list(chunk) == list(frame) for chunk in chunks)
        assert sum(map(len, chunks)) == len(frame) > 0


def test_frames_can_be_written_to(write):
    frame = read_table(write("a,b\n1,2.5\n"))
    frame.loc[0, "a"] = 7
    frame.loc[0, "b"] = 0.5
    assert cells(frame) == {"a": [7], "b": [0.5]}


def assert_same_cells(frame: pd.DataFrame, rows: list[list[str]]) -> None:
    expected = [[None if cell in MARKERS else cell for cell in row] for row in rows]
    found = [[None if pd.isna(cell) else cell for cell in row] for row in frame.to_numpy()]
    assert found == expected


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    numbers=st.lists(
        st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(2**53), 2**53)
        | st.none(),
        min_size=1,
    )
)
def test_numbers_come_back_exactly(tmp_path, numbers):
    path = tmp_path / "t.csv"
    rows = "".join(f"{'' if number is None else repr(number)},x\n" for number in numbers)
    path.write_text("a,b\n" + rows, encoding="utf-8")
    column = read_table(path)["a"]
    if any(number is not None for number in numbers):
        expected = [np.nan if number is None else float(number) for number in numbers]
        np.testing.assert_array_equal(column.astype("float64"), expected)
