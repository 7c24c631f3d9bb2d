"""Cells of requests: typed as `automl predict` types a file, and never by what others sent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service import ROW, STORED

import automl
from automl.model.predictor import Predictor
from automl.serve.refusal import Refusal
from automl.serve.rows import RowReader
from automl.serve.scoring import parsed_table
from automl.serve.tables import reading_of

PREDICTOR: list[Predictor] = []


def tools() -> tuple[Predictor, RowReader]:
    if not PREDICTOR:
        PREDICTOR.append(automl.load(STORED))
    predictor = PREDICTOR[0]
    markers = frozenset(reading_of(predictor).markers)
    return predictor, RowReader(predictor.schema, predictor.target, markers)


TEXTS = {
    "length": st.sampled_from(["1", " 2.5 ", "-3e2", "NA", "", "x", "1,5", "١"]),
    "price": st.sampled_from(["1,020.41 €", "3€", "7", "", "?", "€", "1.020,41 €"]),
    "city": st.sampled_from(["Ulm", " Ulm ", "ulm", "", "NA", "Atlantis", "1", "true"]),
    "paid": st.sampled_from(["yes", "no", "YES", "true", "0", "1", "", "maybe"]),
    "day": st.sampled_from(["04.06.2025", "2025-06-04", "31.02.2025", "", "2025-06-04T10:30:00"]),
    "note": st.sampled_from(["", "a b", " a b ", "NA", "été ☃"]),
}


@settings(deadline=None, max_examples=60)
@given(st.fixed_dictionaries(TEXTS))
def test_a_text_is_what_it_is_in_a_file(cells: dict[str, str]) -> None:
    predictor, reader = tools()
    rows = reader.records([{**ROW, "paid": "yes", **cells}], "lenient")
    found = parsed_table(predictor, [rows])
    frame = pd.DataFrame([{**ROW, "length": "11.04", "width": "5.02", "paid": "yes", **cells}])
    markers = reading_of(predictor).markers
    frame = frame.astype("str").map(lambda cell: np.nan if cell.strip() in markers else cell)
    right = predictor.parse(frame, "lenient")
    for i, values in right.values.items():
        if isinstance(values, pd.Series):
            assert found.values[i].equals(values)
        else:
            np.testing.assert_array_equal(np.asarray(found.values[i]), np.asarray(values))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "length": st.one_of(st.none(), st.integers(-5, 20), st.floats(-5, 20)),
                "city": st.sampled_from(["Ulm", "Atlantis", None, 3, True, 2.5]),
                "paid": st.sampled_from([True, False, "yes", 0, 1, None]),
                "price": st.sampled_from([3, 2.5, "1,020.41 €", None]),
            }
        ),
        min_size=2,
        max_size=6,
    )
)
def test_rows_do_not_touch_each_other(several: list[dict[str, Any]]) -> None:
    predictor, reader = tools()
    records = [{**ROW, **cells} for cells in several]
    together = parsed_table(predictor, [reader.records(records, "default")])
    parts = [reader.records([record], "default") for record in records]
    joined = parsed_table(predictor, parts)
    for i, values in together.values.items():
        one = pd.Series(np.asarray(values, dtype=object))
        assert one.equals(pd.Series(np.asarray(joined.values[i], dtype=object)))


@pytest.mark.parametrize(
    ("name", "cell", "value"),
    [
        ("length", 3, 3.0),
        ("length", None, math.nan),
        ("price", 3, 3.0),
        ("paid", True, 1.0),
        ("paid", 0, 0.0),
        ("city", "Ulm", 0),
        ("city", 12, -2),
        ("city", None, -1),
        ("day", "1970-01-02", 1.0),
    ],
)
def test_cells_of_json(name: str, cell: Any, value: float) -> None:
    predictor, reader = tools()
    rows = reader.records([{**ROW, name: cell}], "default")
    found = parsed_table(predictor, [rows]).values[predictor.schema.names.index(name)]
    np.testing.assert_array_equal(np.asarray(found, dtype=np.float64), [value])


def test_modes() -> None:
    reader = tools()[1]
    with pytest.raises(Refusal, match="'Atlantis' was not seen"):
        reader.records([{**ROW, "city": "Atlantis"}], "strict")
    assert reader.records([{}], "lenient").warnings[0]["columns"][0] == "length"
