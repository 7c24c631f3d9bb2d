"""Decides in a fit whether boosters train on the logarithm of a skewed target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from automl.budget import Budget
from automl.config import FitConfig
from automl.ledger import Ledger
from automl.search.crossval import PLAIN
from automl.search.executors.base import Executor
from automl.search.portfolio import portfolio
from automl.search.scale import LOG, log_scale_ratio, may_be_skewed, pays
from automl.search.setup import Goal
from automl.search.store import RunData

# Of the time budget, what each of the two scales may take; more is better spent on the race.
_SHARE = 0.06
# Fewer seconds may be over before the workers have even imported the boosters.
_LEAST_SECONDS = 2.0


def settle_scale(  # noqa: PLR0913 - what a run knows before its race
    goal: Goal,
    data: RunData,
    config: FitConfig,
    engines: Sequence[str],
    executor: Executor,
    folder: Path,
    budget: Budget,
    ledger: Ledger,
) -> tuple[Goal, RunData]:
    """Goal and data on the logarithm of the target, if `--target-transform auto` finds it better.

    Only for metrics of the squared error in the target's units, and amounts with a long tail.
    engines: those that can train for the goal.  folder: stays until the run ends, for a worker
    that replaces a stopped one opens it before the run's data.
    """
    settled = config.target_transform != "auto" or goal.link.transforms or config.robust
    if settled or goal.metric.relative or not may_be_skewed(data):
        return goal, data
    first = portfolio(engines, (PLAIN,), data.size)[0]
    clocked = budget.limited and config.trials is None
    seconds = _SHARE * budget.left() if clocked else math.inf
    if seconds < _LEAST_SECONDS:
        ledger.add("task", "trains on the target as it is", "no time to try its logarithm")
        return goal, data
    started = budget.spent()
    folder.mkdir(parents=True, exist_ok=True)
    ratio = log_scale_ratio(data, first, executor, folder, seconds=seconds)
    took = budget.spent() - started if clocked else None
    if ratio is None:
        reason = "the comparison with its logarithm did not end"
        ledger.add("task", "trains on the target as it is", reason, seconds=took)
        return goal, data
    found = f"the error of {first.engine} on two folds changes by {ratio - 1.0:+.1%} with it"
    if not pays(ratio):
        ledger.add("task", "trains on the target, not on its logarithm", found, seconds=took)
        return goal, data
    ledger.add("task", "trains on the logarithm of the target", found, seconds=took)
    return on_log_scale(goal, data)


def on_log_scale(goal: Goal, data: RunData) -> tuple[Goal, RunData]:
    """Goal and data on the logarithm of the target."""
    y = LOG.margin_of(data.y)
    return replace(goal, link=LOG, y=y), replace(data, y=y)
