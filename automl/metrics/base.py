"""The contract of a metric: one row of facts, one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from automl.task import Objective, Task

Floats = NDArray[np.float64]
Needs = Literal["label", "proba", "value"]


@dataclass(frozen=True)
class Metric:
    """A score in its own units and direction.

    fn: (y, prediction, weight) -> score. y: (n,) float64, class indices (binary: 1 = positive) or
        target values; weight: (n,) or None. prediction by `needs`:
        "label": (n,) predicted class indices; "value": (n,) predicted target values;
        "proba": binary (n,) probability of the positive class; multiclass (n, n_classes).
    best: the score of a perfect prediction.
    objective: what boosters minimise for it.  log_target: train on log1p(y), invert after.
    relative: weight training rows by 1 / max(|y|, eps), which turns L1 into MAPE.
    quantile: level of the pinball loss, for Objective.QUANTILE.  quantiles: the levels, where the
        metric is of several; its prediction is (n, k) values then.
    """

    name: str
    tasks: frozenset[Task]
    needs: Needs
    higher_is_better: bool
    best: float
    fn: Callable[[Floats, Floats, Floats | None], float]
    objective: dict[Task, Objective]
    title: str
    log_target: bool = False
    relative: bool = False
    quantile: float = 0.5
    quantiles: tuple[float, ...] = ()
    aliases: tuple[str, ...] = ()

    def score(self, y: Floats, prediction: Floats, weight: Floats | None = None) -> float:
        return float(self.fn(y, prediction, weight))

    def loss(self, score: float) -> float:
        """`score` as a number that is always minimised."""
        return -score if self.higher_is_better else score

    def better(self, a: float, b: float) -> bool:
        """Whether score `a` is better than score `b`."""
        return a > b if self.higher_is_better else a < b
