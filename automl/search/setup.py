"""What a metric and a table ask of the race: objective, link, training weights, scheme, rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl.engines.base import TableSize
from automl.errors import ConfigError
from automl.ledger import Ledger
from automl.metrics.base import Metric
from automl.model.link import Kind, Link, best_power
from automl.task import Objective, Task

Floats = NDArray[np.float64]

# Tukey's outer fences, in spans between the quartiles (Exploratory Data Analysis, 1977).
_FENCE = 3.0


@dataclass(frozen=True)
class Goal:
    """How a metric is pursued.

    y: (n,) training target, on the link's scale.  weight: (n,) training weights or None: the
    rows' own, times class weights, times 1 / |y| for relative metrics.
    fences: least and largest target value that training and choices count, or None.
    """

    metric: Metric
    task: Task
    objective: Objective
    link: Link
    y: Floats
    weight: Floats | None
    calibrate: bool
    fences: tuple[float, float] | None = None


def pursue(
    metric: Metric,
    task: Task,
    y: Floats,
    weight: Floats | None,
    *,
    class_weight: str,
    target_transform: str = "auto",
    robust: bool = False,
) -> Goal:
    """The objective, link and weights with which boosters serve `metric`.

    class_weight "auto" balances the classes where the metric counts them equally.
    target_transform "auto" bends the scale for a metric that is defined on it; whether it pays
    for others is found by trying (`search.scale`).
    robust: the target is winsorised at Tukey's outer fences and its absolute error is minimised.
    Raises ConfigError for a transform or `robust` that the target does not allow.
    """
    link = _link(metric, task, y, target_transform)
    fences = _fences(task, y, link) if robust else None
    known = y if fences is None else np.clip(y, *fences)
    objective = metric.objective[task]
    if robust and objective is Objective.SQUARED:
        objective = Objective.ABSOLUTE
    balanced = class_weight == "balanced" or (
        class_weight == "auto" and metric.name in ("balanced_accuracy", "f1_macro")
    )
    training = weight
    if task.is_classification and balanced:
        training = _times(training, _class_weights(y, weight))
    if metric.relative and not link.transforms:  # a log scale is relative by itself
        typical = float(np.median(np.abs(y)))
        floor = np.maximum(np.abs(y), 0.01 * typical if typical > 0 else 1.0)
        training = _times(training, typical / floor if typical > 0 else 1.0 / floor)
    return Goal(
        metric=metric,
        task=task,
        objective=objective,
        link=link,
        y=link.margin_of(known) if link.transforms else known,
        weight=training,
        calibrate=task.is_classification and not balanced,
        fences=fences,
    )


def _link(metric: Metric, task: Task, y: Floats, transform: str) -> Link:
    if task is not Task.REGRESSION:
        if transform in ("log1p", "yeo-johnson"):
            raise ConfigError(
                f"--target-transform {transform} needs numbers to predict, and this is a {task}.",
                hint="Leave it out, or pass --task regression.",
            )
        return Link("logit" if task is Task.BINARY else "softmax")
    if transform == "auto":
        transform = "log1p" if metric.log_target else "none"
    if transform == "log1p" and y.min() <= -1.0:
        raise ConfigError(
            f"--target-transform log1p needs a target above -1, and its least value is "
            f"{y.min():g}.",
            hint="Use yeo-johnson, which takes every number.",
        )
    if transform == "yeo-johnson":
        return Link("yeo-johnson", power=best_power(y))
    kinds: dict[str, Kind] = {"none": "identity", "log1p": "log1p"}
    return Link(kinds[transform])


def _fences(task: Task, y: Floats, link: Link) -> tuple[float, float] | None:
    """Target values beyond which lie gross errors; None where half of the target is one value."""
    if task is not Task.REGRESSION:
        raise ConfigError(
            f"--robust needs numbers to predict, and this is a {task}.",
            hint="Leave it out, or pass --task regression.",
        )
    scaled = link.margin_of(y)
    low, high = np.quantile(scaled, [0.25, 0.75])
    if high <= low:
        return None
    reach = _FENCE * (high - low)
    inside = y[(scaled >= low - reach) & (scaled <= high + reach)]
    return float(inside.min()), float(inside.max())


def tell_goal(goal: Goal, y: Floats, ledger: Ledger) -> None:
    """Write into the ledger on which scale and against which outliers boosters train."""
    if goal.link.transforms:
        power = f" with power {goal.link.power:.2f}" if goal.link.kind == "yeo-johnson" else ""
        ledger.add("task", f"trains on the {goal.link.kind} scale of the target{power}")
    if goal.fences is not None:
        low, high = goal.fences
        beyond = int(((y < low) | (y > high)).sum())
        ledger.add(
            "task",
            f"robust: trains on the absolute error, with the target held in {low:g} to {high:g}",
            f"{beyond:,} of {len(y):,} values lie beyond; scores are reported on all as they are",
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
