"""How far a score, or the difference of two, may be off by chance: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.metrics._threshold import labels_of, score_probabilities
from automl.metrics.base import Floats, Metric

RESAMPLES = 300
LEVEL = 0.95
# Rows drawn per resample; more would only make the interval slower, see `bootstrap_interval`.
_DRAWN_ROWS = 50_000
# A bootstrap sample has no larger error than the largest: its quantiles are no interval.
_EXTREMES = frozenset({"max_error"})


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval of one score."""

    metric: str
    low: float
    high: float
    level: float
    resamples: int


def bootstrap_interval(  # noqa: PLR0913 - the arguments of a score, and the seed
    metric: Metric,
    y: Floats,
    prediction: Floats,
    weight: Floats | None = None,
    *,
    threshold: float = 0.5,
    seed: int = 0,
) -> Interval | None:
    """The interval of one score, see `bootstrap_intervals`; None where it is undefined."""
    found = bootstrap_intervals([metric], y, prediction, weight, threshold=threshold, seed=seed)
    return found.get(metric.name)


def bootstrap_intervals(  # noqa: PLR0913 - the arguments of a score, the seed and what it may cost
    metrics: Sequence[Metric],
    y: Floats,
    prediction: Floats,
    weight: Floats | None = None,
    *,
    threshold: float = 0.5,
    seed: int = 0,
    resamples: int = RESAMPLES,
    drawn_rows: int = _DRAWN_ROWS,
) -> dict[str, Interval]:
    """Percentile intervals of scores over the same resampled rows; those undefined are left out.

    Of more than `drawn_rows` rows only so many are drawn, and the distances from the score are
    scaled by sqrt(drawn / n). Resamples that do not define a score (one class only) are left out;
    there is no interval if they are more than half.
    Sources: Efron, Bootstrap methods: another look at the jackknife, 1979; Bickel, Götze, van
    Zwet, Resampling fewer than n observations, 1997.
    """
    n = len(y)
    scores = {
        metric.name: score_probabilities(metric, y, prediction, weight, threshold)
        for metric in metrics
    }
    known = [metric for metric in metrics if n > 1 and not np.isnan(scores[metric.name])]
    if not known:
        return {}
    drawn = min(n, drawn_rows)
    rng = np.random.default_rng(seed)
    resampled = np.full((resamples, len(known)), np.nan)
    for i in range(resamples):
        rows = rng.integers(0, n, drawn)
        w = None if weight is None else weight[rows]
        if w is None or w.any():
            one = y[rows], prediction[rows], w, threshold
            resampled[i] = [score_probabilities(metric, *one) for metric in known]
    tail, found = (1.0 - LEVEL) / 2.0, {}
    for j, metric in enumerate(known):
        defined = resampled[np.isfinite(resampled[:, j]), j]
        if len(defined) * 2 >= resamples:
            score = scores[metric.name]
            ends = score + (np.quantile(defined, [tail, 1.0 - tail]) - score) * np.sqrt(drawn / n)
            name = metric.name
            found[name] = Interval(name, float(ends[0]), float(ends[1]), LEVEL, len(defined))
    return found


@dataclass(frozen=True)
class Scored:
    """A score and its interval; low and high are nan where resamples do not define them."""

    score: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """Scores of two predictions of the same rows, and their difference, b - a.

    In the metric's own units, each with its interval.  rows: drawn per resample.
    """

    metric: str
    a: Scored
    b: Scored
    difference: Scored
    level: float
    resamples: int
    rows: int


@dataclass(frozen=True)
class Predicted:
    """What metrics take of one model: its prediction of the rows, and its threshold."""

    prediction: Floats
    threshold: float = 0.5


def paired_interval(  # noqa: PLR0913 - the arguments of two scores, and how they are resampled
    metric: Metric,
    y: Floats,
    a: Predicted,
    b: Predicted,
    weight: Floats | None = None,
    *,
    most_rows: int = _DRAWN_ROWS,
    seed: int = 0,
) -> Paired:
    """Both scores and their difference with percentile intervals over the same resampled rows.

    What makes rows hard makes them hard for both, so the difference is known better than either
    score. Rows are drawn as in `bootstrap_interval`, at most `most_rows`.
    Source: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 8.
    """
    n = len(y)
    drawn = min(n, most_rows)
    rng = np.random.default_rng(seed)
    sides = [_as_scored(metric, side) for side in (a, b)]
    whole = np.array([metric.score(y, side, weight) for side in sides])
    resampled = np.full((RESAMPLES, 2), np.nan)
    for i in range(0 if metric.name in _EXTREMES else RESAMPLES):
        rows = rng.integers(0, n, drawn)
        w = None if weight is None else weight[rows]
        if w is None or w.any():
            resampled[i] = [metric.score(y[rows], side[rows], w) for side in sides]
    defined = resampled[np.isfinite(resampled).all(axis=1)]
    scale = float(np.sqrt(drawn / n))
    kept = defined if n > 1 and len(defined) * 2 >= RESAMPLES else defined[:0]
    return Paired(
        metric.name,
        _around(whole[0], kept[:, 0], scale),
        _around(whole[1], kept[:, 1], scale),
        _around(whole[1] - whole[0], kept[:, 1] - kept[:, 0], scale),
        LEVEL,
        len(defined),
        drawn,
    )


def _as_scored(metric: Metric, side: Predicted) -> Floats:
    """Labels once, not in every resample."""
    if metric.needs != "label":
        return side.prediction
    return labels_of(side.prediction, side.threshold)


def _around(score: float, resampled: Floats, scale: float) -> Scored:
    if not len(resampled) or not np.isfinite(score):
        return Scored(float(score), float("nan"), float("nan"))
    tail = (1.0 - LEVEL) / 2.0
    ends = score + (np.quantile(resampled, [tail, 1.0 - tail]) - score) * scale
    return Scored(float(score), float(ends[0]), float(ends[1]))
