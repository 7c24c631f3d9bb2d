"""The headline score of a run: that of new rows, within a slice of the budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from automl.search.averaging import Averaged, averaged, can_average
from automl.search.baseline import baseline_margins
from automl.search.blend import Limits
from automl.search.honest import Corrected, Pool, Rules, corrected_score
from automl.search.limits import blend_limits
from automl.search.select import Choice
from automl.search.ship import GRACE, NotDone

if TYPE_CHECKING:
    from automl.workflows.finish import Finish
    from automl.workflows.student import Taught

_LEAST_SHARE = 0.4  # of the seconds that are left for the score and SHAP values
_AVERAGING_SHARE = 0.4  # of the seconds for the score


def honest_score(
    finish: Finish, choice: Choice, taught: Taught | None
) -> tuple[Corrected | None, Averaged | None]:
    """The corrected score of what ships, and the margins of its folds on some rows.

    Each is None where time or rows do not allow it. A student is the only one of its kind: there
    was no choice to correct for, but its score has an interval all the same.
    """
    race, plan, by_clock = finish.race, finish.plan, finish.by_clock
    chooser = race.scorer.with_echoes()
    seconds = math.inf
    if by_clock:
        spare = plan.budget.left() - plan.end_seconds() - GRACE
        # Where choosing took longer than planned, SHAP values lose before the score does.
        free = max(spare - plan.explain_seconds(), _LEAST_SHARE * spare)
        seconds = max(min(plan.honest_seconds(), free), 0.0)
    started = plan.budget.spent()
    if taught is None:
        pool, margins, limits = race.pool, race.margins, _limits(finish)
    else:
        margins = {taught.student.trial.name: taught.student.margins}
        pool, limits = Pool(chooser, finish.config.seed), Limits()
        for name, stacked in margins.items():
            pool.take(name, chooser.pooled(stacked))
    averages = None if taught is not None else _averages(finish, choice, seconds)
    seconds = max(seconds - (plan.budget.spent() - started), 0.5 * seconds)
    rules = Rules(
        single=finish.config.single or taught is not None,
        limits=limits,
        baseline_loss=chooser.loss(chooser.pooled(baseline_margins(finish.data))),
        seconds=seconds,
        seed=finish.config.seed,
    )
    groups = finish.data.groups
    found = corrected_score(choice, margins, race.scorer, pool, groups, rules, averages)
    took = plan.budget.spent() - started if by_clock else None
    _tell(finish, found, took)
    return found, averages


def _averages(finish: Finish, choice: Choice, seconds: float) -> Averaged | None:
    """The models of the folds on some rows, where their mean is to ship and there is time."""
    race = finish.race
    if finish.config.refit or finish.folds.refit or not can_average(race.scorer):
        return None
    by_name = {trial.name: trial for trial in race.done}
    try:
        return averaged(
            [(by_name[name], weight) for name, weight in choice.weights.items()],
            race.scorer,
            finish.data,
            race.executor,
            folder=finish.run.path / "averaging",
            seconds=_AVERAGING_SHARE * seconds,
        )
    except NotDone as reason:
        said = "what averaging the models of the folds gains is left out of the score"
        finish.ledger.add("score", said, str(reason))
        return None


def _limits(finish: Finish) -> Limits:
    """Those that the blend was chosen within, for every finished trial."""
    refit = finish.config.refit or finish.folds.refit
    return blend_limits(
        finish.race.done,
        finish.data,
        refit=refit,
        max_members=finish.plan.max_members(refit=refit),
        max_trees=finish.config.max_trees,
    )


def _tell(finish: Finish, found: Corrected | None, seconds: float | None) -> None:
    ledger, name = finish.ledger, finish.goal.metric.name
    if found is None:
        ledger.add(
            "score",
            "the score is not corrected for choosing, and has no interval",
            "too few rows, or no time was left; `automl evaluate` on rows kept aside tells",
            warning=True,
        )
        return
    ledger.add(
        "score",
        f"{name} {found.score:.4g} corrected for choosing, {found.low:.4g} to {found.high:.4g} "
        f"with {found.level:.0%} confidence",
        f"{found.resamples} bootstrap choices among {found.candidates} candidates on "
        f"{found.rows:,} rows, scored on the rows left out",
        seconds=seconds,
    )
    if found.averaging:
        ledger.add(
            "score",
            f"{found.averaging:+.2g} of it are expected of averaging the models of the folds",
            "from how far models that have seen a row differ on it, which is rather too little",
        )
    if found.repeats:
        ledger.add(
            "score",
            f"{found.repeats:+.2g} of it are because {finish.folds.repeat_share:.0%} of new rows "
            f"are taken to repeat known ones; {name} {found.unseen:.4g} for those that do not",
            "as many as repeat others in the table, with the same target",
        )
