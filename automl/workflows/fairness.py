"""Which groups a fit audits, the limit on how far they differ, and what that limit costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.config import FitConfig
from automl.data.groups import LEAST_ROWS, Groups, group_rows, protected
from automl.data.schema import Schema
from automl.errors import ConfigError
from automl.ledger import Ledger
from automl.metrics._lookup import get_metric
from automl.metrics._threshold import score_probabilities
from automl.search.blend import Limits
from automl.search.parity import Parity
from automl.search.scoring import Scorer
from automl.search.select import Choice, ChoiceRules, choose
from automl.task import Task

if TYPE_CHECKING:
    from automl.model.predictor import Predictor
    from automl.workflows.finish import Finish
    from automl.workflows.student import Taught
    from automl.workflows.training_table import TrainingTable

_MOST_FOUND = 6  # columns that are audited without having been asked for
_ROUNDING = 1e-9


def audited_groups(
    features: pd.DataFrame, schema: Schema, config: FitConfig, ledger: Ledger
) -> tuple[Groups, ...]:
    """The groups of the columns that are audited: those of `--sensitive`, or found by name."""
    # What --drop-pii left out stays out, unless its audit is asked for.
    telling = [one.name for one in schema.columns if not one.reason.startswith("--drop-pii")]
    names = config.sensitive or protected(telling)[:_MOST_FOUND]
    used = {schema.columns[i].name for i in schema.used}
    every = [group_rows(features[name], asked=bool(config.sensitive)) for name in names]
    found = tuple(groups for groups in every if len(groups.labels) > 1)
    if not config.sensitive:
        if found:
            listed = ", ".join(repr(groups.column) for groups in found)
            why = "not asked for; --sensitive COLUMN chooses others"
            ledger.add("fairness", f"{listed}: audited for the sound of the name", why)
        return found
    for groups in every:
        if len(groups.labels) < 2:
            what = f"{groups.column!r} has no two groups of at least {LEAST_ROWS} rows to compare"
            ledger.add("fairness", what, "--sensitive", warning=True)
            continue
        role = "is also a feature" if groups.column in used else "is no feature"
        what = f"{groups.column!r}, {len(groups.labels)} groups, is audited and {role}"
        ledger.add("fairness", what, "--sensitive")
    return found


class NewGroups:
    """The groups of rows that pass by in chunks, in the columns that a fit audited."""

    def __init__(self, predictor: Predictor) -> None:
        config = predictor.manifest.get("config")
        settings = config if isinstance(config, Mapping) else {}
        self._asked = tuple(map(str, settings.get("sensitive", ())))
        self._target = predictor.target
        self._parts: dict[str, list[pd.Series[Any]]] = {}

    def see(self, frame: pd.DataFrame) -> None:
        """Take the next rows into account; a column that they lack is not audited."""
        there = [str(name) for name in frame.columns if name != self._target]
        names = self._asked or protected(there)[:_MOST_FOUND]
        for name in names:
            if name in there:
                self._parts.setdefault(name, []).append(frame[name])

    def groups(self, rows: NDArray[np.integer[Any]]) -> tuple[Groups, ...]:
        """The groups of some of the rows that have passed by; their numbers count from 0."""
        found = []
        for parts in self._parts.values():
            column = pd.concat(parts, ignore_index=True)
            if len(column) > int(rows.max(initial=-1)):
                found.append(group_rows(column.iloc[rows], asked=bool(self._asked)))
        return tuple(one for one in found if len(one.labels) > 1)


def check_parity(table: TrainingTable, config: FitConfig) -> None:
    """Raise ConfigError for a limit on disparity that nothing can be held to."""
    if config.max_disparity is None:
        return
    if table.target.task is not Task.BINARY:
        raise ConfigError(
            "--max-disparity limits how often groups are called positive: it needs a target of "
            f"two classes, and this is a {table.target.task.value}.",
            hint="Leave it out: --sensitive alone audits every kind of target.",
        )
    if not table.sensitive:
        raise ConfigError(
            f"--max-disparity has no groups to compare: no column of --sensitive has two of at "
            f"least {LEAST_ROWS} rows.",
            hint="Name another column.",
        )


def parity_of(table: TrainingTable, config: FitConfig) -> Parity | None:
    """The limit that thresholds and candidates are held to, if one was asked for."""
    if config.max_disparity is None:
        return None
    return Parity(table.sensitive, config.max_disparity)


def told_parity(finish: Finish, choice: Choice, taught: Taught | None) -> dict[str, Any] | None:
    """What became of the limit on disparity and what it costs, as `FitResult.parity` has it.

    It is said in the ledger too. None where there is no limit.
    """
    scorer = finish.race.scorer
    if scorer.parity is None:
        return None
    kept = _figures(scorer, scorer.parity, choice)
    free = _figures(scorer, scorer.parity, _unlimited(finish, taught))
    found = {
        "limit": scorer.parity.limit,
        "columns": [groups.column for groups in scorer.parity.groups],
        "kept": kept["difference"] <= scorer.parity.limit + _ROUNDING,
        **kept,
        "without": free,
    }
    _tell(finish, found)
    return found


def _unlimited(finish: Finish, taught: Taught | None) -> Choice:
    """What would ship if nothing limited it."""
    race = finish.race
    free = race.scorer.without_parity()
    chooser = free.with_echoes()
    if taught is None:
        trials = [trial for trial in race.done if not trial.forgotten]
        margins, limits = race.margins, finish.limits(trials)
    else:
        trials, limits = [taught.student.trial], Limits()
        margins = {taught.student.trial.name: taught.student.margins}
    again = [
        replace(trial, loss=chooser.loss(chooser.pooled(margins[trial.name]))) for trial in trials
    ]
    return choose(
        again,
        margins,
        free,
        ChoiceRules(
            single=finish.config.single or taught is not None,
            limits=limits,
            baseline_loss=finish.baseline_loss(chooser),
            calibrate=finish.goal.calibrate,
            seed=finish.config.seed,
            blend_seconds=finish.plan.blend_seconds() if finish.by_clock else math.inf,
        ),
    )


def _figures(scorer: Scorer, parity: Parity, choice: Choice) -> dict[str, Any]:
    """The largest difference between groups, and how good the decisions are."""
    threshold = 0.5 if choice.threshold is None else choice.threshold
    proba = choice.link.predict(choice.pooled)
    y, weight = scorer.truth()
    difference = parity.difference(scorer.rows, proba, threshold, weight)
    accuracy = get_metric("accuracy")
    return {
        "difference": difference,
        "score": choice.score,
        "accuracy": score_probabilities(accuracy, y, proba, weight, threshold),
        "threshold": threshold,
    }


def _tell(finish: Finish, found: dict[str, Any]) -> None:
    free, metric = found["without"], finish.goal.metric.name
    columns = ", ".join(repr(name) for name in found["columns"])
    price = (
        f"{metric} {found['score']:.4g}, {free['score']:.4g} without the limit; accuracy "
        f"{found['accuracy']:.4g}, {free['accuracy']:.4g} without"
    )
    differ = (
        f"the groups of {columns} differ by {found['difference']:.3f} in the share called "
        f"positive, {free['difference']:.3f} without the limit"
    )
    if found["kept"]:
        what = f"--max-disparity {found['limit']:g} holds: {differ}"
        why = f"{price}; one threshold for all groups"
        finish.ledger.add("fairness", what, why)
    else:
        what = f"--max-disparity {found['limit']:g} is exceeded: {differ}"
        why = f"no candidate and threshold that still decides something is nearer; {price}"
        finish.ledger.add("fairness", what, why, warning=True)
