"""The recipes of the race by name: planned once per run, fitted in each fold, read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from automl.errors import ConfigError, did_you_mean
from automl.features.matrix import IntArray, Matrix
from automl.features.recipes import derived, encoded, plain, selected
from automl.features.recipes.base import FittedRecipe, Floats, Fold, Plan, Recipe
from automl.features.strict import Fields
from automl.task import Task

_KNOWN: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        plain.RECIPE,
        encoded.RECIPE,
        derived.RECIPE,
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


def fit_recipe(  # noqa: PLR0913 - the target's facts travel one by one through the race
    name: str,
    plan: Mapping[str, Any],
    matrix: Matrix,
    y: Floats,
    weight: Floats | None,
    train_rows: IntArray,
    *,
    task: Task,
    n_classes: int,
    seed: int,
    groups: IntArray | None = None,
    trained: Callable[[float], None] = lambda seconds: None,
) -> tuple[FittedRecipe, Matrix]:
    """The recipe fitted on `train_rows`, and the matrix of all rows as boosters take it.

    y: (n,) class indices or target values, weight: (n,) or None, groups: (n,) or None; none of
    them is read outside `train_rows`. Rows of one group (or copies of one row) share an inner
    fold. Where values depend on the target, the returned matrix holds values cross-fitted within
    the training rows for these, and the fitted ones for the others. trained: told the CPU seconds
    of the boosters that columns are chosen with. Raises ConfigError for an unknown name.
    """
    if name not in _KNOWN:
        raise ConfigError(
            f"Unknown recipe {name!r}.",
            hint=did_you_mean(name, RECIPES) or f"Known: {', '.join(RECIPES)}.",
        )
    rows = np.asarray(train_rows)
    fold = Fold(matrix, y, weight, rows, task, n_classes, seed, groups, trained)
    return _KNOWN[name].fit(plan, fold)


def load_recipe(data: object) -> FittedRecipe:
    """The recipe that `to_json` wrote. Raises BundleError for anything else."""
    fields = Fields.of(data, "recipe")
    return _KNOWN[fields.text("recipe", known=RECIPES)].load(fields)
