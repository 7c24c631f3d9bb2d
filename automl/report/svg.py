"""Parts of charts as inline SVG: scales, round numbers on an axis, the frame with its label."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from automl.report.page import shown


def scale(low: float, high: float, left: float, right: float) -> Callable[[float], float]:
    """From values low … high to places left … right."""
    width = right - left
    return lambda value: left + width * (value - low) / (high - low or 1.0)


def ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers between the ends."""
    span = high - low or 1.0
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 8)
    first = math.ceil(low / step - 1e-9)
    found = [(first + i) * step for i in range(10)]
    return [float(f"{value:.12g}") for value in found if value <= high + 1e-9 * span]


def svg(
    parts: Sequence[str],
    width: int,
    height: int,
    label: str,
    kind: str = "",
    *,
    fixed: bool = False,
) -> str:
    """A drawing that takes the width it is given, or its own if `fixed`.

    label: plain text, what it shows, for those who hear it.  kind: its classes.
    """
    named = f' class="{kind}"' if kind else ""
    if fixed:
        named += f' style="width:{width}px"'
    return (
        f'<svg{named} viewBox="0 0 {width} {height}" role="img" aria-label="{shown(label, 120)}">'
        f"{''.join(parts)}</svg>"
    )
