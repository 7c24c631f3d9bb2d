"""The end of a fit: choose the blend, refit where asked, explain, write the bundle."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np

from automl.config import FitConfig
from automl.data.splits import Folds
from automl.features.preprocess import Preprocessor
from automl.ledger import Ledger
from automl.model.bundle import MemberFiles
from automl.model.explain import Importance, rank_correlation
from automl.model.manifest import read_manifest
from automl.search.baseline import baseline_margins
from automl.search.honest import Corrected
from automl.search.journal import Journal
from automl.search.limits import blend_limits
from automl.search.race import Race
from automl.search.replay import Script
from automl.search.scoring import mean_score, spread_of
from automl.search.select import Choice, choose
from automl.search.setup import Goal
from automl.search.ship import (
    GRACE,
    MAX_EXPLAINED_ROWS,
    BlendShap,
    NotDone,
    blend_shap,
    fold_members,
    refit_members,
)
from automl.search.store import RunData
from automl.workflows import result as files
from automl.workflows.aside import score_aside
from automl.workflows.conformal import conformal_of
from automl.workflows.extend import stays
from automl.workflows.honest import honest_score
from automl.workflows.kept import told
from automl.workflows.output import RunFolder
from automl.workflows.pack import pack
from automl.workflows.plan import Plan
from automl.workflows.result import FitResult
from automl.workflows.source import Source
from automl.workflows.student import Taught, teach
from automl.workflows.training_table import TrainingTable

# Rows explained where no clock limits them; a fixed number, so that the bundle is reproducible.
EXPLAINED_ROWS = 500
# A shipped model that the clock cut before this many trees is hardly more than the baseline.
_LEAST_TREES = 5


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
        earlier = self.source.earlier
        if earlier is not None and stays(earlier.extends, choice, self.goal.metric, self.ledger):
            return self._told()
        corrected = honest_score(self, choice, taught)
        members = members or self._members(choice, journal)
        test = score_aside(self, choice, members)
        shap = self._explain(members)
        importance = None if shap is None else self._importance(shap)
        intervals = conformal_of(self, choice, taught, n_models=len(members[0].boosters))
        outcome = self._outcome(choice, baseline, importance, taught, corrected)
        outcome = replace(outcome, test=test)
        journal.write("result", weights=dict(choice.weights), score=choice.score)
        pack(self, outcome, choice, members, importance, blend=kept, intervals=intervals)
        self.race.executor.close()
        return replace(outcome, seconds=self.plan.budget.spent())

    # -- steps ----------------------------------------------------------------------------------

    def _check_race(self) -> None:
        """Refuse to ship what the clock left unfinished or hardly begun."""
        done = self.race.done
        if not done:
            raise self.plan.too_small(self.plan.budget.seconds or 0.0)
        trees = [np.mean([fold.n_trees for fold in trial.prefix()]) for trial in done]
        if all(trial.by_clock for trial in done) and max(trees) < _LEAST_TREES:
            raise self.plan.too_small(self.plan.budget.seconds or 0.0)

    def _choose(self) -> tuple[Choice, float]:
        """What ships, and the baseline's score."""
        scorer = self.race.scorer
        chooser = scorer.with_echoes()
        constant = baseline_margins(self.data)
        baseline = mean_score(scorer.split_scores(constant))
        refit = self.config.refit or self.folds.refit
        trials = [trial for trial in self.race.done if not trial.forgotten]
        limits = blend_limits(
            trials,
            self.data,
            refit=refit,
            max_members=self.plan.max_members(refit=refit),
            max_trees=self.config.max_trees,
        )
        choice = choose(
            trials,
            self.race.margins,
            scorer,
            single=self.config.single,
            limits=limits,
            baseline_loss=chooser.loss(chooser.pooled(constant)),
            calibrate=self.goal.calibrate,
            crossfit_seconds=self._crossfit_seconds(),
            seed=self.config.seed,
            weights=None if self.script is None else self.script.weights,
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
                "blend", f"the clock cut {trial.name} at about {count} trees", warning=True
            )
        if choice.link.temperature != 1.0:
            self.ledger.add(
                "blend",
                f"probabilities calibrated with temperature {choice.link.temperature:.3f}",
                "it lowers the out-of-fold log loss",
            )
        if choice.threshold is not None and choice.threshold != 0.5:
            self.ledger.add(
                "threshold",
                f"'{self.table.target.classes[1]}' from a probability of {choice.threshold:.4f}",
                f"the best out-of-fold {self.goal.metric.name}",
            )
        return choice, baseline

    def _crossfit_seconds(self) -> float:
        """Under a clock the corrected score tells more for the same seconds."""
        by_clock = self.race.rules.reads_clock or self.race.ended_by_clock
        return 0.0 if by_clock else math.inf

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

    def _explain(self, members: list[MemberFiles]) -> BlendShap | None:
        limited = self.plan.budget.limited
        by_clock = self.race.rules.reads_clock or self.race.ended_by_clock

        def left() -> float:
            return (
                self.plan.budget.left() - self.plan.end_seconds() - GRACE if limited else math.inf
            )

        try:
            shap = blend_shap(
                members,
                self.data,
                self.race.executor,
                n_columns=len(self.table.schema.columns),
                folder=self.run.path / "shap",
                max_rows=MAX_EXPLAINED_ROWS if self.race.rules.reads_clock else EXPLAINED_ROWS,
                probe=limited and by_clock,
                seconds_left=left,
            )
        except NotDone as reason:
            hint = "`automl explain` computes them from the bundle"
            self.ledger.add(
                "explain",
                "no time was left for SHAP values" if reason.late else "there are no SHAP values",
                hint if reason.late else f"{reason}; {hint}",
                warning=True,
            )
            return None
        self.ledger.add("explain", f"SHAP values of {len(shap.rows):,} training rows")
        return shap

    def _importance(self, shap: BlendShap) -> Importance:
        schema, parsed = self.table.schema, self.table.parsed
        used = list(schema.used)
        values = np.moveaxis(shap.values, 1, 2)[:, used, :]  # (n, c, k)
        numbers = np.full((len(shap.rows), len(used)), np.nan)
        for j, index in enumerate(used):
            cells = parsed.values[index]
            if isinstance(cells, np.ndarray) and cells.dtype.kind == "f":
                numbers[:, j] = cells[: len(shap.rows)]
        classes = self.table.target.classes
        outputs = classes if values.shape[2] > 1 else (classes[1:] or ("prediction",))
        return Importance(
            columns=tuple(schema.columns[i].name for i in used),
            outputs=tuple(outputs),
            mean_abs=np.abs(values).mean(axis=0),
            correlation=np.vstack(
                [rank_correlation(numbers[:, j], values[:, j]) for j in range(len(used))]
            ),
            n_rows=len(values),
        )

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
