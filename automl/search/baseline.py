"""The baseline: the best constant prediction, fitted on each split's training rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.search.store import RunData
from automl.task import Objective

Floats = NDArray[np.float64]


def constant_margin(data: RunData, rows: NDArray[np.integer]) -> Floats:
    """(k,) margin of the constant that minimises the objective on `rows`."""
    y = data.y[rows]
    weight = np.ones(len(rows)) if data.weight is None else data.weight[rows]
    if data.objective in (Objective.LOGISTIC, Objective.SOFTMAX):
        n_classes = max(data.n_classes, 2)
        mass = np.bincount(y.astype(np.int64), weights=weight, minlength=n_classes)
        share = np.clip(mass / mass.sum(), 1e-9, 1.0)
        if data.objective is Objective.LOGISTIC:
            return np.array([np.log(share[1] / share[0])])
        return np.asarray(np.log(share))
    if data.objective is Objective.SQUARED:
        return np.array([np.average(y, weights=weight)])
    levels = _levels(data) if data.objective is Objective.QUANTILE else (0.5,)
    return np.array([_weighted_quantile(y, weight, level) for level in levels])


def baseline_margins(data: RunData) -> Floats:
    """(stacked scored rows, k) margins of each split's constant prediction."""
    return np.concatenate(
        [
            np.tile(constant_margin(data, split.train), (len(split.scored), 1))
            for split in data.splits
        ]
    )


def objective_losses(data: RunData, stacked: Floats) -> list[float]:
    """The objective's loss of stacked margins in each split, as in boosters' curves."""
    losses, start = [], 0
    for split in data.splits:
        margin = stacked[start : start + len(split.scored)]
        start += len(split.scored)
        losses.append(objective_loss(data, split.scored, margin))
    return losses


def objective_loss(data: RunData, rows: NDArray[np.integer], margin: Floats) -> float:
    """The objective's loss of the (n_rows, k) margins of some rows, as in boosters' curves."""
    y = data.y[rows]
    weight = None if data.weight is None else data.weight[rows]
    if data.objective is Objective.LOGISTIC:
        each = np.logaddexp(0.0, margin[:, 0]) - y * margin[:, 0]
    elif data.objective is Objective.SOFTMAX:
        top = margin.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(margin - top).sum(axis=1))
        each = total - margin[np.arange(len(y)), y.astype(np.int64)]
    else:
        error = y - margin[:, 0]
        if data.objective is Objective.SQUARED:
            return float(np.sqrt(np.average(error**2, weights=weight)))
        if data.objective is Objective.ABSOLUTE:
            each = np.abs(error)
        else:
            level, error = np.array(_levels(data)), y[:, None] - margin
            each = np.maximum(level * error, (level - 1.0) * error).mean(axis=1)
    return float(np.average(each, weights=weight))


def _levels(data: RunData) -> tuple[float, ...]:
    return data.quantiles or (data.quantile,)


def _weighted_quantile(y: Floats, weight: Floats, level: float) -> float:
    order = np.argsort(y, kind="stable")
    mass = np.cumsum(weight[order])
    return float(y[order][np.searchsorted(mass, level * mass[-1])])
