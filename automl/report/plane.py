"""Charts on two number axes as inline SVG: curves, points, intervals, columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from automl.report.page import N_COLOURS, shown
from automl.report.svg import scale, svg, ticks

WIDTH, HEIGHT = 340, 268
_LEFT, _RIGHT, _TOP, _BASE = 46, 322, 24, 222
Pair = tuple[float, float]

# What the charts need beside the rules of every page; `k0` … `k5` are the colours of lines.
STYLE = """
svg.plane { max-width: 26rem; }
svg.plane text { font-size: 12px; } svg.plane .tick { font-size: 11px; }
svg.plane .end, svg.plane .up { text-anchor: end; }
svg.plane path { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg.plane .fair { stroke: var(--soft); stroke-dasharray: 3 4; stroke-width: 1.2; opacity: .8; }
svg.plane .dense { stroke: none; fill-opacity: .45; }
svg.plane .whisker { stroke-width: 2.5; stroke-linecap: round; opacity: .5; }
svg.plane .now { fill: var(--ink); stroke: var(--card); stroke-width: 2; }
svg.plane .band { stroke: none; opacity: .16; }
""" + " ".join(
    f"svg .k{i} {{ stroke: var(--c{i}); }} svg.plane .f{i} {{ fill: var(--c{i}); }}"
    for i in range(N_COLOURS)
)


@dataclass(frozen=True)
class Axis:
    """From low to high, what it is, and how its numbers are written."""

    low: float
    high: float
    name: str
    text: Callable[[float], str]
    at: tuple[float, ...] = ()  # where numbers stand; () = a few round ones


def percent(value: float) -> str:
    return f"{100 * value:.4g}%"


def share_axis(name: str, high: float = 1.0) -> Axis:
    return Axis(0.0, high, name, percent)


class Plane:
    """A frame with two axes that lines, points and columns are drawn into."""

    def __init__(self, x: Axis, y: Axis, label: str) -> None:
        self._label = label
        self.x = scale(x.low, x.high, _LEFT, _RIGHT)
        self.y = scale(y.low, y.high, _BASE, _TOP)
        self._x, self._y = x, y
        self._parts: list[str] = []
        for value in _few(x):
            place = f"{self.x(value):.1f}"
            if not x.at:
                self._parts.append(
                    f'<line class="grid" x1="{place}" x2="{place}" y1="{_TOP}" y2="{_BASE}"/>'
                )
            self._parts.append(
                f'<text class="tick" x="{place}" y="{_BASE + 15}">{x.text(value)}</text>'
            )
        for value in _few(y):
            at = self.y(value)
            self._parts.append(
                f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
                f'<text class="tick up" x="{_LEFT - 6}" y="{at + 4:.1f}">{y.text(value)}</text>'
            )
        self._parts.append(
            f'<text class="end" x="{_RIGHT}" y="{HEIGHT - 12}">{shown(x.name, 44)}</text>'
            f'<text x="4" y="12">{shown(y.name, 44)}</text>'
        )

    def line(self, points: Iterable[Pair], colour: int = 0, kind: str = "") -> None:
        """A curve through the points."""
        d = "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)
        if d:
            self._parts.append(f'<path class="{kind or f"k{colour}"}" d="M{d}"/>')

    def fair(self, a: Pair, b: Pair) -> None:
        """A dashed line for what is compared with."""
        self.line((a, b), kind="fair")

    def band(self, low: Sequence[Pair], high: Sequence[Pair], colour: int = 0) -> None:
        """The area between two curves."""
        around = [*low, *reversed(high)]
        d = "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in around)
        self._parts.append(f'<path class="band f{colour}" d="M{d}Z"/>')

    def dots(self, points: Iterable[Pair], colour: int = 0) -> None:
        """Many rows."""
        self._parts += [
            f'<circle class="dense c{colour}" cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="2.2"/>'
            for x, y in points
        ]

    def dot(self, point: Pair, said: str, colour: int = 0, span: Pair | None = None) -> None:
        """A figure with its name, and its interval from `span[0]` to `span[1]`."""
        x, y = self.x(point[0]), self.y(point[1])
        if span is not None:
            self._parts.append(
                f'<line class="whisker k{colour}" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{self.y(span[0]):.1f}" y2="{self.y(span[1]):.1f}"/>'
            )
        self._parts.append(
            f'<circle class="c{colour}" cx="{x:.1f}" cy="{y:.1f}" r="4">'
            f"<title>{shown(said, 120)}</title></circle>"
        )

    def column(self, ends: Pair, value: float, said: str, colour: int = 0) -> None:
        """A column from 0 to `value`, between `ends` on the x axis."""
        a, b = self.x(ends[0]), self.x(ends[1])
        tall = self.y(0.0) - self.y(value)
        tall = max(tall, 1.5) if value > 0 else 0.0
        self._parts.append(
            f'<rect class="c{colour}" x="{a + 0.5:.1f}" y="{_BASE - tall:.1f}" '
            f'width="{max(b - a - 1, 1):.1f}" height="{tall:.1f}">'
            f"<title>{shown(said, 120)}</title></rect>"
        )

    def now(self, point: Pair, name: str) -> None:
        """A point that a script moves: it finds the ends of the axes in the element."""
        ends = f'data-x="{_LEFT},{_RIGHT}" data-y="{_BASE},{_TOP}"'
        self._parts.append(
            f'<circle class="now" id="{name}" {ends} cx="{self.x(point[0]):.1f}" '
            f'cy="{self.y(point[1]):.1f}" r="5"/>'
        )

    def svg(self) -> str:
        return svg(self._parts, WIDTH, HEIGHT, self._label, "plane")


def _few(axis: Axis) -> list[float]:
    if axis.at:
        return list(axis.at)
    found = ticks(axis.low, axis.high)
    found = [value for value in found if value >= axis.low - 1e-9 * (axis.high - axis.low)]
    return found[::2] if len(found) > 6 else found
