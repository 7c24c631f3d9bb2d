"""The contract of a recipe: what it is planned with, fitted with, and what stays of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from automl.errors import BundleError
from automl.features.matrix import IntArray, Matrix
from automl.features.strict import Fields
from automl.task import Task

Floats = NDArray[np.float64]
Plan = dict[str, Any]


class FittedRecipe(Protocol):
    """What a fold's boosters need before they score: from the matrix to theirs."""

    def transform(self, matrix: Matrix) -> Matrix:
        """The matrix of these rows as the fold's boosters know it; row by row independent."""
        ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Fold:
    """What a recipe is fitted on: the matrix of all rows, and the training rows' target.

    y: (n,) class indices or target values.  weight: (n,) or None.  groups: (n,) ids or None;
    rows of one group (or copies of one row) share an inner fold.  None of the three may be read
    outside `train_rows`.  trained: told the CPU seconds of quick boosters, for the record.
    """

    matrix: Matrix
    y: Floats
    weight: Floats | None
    train_rows: IntArray
    task: Task
    n_classes: int
    seed: int
    groups: IntArray | None = None
    trained: Callable[[float], None] = lambda seconds: None

    @property
    def train_groups(self) -> IntArray | None:
        return None if self.groups is None else self.groups[self.train_rows]


@dataclass(frozen=True)
class Recipe:
    """One recipe of the race.

    plan: from the matrix and a seed to a JSON-able plan, or None where the recipe makes no sense
        for the table; the target is not there.
    fit: from the plan and a fold to the fitted recipe and the matrix of all rows as boosters
        take it.
    load: from the JSON of `to_json`; BundleError for anything else.
    """

    name: str
    plan: Callable[[Matrix, int], Plan | None]
    fit: Callable[[Mapping[str, Any], Fold], tuple[FittedRecipe, Matrix]]
    load: Callable[[Fields], FittedRecipe]


def check_width(matrix: Matrix, n_features: int) -> None:
    """Raises BundleError if the matrix has not the features that a recipe was fitted on."""
    if matrix.n_features != n_features:
        raise BundleError(
            f"The recipe was fitted on {n_features} features, the matrix has {matrix.n_features}.",
            hint="The bundle's preprocessor and recipe do not belong together.",
        )


def misfit(text: str) -> BundleError:
    """The parts of a stored recipe contradict each other."""
    return BundleError(
        f"recipe: {text}", hint="The bundle is damaged or was edited; use an intact copy."
    )
