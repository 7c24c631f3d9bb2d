"""Metrics of classification, weighted, in vectorised numpy.

Definitions are those of scikit-learn, which the tests compare with. It is not imported: its
start-up takes longer than thousands of these calls. A score that the rows do not define (one
class only) is nan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.metrics._confusion import LABEL_SCORES, confusion_matrix
from automl.metrics.base import Floats, Metric, Needs
from automl.task import Objective, Task

Mask = NDArray[np.bool_]

_EPS = float(np.finfo(np.float64).eps)
_BOTH = frozenset({Task.BINARY, Task.MULTICLASS})
_BINARY = frozenset({Task.BINARY})
_OBJECTIVE = {Task.BINARY: Objective.LOGISTIC, Task.MULTICLASS: Objective.SOFTMAX}


def roc_auc(y: Floats, proba: Floats, weight: Floats | None = None) -> float:
    """Chance that a positive row scores above a negative one, ties counted half.

    Multiclass: plain mean of one class against the rest over the classes present in `y`.
    """
    return _one_vs_rest(_auc, y, proba, weight)


def average_precision(y: Floats, proba: Floats, weight: Floats | None = None) -> float:
    """Precision averaged over the steps of recall, without interpolation.

    Multiclass: plain mean of one class against the rest over the classes present in `y`.
    """
    return _one_vs_rest(_average_precision, y, proba, weight)


def log_loss(y: Floats, proba: Floats, weight: Floats | None = None) -> float:
    """Mean of -log(probability of the true class), natural log, clipped one epsilon from 0."""
    if proba.ndim == 1:
        true = np.where(y > 0.5, proba, 1.0 - proba)
    else:
        true = proba[np.arange(len(y)), y.astype(np.intp)]
    return _mean(-np.log(np.clip(true, _EPS, 1.0 - _EPS)), weight)


def brier(y: Floats, proba: Floats, weight: Floats | None = None) -> float:
    """Mean squared error of the probabilities; multiclass: summed over classes, 0 to 2.

    Source: Brier, Verification of forecasts expressed in terms of probability, 1950.
    """
    if proba.ndim == 1:
        return _mean((proba - y) ** 2, weight)
    true = proba[np.arange(len(y)), y.astype(np.intp)]
    return _mean(np.einsum("ij,ij->i", proba, proba) - 2.0 * true + 1.0, weight)


def _one_vs_rest(
    score: Callable[[Mask, Floats, Floats | None], float],
    y: Floats,
    proba: Floats,
    weight: Floats | None,
) -> float:
    if proba.ndim == 1:
        return score(y > 0.5, proba, weight)
    scores = [
        score(y == c, np.ascontiguousarray(proba[:, c]), weight) for c in range(proba.shape[1])
    ]
    defined = [one for one in scores if not np.isnan(one)]
    return float(np.mean(defined)) if defined else np.nan


def _auc(positive: Mask, score: Floats, weight: Floats | None) -> float:
    pos, neg = score[positive], score[~positive]
    if weight is None:
        total = 2.0 * len(pos) * len(neg)
        return _wins(np.sort(pos), np.sort(neg)) / total if total else np.nan
    neg_order, pos_order = np.argsort(neg), np.argsort(pos)
    # Sorted look-ups stay in the cache, which is worth the second sort.
    neg, pos = neg[neg_order], pos[pos_order]
    neg_weight = np.concatenate([[0.0], np.cumsum(weight[~positive][neg_order])])
    pos_weight = weight[positive][pos_order]
    total = 2.0 * float(pos_weight.sum() * neg_weight[-1])
    below = neg_weight[np.searchsorted(neg, pos)] + neg_weight[np.searchsorted(neg, pos, "right")]
    return float(pos_weight @ below) / total if total else np.nan


def _wins(pos: Floats, neg: Floats) -> float:
    """Twice the number of (positive, negative) pairs that are in order, ties counted once.

    Both sorted. The shorter side is looked up in the longer one, which is the fast direction.
    """
    if len(pos) <= len(neg):
        found = np.searchsorted(neg, pos).sum() + np.searchsorted(neg, pos, "right").sum()
        return float(found)
    lost = np.searchsorted(pos, neg).sum() + np.searchsorted(pos, neg, "right").sum()
    return 2.0 * len(pos) * len(neg) - float(lost)


def _average_precision(positive: Mask, score: Floats, weight: Floats | None) -> float:
    order = np.argsort(score)[::-1]
    ranked = score[order]
    step = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    gain = positive[order] if weight is None else positive[order] * weight[order]
    hits = np.cumsum(gain, dtype=np.float64)[step]
    called = step + 1.0 if weight is None else np.cumsum(weight[order])[step]
    if hits[-1] <= 0:
        return np.nan
    gained = np.diff(hits, prepend=0.0)
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    return float(gained @ precision / hits[-1])


def _mean(values: Floats, weight: Floats | None) -> float:
    return float(values.mean() if weight is None else values @ weight / weight.sum())


def _proba_metric(
    name: str, title: str, fn: Any, *, best: float, aliases: tuple[str, ...]
) -> Metric:
    return Metric(name, _BOTH, "proba", best == 1.0, best, fn, _OBJECTIVE, title, aliases=aliases)


def _label_metric(
    name: str, title: str, *, binary_only: bool = False, aliases: tuple[str, ...] = ()
) -> Metric:
    from_matrix = LABEL_SCORES[name]

    def score(y: Floats, labels: Floats, weight: Floats | None = None) -> float:
        n_classes = max(int(y.max()), int(labels.max()), 1) + 1
        return float(from_matrix(confusion_matrix(y, labels, n_classes, weight)))

    tasks = _BINARY if binary_only else _BOTH
    needs: Needs = "label"
    objective = {task: _OBJECTIVE[task] for task in tasks}
    return Metric(name, tasks, needs, True, 1.0, score, objective, title, aliases=aliases)


METRICS: tuple[Metric, ...] = (
    _proba_metric(
        "roc_auc",
        "ROC AUC",
        roc_auc,
        best=1.0,
        aliases=("auc", "auroc", "rocauc", "roc", "roc_auc_score", "roc_auc_ovr"),
    ),
    _proba_metric(
        "log_loss",
        "Log loss",
        log_loss,
        best=0.0,
        aliases=("logloss", "mlogloss", "binary_logloss", "multi_logloss", "cross_entropy", "nll"),
    ),
    _proba_metric(
        "average_precision",
        "Average precision (PR AUC)",
        average_precision,
        best=1.0,
        aliases=("pr_auc", "prauc", "auprc", "auc_pr", "ap", "average_precision_score"),
    ),
    _proba_metric(
        "brier",
        "Brier score",
        brier,
        best=0.0,
        aliases=("brier_score", "brier_loss", "brier_score_loss"),
    ),
    _label_metric("accuracy", "Accuracy", aliases=("acc", "accuracy_score")),
    _label_metric(
        "balanced_accuracy",
        "Balanced accuracy",
        aliases=("bacc", "balanced_acc", "balanced_accuracy_score"),
    ),
    _label_metric(
        "f1", "F1", binary_only=True, aliases=("f1_score", "f1_binary", "f_score", "fscore")
    ),
    _label_metric("f1_macro", "F1, mean of classes", aliases=("macro_f1",)),
    _label_metric("f1_weighted", "F1, weighted by class", aliases=("weighted_f1",)),
    _label_metric("precision", "Precision", binary_only=True, aliases=("ppv", "precision_score")),
    _label_metric(
        "recall",
        "Recall",
        binary_only=True,
        aliases=("sensitivity", "tpr", "recall_score"),
    ),
    _label_metric("precision_macro", "Precision, mean of classes", aliases=("macro_precision",)),
    _label_metric("recall_macro", "Recall, mean of classes", aliases=("macro_recall",)),
    _label_metric(
        "mcc",
        "Matthews correlation",
        aliases=("matthews", "matthews_corrcoef", "matthews_correlation"),
    ),
    _label_metric("cohen_kappa", "Cohen's kappa", aliases=("kappa", "cohen_kappa_score")),
)
