"""What each finished trial adds to a blend of those before it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Weights with which a new member is tried in the running blend.
_WEIGHTS = (0.1, 0.25, 0.5, 0.8)
# A fall of the loss by this share of what the blend saves counts as an improvement.
_TOLERANCE = 1e-3
# A race that was this much longer since the last improvement is unlikely to see another.
_STRETCH = 0.5
_LEAST_TRIALS = 15


class Gains:
    """A running blend, cheap enough to be updated after every trial.

    Each trial is mixed in at the weight that lowers the loss most, or not at all; the blend that
    ships is chosen anew at the end.
    """

    def __init__(self, loss: Callable[[Floats], float]) -> None:
        self._loss = loss
        self._margin: Floats | None = None
        self._best = self._constant = np.inf
        self._trials = self._improved_at = 0

    def take(self, margin: Floats) -> float:
        """The share of what the blend saves against a constant by which this trial raises it.

        margin: (n, k) pooled out-of-fold margins. 1 for the first trial.
        """
        self._trials += 1
        if self._margin is None:
            self._margin, self._best = margin, self._loss(margin)
            mean = np.broadcast_to(margin.mean(axis=0), margin.shape)
            self._constant = self._loss(np.asarray(mean))
            self._improved_at = 1
            return 1.0
        mixed = [(1.0 - w) * self._margin + w * margin for w in _WEIGHTS]
        losses = [self._loss(m) for m in mixed]
        k = int(np.argmin(losses))
        fall = self._best - losses[k]
        gain = fall / max(self._constant - losses[k], 1e-12)
        if not fall > 0:  # nan included
            return 0.0
        if gain > _TOLERANCE:
            self._improved_at = self._trials
        self._best, self._margin = losses[k], mixed[k]
        return min(float(gain), 1.0)  # a blend that saves nothing yet is no scale

    @property
    def stale(self) -> bool:
        """Whether half as many trials again as led to the last improvement brought none."""
        return self.waited >= max(_LEAST_TRIALS, _STRETCH * self._improved_at)

    @property
    def waited(self) -> int:
        """Trials since the last improvement."""
        return self._trials - self._improved_at
