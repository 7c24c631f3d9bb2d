"""What a table has against a schema is found, counted and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from automl.data.contract import LISTED_CELLS, Check
from automl.data.infer import infer_schema
from automl.data.parse import parse_table
from automl.data.schema import Schema

DAYS = pd.date_range("2020-01-01", periods=60)
TRAINING = {
    "age": [str(20 + i % 50) for i in range(60)],
    "amount": [f"{1000 + 37 * i:,}.50" for i in range(60)],
    "fee": [f"{i / 10 + 1:.1f}".replace(".", ",") for i in range(60)],
    "price": [f"${i + 0.25:.2f}" for i in range(60)],
    "share": [f"{i}%" for i in range(60)],
    "iso": [str(day.date()) for day in DAYS],
    "european": [day.strftime("%d/%m/%Y") for day in DAYS[::-1]],
    "ok": ["yes", "no"] * 30,
    "city": ["Köln", "Ulm", "Bonn"] * 20,
    "zip": [f"{i % 7:05d}" for i in range(60)],
}


@pytest.fixture(scope="module")
def schema() -> Schema:
    return infer_schema(pd.DataFrame(TRAINING, dtype="str"))[0]


def checked(
    schema: Schema, cells: Mapping[str, Sequence[str | None]], *, chunk_rows: int = 1000
) -> Check:
    """The check of a table whose other columns hold training cells."""
    n_rows = len(next(iter(cells.values())))
    columns = {name: texts[:n_rows] for name, texts in TRAINING.items()}
    frame = pd.DataFrame({**columns, **cells}, dtype="str")
    check = Check(schema, "y")
    check.see_columns(list(frame.columns))
    for start in range(0, n_rows, chunk_rows):
        part = frame.iloc[start : start + chunk_rows]
        check.add(part, parse_table(part, schema), start + 1)
    return check


def test_training_rows_are_sound(schema):
    check = checked(schema, {"age": TRAINING["age"]})
    assert check.n_rows == 60
    assert check.changes() == ()
    assert not check.unseen
    assert not check.out_of_range
    assert not check.n_wrong


def test_columns(schema):
    check = Check(schema, "y")
    check.see_columns(["note", "amount", "age", *list(TRAINING)[2:-1], "y"])
    assert check.extra == ("note",)
    assert check.absent == ("zip",)
    assert check.moved == ("amount", "age")


@pytest.mark.parametrize("chunk_rows", [1, 7, 1000])
def test_cells_are_named_and_counted(schema, chunk_rows):
    ages = ["30"] * 20
    ages[4], ages[11], ages[15] = "old", "19", "1000"
    cities = ["Ulm"] * 18 + ["Rom", "ulm"]
    check = checked(schema, {"age": ages, "city": cities}, chunk_rows=chunk_rows)
    found = check.to_json()
    assert found["wrong_type"] == {
        "n": 1,
        "by_column": {"age": 1},
        "cells": [{"row": 5, "column": "age", "value": "old", "expected": "a finite number"}],
    }
    assert found["unseen"]["n"] == 2
    (unseen,) = found["unseen"]["columns"]
    assert (unseen["column"], unseen["n"], unseen["first_row"]) == ("city", 2, 19)
    assert unseen["levels"] == [
        {"level": "Rom", "n": 1, "close_to": None},
        {"level": "ulm", "n": 1, "close_to": "Ulm"},
    ]
    (span,) = found["out_of_range"]["columns"]
    assert (span["n_below"], span["n_above"], span["first_row"]) == (1, 1, 12)
    assert span["trained"] == [20.0, 69.0]
    assert span["found"] == [19.0, 1000.0]


def test_dates_out_of_range_are_dates(schema):
    (span,) = checked(schema, {"iso": ["2031-05-06"]}).to_json()["out_of_range"]["columns"]
    assert span["trained"] == ["2020-01-01", "2020-02-29"]
    assert span["found"] == ["2031-05-06", "2031-05-06"]


def test_lost_zeros_are_close(schema):
    (unseen,) = checked(schema, {"zip": ["3", "5"]}).to_json()["unseen"]["columns"]
    assert [level["close_to"] for level in unseen["levels"]] == ["00003", "00005"]


@pytest.mark.parametrize(
    ("column", "texts", "trained", "found"),
    [
        ("age", ["30,5", "31,5"], "decimal mark '.'", "decimal mark ','"),
        ("age", ["1,234.5", "2,000"], "decimal mark '.'", "thousands mark ','"),
        ("fee", ["1.5", "2.5"], "decimal mark ','", "decimal mark '.'"),
        ("price", ["€1.50", "€2.50"], "'$' in front", "'€' in front"),
        ("age", ["30%", "40%"], "decimal mark '.'", "'%' behind"),
        ("iso", ["12/31/2020", "01/02/2020"], "ISO8601", "%m/%d/%Y"),
        ("european", ["31.12.2020", "01.02.2020"], "%d/%m/%Y", "%d.%m.%Y"),
    ],
)
def test_another_format_of_cells_that_cannot_be_read(schema, column, texts, trained, found):
    (change,) = checked(schema, {column: texts}).changes()
    assert (change.column, change.what, change.row) == (column, "format", 1)
    assert change.n == len(texts)
    assert trained in change.trained
    assert found in change.found
    assert repr(texts[0]) in change.text


def test_dates_in_the_other_order_cast_doubt_on_the_rest(schema):
    (change,) = checked(schema, {"european": ["01/02/2020", "12/31/2020"]}).changes()
    assert (change.n, change.row) == (1, 2)
    assert "dates that fit both orders were read as in training" in change.text


@pytest.mark.parametrize(
    ("column", "texts", "doubted"),
    [
        ("amount", ["1.234", "2.005", "1.999"], True),
        ("amount", ["1.234", "2.005", "1,999.5"], False),
        ("amount", ["1.2", "2.005", "1.999"], False),
        ("amount", ["1.234", "1.234", "1.234"], False),  # too few to tell
        ("amount", ["1,234", "2,005", "1,999"], False),
        ("fee", ["1,234", "2,005", "1,999"], False),  # inside of the range as it is
        ("fee", ["1.234", "2.005", "1.999"], False),  # cannot be read: a change of format
    ],
)
def test_marks_that_probably_mean_something_else(schema, column, texts, doubted):
    check = checked(schema, {column: texts})
    assert [change.column for change in check.misread] == [column] * doubted


def test_a_lost_unit(schema):
    (change,) = checked(schema, {"share": ["0.17", "0.5"]}).changes()
    assert (change.what, change.n, change.trained) == ("unit", 2, "'%'")
    assert checked(schema, {"share": ["0.17", "5%"]}).changes() == ()


def test_lists_are_bounded_and_counts_are_not(schema):
    n_rows = 5000
    check = Check(schema, "y")
    frame = pd.DataFrame({name: np.resize(texts, n_rows) for name, texts in TRAINING.items()})
    frame = frame.assign(age="?!", city=[f"c{i}" for i in range(n_rows)]).astype("str")
    for start in range(0, n_rows, 1000):
        part = frame.iloc[start : start + 1000]
        check.add(part, parse_table(part, schema), start + 1)
    found = check.to_json()
    assert found["wrong_type"]["n"] == found["unseen"]["n"] == n_rows
    assert len(found["wrong_type"]["cells"]) == LISTED_CELLS
    assert len(found["unseen"]["columns"][0]["levels"]) == 20


def test_a_long_cell_is_cut(schema):
    cell = "x" * 100_000
    check = checked(schema, {"age": [cell], "city": [cell]})
    assert len(str(check.to_json())) < 5000
