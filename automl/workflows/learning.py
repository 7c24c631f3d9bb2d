"""The learning curve of the race's winner, in what a run has left when all else is trained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from automl.insight.evidence import Learning
from automl.search.learning import (
    Course,
    contenders,
    course_within,
    course_without_clock,
    learn,
)
from automl.search.select import Choice
from automl.search.ship import GRACE, NotDone

if TYPE_CHECKING:
    from automl.workflows.finish import Finish

_SHARE = 0.03  # of the budget, at most
# Of what is kept for the end, that must be left beside it: a busy machine takes longer for it than
# planned, and this is the step that a run can do without.
_SLACK = 0.3
_WHAT = "learning curve by rows"


def learning_curve(finish: Finish, choice: Choice) -> Learning | None:
    """Scores of the winner, or of its like that is quicker, by rows; None, and why, without.

    Under a clock it takes what the other steps have left beside a little of its own.
    """
    race, plan, ledger = finish.race, finish.plan, finish.ledger
    limited, started = plan.budget.limited, plan.budget.spent()

    def left() -> float:
        if not limited:
            return math.inf
        spare = plan.budget.left() - (1.0 + _SLACK) * plan.end_seconds() - GRACE
        if not finish.by_clock:
            return spare
        most = _SHARE * (plan.budget.seconds or 0.0)
        return min(spare, most - (plan.budget.spent() - started))

    try:
        course = _course(finish, choice, left())
        curve = learn(
            course,
            race.margins[course.trial.name],
            race.scorer,
            finish.data,
            race.executor,
            rules=race.rules,
            folder=finish.run.path / "learning",
            seconds_left=left,
        )
    except NotDone as reason:
        ledger.add("report", f"no {_WHAT}", str(reason))
        return None
    rows = round(float(curve.rows[:, 0].mean())), round(float(curve.rows[:, -1].mean()))
    ledger.add(
        "report",
        f"{_WHAT} of {curve.name}: {rows[0]:,} to {rows[1]:,} rows",
        f"{len(curve.splits)} of {len(finish.data.splits)} splits, nested parts of their rows",
        seconds=plan.budget.spent() - started if finish.by_clock else None,
    )
    return Learning(curve.name, curve.rows, curve.scores)


def _course(finish: Finish, choice: Choice, seconds: float) -> Course:
    """What to train in so many seconds; raises NotDone."""
    race, data = finish.race, finish.data
    trials = contenders(race.done, choice.weights, race.within_noise)
    trials = [trial for trial in trials if trial.name in race.margins]
    if not trials:
        raise NotDone("no candidate has its predictions at hand", late=False)
    if not finish.by_clock:
        return course_without_clock(trials[0], race.done, data)
    if finish.plan.budget.hurried:
        raise NotDone("no time was left", late=True)
    return course_within(trials, data, seconds=seconds, n_workers=race.executor.n_workers)
