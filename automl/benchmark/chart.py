"""Two charts as inline SVG: scores of each set side by side, and differences with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from automl.benchmark.compare import Comparison
from automl.report.page import N_COLOURS
from automl.report.svg import scale, svg, ticks

_WIDTH = 640
_LEFT, _RIGHT, _ROW = 160, 24, 34
_LETTERS = 14  # of a name that fits left of the axis, also in the larger type of a phone
_SHOWN = (
    0.15  # share of the dots that may lie left of the axis, so that the rest can be told apart
)
_STEP = 0.05  # the axis begins at a multiple of it
_APART = 4.0  # between the dots of a row


def colour_of(one: Comparison) -> dict[str, str]:
    """A class of the style sheet for each system; the tool always has the first."""
    others = sorted(row.name for row in one.systems if row.name != one.own)
    names = [one.own, *others]
    return {name: f"c{min(i, N_COLOURS - 1)}" for i, name in enumerate(names)}


def score_chart(one: Comparison) -> str:
    """One row per set, one dot per system at its normalised score; 1 at the right is the best."""
    colours = colour_of(one)
    low = _axis_start([value for table in one.sets for value in table.normalised.values()])
    place = _scale(low, 1.0)
    height = _ROW * len(one.sets) + 44
    parts = _grid(ticks(low, 1.0), place, height, lambda value: f"{value:g}")
    offsets = {name: _APART * (i - (len(colours) - 1) / 2) for i, name in enumerate(colours)}
    for i, table in enumerate(one.sets):
        y = 18 + _ROW * i + _ROW // 2
        parts.append(f'<line class="row" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_name(table.name, y))
        # The tool is drawn last, so that it lies on top.
        for name in sorted(table.normalised, key=lambda name: name == one.own):
            value = table.normalised[name]
            x, radius = place(max(value, low)), 6.5 if name == one.own else 5.5
            title = f"{name} on {table.name}: {value:.3f}"
            hollow = value < low
            parts.append(_dot(x, y + offsets[name], radius, colours[name], title, hollow=hollow))
    return svg(parts, _WIDTH, height, "Normalised score of each system on each data set")


def _axis_start(values: Sequence[float]) -> float:
    ordered = sorted(values)
    edge = ordered[int(_SHOWN * len(ordered))] if ordered else 0.0
    return min(max(math.floor((edge - 0.01) / _STEP) * _STEP, 0.0), 1.0 - 2 * _STEP)


def difference_chart(one: Comparison) -> str:
    """One row per other system: mean difference of normalised scores and its interval."""
    rows = [(row.name, row.against) for row in one.systems if row.against is not None]
    ends = [0.0]
    for _, against in rows:
        known = (against.difference, against.low, against.high)
        ends += [value for value in known if value is not None]
    margin = 0.06 * (max(ends) - min(ends) or 1.0)
    low, high = min(ends) - margin, max(ends) + margin
    place = _scale(low, high)
    height = _ROW * len(rows) + 44
    parts = _grid(ticks(low, high), place, height, lambda value: f"{value:+g}" if value else "0")
    parts.append(
        f'<line class="zero" x1="{place(0):.1f}" x2="{place(0):.1f}" y1="10" y2="{height - 26}"/>'
    )
    for i, (name, against) in enumerate(rows):
        y = 18 + _ROW * i + _ROW // 2
        parts.append(_name(name, y))
        title = f"against {name}: {against.difference:+.3f}"
        if against.low is not None and against.high is not None:
            title += f", 95 % interval {against.low:+.3f} to {against.high:+.3f}"
            parts.append(
                f'<line class="span" x1="{place(against.low):.1f}" '
                f'x2="{place(against.high):.1f}" y1="{y}" y2="{y}"/>'
            )
        parts.append(_dot(place(against.difference), y, 6.5, "c0", title, hollow=False))
    return svg(parts, _WIDTH, height, f"Mean difference of {one.own} to each other system")


def _scale(low: float, high: float) -> Callable[[float], float]:
    return scale(low, high, _LEFT, _WIDTH - _RIGHT)


def _grid(
    values: Sequence[float],
    place: Callable[[float], float],
    height: int,
    word: Callable[[float], str],
) -> list[str]:
    parts = []
    for value in values:
        x = place(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="10" y2="{height - 26}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{height - 8}">{word(value)}</text>')
    return parts


def _name(text: str, y: int) -> str:
    shown = text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"
    return f'<text class="name" x="{_LEFT - 14}" y="{y + 4}">{escape(shown)}</text>'


def _dot(x: float, y: float, radius: float, colour: str, title: str, *, hollow: bool) -> str:
    kind = f"{colour} hollow" if hollow else colour
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
        f"<title>{escape(title)}</title></circle>"
    )
