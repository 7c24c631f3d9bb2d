"""How well several predicted quantiles hold: the share of targets below each, and their spread."""

from __future__ import annotations

import numpy as np

from automl.insight.evidence import Evidence, Facts, Floats, Quantiles
from automl.insight.rounding import rounded
from automl.metrics._quantiles import by_level, middle

_Z = 1.959964
_TENTHS = 10


def quantile_facts(evidence: Evidence, quantiles: Quantiles) -> Facts:
    """Coverage and loss by level, and between the outer levels by tenths of the middle one."""
    values, levels = quantiles.values, quantiles.levels
    y, weight = evidence.y, evidence.weight
    n_rows = len(y) if weight is None else _effective(weight)
    by = []
    for one in by_level(y, values, levels, weight):
        low, high = _wilson(one["below"], n_rows)
        by.append(
            {
                "level": one["level"],
                "below": rounded(one["below"]),
                "low": rounded(low),
                "high": rounded(high),
                "loss": rounded(one["loss"]),
            }
        )
    inside = (y > values[:, 0]) & (y <= values[:, -1])
    width = values[:, -1] - values[:, 0]
    order = np.argsort(values[:, middle(levels)], kind="stable")
    parts = [part for part in np.array_split(order, _TENTHS) if len(part)]
    return {
        "levels": by,
        "middle": levels[middle(levels)],
        "between": rounded(levels[-1] - levels[0]),
        "inside": rounded(float(np.average(inside, weights=weight))),
        "width": rounded(float(np.average(width, weights=weight))),
        "widths": [rounded(float(np.mean(width[part]))) for part in parts],
    }


def _effective(weight: Floats) -> float:
    """Rows of equal weight that tell as much (Kish, Survey Sampling, 1965)."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def _wilson(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share of n rows (Wilson, 1927)."""
    total = 1.0 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / total
    reach = _Z / total * float(np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)))
    return max(centre - reach, 0.0), min(centre + reach, 1.0)
