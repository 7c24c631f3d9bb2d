"""Outliers: numbers that lie further out than the bulk of their column explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEAST = 50  # numbers, and distinct ones
_LEAST_DISTINCT = 12
_LOOKED_AT = 50_000  # numbers that the fences are found on
_ALARM = 0.001  # numbers expected beyond the fence
_SKEWED = 0.3  # Kelly's skewness from which amounts are looked at as logarithms, too
_FEW = 60.0  # rows by which quantiles of few numbers are widened
_SLOWER = 0.2  # measured: normal, exponential and Pareto tails on a logarithmic scale
_CODES = (9.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
_CODE_ROWS = 3


@dataclass(frozen=True)
class Outliers:
    """low, high: beyond these a number is an outlier.  n: how many are.  share: of all numbers.

    code: a number such as -999 that many of them are, which may mean "missing"; else None.
    """

    low: float
    high: float
    n: int
    share: float
    code: float | None

    def marks(self, values: Floats) -> NDArray[np.bool_]:
        return np.asarray((values < self.low) | (values > self.high))


def find_outliers(values: Floats) -> Outliers | None:
    """Numbers far beyond the tails of the others, or None if there is none.

    values: (n,) without NaN. Each tail is continued from its quantiles: beyond the fence
    no number is expected in so many draws. Skewed amounts must be far out on a logarithmic scale
    as well. Symmetric columns with power tails, such as returns of shares, do show outliers.
    (The idea of a fence that follows the tail: Hubert and Vandervieren 2008, An adjusted boxplot
    for skewed distributions. Theirs marks a fixed share of clean numbers, this one next to none.)
    """
    if len(values) < _LEAST:
        return None
    code, low, high = _far_code(values)
    others = values if code is None else values[values != code]
    fences = _fences(others, len(values))
    if fences is not None:
        low, high = max(low, fences[0]), min(high, fences[1])
    marks = (values < low) | (values > high)
    n = int(marks.sum())
    # What a tenth of the rows has is another group of rows, not a mistake.
    if not n or (n > 0.1 * len(values) and code is None):
        return None
    return Outliers(low, high, n, n / len(values), code or _code(values[marks]))


def _fences(values: Floats, n: int) -> tuple[float, float] | None:
    # The first of many rows would be those of one time.
    bulk = values[:: max(1, len(values) // _LOOKED_AT)]
    zeros = bulk == 0
    bulk = bulk[~zeros] if zeros.mean() > 0.4 else bulk
    if len(bulk) < _LEAST or len(np.unique(bulk[:5000])) < _LEAST_DISTINCT:
        return None
    if (bulk % 1 == 0).all() and np.ptp(bulk) < 1e6:
        # Counts sit on steps, and so would their quantiles.
        bulk = bulk + np.random.default_rng(0).uniform(-0.5, 0.5, len(bulk))
    bulk = np.sort(bulk)
    middle = _quantile(bulk, 0.5)
    low = middle - _reach(middle - bulk[::-1], None, n)
    return low, middle + _reach(bulk - middle, bulk, n)


def _far_code(values: Floats) -> tuple[float | None, float, float]:
    """A code for "missing" that lies far from all numbers, and fences between it and them."""
    inf = float("inf")
    for code in (float(values.min()), float(values.max())):
        if abs(code) not in _CODES or (values == code).sum() < _CODE_ROWS:
            continue
        others = values[values != code]
        if len(others) < _LEAST or len(np.unique(others[:5000])) < _LEAST_DISTINCT:
            continue
        low, high = float(others.min()), float(others.max())
        if code < low and low - code > high - low:
            return code, (code + low) / 2, inf
        if code > high and code - high > high - low:
            return code, -inf, (code + high) / 2
    return None, -inf, inf


def _reach(out: Floats, amounts: Floats | None, n: int) -> float:
    """How far out the fence of the upper tail of `out` (sorted distances from the median) lies."""
    reach = _fence(out, n)
    if amounts is not None and _is_skewed(amounts):
        logs = np.log(amounts)
        centre = _quantile(logs, 0.5)
        away = min(centre + _fence(logs - centre, n, _SLOWER), 700.0)
        reach = max(reach, float(np.exp(away)) - _quantile(amounts, 0.5))
    return reach


def _fence(out: Floats, n: int, slower: float = 0.0) -> float:
    """Where a Weibull tail through two quantiles has next to no number left.

    Its upper quantiles grow as a power of -log(1 - p): 1/2 for normal, 1 for exponential tails.
    The inner quantiles say more than enough, the outer ones may hold outliers: the lesser counts.
    """
    end = np.log(n / _ALARM)
    found = [float("inf")]
    for inner, outer in ((0.75, 0.9), (0.9, 0.975)):
        a, b = _quantile(out, inner), _quantile(out, outer)
        if 0 < a < b:
            power = np.log(b / a) / np.log(np.log(1 - outer) / np.log(1 - inner)) - slower
            found.append(float(b * (end / -np.log(1 - outer)) ** power))
    return min(found) * (1.0 + _FEW / len(out))


def _quantile(ordered: Floats, share: float) -> float:
    place = share * (len(ordered) - 1)
    left = int(place)
    right = min(left + 1, len(ordered) - 1)
    return float(ordered[left] + (place - left) * (ordered[right] - ordered[left]))


def _is_skewed(amounts: Floats) -> bool:
    if amounts[0] <= 0:
        return False
    q10, q50, q90 = (_quantile(amounts, share) for share in (0.1, 0.5, 0.9))
    return bool(q90 > q10 and (q90 + q10 - 2 * q50) / (q90 - q10) > _SKEWED)


def _code(outliers: Floats) -> float | None:
    """The number that most of the outliers are, if people write "missing" with it."""
    values, counts = np.unique(outliers, return_counts=True)
    value = float(values[int(counts.argmax())])
    return (
        value
        if abs(value) in _CODES and counts.max() >= max(_CODE_ROWS, 0.5 * len(outliers))
        else None
    )


def number_facts(values: Floats) -> dict[str, Any]:
    """Mean, spread and quantiles of (n,) present numbers."""
    q25, q50, q75 = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return {
        "minimum": float(values.min()),
        "q25": q25,
        "median": q50,
        "q75": q75,
        "maximum": float(values.max()),
        "mean": float(values.mean()),
        "sd": float(values.std()),
    }
