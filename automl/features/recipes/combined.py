"""The recipe "combined": "derived" and on it "encoded", for tables with a category of many levels.

Boosters overfit such a category as it is, so that every column the other recipe finds would come
with that noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from automl.features.matrix import Matrix
from automl.features.recipes import derived, encoded, plain
from automl.features.recipes.base import FittedRecipe, Fold, Plan, Recipe, misfit
from automl.features.strict import Fields

_PARTS = {recipe.name: recipe for recipe in (plain.RECIPE, derived.RECIPE, encoded.RECIPE)}


@dataclass(frozen=True)
class Combined:
    """Two fitted recipes, the second on what the first makes."""

    first: FittedRecipe
    second: FittedRecipe

    def transform(self, matrix: Matrix) -> Matrix:
        """Raises BundleError if the matrix has another number of features."""
        return self.second.transform(self.first.transform(matrix))

    def to_json(self) -> dict[str, Any]:
        parts = [self.first.to_json(), self.second.to_json()]
        return {"recipe": "combined", "parts": parts}


def plan(matrix: Matrix, seed: int) -> Plan | None:
    """The plans of both; None without a category of many levels, or where one of them has none."""
    if all(feature.n_levels <= encoded.MOST_LEVELS for feature in matrix.features):
        return None
    plans = {part.name: part.plan(matrix, seed) for part in (derived.RECIPE, encoded.RECIPE)}
    return None if None in plans.values() else plans


def fit(plan: Mapping[str, Any], fold: Fold) -> tuple[FittedRecipe, Matrix]:
    """Both fitted one after the other on the same fold."""
    first, matrix = derived.RECIPE.fit(plan["derived"], fold)
    second, made = encoded.RECIPE.fit(plan["encoded"], replace(fold, matrix=matrix))
    return Combined(first, second), made


def load(fields: Fields) -> Combined:
    """What `to_json` wrote. Raises BundleError for anything else."""
    parts = fields.objects("parts")
    if len(parts) != 2:
        raise misfit("'combined' has two parts.")
    first, second = (_PARTS[part.text("recipe", known=tuple(_PARTS))].load(part) for part in parts)
    return Combined(first, second)


RECIPE = Recipe("combined", plan, fit, load)
