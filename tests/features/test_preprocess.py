"""The target-free stage as a whole."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl.data.schema import Kind, ParsedTable
from automl.errors import BundleError, DataError
from automl.features import preprocess
from automl.features.preprocess import Preprocessor

NAN = np.nan
RELAXED = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def equal(a: Any, b: Any) -> bool:
    return np.array_equal(a.astype(np.float64), b.astype(np.float64), equal_nan=True)


def mixed_cells(rng: np.random.Generator, n: int) -> dict[str, tuple[Kind, Any]]:
    words = np.array(["good", "bad", "room", "staff was", "kind", "Ünï", "x"])
    texts = [" ".join(rng.choice(words, rng.integers(0, 9))) for _ in range(n)]
    days = rng.integers(15_000, 17_000, n) + rng.integers(0, 24, n) / 24
    return {
        "size": (Kind.NUMERIC, np.where(rng.random(n) < 0.1, NAN, rng.normal(size=n))),
        "flag": (Kind.BOOLEAN, rng.choice([0.0, 1.0, NAN], n)),
        "town": (Kind.CATEGORICAL, rng.integers(-1, 30, n)),
        "sold": (Kind.DATETIME, np.where(rng.random(n) < 0.1, NAN, days)),
        "built": (Kind.DATETIME, np.floor(days) - rng.integers(0, 50, n)),
        "note": (Kind.TEXT, [NAN if rng.random() < 0.1 else text for text in texts]),
    }


def test_training_matrix_equals_a_later_transform_of_the_same_rows(table):
    parsed, schema = table(mixed_cells(np.random.default_rng(0), 300))
    preprocessor, matrix = Preprocessor.fit(parsed, schema)
    again = preprocessor.transform(parsed)
    assert again.values.dtype == np.float64
    assert again.values.flags.f_contiguous
    assert matrix.values.flags.f_contiguous
    assert equal(matrix.values, again.values)
    assert matrix.features == preprocessor.features == again.features
    assert {i for f in matrix.features for i in f.origins} == set(range(6))


@RELAXED
@given(st.integers(0, 2**32 - 1), st.integers(6, 60))
def test_json_round_trip_and_chunks_change_nothing(table, part, seed, n):
    rng = np.random.default_rng(seed)
    parsed, schema = table(mixed_cells(rng, n))
    preprocessor, _ = Preprocessor.fit(parsed, schema)
    loaded = Preprocessor.from_json(json.loads(json.dumps(preprocessor.to_json())))
    assert loaded.features == preprocessor.features
    new, _ = table(mixed_cells(rng, 40))
    towns = np.asarray(new.values[2])
    known = len(schema.columns[2].levels)
    new.values[2][:] = np.where(rng.random(40) < 0.2, -2, np.minimum(towns, known - 1))
    whole = preprocessor.transform(new).values
    assert equal(loaded.transform(new).values, whole)
    pieces = [loaded.transform(part(new, slice(i, i + 7))).values for i in range(0, 40, 7)]
    assert equal(np.vstack(pieces), whole)


def test_float32_only_where_every_value_survives(table):
    exact, _ = table({"a": (Kind.NUMERIC, [1.5, 2.0, NAN]), "b": (Kind.NUMERIC, [0, 1, 2])})
    _, schema = table({"a": (Kind.NUMERIC, [1, 2]), "b": (Kind.NUMERIC, [1, 2])})
    _, matrix = Preprocessor.fit(exact, schema)
    assert matrix.values.dtype == np.float32
    inexact = ParsedTable(3, {0: np.array([0.1, 2.0, NAN]), 1: np.arange(3.0)})
    _, matrix = Preprocessor.fit(inexact, schema)
    assert matrix.values.dtype == np.float64


def test_a_large_matrix_is_rounded_as_the_rows_to_predict_will_be(table, monkeypatch):
    monkeypatch.setattr(preprocess, "LARGE_CELLS", 100)
    prices = np.random.default_rng(0).normal(size=200)
    parsed, schema = table({"price": (Kind.NUMERIC, prices), "n": (Kind.NUMERIC, range(200))})
    preprocessor, matrix = Preprocessor.fit(parsed, schema)
    assert matrix.values.dtype == np.float32
    loaded = Preprocessor.from_json(json.loads(json.dumps(preprocessor.to_json())))
    again = loaded.transform(parsed).values
    assert again.dtype == np.float32
    assert np.array_equal(again, matrix.values)
    far = loaded.transform(ParsedTable(2, {0: np.array([1e300, -1e300]), 1: np.zeros(2)}))
    assert np.isfinite(far.values).all()
    assert far.values[0, 0] > prices.max() > prices.min() > far.values[1, 0]
    old = {key: value for key, value in preprocessor.to_json().items() if key != "rounds"}
    assert Preprocessor.from_json(old).transform(parsed).values.dtype == np.float64


def test_a_large_matrix_stays_exact_where_rounding_would_lose_splits(table, monkeypatch):
    monkeypatch.setattr(preprocess, "LARGE_CELLS", 100)
    third = np.arange(200) / 3
    late = 1e9 + np.arange(200) / 4
    parsed, schema = table({"at": (Kind.NUMERIC, late), "third": (Kind.NUMERIC, third)})
    preprocessor, matrix = Preprocessor.fit(parsed, schema)
    assert matrix.values.dtype == np.float64
    assert np.array_equal(matrix.values[:, 1], third)
    assert preprocessor.transform(parsed).values.dtype == np.float64


def test_calendar_counts_and_text_keep_a_float32_matrix(table):
    cells = mixed_cells(np.random.default_rng(1), 200)
    del cells["size"], cells["sold"]
    _, matrix = Preprocessor.fit(*table(cells))
    assert matrix.values.dtype == np.float32


def test_constant_and_empty_columns_are_left_out(table):
    parsed, schema = table(
        {
            "constant": (Kind.NUMERIC, [3, 3, 3, 3]),
            "empty": (Kind.NUMERIC, [NAN] * 4),
            "known or not": (Kind.NUMERIC, [3, NAN, 3, 3]),
            "one level": (Kind.CATEGORICAL, [0, 0, 0, 0]),
            "x": (Kind.NUMERIC, [1, 2, 3, 4]),
        }
    )
    _, matrix = Preprocessor.fit(parsed, schema)
    assert [f.name for f in matrix.features] == ["known or not", "x"]


def test_nothing_that_varies_is_an_error(table):
    with pytest.raises(DataError, match="None of the 1 usable columns varies over the 3"):
        Preprocessor.fit(*table({"a": (Kind.NUMERIC, [1, 1, 1])}))


def test_infinite_cells_keep_their_order_and_stay_finite(table):
    parsed, schema = table({"a": (Kind.NUMERIC, [-np.inf, -1e300, 0, 1e39, np.inf])})
    _, matrix = Preprocessor.fit(parsed, schema)
    values = matrix.values[:, 0]
    assert np.isfinite(values).all()
    assert (np.diff(values) >= 0).all()


def test_monotone_reaches_the_value_and_silences_what_could_bend_it(table):
    days = np.arange(20_000.0, 20_200.0, 5)
    parsed, schema = table(
        {
            "x": (Kind.NUMERIC, np.arange(40.0)),
            "a": (Kind.DATETIME, days),
            "b": (Kind.DATETIME, days[::-1]),
        },
        monotone={"x": 1, "a": -1},
    )
    _, matrix = Preprocessor.fit(parsed, schema)
    directions = {f.name: f.monotone for f in matrix.features}
    assert directions["x"] == 1
    assert [n for n in directions if n.startswith("a")] == ["a: days"]
    assert directions["a: days"] == -1
    assert not any("from" in name for name in directions)


def _broken(data: dict[str, Any], at: int, name: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(data)
    data["transformers"][at][name] = value
    return data


@pytest.mark.parametrize(
    ("at", "name", "value"),
    [
        (0, "column", "0"),
        (0, "column", True),
        (0, "column", -1),
        (0, "monotone", 2),
        (0, "kind", "pickle"),
        (2, "codes", [0]),
        (2, "codes", [0.0]),
        (2, "parts", ["eval"]),
        (2, "rare", "x"),
        (3, "start", float("nan")),
        (3, "parts", ["century"]),
        (5, "terms", ["a"]),
        (5, "idf", None),
        (5, "analyzer", "spaces"),
        (5, "components", [[1.0]]),
    ],
)
def test_a_wrong_type_in_the_bundle_is_named(table, at, name, value):
    parsed, schema = table(mixed_cells(np.random.default_rng(0), 100))
    data = Preprocessor.fit(parsed, schema)[0].to_json()
    with pytest.raises(BundleError, match=r"preprocess\.json: 'transformers'\[\d\]"):
        Preprocessor.from_json(_broken(data, at, name, value))


@pytest.mark.parametrize("data", [[], {}, {"transformers": {}}, {"transformers": []}, None])
def test_what_is_not_a_preprocessor_is_refused(data):
    with pytest.raises(BundleError, match=r"preprocess\.json"):
        Preprocessor.from_json(data)


def test_scoring_text_needs_no_scikit_learn():
    code = (
        "import sys\n"
        "import automl.features.preprocess, automl.features.recipes\n"
        "assert not any(name.split('.')[0] == 'sklearn' for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_parsed_texts_may_carry_any_index(table):
    parsed, schema = table({"t": (Kind.TEXT, ["a b", "b c", "c d", "a"])})
    preprocessor, matrix = Preprocessor.fit(parsed, schema)
    series = parsed.values[0]
    assert isinstance(series, pd.Series)
    moved = ParsedTable(4, {0: series.set_axis([9, 9, 7, 5])})
    assert equal(preprocessor.transform(moved).values, matrix.values)
