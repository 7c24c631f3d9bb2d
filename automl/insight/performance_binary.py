"""A binary model by threshold: ROC, precision-recall, gain, calibration, counts at each cut."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from automl.insight.evidence import Evidence, Facts, Floats
from automl.insight.reliability import reliability
from automl.insight.rounding import all_rounded, rounded
from automl.metrics._threshold import cut_matrices

CURVE_POINTS = 200
_GRID = 100  # equal steps of the threshold, and as many quantiles of the probabilities twice
_QUANTILES = 200
_TENTHS = 10


def binary_facts(evidence: Evidence, *, seed: int) -> Facts:
    """Curves of at most 200 points, and the counts at some 300 thresholds, weights respected."""
    y, proba, weight = evidence.y, evidence.prediction, evidence.weight
    w = np.ones(len(y)) if weight is None else weight
    total, positive = float(w.sum()), float(w @ y)
    found: Facts = {
        "classes": list(evidence.classes),
        "positives": rounded(positive, 8),
        "total": rounded(total, 8),
        "calibration": _calibration(y, proba, weight, seed),
        "cuts": _cuts(y, proba, w, evidence.threshold),
    }
    if 0.0 < positive < total:
        _, matrices = cut_matrices(y, proba, weight)
        hits, false = matrices[:, 1, 1], matrices[:, 0, 1]
        found["roc"] = _roc(hits / positive, false / (total - positive))
        found["precision_recall"] = _precision_recall(hits, hits + false)
        found["gain"] = _gain((hits + false) / total, hits / positive)
    return found


def _calibration(y: Floats, proba: Floats, weight: Floats | None, seed: int) -> Facts:
    found = reliability(y, np.clip(proba, 0.0, 1.0), weight, seed=seed)
    return {name: _plain(value) for name, value in asdict(found).items()}


def _plain(value: float | tuple[float, ...]) -> float | list[float | None] | None:
    return all_rounded(value) if isinstance(value, tuple) else rounded(value)


def _roc(true: Floats, false: Floats) -> Facts:
    keep = _thinned(true, false)
    return {"true_positives": all_rounded(true[keep]), "false_positives": all_rounded(false[keep])}


def _precision_recall(hits: Floats, called: Floats) -> Facts:
    """Precision and recall of each threshold that calls some row positive."""
    hits, called = hits[called > 0], called[called > 0]
    precision, recall = hits / called, hits / hits[-1]
    keep = _thinned(precision, recall)
    return {"precision": all_rounded(precision[keep]), "recall": all_rounded(recall[keep])}


def _thinned(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Indices of at most 200 points of a curve, about equally far apart, its ends among them."""
    last = len(x) - 1
    if last < CURVE_POINTS:
        return np.arange(last + 1)
    along = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
    places = np.searchsorted(along, np.linspace(0.0, along[-1], CURVE_POINTS))
    return np.unique(np.append(np.minimum(places, last), last))


def _gain(rows: Floats, caught: Floats) -> Facts:
    """Share of the positives among the likeliest share of the rows, and lift by tenth of them.

    Rows of one probability cannot be told apart: the curve is straight over them.
    """
    at = np.interp(np.linspace(0.0, 1.0, _TENTHS + 1), rows, caught)
    keep = _thinned(rows, caught)
    return {
        "rows": all_rounded(rows[keep]),
        "caught": all_rounded(caught[keep]),
        "lift": all_rounded(np.diff(at) * _TENTHS),
        "caught_by_tenth": all_rounded(at[1:]),
    }


def _cuts(y: Floats, proba: Floats, w: Floats, threshold: float) -> Facts:
    """Thresholds, rising, with the weight of true and false positives from each on.

    default: which of them is used.
    """
    quantiles = np.quantile(proba, np.linspace(0.0, 1.0, _QUANTILES + 1))
    grid = np.append(np.linspace(0.0, 1.0, _GRID + 1), quantiles)
    # The threshold itself stays as it is, for the counts must be those of the labels.
    short = np.array([float(f"{value:.4g}") for value in grid])
    cuts = np.unique(np.append(short, threshold))
    order = np.argsort(proba, kind="stable")
    start = np.searchsorted(proba[order], cuts, side="left")
    hits = np.append(0.0, np.cumsum((w * y)[order][::-1]))[::-1]
    false = np.append(0.0, np.cumsum((w * (1.0 - y))[order][::-1]))[::-1]
    return {
        "threshold": [float(cut) for cut in cuts],
        "true_positives": all_rounded(hits[start], 8),
        "false_positives": all_rounded(false[start], 8),
        "default": int(np.searchsorted(cuts, threshold)),
    }
