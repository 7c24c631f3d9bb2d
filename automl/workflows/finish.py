"""The end of a fit: choose the blend, refit where asked, explain, write the bundle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from automl.config import FitConfig
from automl.data.splits import Folds
from automl.features.preprocess import Preprocessor
from automl.ledger import Ledger
from automl.model.bundle import MemberFiles
from automl.model.explain import Importance
from automl.model.manifest import read_manifest
from automl.search.baseline import baseline_margins
from automl.search.blend import Limits
from automl.search.honest import Corrected
from automl.search.journal import Journal
from automl.search.limits import blend_limits
from automl.search.race import Race
from automl.search.replay import Script
from automl.search.scoring import Scorer, mean_score, spread_of
from automl.search.select import Choice, ChoiceRules, choose
from automl.search.setup import Goal
from automl.search.ship import (
    GRACE,
    NotDone,
    fold_members,
    refit_members,
)
from automl.search.store import RunData
from automl.search.trial import Trial
from automl.workflows import result as files
from automl.workflows.aside import score_aside
from automl.workflows.calibration import bag_calibrated, tell_calibration
from automl.workflows.conformal import conformal_of, out_of_fold_bounds
from automl.workflows.evidence import evidence_of
from automl.workflows.explained import explain_folds
from automl.workflows.extend import stays
from automl.workflows.fairness import told_parity
from automl.workflows.honest import honest_score
from automl.workflows.kept import told
from automl.workflows.learning import learning_curve
from automl.workflows.output import RunFolder
from automl.workflows.pack import pack
from automl.workflows.plan import Plan
from automl.workflows.result import FitResult
from automl.workflows.shipped import asking
from automl.workflows.source import Source
from automl.workflows.student import Taught, teach
from automl.workflows.training_table import TrainingTable

# A shipped model that the clock cut before this many trees is hardly more than the baseline,
# unless its loss is at most this share of the baseline's: 30 classes learn a lot from four rounds.
_LEAST_TREES, _CLEARLY_LESS = 5, 0.5


@dataclass(frozen=True)
class Finish:
    """Everything that a run knows when its race has ended; `bundle` makes a bundle of it."""

    source: Source
    plan: Plan
    table: TrainingTable
    preprocessor: Preprocessor
    goal: Goal
    data: RunData
    folds: Folds
    race: Race
    run: RunFolder
    ledger: Ledger

    @property
    def config(self) -> FitConfig:
        return self.source.config

    @property
    def by_clock(self) -> bool:
        """Whether what is left of the budget may decide what is done."""
        limited = self.plan.budget.limited
        return limited and (self.race.rules.reads_clock or self.race.ended_by_clock)

    @property
    def script(self) -> Script | None:
        """What the run that this one repeats did from here on."""
        return None if self.source.earlier is None else self.source.earlier.script

    def bundle(self, journal: Journal) -> FitResult:
        """Choose, refit, explain, write and install; the result of the fit."""
        self._check_race()
        self.ledger.progress.stage("Result")
        choice, baseline = self._choose()
        journal.write("blend", weights=dict(choice.weights))
        kept, members = choice.weights, []
        taught = teach(self, choice) if self._may_teach else None
        if taught is not None:
            choice, members = taught.choice, [taught.student.member]
            journal.write(
                "student",
                **taught.student.trial.to_json(),
                teacher=taught.teacher,
                stops=taught.student.stops,
            )
        tell_calibration(choice, self.ledger)
        parity = told_parity(self, choice, taught)
        kept_limit = parity is None or bool(parity["kept"])
        extends = None if self.source.earlier is None else self.source.earlier.extends
        if stays(extends, choice, kept_limit, self.goal.metric, self.ledger):
            return self._told()
        corrected, averages = honest_score(self, choice, taught)
        members = members or self._members(choice, journal)
        # Scores are of one model for each row; what ships is the mean of all of them.
        choice = bag_calibrated(self, choice, members, averages, journal)
        test = score_aside(self, choice, members)
        trials = self.race.done if taught is None else [taught.student.trial]
        own = all(path.parent.parent == self.run.trials for m in members for path, _ in m.boosters)
        explained = explain_folds(self, choice, trials, refitted=not own)
        importance = None if explained is None else explained.explanation.global_importance()
        learning = learning_curve(self, choice)
        intervals = conformal_of(self, choice, taught, n_models=len(members[0].boosters))
        bounds = None
        spread = not self.goal.task.is_classification and not self.goal.metric.quantiles
        if intervals is not None and spread:
            by_difficulty = bool(intervals[1]["by_difficulty"])
            bounds = out_of_fold_bounds(self, choice, taught, by_difficulty=by_difficulty)
        outcome = self._outcome(choice, baseline, importance, taught, corrected)
        outcome = replace(outcome, test=test, parity=parity)
        journal.write("result", weights=dict(choice.weights), score=choice.score)
        pack(
            self,
            outcome,
            choice,
            members,
            importance,
            blend=kept,
            intervals=intervals,
            evidence=evidence_of(
                self,
                choice,
                explained,
                bounds=bounds,
                parity=parity,
                predict=asking(self, choice, members),
                learning=learning,
            ),
        )
        self.race.executor.close()
        return replace(outcome, seconds=self.plan.budget.spent())

    # -- steps ----------------------------------------------------------------------------------

    def _check_race(self) -> None:
        """Refuse to ship what the clock left unfinished or hardly begun."""
        done = self.race.done
        if not done:
            raise self.plan.too_small(self.plan.budget.seconds or 0.0)
        trees = [np.mean([fold.n_trees for fold in trial.prefix()]) for trial in done]
        losses = [math.inf if t.objective_loss is None else t.objective_loss for t in done]
        learned = min(losses) <= _CLEARLY_LESS * self.race.rules.baseline_loss
        if all(trial.by_clock for trial in done) and max(trees) < _LEAST_TREES and not learned:
            raise self.plan.too_small(self.plan.budget.seconds or 0.0)

    def _choose(self) -> tuple[Choice, float]:
        """What ships, and the baseline's score."""
        scorer = self.race.scorer
        baseline = mean_score(scorer.split_scores(baseline_margins(self.data)))
        trials = [trial for trial in self.race.done if not trial.forgotten]
        limits = self.limits(trials)
        choice = choose(
            trials,
            self.race.margins,
            scorer,
            ChoiceRules(
                single=self.config.single,
                limits=limits,
                baseline_loss=self.baseline_loss(scorer.with_echoes()),
                calibrate=self.goal.calibrate,
                crossfit_seconds=self._crossfit_seconds(),
                seed=self.config.seed,
                weights=None if self.script is None else self.script.weights,
                blend_seconds=self.plan.blend_seconds() if self.by_clock else math.inf,
            ),
        )
        parts = " + ".join(f"{w:.2f} {name}" for name, w in choice.weights.items())
        does = "teaches" if self.config.distil else "ships"
        self.ledger.add("blend", f"{does}: {parts}", f"{len(self.race.done)} finished trials")
        if max(map(limits.excess, choice.weights)) > 1.0:
            trees = sum(limits.trees[name] for name in choice.weights)
            self.ledger.add(
                "blend",
                f"--max-trees {self.config.max_trees} is exceeded: {trees:,.0f} trees ship",
                "no model has fewer",
                warning=True,
            )
        cut = [t for t in self.race.done if t.name in choice.weights and t.by_clock]
        for trial in cut:
            count = int(np.mean([fold.n_trees for fold in trial.prefix()]))
            self.ledger.add(
                "blend",
                f"the clock cut {trial.name} at about {count} trees",
                "A larger --time-budget lets it learn to its end.",
                warning=True,
            )
        if choice.threshold is not None and choice.threshold != 0.5:
            self.ledger.add(
                "threshold",
                f"'{self.table.target.classes[1]}' from a probability of {choice.threshold:.4f}",
                f"the best out-of-fold {self.goal.metric.name}"
                if self.config.max_disparity is None
                else "the best within --max-disparity",
            )
        return choice, baseline

    def baseline_loss(self, chooser: Scorer) -> float:
        """The metric's loss of the constant prediction, the scale of what a member must buy."""
        return chooser.loss(chooser.pooled(baseline_margins(self.data)))

    def limits(self, trials: Sequence[Trial]) -> Limits:
        """Those that a blend of `trials` is chosen within."""
        refit = self.config.refit or self.folds.refit
        return blend_limits(
            trials,
            self.data,
            refit=refit,
            max_members=self.plan.max_members(refit=refit),
            max_trees=self.config.max_trees,
        )

    def _crossfit_seconds(self) -> float:
        """Under a clock the corrected score tells more for the same seconds."""
        return 0.0 if self.by_clock else math.inf

    @property
    def _may_teach(self) -> bool:
        return self.config.distil and (self.script is None or self.script.student is not None)

    def _members(self, choice: Choice, journal: Journal) -> list[MemberFiles]:
        """What ships of each trial of the blend: the models of its folds, or one of all rows."""
        refit = self.config.refit or self.folds.refit
        if not refit or (self.script is not None and self.script.refit is None):
            return fold_members(self.race.done, choice.weights)

        def left() -> float:
            if not self.plan.budget.limited:
                return math.inf
            return (
                self.plan.budget.left()
                - self.plan.explain_seconds()
                - self.plan.end_seconds()
                - GRACE
            )

        by_name = {trial.name: trial for trial in self.race.done}
        try:
            members, cut = refit_members(
                [(by_name[name], weight) for name, weight in choice.weights.items()],
                self.data,
                self.race.executor,
                folder=self.run.path / "refit",
                seed=self.config.seed,
                seconds_left=left,
                stops={} if self.script is None else self.script.refit or {},
            )
        except NotDone as reason:
            self.race.ended_by_clock |= reason.late
            lead = (
                "no time was left to refit" if reason.late else "the models could not be refitted"
            )
            self.ledger.add(
                "blend",
                f"{lead} on all rows; the models of the folds ship instead",
                "" if reason.late else str(reason),
                warning=True,
            )
            return fold_members(self.race.done, choice.weights)
        self.race.ended_by_clock |= bool(cut)
        journal.write("refit", stops=cut)
        why = "--refit" if self.config.refit else f"{self.folds.scheme} validation"
        self.ledger.add("blend", "members are refitted on all rows", why)
        if cut:
            self.ledger.add(
                "blend", "the clock cut a refitted model short of its trees", warning=True
            )
        return members

    # -- the record -----------------------------------------------------------------------------

    def _told(self) -> FitResult:
        """The result that the bundle has which stays."""
        budget = self.plan.budget
        return told(read_manifest(self.run.bundle), seconds=budget.spent(), budget=budget.seconds)

    def _outcome(
        self,
        choice: Choice,
        baseline: float,
        importance: Importance | None,
        taught: Taught | None,
        corrected: Corrected | None,
    ) -> FitResult:
        metric, trials = self.goal.metric, list(self.race.trials)
        # The student ships, but no candidate of the race and no engine's score is its own.
        shown = trials if taught is None else [*trials, taught.student.trial]
        if not metric.better(choice.score, baseline):
            self.ledger.add(
                "blend",
                f"the model is no better than the baseline ({baseline:.4g})",
                "the columns hold no signal that could be found",
                warning=True,
            )
        table: list[tuple[str, float]] = []
        if importance is not None:
            total = importance.total
            table = [(importance.columns[i], float(total[i])) for i in importance.order]
        race = self.race
        clocked = race.rules.reads_clock or race.ended_by_clock
        return FitResult(
            path=self.run.bundle,
            task=self.goal.task.value,
            target=self.table.target.name,
            metric=metric.name,
            score=choice.score,
            spread=spread_of(choice.fold_scores),
            score_crossfitted=choice.score_crossfitted,
            corrected=None if corrected is None else asdict(corrected),
            fold_scores=choice.fold_scores,
            baseline=baseline,
            engine_scores=files.engine_scores(trials, metric),
            blend=files.blend_rows(shown, choice.weights),
            leaderboard=files.leaderboard(shown, choice.weights, metric, race.within_noise),
            importance=table,
            n_rows=self.table.n_rows,
            n_columns=len(self.table.schema.used),
            seconds=self.plan.budget.spent(),
            budget=None if self.script else self.config.time_budget,
            reproducible=self.script is not None
            or not (clocked or race.resumed or self.plan.memory_short),
            warnings=self.ledger.warnings,
            notes=[] if importance is not None else ["SHAP values"],
            teacher=None if taught is None else taught.teacher,
        )
