"""The recipe for wide tables: keeps what matters, drops most noise, reads bundles strictly."""

from __future__ import annotations

import numpy as np
import pytest

from automl.errors import BundleError
from automl.features.matrix import Feature, Matrix
from automl.features.recipes import Fold, fit_recipe, load_recipe, plan_recipes
from automl.task import Task


def test_columns_that_matter_are_kept_and_most_noise_is_dropped():
    rng = np.random.default_rng(0)
    values = np.asfortranarray(rng.normal(size=(600, 200)))
    features = tuple(Feature(f"f{i}", (i,)) for i in range(200))
    y = (values[:, 7] + values[:, 70] - values[:, 170] + rng.normal(size=600) > 0).astype(float)
    matrix = Matrix(values, features)
    plan = plan_recipes(matrix, seed=0)["selected"]
    recipe, made = fit_recipe(
        "selected", plan, Fold(matrix, y, None, np.arange(600), Task.BINARY, 2, 0)
    )
    assert {7, 70, 170} <= set(recipe.kept)
    assert len(recipe.kept) < 60
    assert [f.name for f in made.features] == [f"f{i}" for i in recipe.kept]
    assert np.array_equal(made.values, values[:, list(recipe.kept)])


def test_narrow_tables_are_not_selected_from():
    values = np.asfortranarray(np.random.default_rng(0).normal(size=(600, 20)))
    plans = plan_recipes(Matrix(values, tuple(Feature("f", (i,)) for i in range(20))), seed=0)
    assert "selected" not in plans


@pytest.mark.parametrize("kept", [[], [3, 1], [1, 1], [0, 9], [0, 1.0], [-1], "all"])
def test_a_wrong_bundle_is_refused(kept):
    with pytest.raises(BundleError, match="recipe"):
        load_recipe({"recipe": "selected", "n_features": 9, "kept": kept})
