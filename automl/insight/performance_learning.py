"""What more rows bought, and what twice as many would likely buy: the learning curve's facts.

Out-of-fold losses fall with rows about as a power law, down to a floor (Cortes, Jackel, Solla,
Vapnik, Denker, Learning curves: asymptotic values and rate of convergence, 1994; Viering and
Loog, The shape of learning curves: a review, 2023). Four points say little of the floor: the law
only tells what share of the last doubling the next one buys, and within what shares usually are.
"""

from __future__ import annotations

import math

import numpy as np

from automl.insight.evidence import Facts, Floats, Learning
from automl.insight.rounding import rounded
from automl.metrics.base import Metric

# Two-sided 80 % quantiles of Student's t for the mean over so many splits.
_T80 = {2: 3.078, 3: 1.886, 4: 1.638}
_T80_MORE = 1.533
_POWERS = np.linspace(0.05, 2.0, 40)
# Of what a doubling bought, the next one bought 0.17 to 0.71 on seven tables of 2,000 to 8,000
# rows, half of it in the mean; what the law says of it is pulled halfway there.
_USUAL_SHARE, _LEAST_SHARE, _MOST_SHARE = 0.5, 0.2, 0.8
CONFIDENCE = 0.8


def learning_facts(learning: Learning, metric: Metric) -> Facts:
    """The mean score by rows with the least and the greatest of the splits, and what is next.

    `next` tells of a doubling: `kind` is "rises" where the last one bought more than the splits
    differ by, "unclear" where it did not, "one" for a single split, of which no spread is known.
    Empty where a score is not defined.
    """
    scores = learning.scores
    if not np.isfinite(scores).all():
        return {}
    rows = learning.rows.mean(axis=0)
    points = [
        {
            "rows": round(float(n)),
            "score": rounded(float(column.mean()), 6),
            "low": rounded(float(column.min()), 6),
            "high": rounded(float(column.max()), 6),
        }
        for n, column in zip(rows, scores.T, strict=True)
    ]
    return {
        "name": learning.name,
        "metric": metric.title,
        "higher_is_better": metric.higher_is_better,
        "splits": len(scores),
        "points": points,
        "next": _next(rows, np.vectorize(metric.loss)(scores), metric),
    }


def _next(rows: Floats, losses: Floats, metric: Metric) -> Facts:
    """What twice as many rows would likely do to the score. losses: (s, p)."""
    doublings = math.log2(rows[-1] / rows[-2])
    gains = (losses[:, -2] - losses[:, -1]) / doublings
    last, n_splits = float(gains.mean()), len(gains)
    shrinks = _shrinks(rows, losses.mean(axis=0), last)
    expected = shrinks * max(last, 0.0)
    if n_splits > 1:
        reach = _T80.get(n_splits, _T80_MORE) * float(gains.std(ddof=1)) / math.sqrt(n_splits)
        kind = "rises" if last > reach else "unclear"
        low, high = _LEAST_SHARE * max(last - reach, 0.0), max(last + reach, 0.0)
    else:
        kind, low, high = "one", 0.0, max(last, 0.0)
    sign = 1.0 if metric.higher_is_better else -1.0
    now = sign * -float(losses[:, -1].mean())
    return {
        "kind": kind,
        "rows": round(2.0 * float(rows[-1])),
        "score": rounded(now + sign * expected, 6),
        "least": rounded(now + sign * low, 6),
        "most": rounded(now + sign * high, 6),
        "last_gain": rounded(last, 4),
        "gain": rounded(expected, 4),
        "low_gain": rounded(low, 4),
        "high_gain": rounded(high, 4),
    }


def _shrinks(rows: Floats, losses: Floats, last: float) -> float:
    """What the next doubling buys of what the last one did, by the power law that fits best and
    by what is usual."""
    best, shrinks = math.inf, _MOST_SHARE
    sizes = rows / rows[-1]
    for power in _POWERS:
        falls = sizes**-power
        design = np.column_stack([np.ones_like(falls), falls])
        fit, *_ = np.linalg.lstsq(design, losses, rcond=None)
        error = float(((design @ fit - losses) ** 2).sum())
        if fit[1] > 0 and last > 0 and error < best:
            step = math.log2(1.0 / sizes[-2])
            before = (2.0 ** (step * power) - 1.0) / step
            best, shrinks = error, float((1.0 - 2.0**-power) / before)
    return 0.5 * (_USUAL_SHARE + min(max(shrinks, _LEAST_SHARE), _MOST_SHARE))
