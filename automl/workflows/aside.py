"""`--test-share`: rows that no choice ever sees, scored once with what ships."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.config import FitConfig
from automl.data.duplicates import duplicate_rows
from automl.data.folds import Asked, Ties, make_folds
from automl.data.target import Target
from automl.errors import DataError
from automl.metrics._interval import bootstrap_interval
from automl.metrics._threshold import score_probabilities
from automl.model.bundle import MemberFiles
from automl.model.predictor import Predictor
from automl.search.select import Choice
from automl.search.ship import GRACE
from automl.workflows.shipped import assembled

if TYPE_CHECKING:
    from automl.workflows.finish import Finish

Floats = NDArray[np.float64]

_FIRST_ROWS = 500  # scored at least; what they take tells how many more there is time for
_MOST_ROWS = 20_000  # scored under a clock
_SCORING_SHARE = 0.5  # of the seconds, the rest goes to the interval


@dataclass(frozen=True)
class Aside:
    """Rows kept aside: their cells as read, and their target as class texts or values.

    weight: (n,) or None.
    """

    frame: pd.DataFrame
    target: NDArray[Any]
    weight: Floats | None


@dataclass(frozen=True)
class Ordered:
    """What ties the rows with a target, as `data.folds.Ties` takes it."""

    groups: NDArray[np.int64] | None
    times: Floats | None


def set_aside(
    frame: pd.DataFrame, target: Target, ties: Ordered, config: FitConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions in `frame` of the rows to train on and of the rows kept aside.

    By the rules of a holdout: equal rows and groups stay together, the latest rows are aside where
    rows have a time, classes have their shares. Raises DataError where nothing is left to test.
    """
    kept = np.flatnonzero(target.kept)
    features = frame.iloc[kept].drop(columns=[config.target]).reset_index(drop=True)
    folds = make_folds(
        target.y,
        target.task,
        n_classes=len(target.classes),
        n_cells=features.size,
        seed=config.seed,
        asked=Asked(holdout=config.test_share),
        ties=Ties(
            groups=ties.groups,
            duplicates=np.asarray(duplicate_rows(features), dtype=np.int64),
            times=ties.times,
        ),
    )
    split = folds.splits[0]
    if not len(split.valid):
        raise DataError("--test-share keeps no row aside.", hint="Ask for a larger share.")
    out = np.setdiff1d(kept, kept[split.train])
    return np.setdiff1d(np.arange(len(frame)), out), kept[split.valid]


def aside_of(frame: pd.DataFrame, target: Target, rows: NDArray[np.int64]) -> Aside:
    """The rows kept aside, without weights."""
    place = np.full(len(target.kept), -1)
    place[target.kept] = np.arange(len(target.y))
    y = target.y[place[rows]]
    if target.task.is_classification:
        y = np.asarray(target.classes, dtype=object)[y.astype(np.intp)]
    return Aside(frame.iloc[rows].reset_index(drop=True), y, None)


def score_aside(
    finish: Finish, choice: Choice, members: Sequence[MemberFiles]
) -> dict[str, Any] | None:
    """Score and interval of what ships on the rows kept aside; None if there are none, or no time.

    Rows of classes that training did not see are left out. Under a clock it may be that only
    some random rows are scored.
    """
    aside = finish.table.aside
    if aside is None:
        return None
    plan, started = finish.plan, finish.plan.budget.spent()
    by_clock = finish.by_clock
    seconds = math.inf
    if by_clock:
        spare = plan.budget.left() - plan.end_seconds() - GRACE
        seconds = min(plan.test_seconds(), 0.5 * spare)
    found = None
    if seconds > 0:
        found = _scored(assembled(finish, choice, members), finish, aside, seconds)
    _tell(finish, found, plan.budget.spent() - started if by_clock else None)
    return found


def _scored(
    predictor: Predictor, finish: Finish, aside: Aside, seconds: float
) -> dict[str, Any] | None:
    began = time.perf_counter()
    y = _known(aside.target, predictor)
    usable = np.flatnonzero(~np.isnan(y))
    rows = np.random.default_rng(finish.config.seed).permutation(usable)
    if math.isfinite(seconds):
        rows = rows[:_MOST_ROWS]
    first, rest = rows[:_FIRST_ROWS], rows[_FIRST_ROWS:]
    if not len(first):
        return None
    parts = [predictor.link.predict(predictor.margin(aside.frame.iloc[first]))]
    if math.isfinite(seconds):
        each = (time.perf_counter() - began) / len(first)
        rest = rest[: max(int((_SCORING_SHARE * seconds) / each) - len(first), 0)]
    if len(rest):
        parts.append(predictor.link.predict(predictor.margin(aside.frame.iloc[rest])))
    rows = np.concatenate([first, rest])
    prediction, truth = np.concatenate(parts), y[rows]
    weight = None if aside.weight is None else aside.weight[rows]
    threshold = 0.5 if predictor.threshold is None else predictor.threshold
    metric = finish.goal.metric
    interval = bootstrap_interval(metric, truth, prediction, weight, threshold=threshold)
    score = score_probabilities(metric, truth, prediction, weight, threshold)
    if interval is None or math.isnan(score):
        return None
    ends = {"low": interval.low, "high": interval.high, "level": interval.level}
    return {"score": score, **ends, "rows": len(rows), "of": len(aside.frame)}


def _known(target: NDArray[Any], predictor: Predictor) -> Floats:
    """(n,) class indices of the model, nan for classes that it does not know; or values."""
    if not predictor.task.is_classification:
        return np.asarray(target, dtype=np.float64)
    index = {label: float(i) for i, label in enumerate(predictor.classes)}
    return np.array([index.get(label, np.nan) for label in target])


def _tell(finish: Finish, found: dict[str, Any] | None, seconds: float | None) -> None:
    if found is None:
        finish.ledger.add(
            "score",
            "the rows kept aside are not scored",
            "no time was left, or they do not define the score",
            warning=True,
        )
        return
    finish.ledger.add(
        "score",
        f"{finish.goal.metric.name} {found['score']:.4g} on {found['rows']:,} of "
        f"{found['of']:,} rows kept aside, {found['low']:.4g} to {found['high']:.4g}",
        "--test-share; scored once, with what ships",
        seconds=seconds,
    )
