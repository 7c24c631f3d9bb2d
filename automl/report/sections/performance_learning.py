"""The learning curve by rows, and in words what more rows would likely buy."""

from __future__ import annotations

import math

from automl.insight.evidence import Facts
from automl.insight.toward import number_text
from automl.report.page import card, shown
from automl.report.plane import Axis, Plane


def learning_card(facts: Facts) -> str:
    """Mean score by rows on a logarithmic axis, with the least and greatest of the splits."""
    points, ahead = facts["points"], facts["next"]
    shows_next = ahead["kind"] == "rises"
    last = (math.log2(points[-1]["rows"]), points[-1]["score"])
    then = (math.log2(ahead["rows"]), ahead["score"])
    scores = [one[key] for one in points for key in ("low", "high")]
    if shows_next:
        scores += [ahead["least"], ahead["most"]]
    low, high = _room(min(scores), max(scores))
    places = [math.log2(one["rows"]) for one in points]
    places += [then[0]] if shows_next else []
    plane = Plane(
        Axis(places[0] - 0.2, places[-1] + 0.2, "rows to train on", _rows, tuple(places)),
        Axis(low, high, facts["metric"], _text),
        "Learning curve by rows",
    )
    known = list(zip(places, points, strict=False))
    if facts["splits"] > 1:
        plane.band([(x, p["low"]) for x, p in known], [(x, p["high"]) for x, p in known])
    plane.line([(x, p["score"]) for x, p in known])
    for x, point in known:
        said = f"{point['rows']:,} rows: {_text(point['score'])}"
        if facts["splits"] > 1:
            said += f" ({_text(point['low'])} to {_text(point['high'])})"
        plane.dot((x, point["score"]), said)
    if shows_next:
        plane.fair(last, then)
        ends = sorted((ahead["least"], ahead["most"]))
        said = f"{ahead['rows']:,} rows, expected: {_text(ahead['score'])}"
        plane.dot(then, said, 1, span=(ends[0], ends[1]))
    words = f'<p class="verdict">{shown(_verdict(facts), 600)}</p>'
    return card("Learning curve by rows", _source(facts), plane.svg() + words)


def _source(facts: Facts) -> str:
    splits = facts["splits"]
    where = "one fold" if splits == 1 else f"{splits} folds"
    said = (
        f"{facts['name']} trained on nested parts of the training rows of {where}, scored on the "
        "rows that validate them."
    )
    if splits > 1:
        said += " The band spans the folds."
    return said + (" Orange: expected of twice the rows." if _rises(facts) else "")


def _verdict(facts: Facts) -> str:
    """One or two sentences about what more rows would likely buy."""
    ahead, points = facts["next"], facts["points"]
    metric, better = facts["metric"], "up" if facts["higher_is_better"] else "down"
    times = points[-1]["rows"] / points[-2]["rows"]
    before = "half" if round(times, 1) == 2.0 else f"1/{round(times)}"
    change = points[-1]["score"] - points[-2]["score"]
    moved = f"From {before} of the rows to all of them, {metric} changed by {change:+.2g}"
    if _rises(facts):
        return (
            f"{moved}. Twice as many rows would likely take it {better} by about "
            f"{ahead['gain']:.2g}, to {_text(ahead['score'])} ({ahead['low_gain']:.2g} to "
            f"{ahead['high_gain']:.2g} is plausible, as the folds differ)."
        )
    if ahead["kind"] == "one":
        if ahead["high_gain"] <= 0:
            return f"{moved} on one fold: no sign that more rows would help."
        return (
            f"{moved} on one fold, whose chance is not known. Twice as many rows would likely buy "
            f"less than that doubling did, about {ahead['gain']:.2g}."
        )
    if ahead["high_gain"] <= 0:
        return f"{moved}: no sign that more rows of the same kind would help."
    return (
        f"{moved}, no more than the folds differ by. Twice as many rows of the same kind would "
        f"likely buy little: {ahead['high_gain']:.2g} at most."
    )


def _rises(facts: Facts) -> bool:
    return bool(facts["next"]["kind"] == "rises")


def _room(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis, with some room around what is drawn."""
    span = high - low or abs(high) * 0.1 or 1.0
    return low - 0.12 * span, high + 0.12 * span


def _rows(place: float) -> str:
    rows = round(2.0**place)
    for size, letter in ((1_000_000, "M"), (10_000, "k")):
        if rows >= size:
            return f"{rows / (1_000 if letter == 'k' else size):.3g}{letter}"
    return number_text(rows)


def _text(value: float) -> str:
    return number_text(value) if abs(value) >= 1000 else f"{value:#.4g}"
