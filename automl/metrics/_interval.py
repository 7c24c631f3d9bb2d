"""How far a score may be off by chance: its bootstrap interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.metrics._threshold import score_probabilities
from automl.metrics.base import Floats, Metric

RESAMPLES = 300
LEVEL = 0.95
# Rows drawn per resample; more would only make the interval slower, see `bootstrap_interval`.
_DRAWN_ROWS = 50_000


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
    """The percentile interval of a score over resampled rows; None where it is undefined.

    Of more than 50,000 rows only so many are drawn, and the distances from the score are scaled by
    sqrt(drawn / n). Resamples that do not define the score (one class only) are left out; None if
    they are more than half.
    Sources: Efron, Bootstrap methods: another look at the jackknife, 1979; Bickel, Götze, van
    Zwet, Resampling fewer than n observations, 1997.
    """
    n = len(y)
    score = score_probabilities(metric, y, prediction, weight, threshold)
    if n < 2 or np.isnan(score):
        return None
    drawn = min(n, _DRAWN_ROWS)
    rng = np.random.default_rng(seed)
    resampled = np.full(RESAMPLES, np.nan)
    for i in range(RESAMPLES):
        rows = rng.integers(0, n, drawn)
        w = None if weight is None else weight[rows]
        if w is None or w.any():
            resampled[i] = score_probabilities(metric, y[rows], prediction[rows], w, threshold)
    defined = resampled[np.isfinite(resampled)]
    if len(defined) * 2 < RESAMPLES:
        return None
    tail = (1.0 - LEVEL) / 2.0
    ends = score + (np.quantile(defined, [tail, 1.0 - tail]) - score) * np.sqrt(drawn / n)
    return Interval(metric.name, float(ends[0]), float(ends[1]), LEVEL, len(defined))
