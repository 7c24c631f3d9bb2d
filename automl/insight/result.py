"""Facts of the section Result: the score and what it means, the drivers, what to be warned of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from automl.insight.evidence import Evidence, Facts
from automl.insight.record import Record
from automl.metrics.base import Metric
from automl.task import Task

_DRIVERS = 8
_MOST_WARNINGS = 30
_LONGEST = 400
_LITTLE = 0.05  # share of the way from the baseline to a perfect score that is hardly one


@dataclass(frozen=True)
class Measured:
    """A score of labelled rows that the run did not know; low, high: None where undefined."""

    data: str
    n_rows: int
    score: float
    low: float | None
    high: float | None
    level: float


def facts(record: Record, evidence: Evidence, measured: Measured | None = None) -> Facts:
    """What a person asks first.

    The score is the one corrected for choosing where there is one, else the one that chose; with
    `measured` it is that of the new rows, and the run's own is beside it.
    """
    metrics, metric = record.metrics, evidence.headline
    corrected = metrics.get("corrected") or {}
    own = {
        "score": corrected.get("score", metrics.get("score")),
        "low": corrected.get("low"),
        "high": corrected.get("high"),
        "level": corrected.get("level"),
        "corrected": bool(corrected),
        "as_chosen": metrics.get("score"),
        "averaging": corrected.get("averaging") or 0.0,
        "repeats": corrected.get("repeats") or 0.0,
        "unseen": corrected.get("unseen"),
        "baseline": metrics.get("baseline"),
    }
    shown = own if measured is None else {**own, **_of_new(measured)}
    found = {
        "task": evidence.task.value,
        "target": evidence.target,
        "positive": evidence.classes[1] if evidence.task is Task.BINARY else None,
        "classes": len(evidence.classes),
        "metric": metric.name,
        "title": metric.title,
        "higher_is_better": metric.higher_is_better,
        "best": metric.best,
        **shown,
        "run": own if measured is not None else None,
        "measured": None if measured is None else {"data": measured.data, "rows": measured.n_rows},
        "test": metrics.get("test"),
        "validation": metrics.get("validation"),
        "splits": metrics.get("n_splits"),
        "rows": len(evidence.rows),
        "seconds": metrics.get("seconds"),
        "budget": dict(record.facts.get("config") or {}).get("time_budget"),
        "candidates": len(record.board),
        "failed": len(metrics.get("failed") or ()),
        "members": sum(1 for row in record.board if row.get("weight")),
        "drivers": _drivers(record),
        "explained": bool(record.importance),
    }
    found["meaning"] = _meaning(metric, evidence, found)
    found["warnings"] = _warnings(record, found)
    return found


def _of_new(measured: Measured) -> dict[str, Any]:
    return {
        "score": measured.score,
        "low": measured.low,
        "high": measured.high,
        "level": measured.level,
        "corrected": False,
    }


def _drivers(record: Record) -> list[dict[str, Any]]:
    """The columns that move predictions most, with the direction where one output has one."""
    found = []
    for entry in record.importance[:_DRIVERS]:
        outputs = entry.get("by_output") or []
        direction = outputs[0].get("direction") if len(outputs) == 1 else None
        found.append({"column": entry["column"], "share": entry["share"], "direction": direction})
    return found


def _warnings(record: Record, found: Mapping[str, Any]) -> list[dict[str, str]]:
    """What lies in the way of trust, the most serious first."""
    lines = [
        {"text": str(entry["decision"])[:_LONGEST], "hint": str(entry["reason"])[:_LONGEST]}
        for entry in record.ledger
        if entry["warning"]
    ]
    share = gained(found)
    better = "no better" in " ".join(line["text"] for line in lines)
    if share is not None and share < _LITTLE and not better:
        text = f"The model is hardly better than the baseline ({_figure(found['baseline'])})"
        lines.insert(0, {"text": text, "hint": "the columns say little about the target"})
    lines.sort(key=lambda line: _rank(line["text"]))
    return lines[:_MOST_WARNINGS]


_SERIOUS = ("leak", "no better", "hardly better", "predicts the target", "copy of the target")


def _rank(text: str) -> int:
    """Warnings that make the score worthless come before those that make it less sharp."""
    return 0 if any(word in text.lower() for word in _SERIOUS) else 1


def gained(found: Mapping[str, Any]) -> float | None:
    """Share of the way from the baseline to a perfect score; None where there is no such way."""
    score, baseline = found.get("score"), found.get("baseline")
    if score is None or baseline is None or not math.isfinite(score + baseline):
        return None
    way = found["best"] - baseline
    return float((score - baseline) / way) if abs(way) > 1e-12 else None


# What a score means


def _meaning(metric: Metric, evidence: Evidence, found: Mapping[str, Any]) -> list[str]:
    """Sentences about the score for people who do not know the metric."""
    score, baseline = found["score"], found["baseline"]
    if score is None or not math.isfinite(score):
        return ["These rows do not define the score."]
    word = _SAID.get(metric.name.partition("@")[0])
    lines = [] if word is None else [word(score, baseline, evidence)]
    share = gained(found)
    if share is not None and baseline is not None:
        what = "a constant guess" if metric.needs == "label" else "a constant prediction"
        if share <= 0:
            lines.append(f"That is no better than {what} ({_figure(baseline)}).")
        else:
            # Rounded down: 99.6 % are not all of it.
            percent = math.floor(100 * min(share, 1.0) + 1e-9)
            lines.append(
                f"It is {percent}% of the way from {what} ({_figure(baseline)}) to a "
                f"perfect score ({_figure(metric.best)})."
            )
    if found["low"] is not None and found["high"] is not None:
        rows = "new rows like these"
        lines.append(
            f"On {rows}, expect {_figure(found['low'])} to {_figure(found['high'])} "
            f"({found['level']:.0%} confidence)."
        )
    return lines


def _figure(value: float) -> str:
    size = abs(value)
    return f"{value:.4g}" if size < 1e4 else f"{value:,.0f}"


def _of_100(share: float) -> str:
    return f"{100 * share:.3g} of 100"


def _auc(score: float, baseline: float | None, evidence: Evidence) -> str:
    if evidence.task is Task.BINARY:
        name = evidence.classes[1][:40]
        return (
            f"Of a random row with '{name}' and one without, the model ranks the right one higher "
            f"in {_of_100(score)} pairs; chance does in 50."
        )
    return (
        "Of a random row of a class and one of another, the model ranks them rightly in "
        f"{_of_100(score)} pairs; chance does in 50."
    )


def _accuracy(score: float, baseline: float | None, evidence: Evidence) -> str:
    more = "" if baseline is None else f"; always the most frequent class: {_of_100(baseline)}"
    return f"The predicted class is right in {_of_100(score)} rows{more}."


def _balanced(score: float, baseline: float | None, evidence: Evidence) -> str:
    return f"On average over the classes, {_of_100(score)} rows of a class are found."


def _log_loss(score: float, baseline: float | None, evidence: Evidence) -> str:
    more = (
        "" if baseline is None else f"; a constant prediction gives it {math.exp(-baseline):.0%}"
    )
    return (
        f"The model gives what happened a probability of {math.exp(-score):.0%}, typically{more}."
    )


def _brier(score: float, baseline: float | None, evidence: Evidence) -> str:
    return f"Probabilities are off by {math.sqrt(max(score, 0.0)):.2f}, typically."


def _f1(score: float, baseline: float | None, evidence: Evidence) -> str:
    return (
        "The harmonic mean of precision (predicted rows that are right) and recall (true rows "
        f"that are found) is {score:.0%}."
    )


def _precision_curve(score: float, baseline: float | None, evidence: Evidence) -> str:
    more = "" if baseline is None else f"; by chance {baseline:.0%}"
    return f"Averaged over all thresholds, {score:.0%} of the predicted rows are right{more}."


def _rmse(score: float, baseline: float | None, evidence: Evidence) -> str:
    more = "" if baseline is None else f"; always the mean would be off by {_figure(baseline)}"
    return (
        f"Predictions of {evidence.target[:40]} are off by about {_figure(score)} (root mean "
        f"square, large errors count more){more}."
    )


def _mae(score: float, baseline: float | None, evidence: Evidence) -> str:
    more = "" if baseline is None else f"; a constant would be off by {_figure(baseline)}"
    return f"Predictions of {evidence.target[:40]} are off by {_figure(score)} on average{more}."


def _median(score: float, baseline: float | None, evidence: Evidence) -> str:
    return (
        f"Half of the predictions of {evidence.target[:40]} are off by less than {_figure(score)}."
    )


def _r2(score: float, baseline: float | None, evidence: Evidence) -> str:
    return f"The model explains {score:.0%} of the variance of {evidence.target[:40]}."


def _mape(score: float, baseline: float | None, evidence: Evidence) -> str:
    return f"Predictions of {evidence.target[:40]} are off by {score:.1%} on average."


def _rmsle(score: float, baseline: float | None, evidence: Evidence) -> str:
    return f"Predictions are off by a factor of about {math.exp(score):.2f}, up or down."


_SAID: dict[str, Callable[[float, float | None, Evidence], str]] = {
    "roc_auc": _auc,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "log_loss": _log_loss,
    "brier": _brier,
    "f1": _f1,
    "f1_macro": _f1,
    "f1_weighted": _f1,
    "average_precision": _precision_curve,
    "rmse": _rmse,
    "mae": _mae,
    "median_ae": _median,
    "r2": _r2,
    "mape": _mape,
    "rmsle": _rmsle,
}
