"""What becomes of trials: reports of their folds in, scores, failures and prunings out."""

from __future__ import annotations

import math
import shutil
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.ledger import Ledger
from automl.search.costs import Costs
from automl.search.crossval import choose_tree_counts
from automl.search.executors.base import Report
from automl.search.honest import Pool
from automl.search.journal import PLACES, Journal
from automl.search.noise import Noise
from automl.search.pruning import likely_loss, pruned_after
from automl.search.rules import RaceRules
from automl.search.scoring import Scorer, mean_score
from automl.search.trial import FoldRun, State, Trial

# Finished trials whose models stay on disk and margins in memory: more than a blend looks at.
KEPT_TRIALS = 30
BATCH = 4  # trials per batch in trials mode; any fixed number is as good for identity


@dataclass(frozen=True)
class Record:
    """Where a race leaves what it does: the folder of its trials, its journal, its ledger."""

    folder: Path
    journal: Journal
    ledger: Ledger


class Judge:
    """Holds the trials of a race and decides, report by report, what becomes of each.

    margins: stacked (rows, k) float32 out-of-fold margins of finished trials, by name.
    finish: folds whose honest tree count is known and whose rows wait to be predicted.
    loss_seconds: that one evaluation of the metric takes, to plan the end.
    """

    def __init__(self, scorer: Scorer, rules: RaceRules, costs: Costs, record: Record) -> None:
        self.scorer, self.rules, self.record = scorer, rules, record
        self.chooser = scorer.with_echoes()
        self.costs = costs
        self.trials: list[Trial] = []
        self.margins: dict[str, Any] = {}
        self.pool = Pool(self.chooser, rules.seed)
        self.noise = Noise(scorer, rules.seed, rules.groups)
        self.finish: deque[tuple[Trial, FoldRun]] = deque()
        self.ended_by_clock = False
        self.loss_seconds = 0.0
        self._retried: set[tuple[int, str, int]] = set()

    @property
    def done(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == "done"]

    @property
    def open(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.is_open]

    @property
    def within_noise(self) -> Mapping[str, bool]:
        """By name, whether a finished trial is as good as the best for all that its rows tell."""
        return self.noise.within({t.name: t.score for t in self.done if t.score is not None})

    def take_back(self, trials: Sequence[Trial], margins: Mapping[str, Any]) -> None:
        """Go on from the trials of an interrupted run, as `search.restore` makes them."""
        self.margins.update(margins)
        for name, stacked in margins.items():
            self.pool.take(name, self.chooser.pooled(stacked))
            self.noise.take(name, stacked)
        for trial in trials:
            self.trials.append(trial)
            for fold in trial.folds.values():
                self.costs.seen(trial.candidate, fold.seconds)
            if trial.state == "finishing":
                self._finish_trial(trial)

    def take(self, report: Report) -> None:
        """Learn from a report of an open trial's task."""
        trial = self.trials[report.task["trial"]]
        if not trial.is_open:
            return  # pruned or stopped meanwhile
        if report.result is None:
            self._take_failure(trial, report)
        elif report.task["kind"] == "fold":
            self._take_fold(trial, report.task, report.result)
        else:
            trial.predict_seconds += report.result["predict_seconds"]
            trial.folds[report.task["split"]].model_bytes = report.result["model_bytes"]
            trial.n_predicted += 1
            if trial.n_predicted == trial.n_splits:
                self._take_finished(trial)

    def close(self, trial: Trial, state: State) -> None:
        """Nothing more happens with `trial`; its files go unless it is done."""
        trial.state = state
        trial.pending.clear()
        trial.ended = self.record.journal.write("closed", **trial.to_json())
        if state != "done":
            self._forget(trial)

    # -- parts ----------------------------------------------------------------------------------

    def _take_failure(self, trial: Trial, report: Report) -> None:
        split = int(report.task["split"])
        if report.stopped:
            self.close(trial, "stopped")
        elif report.outside and self._again(trial, report):
            return
        elif report.task["kind"] == "fold":
            trial.failures[split] = report
            trial.pending = [k for k in trial.pending if k < split]
            self._settle(trial)
        else:
            self._fail(trial, report)

    def _again(self, trial: Trial, report: Report) -> bool:
        """Whether a task that was ended from outside is put back, as it is once."""
        kind, split = str(report.task["kind"]), int(report.task["split"])
        if (trial.number, kind, split) in self._retried:
            return False
        self._retried.add((trial.number, kind, split))
        cause = str(report.error)
        self.record.journal.write("died", trial=trial.number, kind=kind, split=split, cause=cause)
        what = f"fold {split + 1} of {trial.name} is tried again"
        self.record.ledger.add("race", what, cause, warning=True)
        if kind == "fold":
            trial.pending = sorted([*trial.pending, split])
        else:
            self.finish.appendleft((trial, trial.folds[split]))
        return True

    def _take_fold(self, trial: Trial, task: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        fold = FoldRun.of(task, result)
        trial.folds[fold.split] = fold
        self.ended_by_clock |= fold.by_clock
        trial.seconds += fold.seconds
        self.costs.seen(trial.candidate, fold.seconds)
        facts = {name: fact for name, fact in {**task, **result}.items() if name not in PLACES}
        self.record.journal.write("fold", **facts)
        self._settle(trial)

    def _settle(self, trial: Trial) -> None:
        """Prune, fail or finish `trial`, or wait for more of its folds.

        A failed fold counts only when all before it are trained: one of them may prune the trial.
        """
        if self._prune(trial):
            return
        reached = len(trial.prefix())
        if reached in trial.failures:
            self._fail(trial, trial.failures[reached])
        elif reached == trial.n_splits:
            self._finish_trial(trial)

    def _finish_trial(self, trial: Trial) -> None:
        """All folds are trained: choose their tree counts and queue their predictions."""
        trial.state = "finishing"
        folds = trial.prefix()
        repeats = [split.repeat for split in self.scorer.splits]
        counts = choose_tree_counts(
            [fold.curve for fold in folds], repeats, inner_stop=self.rules.inner_stop
        )
        for fold, count in zip(folds, counts, strict=True):
            fold.n_trees = count
        trial.objective_loss = float(np.mean([fold.curve[fold.n_trees - 1] for fold in folds]))
        self.finish.extend((trial, fold) for fold in folds)

    def _take_finished(self, trial: Trial) -> None:
        parts = [np.load(trial.oof_file(k), allow_pickle=False) for k in range(trial.n_splits)]
        stacked = np.concatenate(parts)
        pooled = self.chooser.pooled(stacked)
        threshold = self.chooser.threshold(pooled)
        started = time.perf_counter()
        trial.loss = self.chooser.loss(pooled)
        self.loss_seconds = max(self.loss_seconds, time.perf_counter() - started)
        trial.fold_scores = self.scorer.split_scores(stacked, threshold)
        trial.score = mean_score(trial.fold_scores)
        self.margins[trial.name] = stacked
        self.pool.take(trial.name, pooled)
        self.noise.take(trial.name, stacked)
        self.close(trial, "done")
        if len(self.margins) > KEPT_TRIALS:
            self._forget(max(self.done, key=lambda t: -math.inf if t.forgotten else t.loss or 0.0))

    def _forget(self, trial: Trial) -> None:
        """Drop the models and margins of a trial that no blend will want: runs may be long."""
        trial.forgotten = True
        self.margins.pop(trial.name, None)
        shutil.rmtree(trial.folder, ignore_errors=True)

    def _fail(self, trial: Trial, report: Report) -> None:
        trial.cause = report.error or "unknown"
        self.record.ledger.add("race", f"{trial.name} failed", trial.cause, warning=True)
        self.record.journal.write("traceback", trial=trial.number, traceback=report.traceback)
        self.close(trial, "failed")

    def _prune(self, trial: Trial) -> bool:
        """Whether `trial` is hopeless against earlier trials, and closed for it."""
        complete = len(trial.folds) == trial.n_splits
        if complete and self.rules.reads_clock:
            return False
        first = trial.number if self.rules.reads_clock else trial.number - trial.number % BATCH
        rivals = [t for t in self.trials[:first] if t.state == "done"]
        trial.pruned_after = pruned_after(trial, rivals, self.rules.baseline_losses)
        if trial.pruned_after:
            trial.objective_loss = likely_loss(trial, rivals, trial.pruned_after)
            self.close(trial, "pruned")
        return trial.pruned_after > 0
