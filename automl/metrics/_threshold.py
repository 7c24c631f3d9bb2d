"""From probabilities to labels: the decision threshold, and scores that need it.

A row is called positive when its probability is at least the threshold.
"""

from __future__ import annotations

import numpy as np

from automl.metrics._confusion import LABEL_SCORES
from automl.metrics.base import Floats, Metric

# Called at 0.5: the best cut for one side alone is to call a single row, or every row, positive.
_DEGENERATE = frozenset({"precision", "recall", "precision_macro"})
# A label metric without a formula on confusion matrices is tried at this many quantiles.
_GRID = 200


def labels_of(proba: Floats, threshold: float = 0.5) -> Floats:
    """(n,) class indices: 1 where an (n,) probability reaches the threshold, or the likeliest
    class of an (n, n_classes) row, the first one if several are."""
    if proba.ndim == 1:
        return np.asarray(proba >= threshold, dtype=np.float64)
    return np.asarray(proba.argmax(axis=1), dtype=np.float64)


def score_probabilities(
    metric: Metric,
    y: Floats,
    proba: Floats,
    weight: Floats | None = None,
    threshold: float = 0.5,
) -> float:
    """Score of (n,) positive or (n, n_classes) probabilities, or of (n,) values for regression.

    Probabilities become labels first where the metric needs labels.
    """
    prediction = labels_of(proba, threshold) if metric.needs == "label" else proba
    return metric.score(y, prediction, weight)


def best_threshold(
    metric: Metric, y: Floats, proba: Floats, weight: Floats | None = None
) -> tuple[float, float]:
    """The threshold with the best score on these rows, and that score.

    Every cut between two distinct probabilities is tried at once, from cumulated confusion
    counts, in O(n log n). The threshold lies midway between its neighbours; of equally good cuts
    the one nearest 0.5 is taken. It stays 0.5 where the choice means nothing: for metrics that
    do not need labels, and for precision, recall and precision_macro alone, whose best cut is
    to call one row, or every row, positive.
    """
    if not tunes(metric):
        return 0.5, score_probabilities(metric, y, proba, weight)
    threshold = least_loss_cut(*cut_losses(metric, y, proba, weight))
    return threshold, score_probabilities(metric, y, proba, weight, threshold)


def tunes(metric: Metric) -> bool:
    """Whether the threshold with the best score of `metric` means something."""
    return metric.needs == "label" and metric.name not in _DEGENERATE


def cut_losses(
    metric: Metric, y: Floats, proba: Floats, weight: Floats | None
) -> tuple[Floats, Floats]:
    """(m,) thresholds and the loss of a label metric at each, inf where it is undefined."""
    if metric.name in LABEL_SCORES:
        cuts, matrices = cut_matrices(y, proba, weight)
        scores = LABEL_SCORES[metric.name](matrices)
    else:
        cuts = np.unique(np.append(np.quantile(proba, np.linspace(0.0, 1.0, _GRID)), 0.5))
        scores = np.array([metric.score(y, labels_of(proba, cut), weight) for cut in cuts])
    signed = -scores if metric.higher_is_better else scores
    return cuts, np.where(np.isnan(scores), np.inf, signed)


def least_loss_cut(cuts: Floats, losses: Floats) -> float:
    """Of the cuts with the least loss, the one nearest 0.5."""
    # Cuts with the same counts differ by rounding only.
    ties = cuts[losses <= losses.min() + 1e-12]
    return float(ties[np.argmin(np.abs(ties - 0.5))])


def cut_matrices(y: Floats, proba: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    """(m,) thresholds from none called positive to all, and their (m, 2, 2) confusion matrices."""
    order = np.argsort(proba)[::-1]
    ranked = proba[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    w = np.ones(len(y)) if weight is None else weight[order]
    positive = y[order] > 0.5
    hits = np.concatenate([[0.0], np.cumsum(np.where(positive, w, 0.0))[last]])
    false = np.concatenate([[0.0], np.cumsum(np.where(positive, 0.0, w))[last]])
    matrices = np.stack([false[-1] - false, false, hits[-1] - hits, hits], axis=-1)
    return _between(ranked[last]), matrices.reshape(-1, 2, 2)


def _between(levels: Floats) -> Floats:
    """(m + 1,) thresholds around m falling distinct probabilities; the ends lie near 1 and 0."""
    above = np.concatenate([[1.0], levels])
    below = np.concatenate([levels, [0.0]])
    middle: Floats = 0.5 * (above + below)
    # Rounding must not move a threshold onto the lower neighbour, which it has to exclude.
    middle[:-1] = np.where(middle[:-1] > levels, middle[:-1], above[:-1])
    if levels[0] >= 1.0:
        middle[0] = np.nextafter(1.0, 2.0)
    return middle
