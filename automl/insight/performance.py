"""How good the predictions are: every metric with its interval, and what the task calls for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from automl.insight.evidence import Evidence, Facts
from automl.insight.performance_binary import binary_facts
from automl.insight.performance_classes import class_facts
from automl.insight.performance_learning import learning_facts
from automl.insight.performance_quantiles import quantile_facts
from automl.insight.performance_values import value_facts
from automl.insight.rounding import rounded
from automl.metrics._evaluate import evaluate_all
from automl.metrics._interval import LEVEL, bootstrap_intervals
from automl.metrics._lookup import get_metric, metrics_for
from automl.metrics.base import Metric
from automl.task import Task

MOST_ROWS = 200_000
_MOST_CELLS = 2_000_000  # rows times classes
_RESAMPLES = 200
_DRAWN_ROWS = 5_000
_DRAWN_CELLS = 60_000

# With an interval, besides the metric of the run.
_MAIN = {
    Task.BINARY: ("roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1", "mcc"),
    Task.MULTICLASS: ("log_loss", "accuracy", "balanced_accuracy", "f1_macro"),
    Task.REGRESSION: ("rmse", "mae", "r2", "median_ae"),
}


def facts(evidence: Evidence, *, seed: int = 0) -> Facts:
    """Metrics, curves, matrices and errors of honest predictions, from 200,000 rows at most."""
    n_rows = len(evidence.rows)
    some = _some_rows(evidence, seed)
    if some is not None:
        evidence = _taken(evidence, some)
    found: Facts = {
        "task": evidence.task.value,
        "target": evidence.target,
        "rows": n_rows,
        "used_rows": len(evidence.rows),
        "out_of_fold": evidence.fold is not None,
        "weighted": evidence.weight is not None,
        "metrics": _metrics(evidence, seed),
    }
    if evidence.task is Task.BINARY:
        found["binary"] = binary_facts(evidence, seed=seed)
    elif evidence.task is Task.MULTICLASS:
        found["multiclass"] = class_facts(evidence, seed=seed)
    else:
        found["regression"] = value_facts(evidence, seed=seed)
    if evidence.quantiles is not None:
        found["quantiles"] = quantile_facts(evidence, evidence.quantiles)
    if evidence.learning is not None:
        found["learning"] = learning_facts(evidence.learning, evidence.headline)
    return found


def _some_rows(evidence: Evidence, seed: int) -> NDArray[np.intp] | None:
    """Positions of the rows that are used, or None for all."""
    n = len(evidence.rows)
    most = min(MOST_ROWS, _MOST_CELLS // max(len(evidence.classes), 1))
    if n <= most:
        return None
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def _taken(evidence: Evidence, some: NDArray[np.intp]) -> Evidence:
    """The evidence of some rows, without cells and explanations, which are not needed here."""
    none = np.empty(0, dtype=np.int64)
    return replace(
        evidence,
        rows=evidence.rows[some],
        y=evidence.y[some],
        weight=None if evidence.weight is None else evidence.weight[some],
        prediction=evidence.prediction[some],
        fold=None if evidence.fold is None else evidence.fold[some],
        sample=none,
        explained=none,
        explanation=None,
        bounds=evidence.bounds and evidence.bounds.take(some),
        quantiles=evidence.quantiles and evidence.quantiles.take(some),
    )


def _metrics(evidence: Evidence, seed: int) -> list[Facts]:
    """Name, title, score and interval of every metric; the run's own comes first."""
    own = evidence.metric
    y, prediction, weight = evidence.y, evidence.prediction, evidence.weight
    scores = evaluate_all(evidence.task, y, prediction, weight, evidence.threshold)
    if own.name not in scores:  # a quantile level of its own
        scores[own.name] = own.score(y, prediction, weight)
    main = [own, *(get_metric(name) for name in _MAIN[evidence.task] if name != own.name)]
    drawn = min(_DRAWN_ROWS, _DRAWN_CELLS // max(len(evidence.classes), 1))
    intervals = bootstrap_intervals(
        main,
        y,
        prediction,
        weight,
        threshold=evidence.threshold,
        resamples=_RESAMPLES,
        drawn_rows=drawn,
        seed=seed,
    )
    if evidence.quantiles is not None:
        own, values = evidence.quantiles.metric, evidence.quantiles.values
        scores[own.name] = own.score(y, values, weight)
        intervals |= bootstrap_intervals(
            [own], y, values, weight, resamples=_RESAMPLES, drawn_rows=drawn, seed=seed
        )
    rows = []
    for metric in _ordered(own, evidence):
        interval = intervals.get(metric.name)
        rows.append(
            {
                "name": metric.name,
                "title": metric.title,
                "score": rounded(scores[metric.name], 6),
                "low": interval and rounded(interval.low, 6),
                "high": interval and rounded(interval.high, 6),
                "level": LEVEL,
                "own": metric.name == own.name,
                "higher_is_better": metric.higher_is_better,
            }
        )
    return rows


def _ordered(own: Metric, evidence: Evidence) -> list[Metric]:
    others = list(metrics_for(evidence.task))
    if evidence.quantiles is not None:
        others.insert(0, evidence.metric)
    by_title = {metric.title: metric for metric in (own, *others)}  # the 0.5 quantile has two
    return list(by_title.values())
