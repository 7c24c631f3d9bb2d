"""The screen: how much of what a quick booster leaves unexplained a new column would explain.

Notation: n = sampled training rows, p = features, k = outputs (classes, or 1).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.engines._imports import import_lean
from automl.features.encoding import inner_folds, outcomes
from automl.features.matrix import FloatArray, IntArray, Matrix
from automl.features.recipes.base import Floats, Fold
from automl.task import Task

Codes = NDArray[np.int64]

# Rows that are screened on: bounds its time on large tables, of which a share shows rarer cells.
SAMPLE_ROWS = 6000
_SAMPLE_SHARE = 20
_MOST_SAMPLED = 50_000
LEAST_ROWS = 100  # below, a gain beyond chance cannot be told
N_BINS = 24  # quantile bins that a number is screened by; one more for missing
_ROUNDS = 60
_RATE = 0.15
_FEATURES_SEEN = 100  # of a wide table by one tree
_PRIOR_ROWS = 5.0  # rows of zero that the mean residual of a cell is shrunk by
_N_FOLDS = 3
_TAIL = 0.005  # share of residuals on each side that is clipped: outliers must not choose
_PARAMS = {
    "num_leaves": 15,
    "min_data_per_group": 20,
    "num_threads": 1,
    "verbosity": -1,
    "deterministic": True,
    "force_col_wise": True,
}
_OBJECTIVES = {Task.BINARY: "binary", Task.MULTICLASS: "multiclass", Task.REGRESSION: "regression"}


@dataclass(frozen=True)
class Screen:
    """What a quick booster leaves of the target.

    rows: (n,) sampled training rows, as rows of the fold's matrix.  residual: (n, k) outcome less
    cross-fitted prediction.  weight: (n,).  fold: (n,) in 0..2.  importance: (p,) gain of each
    feature in the quick booster.  shuffled: (n,) a permutation of the rows, for gains by chance.
    """

    rows: IntArray
    residual: Floats
    weight: Floats
    fold: Codes
    importance: Floats
    shuffled: IntArray

    @classmethod
    def of(cls, fold: Fold) -> Screen | None:
        """Cross-fits the quick booster in two halves of a sample of the training rows.

        None with too few rows, or where all are of one group, which cannot be halved.
        """
        if len(fold.train_rows) < LEAST_ROWS:
            return None
        rng = np.random.default_rng(fold.seed)
        n_sampled = min(max(SAMPLE_ROWS, len(fold.train_rows) // _SAMPLE_SHARE), _MOST_SAMPLED)
        rows = np.sort(rng.permutation(fold.train_rows)[:n_sampled])
        groups = None if fold.groups is None else fold.groups[rows]
        weight = np.ones(len(rows)) if fold.weight is None else fold.weight[rows]
        y = fold.y[rows]
        target, classes = outcomes(y, fold.task, fold.n_classes)
        half = inner_folds(len(rows), seed=fold.seed, groups=groups, n_folds=2)
        if not half.any():
            return None
        sample = fold.matrix.take(rows)
        residual = np.empty_like(target)
        importance = np.zeros(sample.n_features)
        for part in (0, 1):
            model = quick_booster(
                sample.take(np.flatnonzero(half != part)),
                y[half != part],
                weight[half != part],
                task=fold.task,
                n_classes=fold.n_classes,
                seed=fold.seed,
                trained=fold.trained,
            )
            proba = model.predict(sample.values[half == part], num_threads=1)
            proba = np.asarray(proba).reshape(int((half == part).sum()), -1)
            used = list(classes) if classes else slice(None)
            residual[half == part] = target[half == part] - proba[:, used]
            importance += model.feature_importance("gain")
        if fold.task is Task.REGRESSION:
            residual = np.clip(residual, *np.quantile(residual, (_TAIL, 1.0 - _TAIL)))
        inner = inner_folds(len(rows), seed=fold.seed + 1, groups=groups, n_folds=_N_FOLDS)
        shuffled = rng.permutation(len(rows))
        return cls(rows, residual, weight, inner, importance, shuffled)

    def gain(self, codes: Codes, size: int) -> float:
        """Out-of-fold share of the squared residuals that the mean of each cell explains.

        codes: (n,) in 0..size-1. Negative where the cells only fit noise.
        """
        return _gain(codes * _N_FOLDS + self.fold, size, self.residual, self.weight)

    def gains_of_numbers(self, values: FloatArray) -> tuple[float, float]:
        """`gain` of (n,) numbers by quantile bins: of the residuals, and of shuffled residuals.

        The second shows what chance alone brings, heavy tails and small samples included.
        """
        present = np.sort(values[~np.isnan(values)])
        if not len(present):
            return 0.0, 0.0
        edges = np.unique(present[(np.arange(1, N_BINS) * len(present)) // N_BINS])
        codes = np.searchsorted(edges, values, side="right")
        codes = np.where(np.isnan(values), N_BINS, codes)
        slot = codes * _N_FOLDS + self.fold
        order = self.shuffled
        return (
            _gain(slot, N_BINS + 1, self.residual, self.weight),
            _gain(slot, N_BINS + 1, self.residual[order], self.weight[order]),
        )


def _gain(slot: Codes, size: int, residuals: Floats, weight: Floats) -> float:
    length = size * _N_FOLDS
    rows = np.bincount(slot, weight, length).reshape(size, _N_FOLDS)
    others = rows.sum(axis=1, keepdims=True) - rows
    explained = 0.0
    for residual in residuals.T:
        sums = np.bincount(slot, weight * residual, length).reshape(size, _N_FOLDS)
        mean = (sums.sum(axis=1, keepdims=True) - sums) / (others + _PRIOR_ROWS)
        explained += float((mean * (2.0 * sums - mean * rows)).sum())
    total = float((weight[:, None] * residuals**2).sum())
    return explained / total if total > 0.0 else 0.0


def quick_booster(  # noqa: PLR0913 - the facts of a small training run
    matrix: Matrix,
    y: Floats,
    weight: Floats,
    *,
    task: Task,
    n_classes: int,
    seed: int,
    params: dict[str, Any] | None = None,
    rounds: int = _ROUNDS,
    trained: Callable[[float], None],
) -> Any:
    """A small LightGBM booster; the same arguments give the same trees.

    Several classes share the rounds: each round costs a tree per class.
    """
    lightgbm = import_lean("lightgbm")
    chosen = {
        **_PARAMS,
        "learning_rate": _RATE,
        "feature_fraction": min(0.8, max(0.1, _FEATURES_SEEN / matrix.n_features)),
        "min_data_in_leaf": max(3, min(20, matrix.n_rows // 50)),
        "objective": _OBJECTIVES[task],
        "seed": seed,
        **(params or {}),
    }
    if task is Task.MULTICLASS:
        chosen["num_class"] = n_classes
        rounds = max(15, rounds * 3 // max(n_classes, 3))
    data = lightgbm.Dataset(
        matrix.values,
        y,
        weight=weight,
        feature_name=[f"f{i}" for i in range(matrix.n_features)],
        categorical_feature=list(matrix.categorical),
    )
    started = time.process_time()
    booster = lightgbm.train(chosen, data, rounds)
    trained(time.process_time() - started)
    return booster


def origins_of(matrix: Matrix, features: tuple[int, ...]) -> tuple[int, ...]:
    """The original columns that these features come from, ascending."""
    return tuple(sorted(set(chain.from_iterable(matrix.features[i].origins for i in features))))
