"""What a metric and a table ask of the race: objective, link, training weights, scheme, rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl.engines.base import TableSize
from automl.metrics.base import Metric
from automl.model.link import Link
from automl.task import Objective, Task

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Goal:
    """How a metric is pursued.

    y: (n,) training target (log1p of the target for a log link).  weight: (n,) training weights
    or None: the rows' own, times class weights, times 1 / |y| for relative metrics.
    """

    metric: Metric
    task: Task
    objective: Objective
    link: Link
    y: Floats
    weight: Floats | None
    calibrate: bool


def pursue(
    metric: Metric, task: Task, y: Floats, weight: Floats | None, *, class_weight: str
) -> Goal:
    """The objective, link and weights with which boosters serve `metric`.

    class_weight "auto" balances the classes where the metric counts them equally.
    """
    kind = {Task.BINARY: "logit", Task.MULTICLASS: "softmax", Task.REGRESSION: "identity"}[task]
    if metric.log_target:
        kind = "log1p"
    balanced = class_weight == "balanced" or (
        class_weight == "auto" and metric.name in ("balanced_accuracy", "f1_macro")
    )
    training = weight
    if task.is_classification and balanced:
        training = _times(training, _class_weights(y, weight))
    if metric.relative:
        typical = float(np.median(np.abs(y)))
        floor = np.maximum(np.abs(y), 0.01 * typical if typical > 0 else 1.0)
        training = _times(training, typical / floor if typical > 0 else 1.0 / floor)
    return Goal(
        metric=metric,
        task=task,
        objective=metric.objective[task],
        link=Link(kind),  # type: ignore[arg-type]
        y=np.log1p(y) if metric.log_target else y,
        weight=training,
        calibrate=task.is_classification and not balanced,
    )


def _class_weights(y: Floats, weight: Floats | None) -> Floats:
    """(n,) factors after which every class has the same total weight."""
    codes = y.astype(np.int64)
    mass = np.bincount(codes, weights=weight)
    factor = mass.sum() / (np.count_nonzero(mass) * np.where(mass > 0, mass, 1.0))
    return np.asarray(factor[codes], dtype=np.float64)


def _times(weight: Floats | None, factor: Floats) -> Floats:
    product = factor if weight is None else weight * factor
    return np.asarray(product / product.mean())


def fold_seconds(size: TableSize, n_outputs: int) -> float:
    """A first guess of the core-seconds of a small LightGBM's fold, before any is measured.

    From runs on 3,000 to 400,000 rows of 20 columns; good to a factor of about three.
    """
    cells = size.n_rows * size.n_features
    return (0.15 + 6e-7 * cells) * n_outputs
