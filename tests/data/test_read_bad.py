"""What is no table is refused in one clear sentence with a hint."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zipfile

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from automl.data.read import ReadOptions, read, read_chunks
from automl.errors import ConfigError, DataError


@pytest.fixture
def refused(tmp_path):
    """A function that reads the content as a file, and returns the error of it."""

    def refused(content: bytes | str, name: str = "t.csv", **options: str) -> DataError:
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        found = []
        for attempt in (read, lambda *a, **k: list(read_chunks(*a, **k))):
            with pytest.raises(DataError, match=r"\w") as caught:
                attempt(path, options=ReadOptions(**options))
            found.append(caught.value)
        assert found[0].message == found[1].message
        assert "\n" not in str(found[0])
        assert name in found[0].message
        assert found[0].hint
        return found[0]

    return refused


def test_a_missing_file_names_the_closest(tmp_path):
    (tmp_path / "train.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"trian\.csv' does not exist.*'train\.csv'"):
        read(tmp_path / "trian.csv")


def test_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match="nor does the folder"):
        read(tmp_path / "nowhere" / "t.csv")


def test_an_address(tmp_path):
    with pytest.raises(DataError, match=r"is not a file.*Download"):
        read("https://example.org/t.csv")


def test_a_folder(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        read(tmp_path)


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root reads all; Windows has other rights"
)
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    path.chmod(0)
    with pytest.raises(DataError, match="Permission denied"):
        read(path)


def test_a_file_that_cannot_be_opened(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(DataError, match=r"t\.csv' cannot be read: Permission denied"):
        read(path)


def test_an_impossible_path():
    with pytest.raises(DataError, match="cannot be read"):
        read("a\0b.csv")


def test_empty_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DataError, match="The input on stdin is empty"):
        read("-")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\n  \n", "has no rows"),
        ("\ufeff", "has no rows"),
        ("a,b,c\n", "has a header (3 columns) and no rows"),
        ("a,b,c\n\n\n", "no rows"),
    ],
)
def test_nothing_to_read(refused, content, words):
    assert words in refused(content).message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
        (b"%PDF-1.7\n%\xe2\xe3\n", "a PDF document"),
        (b"\x7fELF\x02\x01\x01\0\0", "a program"),
        (b"PK\x03\x04\x14\0\0\0", "a ZIP archive"),
        (b"SQLite format 3\0\x10\0", "an SQLite database"),
        (b"BZh91AY&SY\0\1\2", "a bzip2 file"),
        (b"<!DOCTYPE html><html></html>", "an HTML page"),
        (b"\n<?xml version='1.0'?><a/>", "XML"),
        (b"x" * 257 + b"ustar\0" + b"\0" * 100, "a tar archive"),
        (b"\0\1\2\3" * 50, "a binary file"),
        (b"a,b\n1,\xff\x01\n", "a binary file"),
    ],
)
def test_other_kinds_of_files(refused, content, words):
    assert words in refused(content).message


def test_words_that_begin_as_other_files_do(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("ORC,BZh\n1,2\n", encoding="utf-8")
    assert list(read(path).frame) == ["ORC", "BZh"]


def test_an_excel_workbook(refused):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    error = refused(file.getvalue(), "t.xlsx")
    assert "an Excel workbook" in error.message
    assert "CSV" in str(error.hint)


def test_a_compressed_picture(refused):
    assert "a PNG image" in refused(gzip.compress(b"\x89PNG\r\n\x1a\n"), "t.csv.gz").message


@pytest.mark.parametrize("cut", [12, 300])
def test_a_damaged_gzip_file(refused, cut):
    whole = gzip.compress(os.urandom(600).hex().encode() + b",b\n1,2\n")
    assert "is damaged" in refused(whole[:cut], "t.csv.gz").message


def test_bytes_of_no_encoding(refused):
    error = refused(b"a,b\n1,x\n2,\x81\x8d\n")
    assert "line 3" in error.message
    assert "81 8D" in error.message
    assert "--encoding" in str(error.hint)


def test_bytes_that_are_not_in_the_named_encoding(refused):
    assert "line 2" in refused(b"a,b\n1,\xe9\n", encoding="utf-8").message
    assert "ASCII" in refused(b"a,b\n1,\xc3\xa9\n", encoding="ascii").message


def test_utf_16_without_a_mark(refused):
    content = "a,b\n1,2\n3,4\n".encode("utf-16-le")
    assert "--encoding utf-16-le" in str(refused(content).hint)


def test_a_late_nul_character(refused):
    content = b"a,b\n" + b"1,2\n" * 20_000 + b"3,\0\n"
    assert "line 20002" in refused(content).message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b,c\n1,2,3\n4,5\n6,7,8\n", "row 2 (line 3) has 2 fields, expected 3"),
        ("a,b\n1,2\n3,4,5\n", "row 2 (line 3) has 3 fields, expected 2"),
        ('# x\na,b\n"u\nv",2\n\n3\n', "row 2 (line 6) has 1 field, expected 2"),
        ("a,b\n1,2,\n3,4,\n" + "5,6,\n" * 600 + "7,8,9\n", "row 603 (line 604) has 3 fields"),
        ("a,b\n" + "1,2\n" * 300_000 + "3\n", "row 300001 (line 300002) has 1 field"),
        ("My title\na,b\n1,2\n", "expected 1"),
    ],
    ids=["short", "long", "preamble", "spare", "late", "title"],
)
def test_ragged_rows(refused, content, words):
    assert words in refused(content).message


@pytest.mark.parametrize("content", ['a,b\n1,"x\n2,y\n', 'a,b\n1,x\n2,"y\n3,z'])
def test_a_quote_that_is_never_closed(refused, content):
    error = refused(content)
    assert "ends inside of a quoted cell" in error.message


def test_a_quote_that_is_never_closed_in_the_first_column(refused):
    assert "quote" in str(refused('a,b\n1,2\n"3,4\n5,6\n').hint)


def test_the_wrong_delimiter(refused):
    error = refused("a;b;c\n1;2;3\n", delimiter=",")
    assert "one column named 'a;b;c'" in error.message
    assert "';'" in str(error.hint)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ReadOptions(delimiter=",,"), "not a single ASCII character"),
        (ReadOptions(delimiter='"'), "cannot be a delimiter"),
        (ReadOptions(encoding="utf-9"), r"Unknown encoding 'utf-9'.*'utf-8'"),
        (ReadOptions(encoding="rot13"), "Unknown encoding"),
        (ReadOptions(decimal="x"), "decimal mark 'x'"),
    ],
)
def test_impossible_options(tmp_path, options, words):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        read(path, options=options)


def test_impossible_chunks(tmp_path):
    with pytest.raises(ConfigError, match="chunk_rows is 0"):
        next(read_chunks(tmp_path / "t.csv", chunk_rows=0))


# ---------------------------------------------------------------- files that carry types


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
def test_a_file_of_another_kind_than_its_name(refused, name):
    assert "is not a readable" in refused(b"a,b\n1,2\n", name).message


def test_a_broken_parquet_file(refused):
    file = io.BytesIO()
    parquet.write_table(pa.table({"a": list(range(1000))}), file)
    whole = file.getvalue()
    assert "is not a readable Parquet file" in refused(whole[:-20], "t.parquet").message


def test_a_broken_arrow_file(refused):
    sink = io.BytesIO()
    table = pa.table({"a": list(range(1000))})
    with pa.ipc.new_file(sink, table.schema) as out:
        out.write_table(table)
    assert "is not a readable Arrow file" in refused(sink.getvalue()[:-20], "t.arrow").message


@pytest.mark.parametrize("column", [[[1], [2]], [{"u": 1}, {"u": 2}]])
def test_nested_columns(refused, column):
    file = io.BytesIO()
    parquet.write_table(pa.table({"a": [1, 2], "deep": column}), file)
    assert "Column 'deep'" in refused(file.getvalue(), "t.parquet").message


def test_bytes_that_are_no_text(refused):
    file = io.BytesIO()
    parquet.write_table(pa.table({"a": pa.array([b"\xff\xfe"], pa.binary())}), file)
    assert "Column 'a'" in refused(file.getvalue(), "t.parquet").message


def test_typed_files_without_rows(refused):
    file = io.BytesIO()
    pd.DataFrame({"a": []}).to_parquet(file)
    assert "0 rows" in refused(file.getvalue(), "t.parquet").message
    file = io.BytesIO()
    pd.DataFrame({"a": []}).to_feather(file)
    assert "0 rows" in refused(file.getvalue(), "t.feather").message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": 1}\n\n{"a": \n', "line 3 is not valid JSON"),
        ('{"a": 1}\n[1, 2]\n', "line 2 is not a JSON object: [1, 2]"),
        ('[{"a": 1}]', "one JSON array"),
        ("{}\n{}\n", "0 columns"),
        ('{"a": 1}\n{"deep": {"u": 1}}\n', "Column 'deep'"),
        ('{"a": 1}\n{"a": [1]}\n', "Column 'a'"),
        ('{"a": "x"}\n{"a": "\\ud83d", "a": "y"}\n{"a": "\\ud83d"}\n', "Column 'a'"),
        ("\n\n", "0 rows"),
        ('{"a": 1}\n' + '{"a":' * 10**5 + "1" + "}" * 10**5, "line 2 is not valid JSON"),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", "Column 'a'"),
        ('{"\\ud83d": 1}\n', "A key of"),
    ],
)
def test_json_lines_that_are_wrong(refused, content, words):
    assert words in refused(content, "t.jsonl").message


def test_brackets_in_a_text_are_no_depth(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": "' + "[{" * 10**4 + '"}\n{"a": "x"}\n', encoding="utf-8")
    assert list(read(path).frame["a"]) == ["[{" * 10**4, "x"]


@pytest.mark.parametrize("encoding", ["utf-7", "unicode_escape"])
def test_half_of_a_surrogate_pair(refused, encoding):
    cell = "+2AA-" if encoding == "utf-7" else "\\ud800"
    error = refused(f"a,b\n1,2\n3,{cell}\n", encoding=encoding)
    assert "half of a surrogate pair in line 3" in error.message


def test_the_old_feather_format(refused):
    assert "old version 1" in refused(b"FEA1" + bytes(99), "t.feather").message


def test_rows_without_columns(refused):
    table = pa.table({"a": [1] * 200}).drop_columns(["a"])
    file = io.BytesIO()
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_batch(pa.record_batch({"a": [1] * 200}).select([]))
    assert "0 columns" in refused(file.getvalue(), "t.arrow").message


def test_a_broken_letter_in_utf8_is_no_other_encoding(refused):
    text = "name,b\nKöln,1\nZürich,2\n".encode() * 3 + b"K\xc3ln,3\n"
    assert "is not UTF-8 text: line 10 holds the bytes C3 6C" in refused(text).message


def test_a_comment_inside_of_the_table(refused):
    error = refused("a,b\n1,2\n# a remark\n3,4\n")
    assert "row 2 (line 3) has 1 field, expected 2" in error.message
    assert "Comments are skipped only before the table" in error.hint


def test_an_open_quote_is_suspected(refused):
    error = refused('a,b\n1,2\n3,"4\n5",6\n7,8\n')
    assert "row 2 (line 3) has 3 fields" in error.message
    assert "a quote that is opened and never closed" in error.hint


def test_an_empty_quoted_line_is_a_short_row(refused):
    assert "row 2 (line 3) has 1 field, expected 2" in refused('a,b\n1,2\n""\n3,4\n').message


def test_text_behind_a_closing_quote_where_quotes_are_escaped(refused):
    text = 'a|b\n"x\\"y"|1\n"x"\\"y|2\n' + '"p\\"|q"|3\n' * 20
    assert "line 3: a cell goes on behind its closing quote" in refused(text).message
