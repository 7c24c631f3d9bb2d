"""Tests of automl.data.parse and of the numbers and dates it reads."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.cells import level_text, plain_numbers, read_cells, text_array
from automl.data.dates import date_formats, parse_dates
from automl.data.infer import infer_schema
from automl.data.numbers import number_formats, parse_numbers
from automl.data.parse import parse_table
from automl.errors import ConfigError, DataError


@pytest.fixture
def train():
    n = 40
    return pd.DataFrame(
        {
            "size": np.sqrt(np.arange(n)),
            "zip": [["01234", "98765", "00007"][i % 3] for i in range(n)],
            "code": pd.Categorical([[1, 2, 30][i % 3] for i in range(n)]),
            "member": [["no", "yes", "yes"][i % 3] for i in range(n)],
            "day": [f"{i % 28 + 1:02d}/01/2020" for i in range(n)],
            "note": [f"some words about number {i}" for i in range(n)],
            "price": [f"{i / 8:.3f}".replace(".", ",") + " €" for i in range(n)],
        }
    )


@pytest.fixture
def schema(train):
    return infer_schema(train)[0]


def assert_same(a, b):
    assert a.n_rows == b.n_rows
    assert (a.bad, a.n_bad) == (b.bad, b.n_bad)
    assert a.values.keys() == b.values.keys()
    for i, values in a.values.items():
        if isinstance(values, pd.Series):
            pd.testing.assert_series_equal(values, b.values[i])
        else:
            assert values.dtype == b.values[i].dtype
            np.testing.assert_array_equal(values, b.values[i])


def test_training_frame_parses_to_the_same_table(train):
    schema, table = infer_schema(train)
    assert_same(parse_table(train, schema), table)


def test_order_and_further_columns_do_not_matter(train, schema):
    mixed = train[train.columns[::-1]].assign(extra=1)
    assert_same(parse_table(mixed, schema), parse_table(train, schema))


def test_every_cell_as_text_means_the_same(train, schema):
    assert_same(parse_table(train.astype("str"), schema), parse_table(train, schema))


def test_cells_of_another_type(schema):
    frame = pd.DataFrame(
        {
            "size": ["2.5", "-"],
            "zip": [1234, 7],
            "code": ["1.0", "30"],
            "member": [1, False],
            "day": pd.to_datetime(["2020-01-05", None]),
            "note": [5, 6.5],
            "price": [1.5, 2],
        }
    )
    table = parse_table(frame, schema)
    assert table.n_bad == 0
    np.testing.assert_array_equal(table.values[0], [2.5, np.nan])
    assert [schema.columns[1].levels[i] for i in table.values[1]] == ["01234", "00007"]
    assert [schema.columns[2].levels[i] for i in table.values[2]] == ["1", "30"]
    np.testing.assert_array_equal(table.values[3], [1, 0])
    np.testing.assert_array_equal(table.values[4], [18266, np.nan])
    assert table.values[5].tolist() == ["5", "6.5"]
    np.testing.assert_array_equal(table.values[6], [1.5, 2])


def test_bad_cells_become_missing_and_are_reported(train, schema):
    frame = train.head(3).astype("str")
    frame.loc[1, "size"] = "abc"
    frame.loc[0, "day"] = "31/02/2020"
    frame.loc[2, "member"] = "maybe"
    frame.loc[2, "size"] = "inf"
    table = parse_table(frame, schema)
    assert table.n_rows == 3
    assert table.bad == (
        (4, 0, "31/02/2020"),
        (0, 1, "abc"),
        (0, 2, "inf"),
        (3, 2, "maybe"),
    )
    assert table.n_bad == 4
    assert np.isnan(table.values[0][1:]).all()
    limited = parse_table(frame, schema, max_bad=1)
    assert len(limited.bad) == 1
    assert limited.n_bad == 4


def test_unseen_and_missing_levels(train, schema):
    frame = train.head(3).assign(zip=["01234", "55555", None])
    codes = parse_table(frame, schema).values[1]
    assert codes[1:].tolist() == [-2, -1]
    assert codes[0] >= 0


def test_missing_columns(train, schema):
    frame = train.drop(columns=["zip", "size", "note"]).rename(columns={"day": "days"})
    with pytest.raises(DataError, match="4 columns are missing.*'size', 'zip', 'day', 'note'"):
        parse_table(frame, schema)
    with pytest.raises(DataError, match="missing"):
        parse_table(frame, schema, mode="strict")
    table = parse_table(frame, schema, mode="lenient")
    assert np.isnan(table.values[0]).all()
    assert (table.values[1] == -1).all()
    assert table.values[5].isna().all()
    assert table.values[5].dtype == "str"


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        ("size", "abc", "Row 103, column 'size': 'abc' is not a finite number"),
        ("zip", "55555", "Row 103, column 'zip': '55555' was not seen"),
        ("day", "yesterday", "Row 103, column 'day': 'yesterday' is not a date"),
        ("member", "maybe", "Row 103, column 'member': 'maybe' is neither 'no' nor 'yes'"),
    ],
)
@pytest.mark.parametrize("max_bad", [0, 100])
def test_strict_stops_at_the_first_violation(train, schema, column, value, match, max_bad):
    frame = train.head(5).astype("str")
    frame.loc[3:4, column] = value
    with pytest.raises(DataError, match=match):
        parse_table(frame, schema, mode="strict", first_row=100, max_bad=max_bad)


def test_strict_takes_missing_cells(train, schema):
    empty = pd.DataFrame({name: [None, None] for name in train.columns})
    assert parse_table(empty, schema, mode="strict").n_bad == 0


def test_no_rows(train, schema):
    assert parse_table(train.head(0), schema).n_rows == 0


def test_wrong_calls(train, schema):
    with pytest.raises(ConfigError, match="mode 'loose'"):
        parse_table(train, schema, mode="loose")
    twice = pd.concat([train, train[["size"]]], axis=1)
    with pytest.raises(DataError, match="'size' is there more than once"):
        parse_table(twice, schema)


NUMBER_TEXTS = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.text("0123456789.eE+-_xinfa ", min_size=1, max_size=12),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(st.none(), NUMBER_TEXTS), max_size=4))
def test_plain_numbers_are_those_of_their_texts(cells):
    column = pd.Series(cells, dtype="str")
    numbers = plain_numbers(column)
    if numbers is not None:
        found = read_cells(column)
        table = np.append(parse_numbers(found.texts, {}), np.nan)
        np.testing.assert_array_equal(numbers, table[found.codes])
        np.testing.assert_array_equal(np.signbit(numbers), np.signbit(table[found.codes]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_as_text_come_back_exactly(numbers):
    texts = text_array([repr(number) for number in numbers])
    assert parse_numbers(texts, number_formats(texts)).tolist() == numbers


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=2, max_size=30),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (",", ""), (".", "")]),
    st.sampled_from(["", "$", "€ "]),
    st.sampled_from(["", "%", " kg"]),
)
def test_written_numbers_come_back(numbers, marks, prefix, suffix):
    if prefix:
        suffix = ""
    swap = str.maketrans({".": marks[0], ",": marks[1]})
    texts = text_array([prefix + f"{n:,.2f}".translate(swap) + suffix for n in numbers])
    found = parse_numbers(texts, number_formats(texts))
    assert found.tolist() == [float(n) for n in numbers]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2068, 1, 1)), min_size=20, max_size=40
    ),
    st.sampled_from(
        ["%Y-%m-%d %H:%M:%S", "%d/%m/%Y", "%m/%d/%y", "%d.%m.%Y %H:%M", "%d %b %Y", "%B %d, %Y"]
    ),
)
def test_written_dates_come_back(stamps, pattern):
    # A day above 12 in the first and the last two places settles which part is the day.
    stamps = [stamps[0].replace(day=28), *stamps, dt.datetime(2000, 5, 30)]
    texts = text_array([stamp.strftime(pattern) for stamp in stamps])
    read = [dt.datetime.strptime(text, pattern) for text in texts]
    expected = [(stamp - dt.datetime(1970, 1, 1)) / dt.timedelta(1) for stamp in read]
    np.testing.assert_allclose(parse_dates(texts, date_formats(texts)), expected, atol=1e-9)


CELL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.sampled_from(["a", " b ", "", "1", "2.5", "None", "x y z w", "2020-01-02", "$5", "yes"]),
    st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)),
)


@st.composite
def frames(draw):
    n_rows = draw(st.integers(2, 25))
    pools = draw(st.lists(st.lists(CELL, min_size=1, max_size=6), min_size=1, max_size=4))
    columns = [
        draw(st.lists(st.sampled_from(pool), min_size=n_rows, max_size=n_rows)) for pool in pools
    ]
    frame = pd.DataFrame({f"c{i}": pd.Series(c, dtype=object) for i, c in enumerate(columns)})
    return frame.assign(anchor=np.sqrt(np.arange(n_rows)))


@settings(deadline=None, max_examples=50)
@given(frames())
def test_any_training_frame_parses_to_the_same_table(frame):
    schema, table = infer_schema(frame)
    assert_same(parse_table(frame, schema), table)
    for i in schema.used:
        assert schema.columns[i].reason


@settings(deadline=None, max_examples=50)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_level_text_is_the_number(value):
    text = level_text(value)
    assert float(text) == value
    assert not text.endswith(".0") or "e" in text or abs(value) >= 1e15


def test_category_cells_leave_no_trace_of_unused_levels():
    column = pd.Series(pd.Categorical(["b", None, "c"], categories=["a", "b", "c", " b"]))
    cells = read_cells(column)
    assert cells.texts.tolist() == ["b", "c"]
    assert cells.codes.tolist() == [0, -1, 1]
