"""A regression's errors: predicted against actual, residuals, error and coverage by decile."""

from __future__ import annotations

import numpy as np

from automl.insight.evidence import Bounds, Evidence, Facts, Floats
from automl.insight.histogram import binned
from automl.insight.reliability import wilson
from automl.insight.rounding import all_rounded, rounded

_POINTS = 1000
_BINS = 40
_DECILES = 10
_OUTERMOST = 0.005  # of the values on each side is not drawn


def value_facts(evidence: Evidence, *, seed: int) -> Facts:
    """A sample of 1,000 rows, a histogram of residuals and a row for each tenth of predictions."""
    y, value, bounds = evidence.y, evidence.prediction, evidence.bounds
    return {
        "points": _points(y, value, seed),
        "residuals": _residuals(y - value, evidence.weight),
        "deciles": _deciles(evidence),
        "coverage": None if bounds is None else _coverage(y, evidence.weight, bounds),
    }


def _points(y: Floats, value: Floats, seed: int) -> Facts:
    n = len(y)
    some = np.arange(n)
    if n > _POINTS:
        some = np.sort(np.random.default_rng(seed).choice(n, _POINTS, replace=False))
    low, high = _ends(np.concatenate([y, value]))
    inside = some[(y[some] >= low) & (y[some] <= high) & (value[some] >= low)]
    inside = inside[value[inside] <= high]
    return {
        "actual": all_rounded(y[inside], 4),
        "predicted": all_rounded(value[inside], 4),
        "low": rounded(low),
        "high": rounded(high),
        "sampled": n > _POINTS,
        "beyond": len(some) - len(inside),
    }


def _ends(values: Floats) -> tuple[float, float]:
    """What is drawn: all, unless single values lie far outside."""
    low, high = np.quantile(values, [_OUTERMOST, 1.0 - _OUTERMOST])
    reach = 0.25 * (high - low)
    return max(float(values.min()), low - reach), min(float(values.max()), high + reach)


def _residuals(residual: Floats, weight: Floats | None) -> Facts:
    low, high = _ends(residual)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts = binned(residual, low, high, _BINS, weight)
    return {
        "edges": all_rounded(np.linspace(low, high, _BINS + 1), 6),
        "counts": all_rounded(counts, 8),
        "below": int((residual < low).sum()),
        "above": int((residual > high).sum()),
        "mean": rounded(float(np.average(residual, weights=weight))),
        "quantiles": all_rounded(np.quantile(residual, [0.05, 0.25, 0.5, 0.75, 0.95])),
    }


def _deciles(evidence: Evidence) -> list[Facts]:
    """Rows by rising prediction in ten parts, fewer where many predictions are the same."""
    y, value, weight = evidence.y, evidence.prediction, evidence.weight
    cuts = np.unique(np.quantile(value, np.linspace(0, 1, _DECILES + 1)[1:-1]))
    part = np.searchsorted(cuts, value, side="right")
    found = []
    for i in np.unique(part):
        rows = np.flatnonzero(part == i)
        w = None if weight is None else weight[rows]
        if w is not None and not w.any():
            continue
        residual = y[rows] - value[rows]
        half = 1.959963985 * _error_of_mean(residual, w)
        mean = float(np.average(residual, weights=w))
        row: Facts = {
            "from": rounded(float(value[rows].min())),
            "to": rounded(float(value[rows].max())),
            "rows": len(rows),
            "predicted": rounded(float(np.average(value[rows], weights=w))),
            "actual": rounded(float(np.average(y[rows], weights=w))),
            "residual": rounded(mean),
            "residual_low": rounded(mean - half),
            "residual_high": rounded(mean + half),
            "absolute": rounded(float(np.average(np.abs(residual), weights=w))),
            "quartiles": all_rounded(np.quantile(residual, [0.1, 0.25, 0.5, 0.75, 0.9])),
        }
        if evidence.bounds is not None:
            row |= _coverage(y[rows], w, evidence.bounds.take(rows))
        found.append(row)
    return found


def _error_of_mean(values: Floats, weight: Floats | None) -> float:
    """Standard error of a (weighted) mean; infinite for one row."""
    w = np.ones(len(values)) if weight is None else weight
    n = float(w.sum() ** 2 / (w @ w))
    if n < 2:
        return np.inf
    variance = np.average((values - np.average(values, weights=w)) ** 2, weights=w)
    return float(np.sqrt(variance / (n - 1.0)))


def _coverage(y: Floats, weight: Floats | None, bounds: Bounds) -> Facts:
    """Share of the rows inside of their intervals, how sure that is, and how wide they are."""
    w = np.ones(len(y)) if weight is None else weight
    inside = ((y >= bounds.low) & (y <= bounds.high)).astype(np.float64)
    share = float(np.average(inside, weights=w))
    low, high = wilson(np.array([share]), np.array([w.sum() ** 2 / (w @ w)]))
    return {
        "level": bounds.level,
        "covered": rounded(share),
        "covered_low": rounded(float(low[0])),
        "covered_high": rounded(float(high[0])),
        "width": rounded(float(np.average(bounds.high - bounds.low, weights=w))),
    }
