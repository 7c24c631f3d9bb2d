"""How wrong each prediction is, and scores of some rows with their interval by chance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from automl.insight.evidence import Evidence
from automl.metrics._threshold import score_probabilities
from automl.task import Task

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Z = 1.959964  # 95 % of a normal distribution
_RESAMPLES = 50
_MOST_ROWS = 1000  # drawn per resample; the interval of more is scaled
_LEAST_PROBABILITY = 1e-6

# A figure, and the ends of its 95 % interval.
Figure = tuple[float, float, float]


def row_losses(evidence: Evidence) -> tuple[Floats, str]:
    """(n,) loss of each row and what it is called.

    Classes: minus the logarithm of the probability of the true one. Numbers: the absolute error,
    on the scale on which the metric takes it.
    """
    y, prediction, metric = evidence.y, evidence.prediction, evidence.metric
    if evidence.task is Task.BINARY:
        true = np.where(y > 0.5, prediction, 1.0 - prediction)
    elif evidence.task.is_classification:
        true = prediction[np.arange(len(y)), y.astype(np.int64)]
    elif metric.log_target:
        floor = -1.0 + 1e-9
        wrong = np.log1p(np.maximum(prediction, floor)) - np.log1p(np.maximum(y, floor))
        return np.abs(wrong), "absolute error of the logarithm"
    elif metric.relative:
        scale = np.maximum(np.abs(y), np.finfo(np.float64).eps)
        return np.abs(prediction - y) / scale, "relative error"
    else:
        return np.abs(prediction - y), "absolute error"
    return -np.log(np.maximum(true, _LEAST_PROBABILITY)), "log loss"


def mean_of(values: Floats, weight: Floats | None = None) -> Figure:
    """The mean with its normal interval; nan for no rows."""
    total = float(len(values)) if weight is None else float(weight.sum())
    if not total > 0.0:
        return math.nan, math.nan, math.nan
    share = np.full(len(values), 1.0 / total) if weight is None else weight / total
    mean = float(values @ share)
    # The weighted mean's variance, as sampled rows have it (Cochran, Sampling Techniques, 1977).
    variance = float(((share * (values - mean)) ** 2).sum())
    reach = Z * math.sqrt(variance * len(values) / max(len(values) - 1, 1))
    return mean, mean - reach, mean + reach


def score_of(evidence: Evidence, rows: Ints, seed: int = 0) -> Figure | None:
    """The metric of some rows with a bootstrap interval; None where they do not define it."""
    score = _score(evidence, rows)
    if math.isnan(score):
        return None
    rng = np.random.default_rng(seed)
    drawn = min(len(rows), _MOST_ROWS)
    again = [_score(evidence, rows[rng.integers(0, len(rows), drawn)]) for _ in range(_RESAMPLES)]
    known = np.array([one for one in again if math.isfinite(one)])
    if 2 * len(known) < _RESAMPLES:
        return None
    reach = Z * float(known.std(ddof=1)) * math.sqrt(drawn / len(rows))
    low, high, best = score - reach, score + reach, evidence.metric.best
    if evidence.metric.higher_is_better:
        return score, low, max(score, min(high, best))
    return score, min(score, max(low, best)), high


def _score(evidence: Evidence, rows: Ints) -> float:
    weight = None if evidence.weight is None else evidence.weight[rows]
    if weight is not None and not weight.any():
        return math.nan
    y, prediction = evidence.y[rows], evidence.prediction[rows]
    score = score_probabilities(evidence.metric, y, prediction, weight, evidence.threshold)
    return score if math.isfinite(score) else math.nan
