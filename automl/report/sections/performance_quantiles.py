"""Several quantiles: how many targets lie below each, and how far the outer ones are apart."""

from __future__ import annotations

from automl.insight.evidence import Facts
from automl.insight.toward import number_text
from automl.report.page import card, cell, row, table
from automl.report.plane import Plane, share_axis


def quantiles_card(facts: Facts) -> str:
    """A dot per level on the line of what it should be, then a table."""
    levels = facts["levels"]
    plane = Plane(share_axis("level"), share_axis("targets at or below"), "Coverage by level")
    plane.fair((0, 0), (1, 1))
    for one in levels:
        said = f"{one['below']:.1%} of the targets at or below the {one['level']:g} quantile"
        plane.dot((one["level"], one["below"]), said, span=(one["low"], one["high"]))
    lines = "".join(
        row(
            [
                cell(f"{one['level']:g}"),
                cell(f"{one['below']:.1%}"),
                cell(f"{one['low']:.1%} to {one['high']:.1%}"),
                cell(number_text(one["loss"])),
            ]
        )
        for one in levels
    )
    names = ["level", "targets at or below", "95 % interval", "pinball loss"]
    return card("Coverage by level", _verdict(facts), plane.svg() + table(names, lines))


def _verdict(facts: Facts) -> str:
    levels = facts["levels"]
    off = [one for one in levels if not one["low"] <= one["level"] <= one["high"]]
    said = (
        f"Between the {levels[0]['level']:g} and {levels[-1]['level']:g} quantiles lie "
        f"{facts['inside']:.1%} of the targets; it should be {facts['between']:.0%}. They are "
        f"{number_text(facts['width'])} apart on average. "
    )
    if not off:
        return said + "No level is off by more than chance."
    named = ", ".join(f"{one['level']:g}" for one in off)
    return said + f"Off by more than chance: {named}."
