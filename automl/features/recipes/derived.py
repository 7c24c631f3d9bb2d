"""The recipe "derived": arithmetic on two numbers and numbers within levels, found by a screen.

A tree splits on one feature at a time: a slanted line, a ratio or a distance from the mean of
one's group costs it many splits, and a category whose levels have an order hidden in a number
costs it many rows. Pairs of the most important features are tried on what a quick booster leaves
unexplained (`screen`). The idea of adding arithmetic and group-by features for trees: Tschalzev
et al., TabPrep (arXiv 2606.02384).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from automl.features.encoding import Key
from automl.features.matrix import Feature, FloatArray, Matrix
from automl.features.recipes.base import (
    FittedRecipe,
    Floats,
    Fold,
    Plan,
    Recipe,
    check_width,
    misfit,
)
from automl.features.recipes.columns import GROUPED, Column, Combination, Grouped
from automl.features.recipes.plain import Plain
from automl.features.recipes.screen import LEAST_ROWS, Screen
from automl.features.strict import Fields

MAX_NUMBERS = 12  # the most important ones in the quick booster are combined with each other
MAX_GROUPED = 8  # of these are seen within the levels
MAX_CATEGORIES = 6  # of the most important categories
MAX_COLUMNS = 12
LEAST_VALUES = 6  # distinct values that a number needs among the first rows
LEAST_GAIN = 4.0  # out-of-fold gain beyond single numbers and chance, times rows
MOST_ALIKE = 0.97  # rank correlation with a chosen column above which another is left out
_FIRST_ROWS = 500


@dataclass(frozen=True)
class Derived:
    """The matrix and, to its right, columns computed from its features."""

    n_features: int
    combinations: tuple[Combination, ...]
    groupings: tuple[Grouped, ...]

    @property
    def columns(self) -> tuple[Combination | Grouped, ...]:
        return self.combinations + self.groupings

    def features(self, matrix: Matrix) -> tuple[Feature, ...]:
        """The added features, in their order."""
        return tuple(column.feature(matrix) for column in self.columns)

    def transform(self, matrix: Matrix) -> Matrix:
        """Raises BundleError if the matrix has another number of features."""
        check_width(matrix, self.n_features)
        made = np.empty((matrix.n_rows, len(self.columns)), np.float32, order="F")
        for i, column in enumerate(self.columns):
            made[:, i] = column.of(matrix)
        return matrix.with_columns(made, self.features(matrix))

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": "derived",
            "n_features": self.n_features,
            "combinations": [column.to_json() for column in self.combinations],
            "groupings": [column.to_json() for column in self.groupings],
        }


def plan(matrix: Matrix, seed: int) -> Plan | None:
    """The numbers that can be combined; None where there is no pair, or too few rows to choose.

    A feature with a monotone direction is left alone: a combination could break it.
    """
    free = [i for i, feature in enumerate(matrix.features) if not feature.monotone]
    first = matrix.values[:_FIRST_ROWS]
    categories = [i for i in free if matrix.features[i].n_levels > 2]
    numbers = [i for i in free if not matrix.features[i].n_levels and _varied(first[:, i])]
    if matrix.n_rows < LEAST_ROWS or not numbers or len(numbers) + len(categories) < 2:
        return None
    return {"numbers": numbers, "categories": categories}


def _varied(values: FloatArray) -> bool:
    return len(np.unique(values[~np.isnan(values)])) >= LEAST_VALUES


def fit(plan: Mapping[str, Any], fold: Fold) -> tuple[FittedRecipe, Matrix]:
    """The columns that explain more than their parts; `Plain` if there are none."""
    fields = Fields.of(plan, "the plan of recipe 'derived'")
    screen = Screen.of(fold)
    if screen is None:
        return Plain(), fold.matrix
    numbers = _most_important(screen, fields.integers("numbers"), MAX_NUMBERS)
    categories = _most_important(screen, fields.integers("categories"), MAX_CATEGORIES)
    sample = fold.matrix.take(screen.rows)
    candidates: list[Combination | Grouped] = [*_combinations(sample.values, numbers)]
    candidates += _groupings(fold, categories, numbers[:MAX_GROUPED])
    chosen = _chosen(screen, sample, numbers, candidates)
    if not chosen:
        return Plain(), fold.matrix
    recipe = Derived(
        fold.matrix.n_features,
        tuple(column for column in chosen if isinstance(column, Combination)),
        tuple(column for column in chosen if isinstance(column, Grouped)),
    )
    return recipe, recipe.transform(fold.matrix)


def _most_important(screen: Screen, features: Sequence[int], n: int) -> list[int]:
    return sorted(features, key=lambda i: -screen.importance[i])[:n]


def _combinations(sample: FloatArray, numbers: Sequence[int]) -> Iterator[Combination]:
    """Each operation on each pair. The number further from zero divides: the other ratio orders
    rows alike, and so tells a tree the same, unless signs differ."""
    far = {i: _least_size(sample[:, i]) for i in numbers}
    for a, b in combinations(sorted(numbers), 2):
        for operation in ("sum", "difference", "product"):
            yield Combination(operation, a, b)
        yield Combination("ratio", a, b) if far[b] >= far[a] else Combination("ratio", b, a)


def _least_size(values: FloatArray) -> float:
    """The least absolute value as a share of the typical one; 0 for a number that meets zero."""
    present = np.abs(values[~np.isnan(values)])
    typical = float(np.median(present)) if len(present) else 0.0
    return float(present.min()) / typical if typical else 0.0


def _groupings(fold: Fold, categories: Sequence[int], numbers: Sequence[int]) -> Iterator[Grouped]:
    """Each number within the levels of each category of another column."""
    features, rows = fold.matrix.features, fold.train_rows
    for category in categories:
        key = Key(category, "category", n_levels=features[category].n_levels)
        for number in numbers:
            present = ~np.isnan(fold.matrix.values[rows, number])
            if features[number].origins != features[category].origins and present.any():
                mean = Grouped.fit("mean", key, number, fold.matrix, rows)
                yield from (replace(mean, operation=operation) for operation in GROUPED)


def _chosen(
    screen: Screen,
    sample: Matrix,
    numbers: Sequence[int],
    candidates: Sequence[Combination | Grouped],
) -> list[Combination | Grouped]:
    """At most MAX_COLUMNS candidates above chance, the best first, no two nearly alike."""
    alone = [screen.gains_of_numbers(sample.values[:, i])[0] for i in numbers]
    found = [(*screen.gains_of_numbers(column.of(sample)), column) for column in candidates]
    chance = max((by_chance for _, by_chance, _ in found), default=0.0)
    least = max(0.0, *alone, chance) + LEAST_GAIN / len(screen.rows)
    ranked = sorted(((gain, c) for gain, _, c in found if gain > least), key=lambda f: -f[0])
    chosen: list[Combination | Grouped] = []
    ranks: list[Floats] = []
    for _, column in ranked:
        rank = _standard_ranks(column.of(sample))
        if all(abs(float(rank @ other)) <= MOST_ALIKE for other in ranks):
            chosen.append(column)
            ranks.append(rank)
        if len(chosen) == MAX_COLUMNS:
            break
    return chosen


def _standard_ranks(values: Column) -> Floats:
    """(n,) ranks with mean 0 and length 1; equal values, and missing ones in the middle, tie."""
    filled = np.where(np.isnan(values), np.nanmedian(values), values)
    _, place, count = np.unique(filled, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2.0)[place]
    rank -= rank.mean()
    return np.asarray(rank / max(float(np.sqrt(rank @ rank)), 1e-300))


def load(fields: Fields) -> Derived:
    """What `to_json` wrote. Raises BundleError for anything else."""
    n_features = fields.integer("n_features", low=1)
    recipe = Derived(
        n_features,
        tuple(Combination.from_json(column) for column in fields.objects("combinations")),
        tuple(Grouped.from_json(column) for column in fields.objects("groupings")),
    )
    inputs = [i for column in recipe.columns for i in column.inputs]
    if not inputs or max(inputs) >= n_features:
        raise misfit("the columns do not fit the features.")
    return recipe


RECIPE = Recipe("derived", plan, fit, load)
