"""The learning curve by rows: one candidate trained on nested parts of some splits' rows.

What it scores with all rows is known from the race; here are only the smaller parts. Every score
is of the rows that validate the split, which neither trained nor stopped the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.search.executors.base import Executor
from automl.search.rules import RaceRules
from automl.search.scoring import Scorer
from automl.search.ship import NotDone, run_all
from automl.search.store import RunData
from automl.search.trial import Trial

SHARES = (0.5, 0.25, 0.125)
_LEAST_ROWS = 50  # of a part
_LEAST_PARTS = 2
_MOST_SPLITS = 5
_PART_OF_RACE = 0.1  # of the folds that the race trained; without a clock nothing else bounds it
_MOST_HALVED = 3  # times that all parts are, where the clock has no time for larger ones
# A part takes this share of a fold's seconds, however small it is, and in all so many times what
# it is expected to.
_FIXED, _SURE = 0.1, 1.15


@dataclass(frozen=True)
class Curve:
    """Scores of one candidate by the rows it was trained on.

    name: of the trial.  splits: (s,) which splits.  rows: (s, p) rows of each part, rising; the
    last are all that there are.  scores: (s, p) of the metric, on the split's valid rows.
    """

    name: str
    splits: tuple[int, ...]
    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """What is to be trained: a trial, its splits and the shares of their rows, falling."""

    trial: Trial
    splits: tuple[int, ...]
    shares: tuple[float, ...]


def course_without_clock(trial: Trial, done: Sequence[Trial], data: RunData) -> Course:
    """A tenth as many folds as the race finished, one split at least; raises NotDone."""
    splits = _splits(data)
    shares = _shares(data, splits, SHARES)
    trained = sum(one.n_splits for one in done)
    n_splits = int(_PART_OF_RACE * trained / sum(shares))
    return Course(trial, splits[: max(n_splits, 1)], shares)


def course_within(
    trials: Sequence[Trial], data: RunData, *, seconds: float, n_workers: int
) -> Course:
    """As many splits of the first of `trials` as `seconds` do for, by what its folds took.

    Where they do for none, the first that can is taken, then smaller parts. Raises NotDone.
    """
    splits = _splits(data)
    for halved in range(_MOST_HALVED + 1):
        shares = _shares(data, splits, [share / 2**halved for share in SHARES])
        for trial in trials:
            most = len(splits) if not halved else 1
            for n_splits in range(most, 0, -1):
                course = Course(trial, splits[:n_splits], shares)
                if _seconds(course, n_workers) <= seconds:
                    return course
    raise NotDone("no time was left", late=True)


def learn(  # noqa: PLR0913 - what is trained, on what, by whom, until when
    course: Course,
    stacked: NDArray[np.floating],
    scorer: Scorer,
    data: RunData,
    executor: Executor,
    *,
    rules: RaceRules,
    folder: Path,
    seconds_left: Callable[[], float],
) -> Curve:
    """The curve of `course`; stacked: the trial's out-of-fold margins with all rows.

    A split of which the clock left a part untrained, or cut one short, does not count. Raises
    NotDone where none is whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [
        _task(course, split, share, rules=rules, folder=folder)
        for split in course.splits
        for share in course.shares
    ]
    reports = run_all(executor, tasks, seconds_left=seconds_left)
    lost: dict[int, NotDone] = {}
    for report in reports:
        if report.result is None:
            lost[report.task["split"]] = NotDone(report.error or "unknown", late=report.stopped)
        elif report.result["by_clock"]:
            lost.setdefault(report.task["split"], NotDone("the clock cut it short", late=True))
    whole = [split for split in course.splits if split not in lost]
    if not whole:
        raise next((one for one in lost.values() if not one.late), next(iter(lost.values())))
    margins = {
        (task["split"], task["share"]): np.load(task["output"], allow_pickle=False)
        for task in tasks
        if task["split"] in whole
    }
    rising = sorted(course.shares)
    own = _own_margins(stacked, scorer, whole)
    columns = [np.concatenate([margins[k, share] for k in whole]) for share in rising]
    few = scorer.of_splits(whole)
    rows = [[round(share * len(data.splits[k].train)) for share in (*rising, 1.0)] for k in whole]
    scores = [_scores(few, margin) for margin in (*columns, own)]
    return Curve(course.trial.name, tuple(whole), np.array(rows), np.array(scores).T)


def _scores(scorer: Scorer, stacked: NDArray[np.floating]) -> list[float]:
    """By split; labels are decided from the threshold that is best on all of them."""
    margin = np.asarray(stacked, dtype=np.float64)
    return scorer.split_scores(margin, scorer.threshold(scorer.pooled(margin)))


def _own_margins(
    stacked: NDArray[np.floating], scorer: Scorer, splits: Sequence[int]
) -> NDArray[np.floating]:
    """Those of the valid rows of some splits, without echoes."""
    parts = {}
    start = 0
    for k, split in enumerate(scorer.splits):
        parts[k] = stacked[start : start + len(split.valid)]
        start += len(split.scored)
    return np.concatenate([parts[k] for k in splits])


def _task(
    course: Course, split: int, share: float, *, rules: RaceRules, folder: Path
) -> dict[str, Any]:
    candidate = course.trial.candidate
    return {
        "kind": "part",
        "split": split,
        "share": share,
        "engine": candidate.engine,
        "recipe": candidate.recipe,
        "params": dict(candidate.params),
        "seed": course.trial.seed(rules.seed) + split,
        "max_trees": rules.max_trees,
        "patience": rules.patience,
        "output": str(folder / f"part_{split:02d}_{round(1 / share):03d}.npy"),
    }


def _splits(data: RunData) -> tuple[int, ...]:
    """Those to use, in this order: of rows with a time, the latest, which has the most history."""
    n_splits = len(data.splits)
    if data.times is not None:
        return (n_splits - 1,)
    return tuple(range(min(n_splits, _MOST_SPLITS)))


def _shares(data: RunData, splits: Sequence[int], shares: Sequence[float]) -> tuple[float, ...]:
    """Those of `shares` that are not too few rows; raises NotDone where hardly any is left."""
    least = min(len(data.splits[k].train) for k in splits)
    found = tuple(share for share in shares if share * least >= _LEAST_ROWS)
    if len(found) < _LEAST_PARTS:
        raise NotDone("too few rows to take some away", late=False)
    return found


def _seconds(course: Course, n_workers: int) -> float:
    """Expected of a course, on as many workers as there are."""
    fold = float(np.mean([fold.seconds for fold in course.trial.prefix()]))
    parts = [_FIXED + (1.0 - _FIXED) * share for share in course.shares]
    each = sum(parts) * len(course.splits) / n_workers
    return _SURE * fold * max(each, max(parts))


def contenders(
    done: Sequence[Trial], weights: Mapping[str, float], within_noise: Mapping[str, bool]
) -> list[Trial]:
    """The winner of the race, then its like: within noise of it, or in the blend; best first."""
    known = [trial for trial in done if not trial.forgotten and trial.loss is not None]
    known.sort(key=lambda trial: math.inf if trial.loss is None else trial.loss)
    return [
        trial
        for i, trial in enumerate(known)
        if i == 0 or trial.name in weights or within_noise.get(trial.name, False)
    ]
