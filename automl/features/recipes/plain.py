"""The recipe "plain": the matrix as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.features.matrix import Matrix
from automl.features.recipes.base import FittedRecipe, Fold, Plan, Recipe
from automl.features.strict import Fields


@dataclass(frozen=True)
class Plain:
    """The matrix as it is."""

    def transform(self, matrix: Matrix) -> Matrix:
        return matrix

    def to_json(self) -> dict[str, Any]:
        return {"recipe": "plain"}


def plan(matrix: Matrix, seed: int) -> Plan:
    return {}


def fit(plan: Mapping[str, Any], fold: Fold) -> tuple[FittedRecipe, Matrix]:
    return Plain(), fold.matrix


def load(fields: Fields) -> Plain:
    return Plain()


RECIPE = Recipe("plain", plan, fit, load)
