"""A regression's errors: predicted against actual, residuals, error and coverage by decile."""

from __future__ import annotations

from itertools import pairwise

from automl.insight.evidence import Facts
from automl.insight.toward import number_text
from automl.report.page import card, cell, row, table
from automl.report.plane import Axis, Plane, percent


def values_html(facts: Facts, target: str) -> str:
    """The charts, then a row for each tenth of the predictions."""
    charts = [_against(facts["points"], target), _residuals_by_value(facts), _histogram(facts)]
    charts.append(_error(facts["deciles"]))
    if facts["coverage"] is not None:
        charts.append(_covered(facts))
    return f'<div class="grid2">{"".join(charts)}</div>{_table(facts)}'


def _against(points: Facts, target: str) -> str:
    low, high = points["low"], points["high"]
    plane = Plane(
        _axis(low, high, "predicted"), _axis(low, high, f"actual {target[:30]}"), "Predicted"
    )
    plane.dots(zip(points["predicted"], points["actual"], strict=True))
    plane.fair((low, low), (high, high))
    hint = "A dot is a row; on the dashed line the prediction is right."
    return card("Predicted against actual", f"{hint}{_sampled(points)}", plane.svg())


def _sampled(points: Facts) -> str:
    said = f" Drawn: {len(points['actual']):,} random rows." if points["sampled"] else ""
    return said + (f" Further out: {points['beyond']:,}." if points["beyond"] else "")


def _residuals_by_value(facts: Facts) -> str:
    points, deciles = facts["points"], facts["deciles"]
    pairs = [(x, y - x) for x, y in zip(points["predicted"], points["actual"], strict=True)]
    low = min((y for _, y in pairs), default=-1.0)
    high = max((y for _, y in pairs), default=1.0)
    plane = Plane(
        _axis(points["low"], points["high"], "predicted"),
        _axis(low, high, "actual less predicted"),
        "Residuals against predictions",
    )
    plane.dots(pairs)
    at = [one["predicted"] for one in deciles]
    inside = [i for i, x in enumerate(at) if points["low"] <= x <= points["high"]]
    bands = [deciles[i]["quartiles"] for i in inside]
    places = [at[i] for i in inside]
    ends = [(x, _within(q[0], low, high)) for x, q in zip(places, bands, strict=True)]
    tops = [(x, _within(q[4], low, high)) for x, q in zip(places, bands, strict=True)]
    plane.band(ends, tops, 1)
    plane.line([(x, q[2]) for x, q in zip(places, bands, strict=True)], 1)
    plane.fair((points["low"], 0), (points["high"], 0))
    hint = "Orange: the median and eight in ten rows, by decile. A slope or a bend is bias."
    return card("Residuals against prediction", hint, plane.svg())


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _histogram(facts: Facts) -> str:
    found = facts["residuals"]
    edges, counts = found["edges"], found["counts"]
    plane = Plane(
        _axis(edges[0], edges[-1], "actual less predicted"),
        Axis(0.0, 1.05 * max(counts), "rows", number_text),
        "Residuals",
    )
    for ends, count in zip(pairwise(edges), counts, strict=True):
        said = f"{number_text(ends[0])} to {number_text(ends[1])}: {count:,.6g}"
        plane.column(ends, count, said)
    q = found["quantiles"]
    hint = (
        f"Nine rows in ten lie between {number_text(q[0])} and {number_text(q[4])}, "
        f"the mean is {number_text(found['mean'])}."
    )
    further = found["below"] + found["above"]
    hint += f" Further out: {further:,}." if further else ""
    return card("Residuals", hint, plane.svg())


def _error(deciles: list[Facts]) -> str:
    high = max(one["absolute"] for one in deciles) or 1.0
    plane = Plane(
        _tenths(deciles),
        Axis(0.0, 1.05 * high, "mean absolute error", number_text),
        "Error by decile of the prediction",
    )
    for i, one in enumerate(deciles):
        said = (
            f"{number_text(one['from'])} to {number_text(one['to'])}: "
            f"{number_text(one['absolute'])}, {one['rows']:,} rows"
        )
        plane.column((i + 0.1, i + 0.9), one["absolute"], said)
    worst = max(deciles, key=lambda one: one["absolute"])
    hint = (
        f"Largest where the prediction lies in {number_text(worst['from'])} to "
        f"{number_text(worst['to'])}."
    )
    return card("Error by decile", hint, plane.svg())


def _tenths(deciles: list[Facts]) -> Axis:
    n = len(deciles)
    places = tuple(i + 0.5 for i in range(n))
    return Axis(0.0, float(n), "rows by rising prediction, in tenths", _place, places)


def _place(value: float) -> str:
    return f"{value + 0.5:.0f}"


def _covered(facts: Facts) -> str:
    deciles, every = facts["deciles"], facts["coverage"]
    low = min([one["covered_low"] for one in deciles] + [every["level"] - 0.1])
    plane = Plane(
        _tenths(deciles),
        Axis(low, 1.0, "rows inside of their interval", percent),
        "Interval coverage by decile",
    )
    plane.fair((0, every["level"]), (len(deciles), every["level"]))
    for i, one in enumerate(deciles):
        said = f"{number_text(one['from'])} to {number_text(one['to'])}: {one['covered']:.1%}"
        span = one["covered_low"], one["covered_high"]
        plane.dot((i + 0.5, one["covered"]), said, span=span)
    hint = f"{every['level']:.0%} intervals hold {every['covered']:.1%} of all rows; by decile:"
    return card("Interval coverage", hint, plane.svg())


def _table(facts: Facts) -> str:
    deciles = facts["deciles"]
    names = ["prediction", "rows", "mean predicted", "mean actual", "bias", "mean abs. error"]
    covered = facts["coverage"] is not None
    if covered:
        names += ["covered", "interval width"]
    lines = []
    for one in deciles:
        cells = [cell(f"{number_text(one['from'])} to {number_text(one['to'])}")]
        cells.append(cell(f"{one['rows']:,}"))
        cells += [
            cell(number_text(one[key])) for key in ("predicted", "actual", "residual", "absolute")
        ]
        if covered:
            cells += [cell(f"{one['covered']:.1%}"), cell(number_text(one["width"]))]
        lines.append(row(cells))
    return card("By decile of the prediction", "", table(names, "".join(lines)))


def _axis(low: float, high: float, name: str) -> Axis:
    return Axis(low, high if high > low else low + 1.0, name, _plain)


def _plain(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.4g}{letter}"
    return f"{value:.4g}"
