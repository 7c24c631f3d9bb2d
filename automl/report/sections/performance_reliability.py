"""A calibration curve, and in words whether the probabilities can be taken at their word."""

from __future__ import annotations

from automl.insight.evidence import Facts
from automl.report.page import card
from automl.report.plane import Plane, share_axis


def reliability_card(facts: Facts, name: str) -> str:
    """Observed shares by predicted ones, with their 95 % intervals. name: what is predicted."""
    high = max(*facts["predicted"], *facts["high"])
    top = 1.0 if high > 0.5 else min(1.0, 1.15 * high)
    plane = Plane(
        share_axis(f"predicted: {name}", top), share_axis("observed share", top), "Calibration"
    )
    plane.fair((0, 0), (top, top))
    bins = list(
        zip(
            *(facts[key] for key in ("predicted", "observed", "low", "high", "rows")),
            strict=True,
        )
    )
    plane.line([(predicted, observed) for predicted, observed, *_ in bins])
    for predicted, observed, low, high, rows in bins:
        said = f"{rows:,} rows: predicted {predicted:.1%}, observed {observed:.1%}"
        plane.dot((predicted, observed), said, span=(low, high))
    return card("Calibration", _verdict(facts), plane.svg())


def _verdict(facts: Facts) -> str:
    ece, chance = facts["ece"], facts["by_chance"]
    said = f"Off by {100 * ece:#.2g} points on average (ECE in 15 bins); "
    if ece <= chance:
        return said + f"chance alone makes up to {100 * chance:#.2g}: no sign of miscalibration."
    return said + f"chance alone makes at most {100 * chance:#.2g}: more than chance."
