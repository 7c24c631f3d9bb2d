"""Cells are read by the scorer as the bundle reads them."""

from __future__ import annotations

import datetime
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.parse import parse_table
from automl.data.schema import Column, Kind, Schema
from automl.errors import ConfigError
from automl.export.program_columns import Reader
from automl.export.program_dates import date_pattern
from automl.export.program_steps import Steps
from automl.export.scorer_cells import Cells
from automl.export.scorer_steps import STEPS

FORMATS = (
    ("ISO8601",),
    ("%Y-%m-%d",),
    ("%d.%m.%Y",),
    ("%m/%d/%y", "%m/%d/%Y"),
    ("%d-%b-%Y",),
    ("%B %d, %Y",),
    ("%Y%m%d",),
    ("%I:%M %p",),
    ("%d/%m/%Y %H:%M:%S.%f",),
    ("%a, %d %b %Y %H:%M:%S %z",),
    ("%Y-%m-%dT%H:%M:%S%z",),
    ("epoch:ms",),
)
DATES = """2016-07-02|2016-7-2|2016-02-30|2016-07-02T10:30|2016-07-02 10:30:00.25Z|
2016-07-02T10:30:00,5|2016-07-02T10:30:00+02:00|2016-07-02 10:30 -0330|2016-07-02T24:00|0000-01-01|
20160702|02.07.2016|2.7.2016|32.01.2016|7/2/16|12/31/69|07/02/2016|02-JUL-2016|July 2, 2016|
May 1, 2016|may  1, 2016|9:05 am|12:30 PM|12:30 am|13:30 pm|05/07/2021 10:11:12.5|
Mon, 05 Jul 2021 10:11:12 +0200|
2021-07-05T10:11:12+05:30|2016-07-02T10:30:60|1467417600000|1e12|-|NA|x|2016""".replace("\n", "")
NUMBERS = """1|1.5|-2.5|+3|.5|5.|1e5|1e999|inf|nan|NA|-|1,234|1,234.5|1.234,5|12,34,567|1 234|$5|
$ 1,200.50|-$5|$-5|5 km|5km/h|12 %|3,5|0x10|1_000|1..2|e5|true|1\u00a0234|\u22125""".replace(
    "\n", ""
)
WRITTEN: tuple[dict[str, Any], ...] = (
    {},
    {"decimal": ",", "thousands": ".", "prefixes": [], "suffixes": ["%"]},
    {"decimal": ".", "thousands": ",", "prefixes": ["$"], "suffixes": []},
    {"decimal": ".", "thousands": " ", "prefixes": [], "suffixes": ["km/h", "km"]},
)


def ours(column: Column, values: list[Any], what: str) -> np.ndarray:
    steps = Steps()
    getattr(Reader(steps, Schema((column,))), what)(0)
    step = steps._steps[0]
    facts = {field.name: getattr(step, field.name) for field in fields(step)}
    made: np.ndarray = STEPS[type(step).__name__](facts)(Cells.of(values))
    return made


def bundles(column: Column, values: list[Any]) -> np.ndarray:
    texts = all(value is None or isinstance(value, str) for value in values)
    cells = pd.Series(values, dtype="str" if texts else None)
    parsed = parse_table(pd.DataFrame({column.name: cells}), Schema((column,)))
    found = np.asarray(parsed.values[0], dtype=np.float64)
    if column.kind is not Kind.CATEGORICAL:
        return found
    return np.where(found == -1, np.nan, np.where(found == -2, len(column.levels), found))


def assert_alike(column: Column, values: list[Any], what: str) -> None:
    np.testing.assert_allclose(
        ours(column, values, what), bundles(column, values), rtol=1e-12, err_msg=repr(values)
    )


@pytest.mark.parametrize("formats", FORMATS)
def test_dates(formats):
    column = Column("c", Kind.DATETIME, "text", "", formats={"formats": list(formats)})
    for value in DATES.split("|"):  # one by one: pandas takes a column's unit from all of it
        assert_alike(column, [value], "days")
    stamps = [datetime.datetime(2020, 1, 1, 6), datetime.date(1969, 1, 1), None]
    assert_alike(column, stamps[:1], "days")
    assert_alike(column, stamps[1:], "days")


def test_numbers_that_mean_dates():
    for formats, cells in ((["%Y%m%d"], [20160702, 20161301.0]), (["epoch:s"], [86400.5, None])):
        column = Column("c", Kind.DATETIME, "number", "", formats={"formats": formats})
        assert_alike(column, cells, "days")


def test_an_unknown_directive_is_refused():
    with pytest.raises(ConfigError, match="%j"):
        date_pattern("%Y %j")


@pytest.mark.parametrize("formats", WRITTEN)
def test_numbers(formats):
    column = Column("c", Kind.NUMERIC, "text", "", formats=formats)
    assert_alike(column, NUMBERS.split("|"), "number")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("0123456789.,- +eE$%km/h", max_size=9), min_size=1, max_size=20))
def test_any_text_as_a_number(texts):
    for formats in WRITTEN:
        assert_alike(Column("c", Kind.NUMERIC, "text", "", formats=formats), texts, "number")


@pytest.mark.parametrize(
    "values", [[1, 2.5, None, np.inf], [True, None, False], [1, True, "x", "3"], [b"3", 1.0]]
)
def test_typed_cells_as_numbers(values):
    assert_alike(Column("c", Kind.NUMERIC, "number", ""), values, "number")


@pytest.mark.parametrize("levels", [("No", "Yes"), ("0", "1"), ("rot", "grün")])
def test_booleans(levels):
    column = Column("c", Kind.BOOLEAN, "text", "", levels=levels)
    words = ["Yes", "no", "T", "true", "0", "1.0", "2", "", "GRÜN", "rot", None, "NA"]
    for values in (words, [1, 0, 2, None], [True, False, None], ["x", True, 1]):
        assert_alike(column, values, "number")


LEVELS = (
    Column("c", Kind.CATEGORICAL, "text", "", levels=("a", "007", "7", "1.0", "True", "x y")),
    Column("c", Kind.CATEGORICAL, "number", "", levels=("1", "2", "0.5", "100")),
    Column("c", Kind.CATEGORICAL, "boolean", "", levels=("True", "False")),
    Column("c", Kind.CATEGORICAL, "datetime", "", levels=("2020-01-01", "2020-01-01T10:00:00")),
    Column("c", Kind.CATEGORICAL, "text", "", levels=("hb1f1", "a"), hash_key="ab" * 32),
)


@pytest.mark.parametrize("column", LEVELS, ids=lambda c: f"{c.source} {c.levels[0]}")
def test_levels(column):
    texts = ["a", "007", "7", "1.0", "1", " x y ", "TRUE", "no", "0.50", "1e2", "2020-01-01", None]
    texts += ["2020-01-01 10:00", "", "nan"]
    stamps = [datetime.datetime(2020, 1, 1, 10), datetime.date(2020, 1, 1), None]
    for values in (texts, [7, 1, 100, 0.5, None], [True, False, None], stamps, ["a", 1, True]):
        assert_alike(column, values, "level")
