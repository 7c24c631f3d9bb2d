"""Charts of contributions as inline SVG: bars, swarms, dependence, waterfalls, partial dependence.

A cell's place among those of its column is a colour, low (h0) … high (h4); hx = no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from automl.data.schema import Kind
from automl.insight.toward import number_text
from automl.insight.view import day_text
from automl.report.page import shown
from automl.report.svg import fitted, scale, svg, ticks

WIDTH = 340  # about that of a phone
_LINE = 22
_LANE = 30
_STEPS = 5
_TOLD = WIDTH - 84  # pixels of a name and cell, beside their contribution
_LETTERS = 14  # of a name that is never cut
STYLE = """
.explanation {
  .hx { stroke: var(--c4); }
  .dots path { stroke-width: 4; stroke-linecap: round; fill: none; opacity: .72; }
  .ice path { fill: none; stroke: var(--c4); stroke-width: 1; opacity: .45; }
  .ice .mid { stroke: var(--c0); stroke-width: 2.6; opacity: 1; }
  .fall text, .effect text { font-size: 12px; } .effect .tick { font-size: 11px; }
  .fall .told { fill: var(--ink); text-anchor: start; }
  .up { fill: var(--c1); } .down { fill: var(--c2); } .sum { fill: var(--c4); }
  svg.effect, svg.fall { max-width: 27rem; }
  .heat td { text-align: center; } .heat td:first-child { text-align: left; }
  .heat th { white-space: normal; overflow-wrap: anywhere; min-width: 3.4rem;
    vertical-align: bottom; text-align: center; }
  .heat th:first-child { text-align: left; }
  .scale { display: inline-block; width: 4.5rem; height: .55rem; border-radius: 4px;
    margin: 0 .4rem; background: linear-gradient(to right, var(--c2), var(--c1)); }
  .apart { margin-top: 1.3rem; }
  .pairs { list-style: none; margin: .6rem 0 0; padding: 0; font-size: .88rem; }
  .pairs li { display: grid; grid-template-columns: minmax(0, 1fr) 7rem 6.5rem; gap: .8rem;
    align-items: center; padding: .25rem 0; overflow-wrap: anywhere; }
  .pairs i { display: block; height: .7rem; border-radius: 3px; background: var(--c0); }
  .pairs small { color: var(--soft); }
  .lead2 { display: grid; gap: .9rem;
    grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
  .lead2 .card { margin: 0; min-width: 0; } .lead2 svg { margin-inline: auto; }
}
@media (max-width: 34rem) {
  .explanation .pairs li { grid-template-columns: minmax(0, 1fr) 4rem 5.6rem; }
  .explanation .fall text, .explanation .effect text { font-size: 12.5px; }
  .explanation .effect .tick { font-size: 11.5px; } }
""" + "".join(
    f".explanation .h{i} {{ stroke: color-mix(in srgb, var(--c1) {25 * i}%, var(--c2)); }}\n"
    for i in range(_STEPS)
)


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """A bar per row: (name, size, text behind the bar)."""
    most = max((size for _, size, _ in rows), default=0.0) or 1.0
    parts = []
    for i, (name, size, text) in enumerate(rows):
        y, width = _LINE * i, max(118 * size / most, 1.5)
        parts.append(
            f"{_name(name, y + 15)}"
            f'<rect class="c0" x="150" y="{y + 4}" width="{width:.1f}" height="13" rx="2"/>'
            f'<text x="{156 + width:.1f}" y="{y + 15}">{shown(text)}</text>'
        )
    return svg(parts, WIDTH, _LINE * len(rows) + 4, label, "effect")


def _name(name: str, y: float) -> str:
    title = "" if len(name) <= _LETTERS else f"<title>{shown(name, 200)}</title>"
    return f'<text class="name" x="143" y="{y:.0f}">{title}{fitted(name, 141)}</text>'


def swarm(lanes: Sequence[dict[str, Any]], label: str) -> str:
    """A lane per column, a dot per row at its contribution."""
    every = [x for lane in lanes for x in lane["x"]]
    low, high = _span(every)
    place = scale(low, high, 154, WIDTH - 8)
    height = _LANE * len(lanes) + 26
    parts = [_grid(low, high, place, 4, height - 20)]
    for i, lane in enumerate(lanes):
        middle = _LANE * i + _LANE / 2 + 2
        parts.append(_name(lane["column"], middle + 4))
        parts += _dots(_settled([place(x) for x in lane["x"]], middle), lane["height"])
    return svg(parts, WIDTH, height, label, "effect dots")


def _settled(places: Sequence[float], middle: float) -> list[tuple[float, float]]:
    """Dots beside each other where many are at one place."""
    stacked: dict[int, int] = {}
    found = []
    for x in places:
        slot = round(x / 3)
        n = stacked.get(slot, 0)
        stacked[slot] = n + 1
        away = (n + 1) // 2 * (2.6 if n % 2 else -2.6)
        limit = _LANE / 2 - 3
        # Where a lane is full its dots lie upon each other.
        away = math.copysign(abs(away) % limit, away) if abs(away) > limit else away
        found.append((x, middle + away))
    return found


def _dots(points: Sequence[tuple[float, float]], heights: Sequence[float | None]) -> list[str]:
    """One path per colour: thousands of dots in few letters."""
    drawn: dict[str, list[str]] = {}
    for (x, y), height in zip(points, heights, strict=True):
        drawn.setdefault(_colour(height), []).append(f"M{x:.1f} {y:.1f}h0")
    return [
        f'<path class="{kind}" d="{"".join(moves)}"/>' for kind, moves in sorted(drawn.items())
    ]


def _colour(height: float | None) -> str:
    return "hx" if height is None else f"h{min(int(height * _STEPS), _STEPS - 1)}"


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min([*values, 0.0]), max([*values, 0.0])
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin


def _grid(
    low: float, high: float, place: Callable[[float], float], top: float, base: float
) -> str:
    """Lines at round numbers with their text below, and one at zero."""
    parts = []
    for value in _marks(low, high):
        x = place(value)
        kind = "zero" if value == 0 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{base}"/>'
            f'<text class="tick" x="{x:.1f}" y="{base + 14}">{number_text(value, 3)}</text>'
        )
    return "".join(parts)


def _marks(low: float, high: float) -> list[float]:
    """Every second round number, zero among them where it lies between."""
    every = ticks(low, high)
    return every[every.index(0.0) % 2 if 0.0 in every else 0 :: 2]


def dependence(plot: dict[str, Any]) -> str:
    """Contributions by the column's value: dots with the mean of ranges, or levels."""
    label = f"Contributions of {plot['column']}"
    if plot["points"] is None or len(plot["points"]["x"]) < 2:
        return spans(plot["bins"], label)
    x, y = plot["points"]["x"], plot["points"]["y"]
    heights = plot["points"].get("height") or [None] * len(x)
    left, base = 46.0, 190.0
    low, high = _span(y)
    across, up = scale(*_inner(x), left + 6, WIDTH - 8), scale(low, high, base - 4, 8)
    parts = [_sides(low, high, up, left), _below(x, across, base, date=plot["kind"])]
    points = [(min(max(across(a), left + 2), WIDTH - 4), up(b)) for a, b in zip(x, y, strict=True)]
    parts += _dots(points, heights)
    return svg(parts, WIDTH, 212, label, "effect dots")


def _inner(x: Sequence[float]) -> tuple[float, float]:
    """The range of all but the outermost few numbers; those are drawn at the edge."""
    ranked = sorted(x)
    cut = len(ranked) // 100
    low, high = ranked[cut], ranked[-1 - cut]
    return (low, high) if high > low else (ranked[0], ranked[-1])


def _sides(low: float, high: float, up: Callable[[float], float], left: float) -> str:
    parts = []
    for value in _marks(low, high):
        y, kind = up(value), "zero" if value == 0 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{left}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="end" x="{left - 5}" y="{y + 4:.1f}">{short(value)}</text>'
        )
    return "".join(parts)


def _below(x: Sequence[float], across: Callable[[float], float], base: float, *, date: str) -> str:
    low, high = _inner(x)
    write = _month if date == Kind.DATETIME else short
    texts = "".join(
        f'<text class="tick" x="{min(max(across(value), 22), WIDTH - 27):.1f}" '
        f'y="{base + 17}">{write(value)}</text>'
        for value in ticks(low, high)[::2]
    )
    return f'<line class="row" x1="46" x2="{WIDTH}" y1="{base}" y2="{base}"/>{texts}'


def _month(value: float) -> str:
    return day_text(value)[:7]


def short(value: float) -> str:
    """A number in few letters."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            divisor = 1e3 if letter == "k" else size
            return f"{value / divisor:.4g}{letter}"
    return f"{value:.4g}"


def spans(bins: Sequence[dict[str, Any]], label: str) -> str:
    """A line per level: the mean, and where four fifths of the rows lie."""
    low, high = _span([value for one in bins for value in (one["low"], one["high"], one["mean"])])
    place = scale(low, high, 154, WIDTH - 8)
    height = _LINE * len(bins) + 26
    parts = [_grid(low, high, place, 2, height - 20)]
    for i, one in enumerate(bins):
        y = _LINE * i + 12
        said = f"{one['n']:,} rows, mean {number_text(one['mean'], 3)}"
        parts.append(
            f"{_name(one['label'], y + 4)}"
            f'<line class="span" x1="{place(one["low"]):.1f}" x2="{place(one["high"]):.1f}" '
            f'y1="{y}" y2="{y}"/>'
            f'<circle class="c0" cx="{place(one["mean"]):.1f}" cy="{y}" r="4.5">'
            f"<title>{shown(one['label'])}: {said}</title></circle>"
        )
    return svg(parts, WIDTH, height, label, "effect")


def waterfall(row: dict[str, Any]) -> str:
    """From the base value to the margin, a bar per column under its name and cell."""
    rest = row["rest"]
    steps = [
        (f"{part['column']} = {part['value']}", part["contribution"]) for part in row["parts"]
    ]
    if rest["n"]:
        steps.append((f"{rest['n']:,} more columns", rest["contribution"]))
    edges = [row["base"]]
    for _, contribution in steps:
        edges.append(edges[-1] + contribution)
    low, high = min(edges), max(edges)
    place = scale(low - 0.02 * (high - low or 1), high + 0.02 * (high - low or 1), 4, WIDTH - 4)
    parts, y = [_ends("base value", row["base"], place, 0)], 30
    for (name, contribution), start in zip(steps, edges, strict=False):
        parts.append(_step(name, contribution, start, place, y))
        y += 30
    parts.append(_ends("margin", edges[-1], place, y))
    return svg(parts, WIDTH, y + 30, f"Row {row['row']}", "fall")


def _ends(name: str, value: float, place: Callable[[float], float], y: int) -> str:
    x = place(value)
    return (
        f'<text class="told" x="4" y="{y + 13}">{name}</text>'
        f'<text class="end" x="{WIDTH - 4}" y="{y + 13}">{number_text(value, 4)}</text>'
        f'<rect class="sum" x="{x - 1.5:.1f}" y="{y + 17}" width="3" height="9"/>'
    )


def _step(
    name: str, contribution: float, start: float, place: Callable[[float], float], y: int
) -> str:
    left, right = sorted((place(start), place(start + contribution)))
    kind = "up" if contribution >= 0 else "down"
    return (
        f'<text class="told" x="4" y="{y + 13}">{fitted(name, _TOLD)}</text>'
        f'<text class="end" x="{WIDTH - 4}" y="{y + 13}">{contribution:+.4g}</text>'
        f'<rect class="{kind}" x="{left:.1f}" y="{y + 17}" width="{max(right - left, 1):.1f}" '
        f'height="9" rx="1.5"/>'
    )


def partial(plot: dict[str, Any]) -> str:
    """The mean prediction by the column's value, and single rows behind it."""
    label = f"Partial dependence on {plot['column']}"
    if plot["kind"] not in (Kind.NUMERIC, Kind.DATETIME):
        return spans([_level(plot, k) for k in range(len(plot["x"]))], label)
    x, left, base = plot["x"], 46.0, 190.0
    every = [value for line in (*plot["lines"], plot["mean"]) for value in line]
    low, high = min(every), max(every)
    across, up = scale(x[0], x[-1], left + 6, WIDTH - 8), scale(low, high, base - 4, 8)
    parts = [_sides(low, high, up, left), _below(x, across, base, date=plot["kind"])]
    for line, kind in (*((line, "") for line in plot["lines"]), (plot["mean"], ' class="mid"')):
        path = "L".join(f"{across(a):.1f} {up(b):.1f}" for a, b in zip(x, line, strict=True))
        parts.append(f'<path{kind} d="M{path}"/>')
    return svg(parts, WIDTH, 212, label, "effect ice")


def _level(plot: dict[str, Any], k: int) -> dict[str, Any]:
    values = sorted(line[k] for line in plot["lines"])
    cut = len(values) // 10
    return {
        "label": plot["labels"][k],
        "n": plot["n_rows"],
        "mean": plot["mean"][k],
        "low": values[cut],
        "high": values[-1 - cut],
    }
