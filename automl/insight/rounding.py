"""Numbers as facts hold them: few digits, and None where there is none."""

from __future__ import annotations

import math
from collections.abc import Iterable


def rounded(value: float, digits: int = 5) -> float | None:
    """`value` with so many significant digits; None for what JSON has no number for."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def all_rounded(values: Iterable[float], digits: int = 5) -> list[float | None]:
    return [rounded(float(value), digits) for value in values]
