"""The recipe of arithmetic: finds what was planted, little else, and reads bundles strictly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from automl.errors import BundleError
from automl.features.encoding import Key
from automl.features.matrix import Feature, Matrix
from automl.features.recipes import Fold, fit_recipe, load_recipe, plan_recipes
from automl.features.recipes.columns import Combination, Grouped
from automl.features.recipes.derived import Derived
from automl.features.recipes.plain import Plain
from automl.task import Task


def numbers(n: int, p: int = 6, seed: int = 0) -> Matrix:
    values = np.random.default_rng(seed).lognormal(size=(n, p))
    return Matrix(np.asfortranarray(values), tuple(Feature(f"f{i}", (i, 9)) for i in range(p)))


def fit(matrix, y, task=Task.REGRESSION):
    plan = plan_recipes(matrix, seed=0)["derived"]
    rows = np.arange(matrix.n_rows)
    return fit_recipe("derived", plan, Fold(matrix, y, None, rows, task, 2, 0))


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (lambda v: np.sign(v[:, 1] - 2.0 * v[:, 4]), {"f1 / f4", "f4 / f1"}),
        (lambda v: np.sign(v[:, 2] - v[:, 3]), {"f2 - f3", "f2 / f3", "f3 / f2"}),
        (lambda v: np.sin(v[:, 0] + v[:, 5]), {"f0 + f5"}),
    ],
)
def test_a_planted_combination_is_found_first(made, names):
    matrix = numbers(3000)
    recipe, found = fit(matrix, made(matrix.values))
    assert isinstance(recipe, Derived)
    assert found.features[6].name in names
    inputs = recipe.columns[0].inputs
    assert found.features[6].origins == tuple(sorted({*inputs, 9}))


def test_a_number_within_its_level_is_found():
    rng = np.random.default_rng(0)
    town = rng.integers(0, 40, 4000)
    rent = rng.normal(size=40)[town] * 3.0 + rng.normal(size=4000)
    values = np.asfortranarray(np.column_stack([town, rent, rng.normal(size=4000)]))
    features = (Feature("town", (0,), n_levels=40), Feature("rent", (1,)), Feature("x", (2,)))
    matrix = Matrix(values, features)
    mean = np.array([rent[town == t].mean() for t in range(40)])
    recipe, found = fit(matrix, np.abs(rent - mean[town]) + 0.1 * rng.normal(size=4000))
    assert found.features[3].name in {"rent: distance by town", "rent: deviations by town"}
    assert found.features[3].origins == (0, 1)
    column = recipe.groupings[0]
    assert np.array(column.means)[:40] == pytest.approx(mean, abs=0.1)
    assert column.means[40] == pytest.approx(rent.mean())  # a level that training never saw


def test_nothing_is_derived_from_noise():
    found = []
    for seed in range(10):
        y = np.random.default_rng(seed + 100).standard_t(2, size=400)
        found.append(isinstance(fit(numbers(400, seed=seed), y)[0], Plain))
    assert sum(found) >= 8


def test_missing_and_infinite_results_are_missing():
    values = np.array([[1.0, 0.0], [np.nan, 1.0], [3e38, 3e38], [6.0, 4.0]])
    matrix = Matrix(values, (Feature("a", (0,)), Feature("b", (1,))))
    ratio, total = Combination("ratio", 0, 1).of(matrix), Combination("sum", 0, 1).of(matrix)
    assert np.array_equal(ratio, np.float32([np.nan, np.nan, 1.0, 1.5]), equal_nan=True)
    assert np.array_equal(total, np.float32([1.0, np.nan, np.nan, 10.0]), equal_nan=True)


def stored() -> dict[str, Any]:
    key = Key(2, "category", n_levels=2)
    grouped = Grouped("distance", key, 0, (1.0, 2.0, 0.0), (1.0, 1.0, 1.0))
    return Derived(6, (Combination("sum", 0, 1),), (grouped,)).to_json()


def test_what_was_stored_is_read_back():
    assert load_recipe(stored()).to_json() == stored()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("n_features",), 0),
        (("n_features",), 2),
        (("combinations", 0), ["sum", 0, 1]),
        (("combinations", 0, "operation"), "power"),
        (("combinations", 0, "operation"), ["sum"]),
        (("combinations", 0, "first"), 6),
        (("combinations", 0, "second"), True),
        (("combinations",), "sum"),
        (("groupings", 0, "operation"), "sum"),
        (("groupings", 0, "keys"), []),
        (("groupings", 0, "keys", 0, "n_levels"), 3),
        (("groupings", 0, "number"), -1),
        (("groupings", 0, "means"), [1.0, 2.0]),
        (("groupings", 0, "means"), [1.0, 2.0, float("nan")]),
        (("groupings", 0, "spreads"), [1.0, 1.0, 0.0]),
    ],
)
def test_a_wrong_bundle_is_refused(path, value):
    at = data = stored()
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(BundleError, match="recipe"):
        load_recipe(data)


def test_a_recipe_without_columns_is_refused():
    with pytest.raises(BundleError, match="columns do not fit"):
        load_recipe({**stored(), "combinations": [], "groupings": []})
