"""`--distil`: one student in place of the blend, and what the ledger says of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.config import FitConfig
from automl.errors import ConfigError
from automl.metrics.base import Metric
from automl.search.blend import Limits
from automl.search.distil import Distilled, NoStudent, School
from automl.search.lesson import TRUTH
from automl.search.scoring import spread_of
from automl.search.select import Choice, ChoiceRules, choose
from automl.search.ship import GRACE
from automl.task import Objective, Task
from automl.workflows import result as files

if TYPE_CHECKING:
    from automl.workflows.finish import Finish


@dataclass(frozen=True)
class Taught:
    """A student that ships, its own choice, and what the result says of its teacher."""

    student: Distilled
    choice: Choice
    teacher: dict[str, Any]


def check_distil(config: FitConfig, task: Task, metric: Metric) -> None:
    """Raise ConfigError for `--distil` with a task or metric that it cannot be done for."""
    if config.distil and metric.quantiles:
        raise ConfigError(
            f"--distil needs one number to predict, and {metric.name} is of several.",
            hint="Leave --distil out; --single ships one model.",
        )
    if config.distil and task is Task.MULTICLASS:
        raise ConfigError(
            "--distil needs two classes or numbers to predict, and this is a multiclass.",
            hint="A student regresses one margin, and a multiclass blend has one per class. "
            "Use --single or --refit for a fast model.",
        )


def teach(finish: Finish, blend: Choice) -> Taught | None:
    """A student of `blend`, or None, with the reason in the ledger, where there can be none."""
    race, plan, started = finish.race, finish.plan, finish.plan.budget.spent()
    limited = plan.budget.limited

    def left() -> float:
        return plan.budget.left() - plan.explain_seconds() - plan.end_seconds() - GRACE

    school = School(
        data=finish.data,
        executor=race.executor,
        rules=race.rules,
        folder=finish.run.path / "student",
        max_trees=finish.config.max_trees or race.rules.max_trees * len(finish.data.splits),
        last_only=finish.folds.refit,
        seconds_left=left if limited else lambda: float("inf"),
        stops={} if finish.script is None else finish.script.student or {},
    )
    trials = [trial for trial in race.done if not trial.forgotten]
    try:
        student = school.distil(trials, blend.weights, race.scorer)
    except NoStudent as error:
        # Without a clock nothing but a failure ends here, so this is as reproducible as the rest.
        race.ended_by_clock |= limited
        finish.ledger.add(
            "blend", "--distil: the blend ships, not a student of it", f"{error}", warning=True
        )
        return None
    race.ended_by_clock |= student.by_clock
    choice = choose(
        [student.trial],
        {student.trial.name: student.margins},
        race.scorer,
        ChoiceRules(
            single=True,
            limits=Limits(),
            baseline_loss=0.0,
            calibrate=finish.goal.calibrate,
            seed=finish.config.seed,
        ),
    )
    taught = Taught(student, choice, _teacher(finish, blend, student))
    _tell(finish, taught, seconds=plan.budget.spent() - started if limited else None)
    return taught


def _teacher(finish: Finish, blend: Choice, student: Distilled) -> dict[str, Any]:
    """The blend's scores and the trees of both, as plain JSON types."""
    by_name = {trial.name: trial for trial in finish.race.done}
    n_outputs = finish.data.n_outputs
    folds = [fold for name in blend.weights for fold in by_name[name].prefix()]
    return {
        "members": files.blend_rows(finish.race.trials, blend.weights),
        "score": blend.score,
        "spread": spread_of(blend.fold_scores),
        "score_crossfitted": blend.score_crossfitted,
        "trees": n_outputs * sum(fold.n_trees for fold in folds),
        "student_trees": n_outputs * student.n_trees,
    }


def _tell(finish: Finish, taught: Taught, *, seconds: float | None) -> None:
    metric, student, teacher = finish.goal.metric, taught.student, taught.teacher
    mixed = finish.data.objective in (Objective.SQUARED, Objective.LOGISTIC)
    word = f"{1 - TRUTH:.0%} its margins, {TRUTH:.0%} the truth" if mixed else "its margins"
    finish.ledger.add(
        "blend",
        f"ships a student of the blend: {student.trial.name}, {metric.name} "
        f"{taught.choice.score:.4g} (the blend: {teacher['score']:.4g}), "
        f"{teacher['student_trees']:,} trees (the blend: {teacher['trees']:,})",
        f"--distil; taught on each fold's training rows: {word}",
        seconds=seconds,
    )
    if student.by_clock:
        finish.ledger.add("blend", "the clock cut the student short of its trees", warning=True)
    singles = [trial for trial in finish.race.done if trial.score is not None]
    best = min(singles, key=lambda trial: metric.loss(trial.score or 0.0))
    if best.score is not None and metric.better(best.score, taught.choice.score):
        finish.ledger.add(
            "blend",
            f"the student is worse than {best.name} alone ({best.score:.4g})",
            "--single ships that one as a bag of its folds",
            warning=True,
        )
