"""How far a score may be off by chance: its bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
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
