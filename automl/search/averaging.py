"""What the mean of the folds' models does better than each of them, which out-of-fold rows miss.

The bag that ships averages the models of all folds, but an out-of-fold margin is of one of them.
How much they differ says what averaging gains, without a model more: for squared error and log
loss in the form of Krogh and Vedelsby, Neural network ensembles, cross validation, and active
learning (1995), and Heskes, Bias/variance decompositions for likelihood-based estimators (1998);
for any other metric by Cook and Stefanski, Simulation-extrapolation estimation (1994): what the
score loses when the difference of two models is added to it, it gains when averaging takes it out.

A row has been seen by all models but one, which pulls these together: measured on new rows the
models differ more (seven sets: 1.03 to 3.3 times the variance). The gain is too small rather than
too large.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.search.blend import row_sample
from automl.search.executors.base import Executor
from automl.search.scoring import Scorer
from automl.search.ship import NotDone, run_all
from automl.search.store import RunData, save_array
from automl.search.trial import Trial

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_MOST_ROWS = 1_500
_MOST_NUMBERS = 20_000  # of one fold's margins
_LEAST_ROWS = 200
_LEAST_FOLDS = 3  # two models that have seen a row, beside the one that has not
_MOST_LATE = 2.0  # times the seconds
_PAIRS = 6  # of models whose difference is added, each with both signs
_LOAD_SECONDS = 0.02  # of a booster


@dataclass(frozen=True)
class Averaged:
    """The margins of every fold's blend on some validated rows.

    positions: (n,) rising, within the rows of the scorer.  own: (n,) the fold that validated each.
    margins: (n_folds, n, k).
    """

    positions: Rows
    own: Rows
    margins: Floats

    def gain(self, scorer: Scorer, pooled: Floats, threshold: float | None) -> float:
        """By how much the metric of the bag is expected above that of `pooled`, in its units.

        pooled: (n_rows, k) out-of-fold margins of what ships.  Negative where lower is better.
        """
        if scorer.metric.name == "log_loss" and not scorer.link.knots:
            return -self._log_loss_gap(scorer)
        honest = pooled[self.positions]
        before = scorer.score(honest, threshold, self.positions)
        after = [
            scorer.score(honest + sign * apart, threshold, self.positions)
            for apart in self._apart()
            for sign in (1.0, -1.0)
        ]
        return before - float(np.mean(after))

    def _apart(self) -> list[Floats]:
        """Differences of two models that have seen the row, with the variance averaging takes."""
        n_folds, every = len(self.margins), np.arange(len(self.own))
        pairs = [(a, b) for a in range(1, n_folds) for b in range(1, a)]
        taken = [pairs[i] for i in np.linspace(0, len(pairs) - 1, _PAIRS).round().astype(int)]
        scale = math.sqrt((1.0 - 1.0 / n_folds) / 2.0)
        return [
            scale
            * (
                self.margins[(self.own + a) % n_folds, every]
                - self.margins[(self.own + b) % n_folds, every]
            )
            for a, b in dict.fromkeys(taken)
        ]

    def _log_loss_gap(self, scorer: Scorer) -> float:
        """Mean loss of the models that have seen a row less that of their mean.

        There is no label in it as long as calibration is a straight line.
        """
        n_folds, every = len(self.margins), np.arange(len(self.own))
        seen = [self.margins[(self.own + a) % n_folds, every] for a in range(1, n_folds)]
        apart = np.mean([_normaliser(one, scorer) for one in seen], axis=0)
        return float((apart - _normaliser(np.mean(seen, axis=0), scorer)).mean())


def _normaliser(margin: Floats, scorer: Scorer) -> Floats:
    """(n,) log of the sum of exponentials of (n, k) calibrated margins, 0 being the other class
    of two."""
    scaled = scorer.link.calibrated(margin)
    if scaled.shape[1] == 1:
        return np.asarray(np.logaddexp(0.0, scaled[:, 0]))
    return np.asarray(np.logaddexp.reduce(scaled, axis=1))


def can_average(scorer: Scorer) -> bool:
    """Whether every row is validated once, by one of several folds."""
    n_valid = sum(len(split.valid) for split in scorer.splits)
    return len(scorer.splits) >= _LEAST_FOLDS and n_valid == len(scorer.rows)


def averaged(
    chosen: Sequence[tuple[Trial, float]],
    scorer: Scorer,
    data: RunData,
    executor: Executor,
    *,
    folder: Path,
    seconds: float,
) -> Averaged:
    """The margins of the folds' blends on some random rows.

    chosen: trials with their weights; `can_average` must hold.  seconds: fewer rows are taken so
    that they suffice, by what predicting took in the race.  Raises NotDone where even 200 rows
    are too many.
    """
    n_rows = len(scorer.rows)
    limit = min(_MOST_ROWS, max(_MOST_NUMBERS // data.n_outputs, _LEAST_ROWS))
    if math.isfinite(seconds):
        limit = min(limit, _affordable(chosen, n_rows, seconds * executor.n_workers))
    if limit < _LEAST_ROWS:
        raise NotDone("no time was left", late=True)
    positions = np.arange(n_rows)[row_sample(n_rows, limit, data.seed)]
    folder.mkdir(parents=True, exist_ok=True)
    rows = scorer.rows[positions]
    save_array(folder / "rows.npy", rows)
    tasks = [
        {
            "kind": "margins",
            "boosters": [_booster(trial, weight, k) for trial, weight in chosen],
            "rows": str(folder / "rows.npy"),
            "output": str(folder / f"fold_{k}.npy"),
        }
        for k in range(len(scorer.splits))
    ]
    # The cost was looked at before; this ends what waits for a worker that has to start again.
    end = time.monotonic() + _MOST_LATE * seconds
    for report in run_all(executor, tasks, seconds_left=lambda: end - time.monotonic()):
        if report.result is None:
            raise NotDone(report.error or "unknown", late=report.stopped)
    margins = [np.load(folder / f"fold_{k}.npy", allow_pickle=False) for k in range(len(tasks))]
    own = np.empty(scorer.n_rows, dtype=np.int64)
    for k, split in enumerate(scorer.splits):
        own[split.valid] = k
    return Averaged(positions, own[rows], np.stack(margins))


def _affordable(chosen: Sequence[tuple[Trial, float]], n_rows: int, core_seconds: float) -> int:
    """Rows for which so many seconds do: every fold predicted its own in the race, now all."""
    to_load = sum(trial.n_splits * _LOAD_SECONDS for trial, _ in chosen)
    each_row = sum(trial.n_splits * trial.predict_seconds / n_rows for trial, _ in chosen)
    return int(max(core_seconds - to_load, 0.0) / max(each_row, 1e-9))


def _booster(trial: Trial, weight: float, split: int) -> Mapping[str, object]:
    fold = trial.folds[split]
    recipe = None if fold.recipe_file is None else str(fold.recipe_file)
    engine = trial.candidate.engine
    return {"engine": engine, "model": str(fold.model), "recipe_file": recipe, "weight": weight}
