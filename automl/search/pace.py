"""When folds would end: what the workers hold, what waits, and what each fold takes."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable

import numpy as np

from automl.search.costs import Costs
from automl.search.portfolio import Candidate
from automl.search.trial import Trial

# A task that takes longer than predicted is expected to take this share of the prediction more.
_LATE = 0.2
_SLOWEST = 5.0
_NEWEST = 0.3  # weight of a task of a second in the moving average


class Pace:
    """Predicts the end of folds from those that were trained and those in training.

    slowness: wall time over CPU time of tasks lately: 1 on a machine of our own, 2 where every
        core has another process to serve.
    """

    def __init__(self, costs: Costs, n_workers: int) -> None:
        self._costs, self._n_workers = costs, n_workers
        self.slowness = 1.0
        self._running: dict[tuple[int, int], tuple[float, float]] = {}

    def seen(self, seconds: float, cpu_seconds: float, threads: int) -> None:
        """Learn how busy the machine is from a task's wall and CPU time."""
        found = seconds * threads / max(cpu_seconds, 1e-3)
        weight = min(seconds, 1.0) * _NEWEST
        self.slowness += weight * (min(max(found, 1.0), _SLOWEST) - self.slowness)

    def begun(self, trial: Trial, split: int) -> None:
        """A worker trains this fold from now on."""
        self._running[(trial.number, split)] = time.monotonic(), self.fold_seconds(trial)

    def ended(self, trial: Trial, split: int) -> None:
        """Its report came, or it was given up."""
        self._running.pop((trial.number, split), None)

    def fold_seconds(self, trial: Trial) -> float:
        """Seconds of another fold of `trial`: as its own took, else as its candidate's should."""
        took = [fold.seconds for fold in trial.folds.values()]
        return float(np.mean(took)) if took else self._costs.predict(trial.candidate)

    def last_end(self, waiting: Iterable[Trial], candidate: Candidate, n_folds: int) -> float:
        """Seconds until `n_folds` folds of `candidate` end, queued behind those of `waiting`.

        Whoever is idle takes the next fold, so that its first folds fill the workers that the
        last folds of the trial before leave idle.
        """
        folds = [self.fold_seconds(trial) for trial in waiting for _ in trial.pending]
        return self._simulate(folds, [self._costs.predict(candidate)] * n_folds)

    def pending_end(self, trial: Trial) -> float:
        """Seconds until the pending folds of `trial` end if they are next."""
        return self._simulate([], [self.fold_seconds(trial)] * len(trial.pending))

    def _simulate(self, before: list[float], folds: list[float]) -> float:
        now = time.monotonic()
        busy = [
            max(expected - (now - begun), _LATE * expected)
            for begun, expected in self._running.values()
        ]
        idle = [0.0] * max(self._n_workers - len(busy), 0)
        free = sorted(busy + idle)[: self._n_workers]
        heapq.heapify(free)
        for seconds in before:
            heapq.heappush(free, heapq.heappop(free) + seconds)
        ends = []
        for seconds in folds:
            end = heapq.heappop(free) + seconds
            ends.append(end)
            heapq.heappush(free, end)
        return max(ends, default=0.0)
