"""The recipe "selected": without the features that a booster finds no better than noise.

Source: shuffled shadow features, Kursa and Rudnicki, Feature Selection with the Boruta Package,
2010; here one quick booster instead of many forests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.features.matrix import Matrix
from automl.features.recipes.base import (
    FittedRecipe,
    Fold,
    Plan,
    Recipe,
    check_width,
    misfit,
)
from automl.features.recipes.plain import Plain
from automl.features.recipes.screen import SAMPLE_ROWS, quick_booster
from automl.features.strict import Fields

LEAST_FEATURES = 50  # narrower tables lose as much by a wrong choice as they gain
LEAST_ROWS = 50
SHADOW_LEVEL = 0.9  # a feature must gain more than this share of the shadows
MAX_ROUNDS = 80
_SHARE_OF = 40  # features that a tree sees, about


@dataclass(frozen=True)
class Selected:
    """The `kept` features, ascending, of a matrix with `n_features`."""

    n_features: int
    kept: tuple[int, ...]

    def transform(self, matrix: Matrix) -> Matrix:
        """Raises BundleError if the matrix has another number of features."""
        check_width(matrix, self.n_features)
        features = tuple(matrix.features[i] for i in self.kept)
        return Matrix(np.asfortranarray(matrix.values[:, list(self.kept)]), features)

    def to_json(self) -> dict[str, Any]:
        return {"recipe": "selected", "n_features": self.n_features, "kept": list(self.kept)}


def plan(matrix: Matrix, seed: int) -> Plan | None:
    """For wide tables only."""
    wide = matrix.n_features >= LEAST_FEATURES and matrix.n_rows >= LEAST_ROWS
    return {} if wide else None


def fit(plan: Mapping[str, Any], fold: Fold) -> tuple[FittedRecipe, Matrix]:
    """The features that gain more than their shadows; all with a monotone direction stay."""
    rng = np.random.default_rng(fold.seed)
    rows = np.sort(rng.permutation(fold.train_rows)[:SAMPLE_ROWS])
    p = fold.matrix.n_features
    doubled = _with_shadows(fold.matrix.take(rows), rng)
    weight = np.ones(len(rows)) if fold.weight is None else fold.weight[rows]
    booster = quick_booster(
        doubled,
        fold.y[rows],
        weight,
        task=fold.task,
        n_classes=fold.n_classes,
        seed=fold.seed,
        params={
            "num_leaves": 8,
            "learning_rate": 0.1,
            "feature_fraction": min(0.5, max(0.1, _SHARE_OF / (2 * p))),
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
        },
        rounds=MAX_ROUNDS,
        trained=fold.trained,
    )
    gain = np.asarray(booster.feature_importance("gain"))
    kept = gain[:p] > np.quantile(gain[p:], SHADOW_LEVEL)
    if not kept.any():
        return Plain(), fold.matrix
    kept |= np.array([feature.monotone != 0 for feature in fold.matrix.features])
    recipe = Selected(p, tuple(np.flatnonzero(kept).tolist()))
    return recipe, recipe.transform(fold.matrix)


def _with_shadows(sample: Matrix, rng: np.random.Generator) -> Matrix:
    """The sample and, to its right, each feature with its rows shuffled."""
    shadows = np.empty_like(sample.values, order="F")
    for i in range(sample.n_features):
        shadows[:, i] = rng.permutation(sample.values[:, i])
    return sample.with_columns(shadows, sample.features)


def load(fields: Fields) -> Selected:
    """What `to_json` wrote. Raises BundleError for anything else."""
    n_features = fields.integer("n_features", low=1)
    kept = fields.integers("kept", high=n_features - 1)
    if not kept or list(kept) != sorted(set(kept)):
        raise misfit("'kept' must ascend and hold a feature.")
    return Selected(n_features, kept)


RECIPE = Recipe("selected", plan, fit, load)
