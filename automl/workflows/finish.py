"""The end of a fit: choose the blend, refit where asked, explain, write the bundle."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from automl.config import FitConfig
from automl.data.splits import Folds
from automl.features.preprocess import Preprocessor
from automl.ledger import Ledger
from automl.metrics._evaluate import evaluate_all
from automl.model.bundle import MemberFiles, install_bundle, write_bundle
from automl.model.explain import Importance, rank_correlation
from automl.model.intervals import FILE as INTERVALS
from automl.model.intervals import Conformal
from automl.model.jsonfile import json_bytes
from automl.search.baseline import baseline_margins
from automl.search.honest import Corrected
from automl.search.journal import Journal
from automl.search.limits import blend_limits
from automl.search.race import Race
from automl.search.scoring import mean_score, spread_of
from automl.search.select import Choice, choose
from automl.search.setup import Goal
from automl.search.ship import (
    GRACE,
    MAX_EXPLAINED_ROWS,
    BlendShap,
    blend_shap,
    fold_members,
    refit_members,
)
from automl.search.store import RunData
from automl.workflows import result as files
from automl.workflows.aside import score_aside
from automl.workflows.conformal import conformal_of
from automl.workflows.honest import honest_score
from automl.workflows.output import RunFolder
from automl.workflows.plan import Plan
from automl.workflows.result import FitResult
from automl.workflows.student import Taught, teach
from automl.workflows.training_table import TrainingTable

# Rows explained where no clock limits them; a fixed number, so that the bundle is reproducible.
EXPLAINED_ROWS = 500
# A shipped model that the clock cut before this many trees is hardly more than the baseline.
_LEAST_TREES = 5


@dataclass(frozen=True)
class Finish:
    """Everything that a run knows when its race has ended; `bundle` makes a bundle of it."""

    config: FitConfig
    origins: Mapping[str, str]
    plan: Plan
    table: TrainingTable
    preprocessor: Preprocessor
    goal: Goal
    data: RunData
    folds: Folds
    race: Race
    run: RunFolder
    ledger: Ledger

    def bundle(self, journal: Journal) -> FitResult:
        """Choose, refit, explain, write and install; the result of the fit."""
        self._check_race()
        self.ledger.progress.stage("Result")
        choice, baseline = self._choose()
        taught = teach(self, choice) if self.config.distil else None
        if taught is None:
            members = self._members(choice, refit=self.config.refit or self.folds.refit)
        else:
            choice, members = taught.choice, [taught.student.member]
            journal.write("student", **taught.student.trial.to_json(), teacher=taught.teacher)
        corrected = honest_score(self, choice, taught)
        test = score_aside(self, choice, members)
        shap = self._explain(members)
        importance = None if shap is None else self._importance(shap)
        intervals = conformal_of(self, choice, taught, n_models=len(members[0].boosters))
        outcome = self._outcome(choice, baseline, importance, taught, corrected)
        outcome = replace(outcome, test=test)
        journal.write("result", weights=dict(choice.weights), score=choice.score)
        self._write(outcome, choice, members, importance, intervals)
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

    def _members(self, choice: Choice, *, refit: bool) -> list[MemberFiles]:
        if not refit:
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

        members, cut = refit_members(
            self.race.done,
            choice.weights,
            self.data,
            self.race.executor,
            folder=self.run.path / "refit",
            seed=self.config.seed,
            seconds_left=left,
        )
        self.race.ended_by_clock |= cut
        if members is None:
            self.ledger.add(
                "blend",
                "no time was left to refit on all rows; the models of the folds ship instead",
                warning=True,
            )
            return fold_members(self.race.done, choice.weights)
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
        if shap is None:
            self.ledger.add(
                "explain",
                "no time was left for SHAP values",
                "`automl explain` computes them from the bundle",
                warning=True,
            )
        else:
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
            leaderboard=files.leaderboard(shown, choice.weights, metric),
            importance=table,
            n_rows=self.table.n_rows,
            n_columns=len(self.table.schema.used),
            seconds=self.plan.budget.spent(),
            budget=self.config.time_budget,
            reproducible=not clocked and not race.resumed,
            warnings=self.ledger.warnings,
            notes=[] if importance is not None else ["SHAP values"],
            teacher=None if taught is None else taught.teacher,
        )

    def _write(
        self,
        outcome: FitResult,
        choice: Choice,
        members: list[MemberFiles],
        importance: Importance | None,
        intervals: tuple[Conformal, dict[str, Any]] | None,
    ) -> None:
        metrics = self._metrics(outcome, choice)
        if intervals is not None:
            metrics["intervals"] = intervals[1]
        extras: dict[str, Any] = {
            "leaderboard.csv": files.leaderboard_csv(outcome.leaderboard),
            "ledger.jsonl": files.ledger_lines(self.ledger.decisions),
            "metrics.json": json.dumps(metrics, indent=1).encode(),
            "run/journal.jsonl": self.run.path / "journal.jsonl",
        }
        if intervals is not None:
            extras[INTERVALS] = json_bytes(intervals[0].to_json())
        if importance is not None:
            text = json.dumps(importance.to_json(), indent=1)
            extras["explanations/global.json"] = text.encode()
        write_bundle(
            self.run.staging,
            facts=self._facts(outcome),
            schema=self.table.schema,
            preprocessor=self.preprocessor,
            members=members,
            link=choice.link,
            threshold=choice.threshold,
            extras=extras,
        )
        install_bundle(self.run.staging, self.run.bundle, force=self.config.force)

    def _metrics(self, outcome: FitResult, choice: Choice) -> dict[str, Any]:
        y, weight = self.race.scorer.truth()
        task = self.goal.task
        every = evaluate_all(
            task,
            y,
            choice.link.predict(choice.pooled),
            weight,
            threshold=0.5 if choice.threshold is None else choice.threshold,
        )
        return {
            "metric": outcome.metric,
            "score": outcome.score,
            "spread": outcome.spread,
            "score_crossfitted": outcome.score_crossfitted,
            "corrected": outcome.corrected,
            "test": outcome.test,
            "teacher": outcome.teacher,
            "fold_scores": outcome.fold_scores,
            "baseline": outcome.baseline,
            "engine_scores": outcome.engine_scores,
            "out_of_fold": every,
            "validation": self.folds.scheme,
            "n_splits": len(self.folds.splits),
            "seconds": outcome.seconds if self.plan.budget.limited else None,
            "cpu": self.race.cpu.to_json() if self.plan.budget.limited else None,
        }

    def _facts(self, outcome: FitResult) -> dict[str, Any]:
        target = self.table.target
        return {
            "task": target.task.value,
            "target": target.name,
            "classes": list(target.classes),
            "positive": target.positive,
            "metric": self.goal.metric.name,
            "seed": self.config.seed,
            "data": {
                "name": self.table.name,
                "digest": self.table.digest,
                "n_rows": self.table.n_rows,
            },
            "config": self.config.to_json(),
            "origins": dict(self.origins),
            "reproducible": outcome.reproducible,
            "not_done": outcome.notes,
            "threads": self.data.threads,
            "versions": files.versions(),
        }
