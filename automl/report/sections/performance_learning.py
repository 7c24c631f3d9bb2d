"""The learning curve: what more rows have bought so far."""

from __future__ import annotations

from automl.insight.evidence import Facts
from automl.insight.toward import number_text
from automl.report.page import card
from automl.report.plane import Axis, Plane


def learning_html(facts: Facts) -> str:
    """Score by rows trained on. facts: {"metric", "title", "rows", "scores", "model"}."""
    rows, scores = facts["rows"], facts["scores"]
    margin = 0.08 * (max(scores) - min(scores) or abs(scores[0]) or 1.0)
    plane = Plane(
        Axis(0.0, 1.05 * rows[-1], "rows trained on", number_text),
        Axis(min(scores) - margin, max(scores) + margin, facts["title"], number_text),
        "Learning curve",
    )
    plane.line(zip(rows, scores, strict=True))
    for n, score in zip(rows, scores, strict=True):
        plane.dot((n, score), f"{n:,} rows: {number_text(score)}")
    return card("Learning curve", facts["hint"], plane.svg())
