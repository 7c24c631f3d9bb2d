"""The recipes of the race by name: planned once per run, fitted in each fold, read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.errors import ConfigError, did_you_mean
from automl.features.matrix import Matrix
from automl.features.recipes import combined, derived, encoded, plain, selected
from automl.features.recipes.base import FittedRecipe, Fold, Plan, Recipe
from automl.features.strict import Fields

_KNOWN: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        plain.RECIPE,
        encoded.RECIPE,
        derived.RECIPE,
        combined.RECIPE,
        selected.RECIPE,
    )
}
RECIPES = tuple(_KNOWN)  # the words of the race


def plan_recipes(matrix: Matrix, *, seed: int) -> dict[str, Plan]:
    """The recipes that make sense for this table, each with its JSON-able plan.

    Made once per run; the target is not read.
    """
    plans = {name: recipe.plan(matrix, seed) for name, recipe in _KNOWN.items()}
    return {name: plan for name, plan in plans.items() if plan is not None}


def fit_recipe(name: str, plan: Mapping[str, Any], fold: Fold) -> tuple[FittedRecipe, Matrix]:
    """The recipe fitted on the training rows, and the matrix of all rows as boosters take it.

    Where values depend on the target, the returned matrix holds values cross-fitted within the
    training rows for these, and the fitted ones for the others. Raises ConfigError for an unknown
    name.
    """
    if name not in _KNOWN:
        raise ConfigError(
            f"Unknown recipe {name!r}.",
            hint=did_you_mean(name, RECIPES) or f"Known: {', '.join(RECIPES)}.",
        )
    return _KNOWN[name].fit(plan, fold)


def load_recipe(data: object) -> FittedRecipe:
    """The recipe that `to_json` wrote. Raises BundleError for anything else."""
    fields = Fields.of(data, "recipe")
    return _KNOWN[fields.text("recipe", known=RECIPES)].load(fields)
