"""The recipe of target encodings: what is crossed, where it comes from, what a bundle may hold."""

from __future__ import annotations

import copy
import time

import numpy as np
import pytest

from automl.errors import BundleError
from automl.features.matrix import Feature, Matrix
from automl.features.recipes import Fold, fit_recipe, load_recipe, plan_recipes
from automl.task import Task


def levels(n: int, p: int, size: int, seed: int = 0) -> Matrix:
    values = np.random.default_rng(seed).integers(0, size, (n, p)).astype(np.float64)
    features = tuple(Feature(f"f{i}", (i,), n_levels=size) for i in range(p))
    return Matrix(np.asfortranarray(values), features)


def fit(matrix, y, rows=None, **given):
    rows = np.arange(matrix.n_rows) if rows is None else rows
    facts = {"task": Task.BINARY, "n_classes": 2, "seed": 0, **given}
    plan = plan_recipes(matrix, seed=0)["encoded"]
    return fit_recipe("encoded", plan, Fold(matrix, y, None, rows, **facts))


def noisy(signal, seed=1):
    flip = np.random.default_rng(seed).random(len(signal)) < 0.2
    return (signal ^ flip).astype(np.float64)


@pytest.mark.parametrize("crossed", [(0, 3), (1, 2, 4)])
def test_a_planted_cross_is_found(crossed):
    matrix = levels(4000, 6, 7)
    effect = np.random.default_rng(2).random((7,) * len(crossed)) < 0.5
    where = tuple(matrix.values[:, i].astype(int) for i in crossed)
    y = noisy(effect[where])
    _, made = fit(matrix, y, np.arange(3000))
    name = "target mean by " + " x ".join(f"f{i}" for i in crossed)
    at = [f.name for f in made.features].index(name)
    assert made.features[at].origins == crossed
    assert np.corrcoef(made.values[3000:, at], y[3000:])[0, 1] > 0.45


def test_what_a_booster_finds_itself_is_not_crossed():
    matrix = levels(3000, 5, 6)
    y = noisy(matrix.values[:, 0] + matrix.values[:, 1] > 5)
    recipe, _ = fit(matrix, y)
    assert sum(len(encoding.keys) > 1 for encoding in recipe.encodings) <= 2


def test_numbers_with_few_whole_values_are_crossed_but_not_encoded_alone():
    matrix = levels(4000, 3, 8)
    matrix = Matrix(matrix.values, (matrix.features[0], *(Feature(f"n{i}", (i,)) for i in (1, 2))))
    y = noisy(matrix.values[:, 1:].sum(axis=1) % 2 == 0)
    _, made = fit(matrix, y)
    names = [f.name for f in made.features[3:]]
    assert "target mean by n1 x n2" in names
    assert not {"target mean by n1", "target mean by n2"} & set(names)


def test_a_category_is_not_crossed_with_its_own_counts():
    matrix = levels(2000, 2, 9)
    features = (matrix.features[0], Feature("rows of f0", (0,)))
    recipe, _ = fit(Matrix(matrix.values, features), noisy(matrix.values[:, 0] > 4))
    assert [encoding.keys for encoding in recipe.encodings] == [(0,)]


def test_many_classes_are_encoded_by_the_most_frequent():
    rng = np.random.default_rng(0)
    matrix = levels(3000, 12, 5)
    y = np.minimum(rng.geometric(0.12, 3000), 25).astype(np.float64)
    recipe, made = fit(matrix, y, task=Task.MULTICLASS, n_classes=26)
    assert recipe.classes == tuple(sorted(recipe.classes))
    assert len(recipe.classes) == 10
    assert 0 not in recipe.classes
    assert made.n_features - 12 == len(recipe.encodings) * 10 <= 60


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("recipe",), "magic"),
        (("n_features",), 1),
        (("n_features",), 7.0),
        (("classes",), [0, 1]),
        (("encodings",), []),
        (("keys", 0, "kind"), "eval"),
        (("keys", 0, "n_levels"), 2**40),
        (("keys", 2, "points"), [2.0, 1.0]),
        (("encodings", 0, "keys"), [99]),
        (("encodings", 0, "keys"), [0, 1, 2, 0]),
        (("encodings", 0, "cells"), ["0"]),
        (("encodings", 0, "cells"), [1]),
        (("encodings", 0, "prior"), [float("inf")]),
        (("encodings", 0, "values"), [[None]]),
    ],
)
def test_a_wrong_type_in_the_bundle_is_refused(path, value):
    matrix = levels(3000, 3, 6)
    features = (*matrix.features[:2], Feature("rooms", (2,)))
    y = noisy(matrix.values.sum(axis=1) % 2 == 0)
    recipe, _ = fit(Matrix(matrix.values, features), y)
    at = data = copy.deepcopy(recipe.to_json())
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(BundleError, match="recipe"):
        load_recipe(data)


def test_a_matrix_with_other_levels_is_refused():
    recipe, _ = fit(levels(300, 2, 6), noisy(np.arange(300) % 2 == 0))
    with pytest.raises(BundleError, match="knows 6 levels"):
        recipe.transform(levels(300, 2, 7))


def test_half_a_million_rows_cost_seconds():
    matrix = levels(500_000, 4, 25)
    y = np.random.default_rng(0).integers(0, 2, 500_000).astype(np.float64)
    started = time.process_time()
    fit(matrix, y, np.arange(0, 500_000, 2))
    assert time.process_time() - started < 4.0
