"""The scale of a skewed numeric target, decided once for the run by a quick comparison.

The first candidate of the portfolio is cross-validated on two folds of a sample of the rows, on
the target itself and on its logarithm, whose predictions are smeared (Duan 1983) back to means.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.splits import Split
from automl.model.link import Link
from automl.search.executors.base import Executor
from automl.search.portfolio import Candidate
from automl.search.ship import run_all
from automl.search.store import RunData
from automl.search.trial import FoldRun, Trial
from automl.task import Objective

Floats = NDArray[np.float64]
LOG = Link("log1p")
_ROWS = 8000
_FOLDS = 2
_MAX_TREES = 400
_PATIENCE = 20
# Below this skewness a logarithm has not paid on any table; less than a hundredth is noise.
_LEAST_SKEW = 0.5
_LEAST_GAIN = 0.01


def may_be_skewed(data: RunData) -> bool:
    """Whether a logarithm of the target is worth a comparison: amounts, with a long upper tail."""
    if data.objective is not Objective.SQUARED or data.y.min() < 0 or len(data.y) < 100:
        return False
    away = data.y - data.y.mean()
    spread = float(np.sqrt(np.mean(away**2)))
    return spread > 0 and float(np.mean(away**3)) / spread**3 > _LEAST_SKEW


def log_scale_ratio(
    data: RunData, candidate: Candidate, executor: Executor, folder: Path, *, seconds: float
) -> float | None:
    """RMSE of `candidate` trained on log1p of the target over its RMSE on the target itself.

    data: its y is the target.  seconds: that each of the two scales may take; None comes back
    where they were too few.  The executor is left with other data than the run's.
    """
    sample = _sampled(data)
    plain = _errors(sample, candidate, executor, folder / "plain", Link("identity"), seconds)
    if plain is None:
        return None
    logged = replace(sample, y=LOG.margin_of(sample.y))
    bent = _errors(logged, candidate, executor, folder / "log", LOG, seconds)
    return None if bent is None else bent / plain


def pays(ratio: float | None) -> bool:
    """Whether a ratio of `log_scale_ratio` is clearly below 1."""
    return ratio is not None and ratio < 1.0 - _LEAST_GAIN


def _sampled(data: RunData) -> RunData:
    """The first folds of at most `_ROWS` random rows."""
    n = data.matrix.n_rows
    rows = np.sort(np.random.default_rng(data.seed).permutation(n)[:_ROWS])

    def within(part: NDArray[np.integer]) -> NDArray[np.int64]:
        return np.flatnonzero(np.isin(rows, part))

    splits = tuple(Split(within(s.train), within(s.valid)) for s in data.splits[:_FOLDS])
    return replace(
        data,
        matrix=data.matrix.take(rows),
        y=data.y[rows],
        weight=None if data.weight is None else data.weight[rows],
        groups=data.groups[rows],
        times=None if data.times is None else data.times[rows],
        splits=splits,
        inner_stop=0.0,
    )


def _errors(
    data: RunData,
    candidate: Candidate,
    executor: Executor,
    folder: Path,
    link: Link,
    seconds: float,
) -> float | None:
    """Mean RMSE over the folds in units of the target; None if the clock cut one."""
    data.write(folder)
    executor.open(folder)
    trial = Trial(0, candidate, folder, len(data.splits))
    tasks = [
        trial.fold_task(
            k, seed=data.seed, max_trees=_MAX_TREES, patience=_PATIENCE, time_limit=None
        )
        for k in range(len(data.splits))
    ]
    end = time.monotonic() + seconds

    def left() -> float:
        return end - time.monotonic() if math.isfinite(seconds) else math.inf

    for k, report in enumerate(run_all(executor, tasks, seconds_left=left)):
        if report.result is None or report.result["by_clock"]:
            return None
        trial.folds[k] = _fold_run(tasks[k], report.result)
    finished = [trial.finish_task(fold) for fold in trial.prefix()]
    if any(report.result is None for report in run_all(executor, finished, seconds_left=left)):
        return None
    errors = []
    for k, split in enumerate(data.splits):
        margin = np.load(trial.oof_file(k), allow_pickle=False).astype(np.float64)
        y = data.y[split.valid]
        weight = None if data.weight is None else data.weight[split.valid]
        smeared = link.smeared(y - margin[:, 0]) if link.transforms else link
        truth = link.values(y[:, None])
        squares = (smeared.values(margin) - truth) ** 2
        errors.append(float(np.sqrt(np.average(squares, weights=weight))))
    return float(np.mean(errors))


def _fold_run(task: Mapping[str, Any], result: Mapping[str, Any]) -> FoldRun:
    """A fold at its own best tree count: both scales gain alike from that."""
    curve = result["curve"]
    return FoldRun(
        split=task["split"],
        curve=curve,
        n_trained=result["n_trained"],
        seconds=result["seconds"],
        model=Path(task["model"]),
        recipe_file=None,
        n_trees=int(np.argmin(curve)) + 1,
    )
