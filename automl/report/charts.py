"""The charts of a profile as inline SVG: histograms, bars, intervals, points, matrices."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from automl.data.schema import Kind
from automl.insight.holes import Holes
from automl.insight.relations import Relations
from automl.insight.scatter import Scatter
from automl.insight.shapes import Shape
from automl.insight.toward import Bin, number_text, others_text
from automl.insight.view import Floats, day_text
from automl.report.page import N_COLOURS, shown
from automl.report.svg import fitted, scale, svg, ticks

WIDTH = 340  # of the small charts, about that of a phone
_LINE = 20
_CELL = 22
_MATRIX_LEFT = 150
_FULLEST = 0.5  # of a matrix' colour: on more, numbers are hard to read
_WRITTEN = 16  # columns up to which the cells of a matrix hold their number


def shape_chart(shape: Shape, kind: str, name: str) -> str:
    """A histogram, or a bar for each level."""
    return _histogram(shape, kind, name) if shape.edges else _bars(shape, name)


def _histogram(shape: Shape, kind: str, name: str) -> str:
    height, base = 96, 76
    most = max(shape.counts) or 1
    place = scale(shape.edges[0], shape.edges[-1], 6, WIDTH - 6)
    text = day_text if kind == Kind.DATETIME and not shape.what else number_text
    parts = []
    for count, a, b in zip(shape.counts, shape.edges, shape.edges[1:], strict=False):
        x, width = place(a), max(place(b) - place(a) - 1, 1)
        # A bin with rows in it is never invisible.
        tall = max(68 * count / most, 1.5) if count else 0
        said = f"{text(a)} to {text(b)}: {count:,}"
        parts.append(
            f'<rect class="c0" x="{x:.1f}" y="{base - tall:.1f}" width="{width:.1f}" '
            f'height="{tall:.1f}"><title>{said}</title></rect>'
        )
    parts.append(f'<line class="row" x1="6" x2="{WIDTH - 6}" y1="{base}" y2="{base}"/>')
    low, high = text(shape.edges[0]), text(shape.edges[-1])
    if abs(shape.edges[0] % 1) == 0.5 and abs(shape.edges[-1] % 1) == 0.5 and text is number_text:
        low, high = text(shape.edges[0] + 0.5), text(shape.edges[-1] - 0.5)
    parts.append(f'<text x="6" y="{height - 3}">{low}</text>')
    parts.append(f'<text class="end" x="{WIDTH - 6}" y="{height - 3}">{high}</text>')
    return svg(parts, WIDTH, height, f"Distribution of {name}", "small")


def _bars(shape: Shape, name: str) -> str:
    rest, n_rest = shape.rest
    rows = list(zip(shape.labels, shape.counts, strict=True))
    if n_rest:
        rows.append((others_text(n_rest), rest))
    most = max((count for _, count in rows), default=1) or 1
    parts = []
    for i, (label, count) in enumerate(rows):
        y = _LINE * i
        width = max(130 * count / most, 1.5)
        colour = "c4" if n_rest and i == len(rows) - 1 else "c0"
        parts.append(_left(label, y + 14))
        parts.append(
            f'<rect class="{colour}" x="150" y="{y + 4}" width="{width:.1f}" height="12"/>'
            f'<text x="{156 + width:.1f}" y="{y + 14}">{count:,}</text>'
        )
    return svg(parts, WIDTH, _LINE * len(rows) + 2, f"Rows of the levels of {name}", "small")


def _left(label: str, y: float, x: float = 142) -> str:
    return f'<text class="name" x="{x}" y="{y}">{fitted(label, x - 2, 13)}</text>'


def bins_chart(bins: Sequence[Bin], overall: Sequence[float], name: str, *, share: bool) -> str:
    """Mean (or share) of each outcome in every bin with its 95 % interval; dashed: all rows."""
    known = [v for one in bins for v in (*one.low, *one.high, *one.mean) if math.isfinite(v)]
    low, high = min([*known, *overall]), max([*known, *overall])
    if share:
        low, high = max(0.0, low), min(1.0, high)
    margin = 0.03 * (high - low or abs(high) or 1.0)
    left, top = 150, 4
    place = scale(low - margin, high + margin, left, WIDTH - 8)
    height = top + _LINE * len(bins) + 20
    parts = []
    for value in ticks(low, high)[::2]:
        x = place(value)
        text = f"{value:.0%}" if share and high - low > 0.05 else number_text(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 18}"/>')
        inside = min(x, WIDTH - 17)
        parts.append(f'<text class="tick" x="{inside:.1f}" y="{height - 4}">{text}</text>')
    if len(overall) == 1:
        x = place(overall[0])
        parts.append(f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 18}"/>')
    for i, one in enumerate(bins):
        y = top + _LINE * i + 10
        parts.append(_left(one.label, y + 4))
        parts += [_whisker(one, k, place, y, share=share) for k in range(len(one.mean))]
    return svg(parts, WIDTH, height, f"Target by {name}", "small")


def _whisker(one: Bin, k: int, place: Callable[[float], float], y: float, *, share: bool) -> str:
    mean, low, high = one.mean[k], one.low[k], one.high[k]
    colour = f"c{min(k, N_COLOURS - 1)}"
    said = f"{one.n:,} rows: {mean:.1%}" if share else f"{one.n:,} rows: {number_text(mean)}"
    line = ""
    if math.isfinite(low) and math.isfinite(high):
        line = (
            f'<line class="span s{min(k, N_COLOURS - 1)}" x1="{place(low):.1f}" '
            f'x2="{place(high):.1f}" y1="{y}" y2="{y}"/>'
        )
    return (
        f'{line}<circle class="{colour}" cx="{place(mean):.1f}" cy="{y}" r="4">'
        f"<title>{shown(one.label)}, {said}</title></circle>"
    )


def strength_chart(rows: Sequence[tuple[str, float, float | None]], score: str) -> str:
    """A bar per column: how well it alone predicts the target, 0 to 1, and its score."""
    parts = []
    for i, (name, strength, value) in enumerate(rows):
        y = _LINE * i
        width = max(140 * strength, 1.5)
        text = "" if value is None else f"{value:.3f}"
        parts.append(_left(name, y + 14))
        parts.append(
            f'<rect class="c0" x="150" y="{y + 4}" width="{width:.1f}" height="12"/>'
            f'<text x="{156 + width:.1f}" y="{y + 14}">{text}</text>'
        )
    return svg(parts, WIDTH, _LINE * len(rows) + 4, f"{score} of each column alone", "small")


def scatter_chart(plot: Scatter) -> str:
    """One point per row, coloured by class."""
    height, left, base = 250, 58, 214
    if not plot.x:
        return ""
    place_x = scale(min(plot.x), max(plot.x), left + 6, WIDTH - 8)
    place_y = scale(min(plot.y), max(plot.y), base - 6, 8)
    parts = []
    for value in ticks(min(plot.y), max(plot.y))[::2]:
        y = place_y(value)
        parts.append(f'<line class="grid" x1="{left}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        said = _month(value) if plot.y_is_date else _short(value)
        parts.append(f'<text class="end" x="{left - 3}" y="{y + 4:.1f}">{said}</text>')
    text = _month if plot.x_is_date else _short
    for value in ticks(min(plot.x), max(plot.x))[::2]:
        x = min(max(place_x(value), 24), WIDTH - 27)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{base + 14}">{text(value)}</text>')
    parts.append(f'<line class="row" x1="{left}" x2="{WIDTH}" y1="{base}" y2="{base}"/>')
    for x, y, group in zip(plot.x, plot.y, plot.group, strict=True):
        colour = "c4" if plot.groups and group < 0 else f"c{max(group, 0) % N_COLOURS}"
        parts.append(
            f'<circle class="{colour}" cx="{place_x(x):.1f}" cy="{place_y(y):.1f}" r="2.6"/>'
        )
    parts.append(
        f'<text class="tick" x="{(left + WIDTH) / 2}" y="{height - 6}">'
        f"{fitted(plot.x_name, 270, 12)}</text>"
    )
    return svg(parts, WIDTH, height, f"{plot.y_name} against {plot.x_name}", "small points")


def _month(value: float) -> str:
    return day_text(value)[:7]


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.5g}{letter}"
    return f"{value:.3g}"


def matrix_chart(relations: Relations, chosen: Sequence[int]) -> str:
    """Strength of each pair of the chosen columns as colour; with few columns as number, too."""
    k = len(chosen)
    size = _CELL if k > _WRITTEN else 34
    top, width = 8, _MATRIX_LEFT + size * k + 40
    height = top + size * k + 96
    parts = []
    for i, a in enumerate(chosen):
        y = top + size * i
        name = relations.names[a]
        parts.append(_left(name, y + size / 2 + 4, _MATRIX_LEFT - 8))
        x = _MATRIX_LEFT + size * i + size / 2
        parts.append(
            f'<text class="end" transform="translate({x + 4:.0f} {top + size * k + 10}) '
            f'rotate(-45)">{fitted(name, 118, 12)}</text>'
        )
        for j, b in enumerate(chosen):
            parts.append(_pair(relations, a, b, _MATRIX_LEFT + size * j, y, size))
    chart = svg(parts, width, height, "How columns go together", "matrix", fixed=True)
    return f'<div class="wide" tabindex="0" role="region" aria-label="Matrix">{chart}</div>'


def _pair(relations: Relations, a: int, b: int, x: float, y: float, size: int) -> str:  # noqa: PLR0913
    value = float(relations.strength[a, b])
    if a == b or math.isnan(value):
        return f'<rect class="none" x="{x}" y="{y}" width="{size - 1}" height="{size - 1}"/>'
    colour = "c1" if value < 0 else "c0"
    filled = _FULLEST * abs(value)
    said = f"{shown(relations.names[a])}, {shown(relations.names[b])}: {value:.2f}"
    cell = (
        f'<rect class="{colour}" fill-opacity="{filled:.2f}" x="{x}" y="{y}" '
        f'width="{size - 1}" height="{size - 1}">'
        f"<title>{said} ({relations.measure(a, b)})</title></rect>"
    )
    if size > _CELL and abs(value) >= 0.095:
        number = f"{value:.1f}".replace("0.", ".")
        cell += (
            f'<text class="tick ink" x="{x + size / 2 - 0.5}" y="{y + size / 2 + 4}">'
            f"{number}</text>"
        )
    return cell


def choose_columns(relations: Relations, first: Sequence[str], most: int = 30) -> list[int]:
    """Indices of the columns to draw: those named first, then the most related ones, in groups."""
    place = {name: i for i, name in enumerate(relations.names)}
    strength = np.nan_to_num(np.abs(relations.strength - np.eye(len(place))))
    chosen = [place[name] for name in first if name in place][: most // 2]
    for i in np.argsort(-strength.max(axis=1), kind="stable").tolist():
        if len(chosen) >= most:
            break
        if i not in chosen:
            chosen.append(i)
    if len(chosen) < 3:
        return chosen
    return [chosen[i] for i in _grouped(strength[np.ix_(chosen, chosen)])]


def _grouped(strength: Floats) -> list[int]:
    """An order in which related columns are neighbours: a chain that grows at its better end.

    (scipy's optimal order of a tree is hardly better here, and takes longer to import than a
    small table to profile.)
    """
    away = strength - 2.0 * np.eye(len(strength))
    first, last = (int(i) for i in np.unravel_index(int(away.argmax()), away.shape))
    chain = deque([first, last])
    free = np.ones(len(away), dtype=bool)
    free[[first, last]] = False
    while free.any():
        ends = np.where(free, away[[chain[0], chain[-1]]], -3.0)
        end, best = (int(i) for i in np.unravel_index(int(ends.argmax()), ends.shape))
        free[best] = False
        if end == 0:
            chain.appendleft(best)
        else:
            chain.append(best)
    return list(chain)


def holes_chart(holes: Holes) -> str:
    """A row for each set of columns that are missing together, a dot for each of them."""
    k, size = len(holes.columns), _CELL
    n = len(holes.patterns)
    left, top = 170, 6
    width, height = left + size * k + 40, top + size * n + 100
    parts = []
    for row, (columns, count) in enumerate(holes.patterns):
        y = top + size * row + size / 2
        said = f"{count:,} rows ({count / holes.n_rows:.1%})"
        parts.append(f'<text class="name" x="{left - 10}" y="{y + 4}">{said}</text>')
        for j in range(k):
            gone = j in columns
            kind, radius = ("c0", 6) if gone else ("none", 3)
            parts.append(
                f'<circle class="{kind}" cx="{left + size * j + size / 2}" cy="{y}" r="{radius}"/>'
            )
    for j, name in enumerate(holes.columns):
        x = left + size * j + size / 2
        parts.append(
            f'<text class="end" transform="translate({x + 4:.0f} {top + size * n + 12}) '
            f'rotate(-45)">{fitted(name, 118, 12)}</text>'
        )
    chart = svg(parts, width, height, "Columns that are missing together", "matrix", fixed=True)
    return f'<div class="wide" tabindex="0" role="region" aria-label="Patterns">{chart}</div>'
