"""Which candidates the out-of-fold rows cannot tell from the best one.

Every finished candidate is scored on the same few bootstrap samples of the same rows, so that two
of them can be compared pair by pair: what both find hard on a sample cancels out (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from automl.search.blend import row_sample
from automl.search.scoring import Scorer

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_SAMPLES = 40
_MOST_ROWS = 3_000  # of a sample; more rows only make the known error of a difference smaller
_MOST_NUMBERS = 30_000
_LEAST_ROWS = 200
_REACH = 1.959964  # standard errors: 95 % confidence, of each pair


class Noise:
    """Losses of candidates on bootstrap samples of some rows, which are drawn once.

    groups: (n,) ids of the table's rows, those of one id being drawn together; None = each alone.
    """

    def __init__(self, scorer: Scorer, seed: int, groups: Rows | None = None) -> None:
        self._scorer, self._seed, self._groups = scorer, seed, groups
        self._samples: list[Rows] = []
        self._scale = 1.0
        self._losses: dict[str, Floats] = {}

    def take(self, name: str, stacked: NDArray[np.floating]) -> None:
        """Score the stacked margins of a finished candidate on every sample."""
        pooled = self._scorer.pooled(stacked)
        if not self._samples:
            self._draw(pooled.shape[1])
        losses = [self._scorer.loss(pooled[rows], rows) for rows in self._samples]
        self._losses[name] = np.array(losses)

    def within(self, scores: Mapping[str, float]) -> dict[str, bool]:
        """Whether the best score is above each one by no more than chance, 95 % confidence.

        scores: of finished candidates; those that were not taken are left out.
        """
        known = {name: score for name, score in scores.items() if self._usable(name, score)}
        if not known:
            return {}
        losses = {name: self._scorer.metric.loss(score) for name, score in known.items()}
        best = min(losses, key=lambda name: losses[name])
        found = {}
        for name, loss in losses.items():
            apart = self._losses[name] - self._losses[best]
            apart = apart[np.isfinite(apart)]
            error = float(apart.std(ddof=1)) * self._scale if len(apart) > 1 else math.nan
            if name == best or math.isfinite(error):
                found[name] = name == best or loss - losses[best] <= _REACH * error
        return found

    def _usable(self, name: str, score: float) -> bool:
        return name in self._losses and math.isfinite(score)

    def _draw(self, n_outputs: int) -> None:
        n_rows = len(self._scorer.rows)
        limit = min(_MOST_ROWS, max(_MOST_NUMBERS // n_outputs, _LEAST_ROWS))
        places = np.arange(n_rows)[row_sample(n_rows, limit, self._seed)]
        self._scale = math.sqrt(len(places) / n_rows)
        groups = np.arange(self._scorer.n_rows) if self._groups is None else self._groups
        units = np.unique(groups[self._scorer.rows[places]], return_inverse=True)[1]
        rng = np.random.default_rng([self._seed, 3])
        self._samples = [_drawn(rng, places, units) for _ in range(_SAMPLES)]


def _drawn(rng: np.random.Generator, places: Rows, units: Rows) -> Rows:
    n_units = int(units.max()) + 1
    times = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)[units]
    return np.asarray(np.repeat(places, times))
