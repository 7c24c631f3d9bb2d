"""How far apart predicted quantiles are to be, so that as many targets lie below as should.

Boosters fit the quantiles of rows that they know, and those of new rows lie further out. Each
level's distance to the middle one is multiplied by what out-of-fold rows call for: conformal
correction of quantiles (Romano, Patterson, Candès, Conformalized quantile regression, 2019) by a
factor, so that rows keep their own spread (Sesia, Candès, A comparison of some conformal quantile
regression methods, 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from automl.metrics._quantiles import by_level, middle
from automl.model.link import Link
from automl.search.scoring import Scorer

Floats = NDArray[np.float64]

_PARTS = 5
_LEAST_ROWS = 100
_LEAST, _MOST = 0.1, 10.0  # factors
_SAME = 0.002  # of a loss, which is flat around its least


@dataclass(frozen=True)
class Spread:
    """Factors by level, 0 for the middle one, and whether they are used.

    before, after: mean pinball loss without and with them, of rows that they were not fitted on.
    off_before, off_after: how far the shares of targets below are from the levels, on average.
    chance: by how much they may be off for so few rows.
    """

    factors: tuple[float, ...]
    before: float
    after: float
    off_before: float
    off_after: float
    chance: float

    @property
    def pays(self) -> bool:
        """Whether the levels hold better with them, and the loss is lower, or is the same where
        levels are off by more than chance."""
        most = self.before * (1.0 + _SAME if self.off_before > self.chance else 1.0)
        return self.off_after < self.off_before and self.after < most


def spread(scorer: Scorer, pooled: Floats, seed: int) -> Spread | None:
    """What the (n, k) pooled margins call for; None for too few rows."""
    levels, n_rows = scorer.metric.quantiles, len(pooled)
    if n_rows < _LEAST_ROWS:
        return None
    y, weight = scorer.truth()
    target, margin = scorer.link.margin_of(y), np.sort(pooled, axis=1)
    part = np.random.default_rng([seed, 6]).permutation(n_rows) % _PARTS
    values = np.empty_like(margin)
    for k in range(_PARTS):
        fit, own = part != k, part == k
        known = None if weight is None else weight[fit]
        factors = _factors(target[fit], margin[fit], known, levels)
        values[own] = _spread_link(scorer.link, factors).values(margin[own])
    plain = scorer.link.values(margin)
    errors = [2.0 * np.sqrt(level * (1.0 - level) / n_rows) for level in levels]
    return Spread(
        _factors(target, margin, weight, levels),
        before=scorer.metric.score(y, plain, weight),
        after=scorer.metric.score(y, values, weight),
        off_before=_off(y, plain, weight, levels),
        off_after=_off(y, values, weight, levels),
        chance=float(np.mean(errors)),
    )


def _off(y: Floats, values: Floats, weight: Floats | None, levels: Sequence[float]) -> float:
    """Mean distance of the shares of targets below from the levels."""
    found = by_level(y, values, levels, weight)
    return float(np.mean([abs(one["below"] - one["level"]) for one in found]))


def spread_link(scorer: Scorer, found: Spread | None) -> Link:
    """The scorer's link, with the factors where they pay."""
    if found is None or not found.pays:
        return scorer.link
    return _spread_link(scorer.link, found.factors)


def _spread_link(link: Link, factors: tuple[float, ...]) -> Link:
    return replace(link, spreads=factors)


def _factors(
    target: Floats, margin: Floats, weight: Floats | None, levels: Sequence[float]
) -> tuple[float, ...]:
    """By level, such that its share of the targets lies at or below; 0 for the middle one."""
    centre = middle(levels)
    found = []
    for j, level in enumerate(levels):
        if j == centre:
            found.append(0.0)
            continue
        side = 1.0 if j > centre else -1.0
        away = np.maximum(side * (margin[:, j] - margin[:, centre]), 1e-12)
        reach = side * (target - margin[:, centre]) / away
        share = level if j > centre else 1.0 - level
        found.append(float(np.clip(_quantile(reach, weight, share), _LEAST, _MOST)))
    return tuple(found)


def _quantile(values: Floats, weight: Floats | None, share: float) -> float:
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(np.ones(len(values)) if weight is None else weight[order])
    return float(values[order][min(np.searchsorted(mass, share * mass[-1]), len(values) - 1)])
