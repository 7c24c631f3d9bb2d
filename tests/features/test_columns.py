"""One transformer at a time: categories, dates."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from automl.data.schema import Column, Kind, ParsedTable, Schema
from automl.errors import BundleError
from automl.features import categories
from automl.features.categories import CategoryColumn, least_rows
from automl.features.dates import DateColumn, DateDifference
from automl.features.preprocess import Preprocessor
from automl.features.strict import Fields

NAN = np.nan


def cells(*codes: int) -> ParsedTable:
    return ParsedTable(len(codes), {0: np.array(codes, dtype=np.int32)})


def fit_category(*codes: int) -> CategoryColumn:
    levels = tuple(f"l{i}" for i in range(max(codes) + 1))
    schema = Schema((Column("c", Kind.CATEGORICAL, "text", "", levels=levels),))
    return CategoryColumn.fit(cells(*codes), schema, 0)


def test_codes_follow_falling_counts():
    column = fit_category(2, 2, 2, 0, 0, 1, 1, 1, 1)
    assert column.transform(cells(1, 2, 0))[0].tolist() == [0, 1, 2]
    assert column.features[0].n_levels == 3


def test_rare_levels_share_a_code_and_unseen_ones_take_it():
    column = fit_category(0, 0, 0, 1, 1, 2, 3)
    assert column.transform(cells(0, 1, 2, 3, -2))[0].tolist() == [0, 1, 2, 2, 2]


def test_unseen_levels_are_missing_where_no_level_was_rare():
    column = fit_category(0, 0, 1, 1, 2, 2)
    values = column.transform(cells(0, -2, -1))[0]
    assert np.array_equal(values, [0, NAN, NAN], equal_nan=True)


def test_missing_has_its_own_code_if_it_was_seen():
    column = fit_category(0, 0, 1, 1, 2, 2, -1)
    values = column.transform(cells(0, 2, -1, -2))[0]
    assert np.array_equal(values, [0, 2, 3, NAN], equal_nan=True)
    assert column.features[0].n_levels == 4


def test_two_levels_are_a_number_with_native_missing():
    column = fit_category(0, 0, 0, 1, 1, -1)
    assert column.features[0].n_levels == 0
    values = column.transform(cells(0, 1, -1))[0]
    assert np.array_equal(values, [0, 1, NAN], equal_nan=True)


def test_many_levels_are_counted():
    codes = [level for level in range(25) for _ in range(2 + level)] + [-1, -1]
    column = fit_category(*codes)
    assert [f.name for f in column.features] == ["c", "c: rows of the level"]
    counts = column.transform(cells(0, 24, -1, -2))[1]
    assert counts.tolist() == [2, 26, 2, 0]


def test_levels_beyond_the_maximum_are_rare(monkeypatch):
    monkeypatch.setattr(categories, "MAX_LEVELS", 2)
    column = fit_category(0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3)
    assert column.transform(cells(0, 1, 2, 3))[0].tolist() == [0, 1, 2, 2]


def test_a_code_needs_more_rows_in_larger_tables():
    assert [least_rows(n) for n in (20, 1_000, 50_000, 10**6)] == [2, 3, 5, 10]


def test_levels_beyond_the_schema_are_refused():
    with pytest.raises(BundleError, match="knows 2 levels"):
        fit_category(0, 0, 1, 1).transform(cells(2))


def days_of(*moments: str | None) -> ParsedTable:
    epoch = dt.datetime(1970, 1, 1)
    values = [
        NAN if m is None else (dt.datetime.fromisoformat(m) - epoch) / dt.timedelta(days=1)
        for m in moments
    ]
    return ParsedTable(len(values), {0: np.array(values)})


DATE = Schema((Column("d", Kind.DATETIME, "text", ""),))


def test_calendar_parts_agree_with_the_standard_library():
    rng = np.random.default_rng(0)
    start = dt.datetime(1899, 1, 1)
    moments = [start + dt.timedelta(minutes=int(m)) for m in rng.integers(0, 10**8, 300)]
    parsed = days_of(*[m.isoformat() for m in moments])
    column = DateColumn.fit(parsed, DATE, 0)
    made = dict(zip(column.parts, column.transform(parsed), strict=True))
    assert made["year"].tolist() == [m.year for m in moments]
    assert made["month"].tolist() == [m.month for m in moments]
    assert made["day"].tolist() == [m.day for m in moments]
    assert made["weekday"].tolist() == [m.weekday() for m in moments]
    assert made["hour"].tolist() == [m.hour for m in moments]
    assert made["weekend"].tolist() == [m.weekday() >= 5 for m in moments]
    ends = [(m + dt.timedelta(days=1)).month != m.month for m in moments]
    assert made["month_end"].tolist() == ends
    angle = [2 * np.pi * (m.timetuple().tm_yday - 1) / 365.25 for m in moments]
    np.testing.assert_allclose(made["yearday_sin"], np.sin(angle), atol=1e-6)
    np.testing.assert_allclose(made["yearday_cos"], np.cos(angle), atol=1e-6)
    assert made["elapsed"].min() >= 0


def test_only_parts_that_vary_are_made():
    parsed = days_of("2024-03-04", "2024-03-11", "2024-03-18", None)
    preprocessor, matrix = Preprocessor.fit(parsed, DATE)
    names = [f.name for f in preprocessor.features]
    assert names == ["d: days", "d: day of month", "d: day of year (sin)", "d: day of year (cos)"]
    assert matrix.values[:3, 0].tolist() == [0, 7, 14]
    assert np.isnan(matrix.values[3]).all()


def test_dates_far_away_do_not_overflow():
    column = DateColumn.fit(days_of("2024-03-04"), DATE, 0)
    values = column.transform(ParsedTable(3, {0: np.array([1e300, -np.inf, NAN])}))
    assert np.isfinite(np.array(values)[:, :2]).all()


def test_difference_of_two_dates():
    schema = Schema(tuple(Column(n, Kind.DATETIME, "text", "") for n in ("in", "out")))
    parsed = ParsedTable(3, {0: np.array([1.0, 2.0, NAN]), 1: np.array([4.0, 2.5, 3.0])})
    made = DateDifference.fit(schema, 0, 1)
    assert np.array_equal(made.transform(parsed)[0], [3, 0.5, NAN], equal_nan=True)
    assert made.features[0].origins == (0, 1)


@pytest.mark.parametrize("code", ["rare", "missing"])
def test_a_code_that_no_table_needs_is_refused(code):
    data = {**fit_category(0, 0, 1, 1, 2).to_json(), code: 10**12}
    with pytest.raises(BundleError, match=code):
        CategoryColumn.from_json(Fields.of(data, "column"))
