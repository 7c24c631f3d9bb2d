"""Scores of predicted labels, computed from stacks of confusion matrices.

Notation: a matrix has true classes as rows and predicted classes as columns, cells hold summed
weights; a stack (..., k, k) gives (...) scores, so one call scores every threshold at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl.metrics.base import Floats

Ints = NDArray[np.intp]


@dataclass(frozen=True)
class ClassRow:
    """What a labelling achieves on one class; `support` is the weight of its true rows."""

    precision: float
    recall: float
    f1: float
    support: float


def confusion_matrix(
    y: Floats, labels: Floats, n_classes: int, weight: Floats | None = None
) -> Floats:
    """(n_classes, n_classes) summed weights; row = true class, column = predicted class.

    y, labels: (n,) class indices.  weight: (n,) or None = 1 per row.
    """
    cell = y.astype(np.intp) * n_classes + labels.astype(np.intp)
    counts = np.bincount(cell, weights=weight, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).astype(np.float64)


def per_class(matrix: Floats) -> tuple[ClassRow, ...]:
    """Precision, recall, F1 and support of each class of one (k, k) confusion matrix."""
    hits, support, predicted = _margins(matrix)
    rows = zip(
        ratio(hits, predicted),
        ratio(hits, support),
        ratio(2.0 * hits, support + predicted),
        support,
        strict=True,
    )
    return tuple(ClassRow(*(float(value) for value in row)) for row in rows)


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole != 0)


def accuracy(matrix: Floats) -> Floats:
    hits, support, _ = _margins(matrix)
    return ratio(hits.sum(-1), support.sum(-1))


def balanced_accuracy(matrix: Floats) -> Floats:
    """Mean recall of the classes that have true rows."""
    hits, support, _ = _margins(matrix)
    return ratio(ratio(hits, support).sum(-1), _count(support > 0))


def precision(matrix: Floats) -> Floats:
    """Share of true positives among the rows called positive; class 1 of two is positive."""
    hits, _, predicted = _margins(matrix)
    return ratio(hits[..., 1], predicted[..., 1])


def recall(matrix: Floats) -> Floats:
    """Share of the positive rows that are called positive."""
    hits, support, _ = _margins(matrix)
    return ratio(hits[..., 1], support[..., 1])


def f1(matrix: Floats) -> Floats:
    """Harmonic mean of precision and recall of the positive class."""
    hits, support, predicted = _margins(matrix)
    return ratio(2.0 * hits, support + predicted)[..., 1]


def f1_macro(matrix: Floats) -> Floats:
    """Mean F1 of the classes that were true or predicted at least once."""
    hits, support, predicted = _margins(matrix)
    return ratio(ratio(2.0 * hits, support + predicted).sum(-1), _count(support + predicted > 0))


def f1_weighted(matrix: Floats) -> Floats:
    """Mean F1 of the classes, weighted by their true rows."""
    hits, support, predicted = _margins(matrix)
    scores = ratio(2.0 * hits, support + predicted)
    return ratio((scores * support).sum(-1), support.sum(-1))


def precision_macro(matrix: Floats) -> Floats:
    """Mean precision of the classes that were true or predicted at least once."""
    hits, support, predicted = _margins(matrix)
    return ratio(ratio(hits, predicted).sum(-1), _count(support + predicted > 0))


def recall_macro(matrix: Floats) -> Floats:
    """Mean recall of the classes that were true or predicted at least once."""
    hits, support, predicted = _margins(matrix)
    return ratio(ratio(hits, support).sum(-1), _count(support + predicted > 0))


def mcc(matrix: Floats) -> Floats:
    """Matthews correlation of true and predicted classes; 0 where one side has one class.

    Source: Gorodkin, Comparing two K-category assignments by a K-category correlation, 2004.
    """
    hits, support, predicted = _margins(matrix)
    total = support.sum(-1)
    covariance = hits.sum(-1) * total - (support * predicted).sum(-1)
    spread = [(side * (total[..., None] - side)).sum(-1) for side in (support, predicted)]
    # With fractional weights a single class leaves rounding noise instead of an exact zero.
    flat = np.minimum(*spread) <= 1e-12 * total**2
    return ratio(covariance, np.where(flat, 0.0, np.sqrt(np.abs(spread[0] * spread[1]))))


def cohen_kappa(matrix: Floats) -> Floats:
    """Agreement beyond chance; nan where chance already agrees on every row (Cohen, 1960)."""
    hits, support, predicted = _margins(matrix)
    total = support.sum(-1)
    chance = ratio((support * predicted).sum(-1), total)
    room = total - chance
    score = ratio(hits.sum(-1) - chance, room)
    return np.where(room > 1e-12 * total, score, np.nan)


LABEL_SCORES: dict[str, Callable[[Floats], Floats]] = {
    score.__name__: score
    for score in (
        accuracy,
        balanced_accuracy,
        precision,
        recall,
        f1,
        f1_macro,
        f1_weighted,
        precision_macro,
        recall_macro,
        mcc,
        cohen_kappa,
    )
}


def _margins(matrix: Floats) -> tuple[Floats, Floats, Floats]:
    """(..., k) weights of the right rows, of the true rows and of the predicted rows per class."""
    return np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-1), matrix.sum(-2)


def _count(present: NDArray[np.bool_]) -> Floats:
    return np.asarray(present.sum(-1), dtype=np.float64)
