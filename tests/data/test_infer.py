"""Tests of automl.data.infer and of the kinds it finds."""

import datetime as dt
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from automl.data.infer import infer_schema
from automl.data.kinds import names_an_id
from automl.data.schema import Drop, Kind, Schema
from automl.errors import ConfigError, DataError

N = 60


def infer_one(values, name="x", **options):
    """The column and the values of a table with `values` and one more column."""
    values = pd.Series(values)
    frame = pd.DataFrame({name: values, "other": np.sqrt(np.arange(len(values)) + 0.5)})
    schema, table = infer_schema(frame, **options)
    return schema.columns[0], table.values.get(0)


def cycle(*values):
    return [values[i % len(values)] for i in range(N)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (cycle(1, 2, 3), [1, 2, 3]),
        (cycle(1.5, None, 3), [1.5, np.nan, 3]),
        (cycle("1,234", "5", "6"), [1234, 5, 6]),
        (cycle("$1,234.50", "$-2", "$3"), [1234.5, -2, 3]),
        (cycle("12%", "7.5 %", "8%"), [12, 7.5, 8]),
        (cycle("1 234", "5", "6"), [1234, 5, 6]),
        (cycle("1\u00a0234", "5", "6"), [1234, 5, 6]),
        (cycle("1.234,56", "3,5", "7"), [1234.56, 3.5, 7]),
        (cycle("3,14", "2,5", "1,0"), [3.14, 2.5, 1]),
        (cycle("12 km", "1 km", "7 km"), [12, 1, 7]),
        (cycle("1", "2", "missing"), [1, 2, np.nan]),
        (cycle("1", "None", "-"), [1, np.nan, np.nan]),
        (cycle(Decimal("1.5"), 2, None), [1.5, 2, np.nan]),
        (cycle(dt.timedelta(hours=12), dt.timedelta(2), None), [0.5, 2, np.nan]),
        (pd.array(cycle(1, None, 3), dtype="Int64"), [1, np.nan, 3]),
    ],
)
def test_numeric(values, expected):
    column, parsed = infer_one(values)
    assert column.kind is Kind.NUMERIC
    assert column.used
    np.testing.assert_array_equal(parsed[:3], expected)
    assert len(column.bins) == 21
    assert column.minimum == np.nanmin(expected)
    assert column.missing == pytest.approx(np.isnan(expected).mean())


@pytest.mark.parametrize(
    ("values", "levels", "expected"),
    [
        (cycle("Yes", "No"), ("No", "Yes"), [1, 0]),
        (cycle("true", "FALSE"), ("FALSE", "true"), [1, 0]),
        (cycle("y", "n", None), ("n", "y"), [1, 0, np.nan]),
        (cycle("yes", None), ("no", "yes"), [1, np.nan]),
        (cycle(True, False, None), ("False", "True"), [1, 0, np.nan]),
        (pd.array(cycle(True, None), dtype="boolean"), ("False", "True"), [1, np.nan]),
    ],
)
def test_boolean(values, levels, expected):
    column, parsed = infer_one(values)
    assert column.kind is Kind.BOOLEAN
    assert column.levels == levels
    np.testing.assert_array_equal(parsed[: len(expected)], expected)
    assert sum(column.counts) == round(N * (1 - column.missing))


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (cycle("a", "b", "a", "c"), ("a", "b", "c")),
        (cycle("01234", "98765", "01234"), ("01234", "98765")),
        (cycle("none", "acute", "none"), ("none", "acute")),
        (cycle("0", "1", "2", "3+"), ("0", "1", "2", "3+")),
        (cycle("512 MB", "1 GB", "1 GB"), ("1 GB", "512 MB")),
        (cycle("A1", "A2", "A1"), ("A1", "A2")),
        (cycle(" a", "a ", "b"), ("a", "b")),
        (cycle("M", "F", "M"), ("M", "F")),
        (pd.Categorical(cycle(10, 20, 10)), ("10", "20")),
        (cycle("x", 1.0, 2.5, "x"), ("x", "1", "2.5")),
    ],
)
def test_categorical(values, levels):
    column, parsed = infer_one(values)
    assert column.kind is Kind.CATEGORICAL
    assert column.levels == levels
    assert list(column.counts) == sorted(column.counts, reverse=True)
    assert sum(column.counts) == N
    assert parsed.dtype == np.int32


DAY = dt.date(2020, 1, 31)


@pytest.mark.parametrize(
    "pattern",
    [
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d.%m.%Y",
        "%d-%m-%Y",
        "%d/%m/%y",
        "%d %b %Y",
        "%d %B %Y",
        "%b %d, %Y",
        "%d-%b-%y",
        "%Y%m%d",
        "%a, %d %b %Y",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M:%S.%f",
        "%d/%m/%Y %H:%M",
        "%m/%d/%Y %I:%M %p",
        "%Y-%m-%dT%H:%M:%S+00:00",
    ],
)
def test_datetime_as_text(pattern):
    stamps = [dt.datetime(2020, 1, 28, 13, 30) + i * dt.timedelta(1, 3600) for i in range(N)]
    column, parsed = infer_one([stamp.strftime(pattern) for stamp in stamps])
    assert column.kind is Kind.DATETIME, column.reason
    whole = not any(part in pattern for part in ("%H", "%I"))
    expected = [(stamp - dt.datetime(1970, 1, 1)) / dt.timedelta(1) for stamp in stamps]
    np.testing.assert_allclose(parsed, np.floor(expected) if whole else expected, atol=1e-9)


def test_day_or_month_first_is_decided_by_the_whole_column():
    early = [f"{i % 12 + 1:02d}/02/2020" for i in range(N)]
    assert infer_one([*early, "13/02/2020"])[0].formats["formats"] == ["%d/%m/%Y"]
    assert infer_one([*early, "02/13/2020"])[0].formats["formats"] == ["%m/%d/%Y"]
    firsts = [f"01/{i % 12 + 1:02d}/2020" for i in range(N)]
    assert infer_one(firsts)[0].formats["formats"] == ["%d/%m/%Y"]


def test_typed_dates_keep_their_time():
    stamps = pd.date_range("2020-01-01 06:00", periods=N, tz="Europe/Paris")
    column, parsed = infer_one(stamps)
    assert (column.kind, column.source) == (Kind.DATETIME, "datetime")
    assert parsed[0] == pytest.approx(18262 + 5 / 24)


def test_compact_dates_need_a_name():
    days = [int(f"202001{i % 28 + 1:02d}") for i in range(N)]
    assert infer_one(days, "order_date")[0].kind is Kind.DATETIME
    assert infer_one(days, "amount")[0].kind is Kind.NUMERIC


@pytest.mark.parametrize("text", ["1.2.10", "192.168.1.7", "12-34", "2020-13-45", "10:75"])
def test_what_is_no_date(text):
    assert infer_one(cycle(text, "x" + text))[0].kind is Kind.CATEGORICAL


def test_free_text():
    column, parsed = infer_one([f"the room was number {i} and nice" for i in range(N)])
    assert column.kind is Kind.TEXT
    assert column.n_unique == N
    assert parsed.dtype == "str"


def test_rare_levels_of_shared_words_are_text_and_names_are_not():
    ranks = ("Senior", "Sr", "Junior", "Jr", "Lead", "Assistant", "Chief", "Deputy")
    jobs = ("Clerk", "Bus Operator", "Program Manager", "Data Analyst", "Mechanic", "Nurse")
    titles = [f"{rank} {job}" for rank in ranks for job in jobs]
    column, _ = infer_one(titles + ["Clerk"] * 100)
    assert column.kind is Kind.TEXT
    assert "composed of words that they share" in column.reason
    frequent, _ = infer_one(titles * 3)
    assert frequent.kind is Kind.CATEGORICAL
    letters = "abcdefgh"
    names = [f"{a}{b}ra {b}{a}lo" for a in letters for b in letters]
    assert infer_one(names + ["aara bblo"] * 100)[0].kind is Kind.CATEGORICAL


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([f"{i:04d}-VHVEG" for i in range(N)], "x"),
        ([f"CA-US-{i}" for i in range(N)], "x"),
        ([f"north node{i}" for i in range(N)], "x"),
        (range(N), "x"),
        (range(N, 0, -1), "x"),
        (np.random.default_rng(0).permutation(N), "x"),
        (np.random.default_rng(0).choice(10**6, N, replace=False), "customerId"),
        (np.random.default_rng(0).choice(10**6, N, replace=False), "id"),
        (np.arange(N) * 2**40 + 2**60, "PassengerId"),
    ],
)
def test_identifiers_are_dropped(values, name):
    column, parsed = infer_one(values, name)
    assert column.drop is Drop.IDENTIFIER
    assert parsed is None
    assert column.levels == ()
    assert column.reason


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.random.default_rng(0).choice(10**6, N, replace=False), "price"),
        (np.sort(np.random.default_rng(0).choice(10**6, N, replace=False)), "price"),
        (np.random.default_rng(0).random(N), "id"),
        (range(1950, 1950 + N), "year"),
        (np.arange(N) // 2, "user_id"),
    ],
)
def test_what_is_no_identifier(values, name):
    assert infer_one(values, name)[0].used


@pytest.mark.parametrize("name", ["id", "user_id", "CustomerID", "idUser", "Unnamed: 0", "uuid"])
def test_names_of_identifiers(name):
    assert names_an_id(name)


@pytest.mark.parametrize("name", ["paid", "citric_acid", "humid", "idea", "width", "price"])
def test_names_of_no_identifiers(name):
    assert not names_an_id(name)


@pytest.mark.parametrize(
    ("values", "drop"),
    [
        ([5] * N, Drop.CONSTANT),
        (["a"] * N, Drop.CONSTANT),
        ([None] * N, Drop.EMPTY),
        ([np.nan] * N, Drop.EMPTY),
        (["  "] * N, Drop.EMPTY),
        ([np.inf] * N, Drop.EMPTY),
    ],
)
def test_useless_columns(values, drop):
    assert infer_one(values)[0].drop is drop


def test_one_value_and_gaps_is_information():
    assert infer_one(cycle("a", None))[0].used
    assert infer_one(cycle(5, None))[0].used


def test_duplicates():
    values = np.arange(N) % 7
    text = pd.Series(values.astype(str)) + "x"
    frame = pd.DataFrame(
        {"a": values, "b": values.astype(float), "c": -values, "d": text, "e": text.copy()}
    )
    schema, table = infer_schema(frame)
    assert [c.drop for c in schema.columns] == [None, "duplicate", None, None, "duplicate"]
    assert "'a'" in schema.columns[1].reason
    assert sorted(table.values) == [0, 2, 3]


def test_a_few_wrong_cells_do_not_turn_numbers_into_levels():
    column, parsed = infer_one([*(str(i / 7) for i in range(300)), "abc"])
    assert column.kind is Kind.NUMERIC
    assert "'abc'" in column.reason
    assert np.isnan(parsed[-1])
    assert parsed[1] == 1 / 7
    many = [*(str(i / 7) for i in range(30)), *["abc"] * 5]
    assert infer_one(many)[0].kind is Kind.CATEGORICAL


def test_bad_cells_are_listed():
    frame = pd.DataFrame(
        {"x": [np.inf, *np.sqrt(range(N)), -np.inf], "y": ["a", "b"] * (N // 2 + 1)}
    )
    _, table = infer_schema(frame)
    assert table.bad == ((0, 0, "inf"), (0, N + 1, "-inf"))
    assert table.n_bad == 2


def test_overrides_win():
    assert infer_one(cycle(1, 2, 3), kinds={"x": "categorical"})[0].levels == ("1", "2", "3")
    assert infer_one(cycle("1", "2"), kinds={"x": "text"})[0].kind is Kind.TEXT
    assert infer_one(range(N), kinds={"x": "numeric"})[0].used
    assert infer_one(cycle(1, 2), kinds={"x": "identifier"})[0].drop is Drop.IDENTIFIER
    assert infer_one(cycle(1, 2), kinds={"x": "drop"})[0].drop is Drop.USER
    assert infer_one(cycle(1, 2), drop=["x"])[0].drop is Drop.USER
    assert infer_one(cycle(1, 2), roles=["x"])[0].drop is Drop.ROLE
    assert infer_one(cycle(0, 1, 1), kinds={"x": "boolean"})[0].levels == ("0", "1")
    column, parsed = infer_one(cycle("M", "F"), kinds={"x": "boolean"})
    assert column.levels == ("F", "M")
    assert parsed[:2].tolist() == [1, 0]


@pytest.mark.parametrize("factor", [1, 1e3, 1e6, 1e9])
def test_epochs_by_override(factor):
    seconds = 1_600_000_000 + np.arange(N) * 86_400
    column, parsed = infer_one(seconds * factor, kinds={"x": "datetime"})
    assert column.kind is Kind.DATETIME
    np.testing.assert_allclose(parsed, seconds / 86_400)


def test_headers_and_monotone_are_kept():
    frame = pd.DataFrame({"a": range(0, 9, 2), "a_2": [3, 1, 4, 1, 5]})
    schema, _ = infer_schema(frame, headers={"a_2": "a"}, monotone={"a": -1})
    assert [c.header for c in schema.columns] == ["a", "a"]
    assert schema.columns[0].monotone == -1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kinds": {"x": "numerc"}}, "Unknown kind 'numerc'.*numeric"),
        ({"kinds": {"xx": "numeric"}}, "--column names 'xx'"),
        ({"drop": ["othr"]}, "--drop names 'othr'.*'other'"),
        ({"roles": ["z"]}, "'z', but the table has no such column"),
        ({"monotone": {"x": 2}}, "no direction"),
        ({"monotone": {"x": 1}}, "which is categorical"),
        ({"monotone": {"x": 1}, "drop": ["x"]}, "which is not used"),
    ],
)
def test_wrong_options(options, match):
    with pytest.raises(ConfigError, match=match):
        infer_one(cycle("a", "b"), **options)


def test_unusable_tables():
    with pytest.raises(DataError, match="No column is left.*'x': the same value"):
        infer_schema(pd.DataFrame({"x": [1] * 5}))
    with pytest.raises(DataError, match="only its target"):
        infer_schema(pd.DataFrame(index=range(5)))
    with pytest.raises(DataError, match="'a' is there more than once"):
        infer_schema(pd.DataFrame([[1, 2]] * 3, columns=["a", "a"]))
    with pytest.raises(DataError, match="cannot be numeric.*'a'"):
        infer_one(cycle("a", "b"), kinds={"x": "numeric"})
    with pytest.raises(DataError, match="cannot be datetime"):
        infer_one(cycle("a", "b"), kinds={"x": "datetime"})
    with pytest.raises(DataError, match="complex"):
        infer_one(cycle(1j, 2j))


def test_schema_survives_json():
    frame = pd.DataFrame(
        {
            "n": cycle("1,5", "2,5"),
            "c": cycle("a", "b", "c"),
            "b": cycle("yes", "no", "yes", "yes"),
            "d": [f"{i % 28 + 1}.01.2020" for i in range(N)],
            "i": [f"k{i}" for i in range(N)],
        }
    )
    schema, _ = infer_schema(frame)
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
