"""Tests of automl.data.records: records are typed as a frame made from them is."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from automl.data.infer import infer_schema
from automl.data.parse import parse_table
from automl.data.records import RecordReader
from automl.data.schema import ParsedTable
from automl.errors import DataError

N = 60
TRAIN = pd.DataFrame(
    {
        "size": np.sqrt(np.arange(N)),
        "price": [f"{i / 8:.3f}".replace(".", ",") + " €" for i in range(N)],
        "zip": [["01234", "98765", "00007"][i % 3] for i in range(N)],
        "code": pd.Categorical([[1, 2, 30][i % 3] for i in range(N)]),
        "flag": pd.Categorical([[True, False][i % 2] for i in range(N)]),
        "member": [["no", "yes", "yes"][i % 3] for i in range(N)],
        "day": [f"{i % 28 + 1:02d}/01/2020" for i in range(N)],
        "moment": [f"2021-03-{i % 28 + 1:02d} 10:{i:02d}:30" for i in range(N)],
        "epoch": [1_600_000_000 + 86_400 * i for i in range(N)],
        "note": [f"some words about number {i}" for i in range(N)],
    }
)
SCHEMA, _ = infer_schema(TRAIN, kinds={"epoch": "datetime"})
TEXTS = (
    *("", " ", "1", " 2 ", "30.0", "1e3", "1e999", "-", "n/a", "x", "01234", "1,5 €", "\u22122,5"),
    *("yes", "NO", "true", "False", "31/01/2020", "1/2/2020", "2020-02-30", "2020-02-29"),
    *("2021-03-04 10:11:12", "2021-03-04T10:11", "2021-03-04 10:11:12.25Z", "0004-01-01"),
    *("some words", "ünï", "1600000000", "20200102", "inf", "nan"),
)
NUMBERS = (0, 1, 2, 30, 1234, 7, 2**62, 2**63, 2**70, -(2**64), 1_600_000_000, 20200102)
FLOATS = (0.0, -0.0, 1.0, 2.5, 30.0, 1e20, 1e300, math.inf, -math.inf, math.nan)
CELLS = {
    "text": st.sampled_from(TEXTS) | st.none() | st.text(st.characters(codec="utf-8"), max_size=4),
    "number": st.sampled_from((*NUMBERS, *FLOATS)) | st.none() | st.floats() | st.integers(),
    "boolean": st.booleans() | st.none(),
    "level": st.sampled_from(("01234", "98765", "no", "yes", "05/01/2020", None, math.nan)),
}
CELLS["any"] = st.one_of(*CELLS.values())
OTHERS = st.sampled_from((pd.Timestamp("2020-01-05"), np.float64(2.0), np.True_, (1, 2), b"7"))
CELLS["odd"] = CELLS["any"] | OTHERS


@st.composite
def tables(draw):
    n_rows = draw(st.integers(1, 5))
    columns = {}
    for name in TRAIN.columns:
        cells = CELLS[draw(st.sampled_from(tuple(CELLS)))]
        columns[name] = draw(st.lists(cells, min_size=n_rows, max_size=n_rows))
    gone = draw(st.lists(st.tuples(st.sampled_from(list(columns)), st.integers(0, 4)), max_size=3))
    rows = [{name: cells[k] for name, cells in columns.items()} for k in range(n_rows)]
    for name, row in gone:
        if row < n_rows:
            rows[row].pop(name, None)
    return rows


def outcome(read):
    try:
        return read()
    except DataError as error:
        return str(error), error.hint
    except (OverflowError, TypeError, ValueError) as error:
        return type(error)  # a cell that pandas itself cannot take; the same both ways


def assert_same(a, b):
    if not isinstance(a, ParsedTable):
        assert a == b
        return
    assert (a.n_rows, a.bad, a.n_bad, a.wrong) == (b.n_rows, b.bad, b.n_bad, b.wrong)
    assert list(a.values) == list(b.values)
    for i, values in a.values.items():
        if isinstance(values, pd.Series):
            pd.testing.assert_series_equal(values, b.values[i])
        else:
            assert values.dtype == b.values[i].dtype
            np.testing.assert_array_equal(values, b.values[i])


def test_the_schema_has_a_column_of_each_kind():
    kinds = {column.name: str(column.kind) for column in SCHEMA.columns if column.used}
    assert set(kinds.values()) == {"numeric", "categorical", "boolean", "datetime", "text"}
    assert len(kinds) == len(TRAIN.columns)
    assert SCHEMA.columns[list(TRAIN.columns).index("price")].formats["decimal"] == ","


@settings(deadline=None, max_examples=150)
@given(rows=tables(), mode=st.sampled_from(("default", "lenient", "strict")))
@example(rows=TRAIN.to_dict("records"), mode="strict")
@example(rows=[{}], mode="default")
@example(rows=[{1: "x", "size": 1.0}], mode="lenient")
@example(rows=[], mode="lenient")
def test_records_are_typed_like_a_frame(rows, mode):
    frame = pd.DataFrame(list(rows))
    expected = outcome(lambda: parse_table(frame, SCHEMA, mode=mode, first_row=7))
    got = outcome(lambda: RecordReader(SCHEMA).records(rows, mode=mode, first_row=7))
    assert_same(got, expected)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name, math.nan) for row in rows] for name in names}
    if rows and all(name in columns for name in TRAIN.columns):
        got = outcome(lambda: RecordReader(SCHEMA).columns(columns, mode=mode, first_row=7))
        assert_same(got, expected)


def test_plain_cells_make_no_frame(monkeypatch):
    rows = TRAIN.astype({"code": object, "flag": object, "epoch": str}).to_dict("records")
    reader = RecordReader(SCHEMA)
    monkeypatch.setattr(pd, "DataFrame", None)
    monkeypatch.setattr("automl.data.parse.read_cells", None)
    assert reader.records([{**row, "epoch": None} for row in rows]).n_rows == N


def test_hashed_levels_are_found_by_their_text():
    from dataclasses import replace

    from automl.data.hashing import hashed
    from automl.data.schema import Schema

    column = SCHEMA.columns[2]
    levels = tuple(hashed(np.array(column.levels, dtype=object), "ab" * 32))
    secret = Schema((replace(column, levels=levels, hash_key="ab" * 32),))
    rows = [{"zip": cell} for cell in ("01234", "98765", None, "x")]
    got = RecordReader(secret).records(rows)
    assert_same(got, parse_table(pd.DataFrame(rows), secret))
    assert got.values[0][0] >= 0
    assert got.values[0][3] == -2


def test_what_is_no_table_is_said():
    reader = RecordReader(SCHEMA)
    row = TRAIN.iloc[0].to_dict()
    with pytest.raises(DataError, match="Row 2 is a list, not a mapping"):
        reader.records([row, [1]])
    with pytest.raises(DataError, match="Column 'b' has 1 cells, 'a' has 2"):
        reader.columns({"a": [1, 2], "b": [1]})
    with pytest.raises(DataError, match="Row 12, column 'note': the text has half of a surr"):
        reader.records([row, {**row, "note": "\ud800"}], first_row=11)
    with pytest.raises(DataError, match="Row 11, column 'size': the text has half of a surr"):
        reader.records([{**row, "size": "\udfff"}], first_row=11)


def test_tables_of_several_requests_are_one_table():
    rows = TRAIN.astype({"code": object, "flag": object}).to_dict("records")
    reader = RecordReader(SCHEMA)
    parts = [reader.records(rows[:1]), reader.records(rows[1:7]), reader.records(rows[7:])]
    assert_same(ParsedTable.joined(parts), reader.records(rows))
    assert_same(ParsedTable.joined(parts[:1]), parts[0])
