"""A chart of figures with their intervals: a line each with a dot, and what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automl.report.page import shown
from automl.report.svg import fitted, scale, svg, ticks

WIDTH = 340
_LINE = 22
_LEFT = 132


def dots(
    rows: Sequence[tuple[str, Any]],
    label: str,
    *,
    share: bool,
    usual: float | None = None,
    zero: bool = False,
) -> str:
    """rows: (name, (figure, low, high) or None).

    label: what it shows.  share: figures are shares of 1.  usual: a dashed line.  zero: the axis
    begins there.
    """
    known = [value for _, figure in rows if figure is not None for value in figure]
    if not known:
        return ""
    ends = [*known, *([usual] if usual is not None else []), *([0.0] if zero else [])]
    low, high = min(ends), max(ends)
    margin = 0.04 * (high - low or abs(high) or 1.0)
    place = scale(low if zero else low - margin, high + margin, _LEFT, WIDTH - 10)
    height = 4 + _LINE * len(rows) + 20
    parts = []
    for value in ticks(low, high)[::2]:
        x = place(value)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 18}"/>'
            f'<text class="tick" x="{x:.1f}" y="{height - 4}">{_tick(value, share, high - low)}'
            "</text>"
        )
    if usual is not None:
        x = place(usual)
        parts.append(f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 18}"/>')
    for i, (name, figure) in enumerate(rows):
        y = 4 + _LINE * i + 11
        parts.append(
            f'<text class="name" x="{_LEFT - 8}" y="{y + 4}">{fitted(name, _LEFT - 10, 13)}</text>'
        )
        if figure is not None:
            value, a, b = (place(one) for one in figure)
            parts.append(
                f'<line class="span" x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}"/>'
                f'<circle class="c0" cx="{value:.1f}" cy="{y}" r="4.5">'
                f"<title>{shown(name)}: {with_ends(figure, share=share)}</title></circle>"
            )
    return svg(parts, WIDTH, height, label, "small")


def _tick(value: float, share: bool, span: float) -> str:
    if share:
        return f"{value:.0%}" if span > 0.04 else f"{value:.1%}"
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.4g}"


def with_ends(figure: Sequence[float], *, share: bool = False) -> str:
    """A figure and its interval: 31 % (28 to 34 %)."""
    value, low, high = figure
    if share:
        return f"{value:.1%} ({low:.1%} to {high:.1%})"
    return f"{short(value)} ({short(low)} to {short(high)})"


def short(value: float) -> str:
    """A number in three significant digits; whole thousands are never cut."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3f}" if size < 1 else f"{value:#.3g}".rstrip(".")
