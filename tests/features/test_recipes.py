"""What every recipe keeps: no leak, exact in JSON, row by row, monotone features left alone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import BundleError, ConfigError
from automl.features.matrix import Feature, Matrix
from automl.features.recipes import RECIPES, Fold, fit_recipe, load_recipe, plan_recipes
from automl.task import Task

NAN = np.nan
WIDTH = 52
ADDING = [name for name in RECIPES if name != "plain"]


def mixed_matrix(
    rng: np.random.Generator, n: int, dtype: type = np.float32, *, monotone: int = 0
) -> Matrix:
    """Two categories, a few-valued number, two real numbers with gaps, and noise to be wide."""
    values = np.empty((n, WIDTH), dtype=dtype, order="F")
    values[:, 0] = rng.integers(0, 6, n)
    values[:, 1] = rng.integers(0, 4, n)
    values[:, 2] = rng.integers(1, 9, n)
    values[:, 3:] = rng.normal(size=(n, WIDTH - 3)).astype(np.float32)
    values[:, :4][rng.random((n, 4)) < 0.05] = NAN
    features = (
        Feature("town", (0,), n_levels=120),  # of which these rows have six
        Feature("kind", (1,), n_levels=4),
        Feature("rooms", (2,), monotone=monotone),
        Feature("x", (3,), monotone=monotone),
        *(Feature(f"x{i}", (i,)) for i in range(4, WIDTH)),
    )
    return Matrix(values, features)


def outcome(matrix: Matrix, task: Task, rng: np.random.Generator) -> Any:
    """A target that follows a cross of the categories and the product of two numbers."""
    v = np.nan_to_num(matrix.values.astype(np.float64))
    signal = 2.0 * ((v[:, 0] + v[:, 1]) % 2) + 2.0 * v[:, 4] * v[:, 5] + v[:, 3]
    signal += 0.3 * rng.normal(size=len(v))
    if task is Task.REGRESSION:
        return signal * 1e6
    edges = np.quantile(signal, [0.5] if task is Task.BINARY else [0.3, 0.6])
    return np.searchsorted(edges, signal).astype(np.float64)


def fit(name: str, matrix: Matrix, y: Any, rows: Any, **given: Any) -> tuple[Any, Matrix]:
    settings_ = {"task": Task.BINARY, "n_classes": 3, "seed": 0, **given}
    weight = settings_.pop("weight", None)
    plan = plan_recipes(matrix, seed=0)[name]
    return fit_recipe(name, plan, Fold(matrix, y, weight, rows, **settings_))


def test_plans_name_known_recipes_and_are_json():
    plans = plan_recipes(mixed_matrix(np.random.default_rng(0), 500), seed=0)
    assert tuple(plans) == RECIPES
    assert json.loads(json.dumps(plans)) == plans


def test_a_recipe_is_planned_only_where_it_makes_sense():
    values = np.asfortranarray(np.random.default_rng(0).integers(0, 3, (500, 1)).astype(float))
    assert list(plan_recipes(Matrix(values, (Feature("f", (0,)),)), seed=0)) == ["plain"]


def test_plain_is_the_matrix_itself():
    matrix = mixed_matrix(np.random.default_rng(0), 50)
    recipe, same = fit("plain", matrix, np.zeros(50), np.arange(50))
    assert same is matrix
    assert load_recipe(recipe.to_json()).transform(matrix) is matrix


def test_an_unknown_recipe_is_named():
    matrix = mixed_matrix(np.random.default_rng(0), 50)
    with pytest.raises(ConfigError, match="Unknown recipe 'encodet'.*Did you mean 'encoded'"):
        fit_recipe(
            "encodet", {}, Fold(matrix, np.zeros(50), None, np.arange(50), Task.BINARY, 2, 0)
        )


@pytest.mark.parametrize("name", ADDING)
@pytest.mark.parametrize("task", list(Task))
def test_targets_outside_the_training_rows_are_never_read(name, task):
    rng = np.random.default_rng(0)
    matrix = mixed_matrix(rng, 900)
    y = outcome(matrix, task, rng)
    weight, groups = rng.random(900) + 0.5, rng.integers(0, 700, 900)
    rows = np.sort(rng.permutation(900)[:700])
    outside = np.setdiff1d(np.arange(900), rows)
    given_ = {"task": task, "groups": groups}
    first, a = fit(name, matrix, y, rows, weight=weight, **given_)
    y[outside] = weight[outside] = NAN
    second, b = fit(name, matrix, y, rows, weight=weight, **given_)
    assert first.to_json()["recipe"] == name
    assert first.to_json() == second.to_json()
    assert np.array_equal(a.values, b.values, equal_nan=True)
    fitted = second.transform(matrix)
    assert fitted.features == b.features
    assert np.array_equal(fitted.values[outside], b.values[outside], equal_nan=True)
    # Only what depends on the target differs between fitting and scoring.
    same = np.array_equal(fitted.values[rows], b.values[rows], equal_nan=True)
    assert same == (name not in ("encoded", "combined"))


@pytest.mark.parametrize("name", ADDING)
@settings(deadline=None, max_examples=4)
@given(st.integers(0, 2**32 - 1), st.integers(150, 400), st.sampled_from(list(Task)))
def test_json_round_trip_and_chunks_change_nothing(name, seed, n, task):
    rng = np.random.default_rng(seed)
    matrix = mixed_matrix(rng, n)
    rows = np.sort(rng.permutation(n)[: n * 3 // 4])
    recipe, _ = fit(name, matrix, outcome(matrix, task, rng), rows, task=task, seed=seed)
    loaded = load_recipe(json.loads(json.dumps(recipe.to_json())))
    new = mixed_matrix(rng, 60, np.float64)
    new.values[:, 2] += rng.integers(-3, 4, 60)  # values that training did not have
    whole = recipe.transform(new)
    assert loaded.transform(new).features == whole.features
    assert np.array_equal(loaded.transform(new).values, whole.values, equal_nan=True)
    pieces = [loaded.transform(new.take(slice(i, i + 7))).values for i in range(0, 60, 7)]
    assert np.array_equal(np.vstack(pieces), whole.values, equal_nan=True)


@pytest.mark.parametrize("name", ADDING)
def test_features_with_a_direction_stay_and_are_built_into_nothing(name):
    rng = np.random.default_rng(0)
    matrix = mixed_matrix(rng, 900, monotone=1)
    _, made = fit(name, matrix, outcome(matrix, Task.BINARY, rng), np.arange(900))
    assert [f.name for f in made.features if f.monotone] == ["rooms", "x"]
    others = [f for f in made.features if not f.monotone]
    assert not any({2, 3} & set(f.origins) for f in others)


@pytest.mark.parametrize("name", ADDING)
def test_another_matrix_is_refused(name):
    rng = np.random.default_rng(0)
    matrix = mixed_matrix(rng, 900)
    recipe, _ = fit(name, matrix, outcome(matrix, Task.BINARY, rng), np.arange(900))
    with pytest.raises(BundleError, match="fitted on 52 features, the matrix has 53"):
        recipe.transform(matrix.with_columns(np.zeros((900, 1)), (Feature("new", (0,)),)))


@pytest.mark.parametrize("name", ADDING)
@pytest.mark.parametrize("y", [np.zeros(40), np.arange(40) % 2, np.arange(40.0)])
def test_tiny_tables_and_constant_targets_are_survived(name, y):
    matrix = mixed_matrix(np.random.default_rng(0), 60)
    task = Task.REGRESSION if y.max() > 1 else Task.BINARY
    plan = plan_recipes(mixed_matrix(np.random.default_rng(0), 200), seed=0)[name]
    full = np.concatenate([y.astype(float), np.full(20, NAN)])
    recipe, made = fit_recipe(name, plan, Fold(matrix, full, None, np.arange(40), task, 2, 0))
    assert load_recipe(recipe.to_json()).transform(matrix).n_features == made.n_features


def test_a_booster_learns_nothing_from_recipes_of_noise():
    lightgbm = pytest.importorskip("lightgbm")
    from sklearn.metrics import roc_auc_score

    scores: dict[str, list[float]] = {"encoded": [], "derived": [], "combined": []}
    for seed in range(2):
        rng = np.random.default_rng(seed)
        matrix = mixed_matrix(rng, 2000)
        matrix.values[:, 0] = rng.integers(0, 600, 2000)
        features = (Feature("many", (0,), n_levels=600), *matrix.features[1:])
        y, train = rng.integers(0, 2, 2000).astype(np.float64), np.arange(1000)
        for name, found in scores.items():
            _, made = fit(name, Matrix(matrix.values, features), y, train, seed=seed)
            data = lightgbm.Dataset(made.values[train], y[train])
            params = {"objective": "binary", "num_leaves": 15, "num_threads": 1, "verbose": -1}
            margin = lightgbm.train(params, data, 20).predict(made.values[1000:])
            found.append(roc_auc_score(y[1000:], margin))
    error = np.sqrt(1001 / (12 * 500 * 500) / 2)  # of a mean by chance: Hanley and McNeil, 1982
    assert all(abs(np.mean(found) - 0.5) < 3 * error for found in scores.values())


@pytest.mark.parametrize("name", ["encoded", "derived"])
def test_rows_of_a_single_group_are_not_screened(name):
    rng = np.random.default_rng(0)
    matrix = mixed_matrix(rng, 400)
    y = outcome(matrix, Task.BINARY, rng)
    groups = np.repeat([0, 1], 200)
    recipe, found = fit(name, matrix, y, np.arange(200), groups=groups)
    assert found.n_rows == 400
    assert not {"combinations", "groupings"} & set(recipe.to_json())
    assert all(len(each["keys"]) == 1 for each in recipe.to_json().get("encodings", []))


def test_a_category_of_many_levels_is_a_number_beside_its_encoding():
    rng = np.random.default_rng(0)
    matrix = mixed_matrix(rng, 900)
    y = outcome(matrix, Task.BINARY, rng)
    for name in ("encoded", "combined"):
        recipe, made = fit(name, matrix, y, np.arange(900))
        assert [f.n_levels for f in made.features[:2]] == [0, 4]
        assert "target mean by town" in [f.name for f in made.features]
        old = {key: value for key, value in recipe.to_json().items() if key != "ranked"}
        if name == "encoded":  # as bundles of earlier versions have it
            assert load_recipe(old).transform(matrix).features[0].n_levels == 120


def test_combined_encodes_beside_derived_columns():
    rng = np.random.default_rng(0)
    matrix = mixed_matrix(rng, 3000)
    y = outcome(matrix, Task.BINARY, rng)
    _, derived = fit("derived", matrix, y, np.arange(3000))
    _, made = fit("combined", matrix, y, np.arange(3000))
    assert "x4 x x5" in [f.name for f in derived.features]
    assert made.features[1 : derived.n_features] == derived.features[1:]
    assert all(f.name.startswith("target mean") for f in made.features[derived.n_features :])
    few = Matrix(matrix.values, (Feature("town", (0,), n_levels=6), *matrix.features[1:]))
    assert "combined" not in plan_recipes(few, seed=0)


def test_combined_with_other_than_two_parts_is_refused():
    with pytest.raises(BundleError, match="has two parts"):
        load_recipe({"recipe": "combined", "parts": [{"recipe": "plain"}]})
