"""The contract between the race and a boosting library: `Engine`, `Prepared`, `Booster`.

Notation: n = rows, p = features, k = outputs (classes for multiclass, several quantiles, else 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from automl.features.matrix import IntArray, Matrix
from automl.task import Objective, Task

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Float:
    """A range of floats, sampled on a log scale if `log`; `default` is what the library takes."""

    low: float
    high: float
    log: bool = False
    default: float | None = None


@dataclass(frozen=True)
class Int:
    """A range of integers, both ends included; `log` and `default` as in Float."""

    low: int
    high: int
    log: bool = False
    default: int | None = None


@dataclass(frozen=True)
class Choice:
    """One of a few unordered values; `default` as in Float."""

    values: tuple[Any, ...]
    default: Any = None


Space = Mapping[str, Float | Int | Choice]


@dataclass(frozen=True)
class TableSize:
    """The size of the training table, for ranges and cost estimates.

    most_levels: of a category, 0 without categories.
    """

    n_rows: int
    n_features: int
    n_categorical: int
    n_classes: int
    most_levels: int = 0


@dataclass(frozen=True)
class FitSetup:
    """Everything that shapes a training run but is not a hyperparameter.

    max_trees: upper bound of boosting rounds; params may hold less but never more.
    patience: stop after at most this many rounds without a better validation loss, fewer where
        the best loss came early; 0 = never, and no validation rows are needed then.
    seconds_left: called once a round; training stops, keeping its trees, when it is <= 0.
    quantile: level of the pinball loss; only used by Objective.QUANTILE.
    quantiles: the levels where there are several, an output each; the curve is their mean loss.
    trained: told the CPU seconds that a round took inside the library, for the record.
    """

    task: Task
    objective: Objective
    n_classes: int = 0
    seed: int = 0
    threads: int = 1
    max_trees: int = 2000
    patience: int = 50
    quantile: float = 0.5
    quantiles: tuple[float, ...] = ()
    seconds_left: Callable[[], float] = lambda: math.inf
    trained: Callable[[float], None] = lambda seconds: None


class Prepared(Protocol):
    """A library's own binned form of one matrix with target and weights; made once, reused for
    every params and every set of rows of that matrix."""


class Booster(Protocol):
    """A trained model of one library."""

    engine: str
    n_trees: int  # boosting rounds used to predict, counted from 1
    curve: NDArray[np.float64]  # (n_trained,) validation loss after each round; empty without
    threads: int  # cores that margins and contributions use; 1 at first

    def margin(self, matrix: Matrix, n_trees: int | None = None) -> NDArray[np.float64]:
        """(n, k) raw scores before the link, from the first `n_trees` rounds (default all)."""
        ...

    def contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        """(n, k, p + 1) exact SHAP values in margin units; the last column is the base value.

        Uses all rounds: a booster to be explained at fewer is saved truncated and loaded.
        """
        ...

    def save(self, path: Path, n_trees: int | None = None) -> None:
        """Write the first `n_trees` rounds (default all) in the library's own format."""
        ...


class Engine(Protocol):
    """A boosting library; module-level `ENGINE` in engines/<name>.py; stateless.

    One that can train one booster for several quantiles says so by `several_quantiles = True`.
    """

    name: str
    suffix: str  # file suffix of a saved booster, e.g. ".ubj"
    objectives: frozenset[Objective]
    tree_seconds: float  # a row through a tree of five levels on one core, about, by measurement

    def space(self, task: Task, size: TableSize) -> Space:
        """Ranges of the hyperparameters worth searching, sized to the table."""
        ...

    def prepare(
        self,
        matrix: Matrix,
        y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        *,
        setup: FitSetup,
    ) -> Prepared:
        """Bin the matrix once. y: (n,) class indices or target values."""
        ...

    def fit(
        self,
        prepared: Prepared,
        train_rows: IntArray,
        valid_rows: IntArray | None,
        *,
        params: Params,
        setup: FitSetup,
    ) -> Booster:
        """Train on `train_rows`, recording the loss on `valid_rows` after each round.

        The booster keeps all trained rounds, those past the best one included. The same
        arguments with one thread give the same trees, bit for bit.
        """
        ...

    def load(self, path: Path, *, n_outputs: int) -> Booster:
        """A saved booster; `n_outputs` is k. Raises BundleError if the file is not a model."""
        ...
