"""What bounds a race."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RaceRules:
    """What bounds a race.

    trials: how many, or None.  seconds_left: time until training must have ended, infinite
    without a time budget; it may shrink as the race learns what the rest will cost. With both,
    the clock only ends the race.
    stop_early: end when no trial improves the blend any more.
    spare: seconds after that, kept for explanations, which the first model may use up.
    inner_stop: see `RunData`.  baseline_losses: objective loss of the constant prediction in each
    split.
    groups: (n,) ids of the table's rows: those of one id are drawn together where chance is
    measured; None = each alone.
    """

    trials: int | None
    seconds_left: Callable[[], float]
    max_trees: int
    patience: int
    seed: int
    inner_stop: bool
    baseline_losses: Sequence[float]
    spare: Callable[[], float] = lambda: 0.0
    stop_early: bool = False
    groups: NDArray[np.int64] | None = None

    @property
    def baseline_loss(self) -> float:
        """Mean over the splits."""
        return float(np.mean(self.baseline_losses))

    @property
    def reads_clock(self) -> bool:
        """Whether decisions may depend on what things cost."""
        return self.trials is None
