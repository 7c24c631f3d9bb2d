"""Facts of the section Race: who ran, how the score rose, and what more time would likely buy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from automl.insight.evidence import Facts
from automl.insight.record import Record
from automl.metrics.base import Metric

_MOST_ROWS = 200  # of the leaderboard
_MOST_POINTS = 600  # of the score over time
_MORE_SECONDS = 600.0
_LEAST_RECORDED = 6  # finished candidates before anything is said of the next ones
# Of the gain of a doubling, what the next one gains: at most, and where nothing tells.
_MOST_KEPT, _USUAL_KEPT = 0.8, 0.5
_LONGEST = 200


def facts(record: Record, metric: Metric) -> Facts:
    """{"board", "more", "points", "unit", "ship", "next", "tuning", "states"}.

    points: [spent, score, name, engine, whether it was the best so far] of finished candidates
    in the order they ended; spent in seconds, or a number of candidates where no clock decided.
    """
    timed = record.metrics.get("seconds") is not None
    states: dict[str, int] = {}
    for row in record.board:
        states[str(row["state"])] = states.get(str(row["state"]), 0) + 1
    points = _points(record.trials, metric, timed=timed)
    score = record.metrics.get("score")
    return {
        "metric": metric.name,
        "title": metric.title,
        "higher_is_better": metric.higher_is_better,
        "unit": "seconds" if timed else "candidates",
        "board": [_row(row, record) for row in record.board[:_MOST_ROWS]],
        "more": max(0, len(record.board) - _MOST_ROWS),
        "states": states,
        "baseline": record.metrics.get("baseline"),
        "ship": score,
        "points": _thinned(points),
        "next": expected(points, metric, _half_width(record), timed=timed),
        "tuning": list(record.tuning),
        "stopped": record.metrics.get("seconds"),
    }


def _row(row: Mapping[str, Any], record: Record) -> dict[str, Any]:
    trial = next((one for one in record.trials if one["name"] == row["name"]), {})
    rows = record.scored_rows
    predict = trial.get("predict_seconds")
    known = rows and predict is not None and row["state"] == "done"
    return {
        "rank": row["rank"],
        "name": row["name"],
        "engine": row["engine"],
        "recipe": row["recipe"],
        "state": row["state"],
        "score": row["score"],
        "spread": row["spread"],
        "seconds": row["seconds"],
        # Of one model per row; a bag of folds asks all of them.
        "predict": 1e6 * predict / rows if known and rows and predict is not None else None,
        "weight": row["weight"],
        "noise": row.get("within_noise"),
        "cause": str(row.get("cause") or "")[:_LONGEST],
    }


def _points(
    trials: Sequence[Mapping[str, Any]], metric: Metric, *, timed: bool
) -> list[list[Any]]:
    done = [
        one
        for one in trials
        if one["state"] == "done" and one["score"] is not None and math.isfinite(one["score"])
    ]
    if timed:
        done = [one for one in done if one.get("spent") is not None]
        done.sort(key=lambda one: float(one["spent"]))
    else:
        done.sort(key=lambda one: int(one["trial"]))
    points: list[list[Any]] = []
    best: float | None = None
    for i, one in enumerate(done):
        score = float(one["score"])
        leads = best is None or metric.better(score, best)
        best = score if leads else best
        spent = float(one["spent"]) if timed else float(i + 1)
        points.append([spent, score, one["name"], one["engine"], leads])
    return points


def _thinned(points: list[list[Any]]) -> list[list[Any]]:
    """Every best, and an even choice of the others."""
    step = max(1, math.ceil(len(points) / _MOST_POINTS))
    return [point for i, point in enumerate(points) if point[4] or i % step == 0]


def _half_width(record: Record) -> float | None:
    corrected = record.metrics.get("corrected")
    return None if not corrected else (corrected["high"] - corrected["low"]) / 2


def expected(
    points: Sequence[Sequence[Any]], metric: Metric, noise: float | None, *, timed: bool
) -> dict[str, Any] | None:
    """What more time would likely add to the best single candidate; None where none can be said.

    The best of a search rises by less and less for each doubling of its time. What the last
    doubling gained, shrunk as it had shrunk against the one before, is what the next is expected
    to gain; at most, doublings go on gaining as much as the better of the last two did.
    """
    if len(points) < _LEAST_RECORDED:
        return None
    now, start = float(points[-1][0]), float(points[0][0])
    more = _MORE_SECONDS if timed else now
    if not timed:
        start = 0.0
    spent = max(now - start, 1e-9) if timed else now
    begin = now - spent

    def best_at(share: float) -> float:
        seen = [float(p[1]) for p in points if float(p[0]) <= begin + share * spent + 1e-9]
        scores = seen or [float(points[0][1])]
        return max(scores) if metric.higher_is_better else min(scores)

    def gain(early: float, late: float) -> float:
        return abs(best_at(late) - best_at(early))

    last, before = gain(0.5, 1.0), gain(0.25, 0.5)
    doublings = math.log2(1.0 + more / spent)
    shrinks = min(last / before, _MOST_KEPT) if before > 0 else _USUAL_KEPT
    likely = sum(
        last * shrinks ** (i + 1) * min(1.0, doublings - i) for i in range(math.ceil(doublings))
    )
    left = abs(metric.best - best_at(1.0)) if math.isfinite(metric.best) else math.inf
    most = min(max(last, before) * doublings, 0.5 * left)
    return {
        "more": more,
        "likely": min(likely, most),
        "most": most,
        "last": last,
        "seconds": spent,
        "noise": noise,
    }
