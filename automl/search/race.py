"""The race: which candidate is tried when, fold by fold, until the budget or the trials end.

Two ways to run. With a number of trials, candidates are asked in batches of fixed size, told in
trial order, pruned only against earlier batches, and nothing reads the clock: the result is the
same for any number of workers. With a time budget, whoever is idle gets the next fold, and a
trial starts only if its folds are predicted to finish in time.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automl.errors import SearchError
from automl.ledger import Board, Ledger
from automl.search.blend import row_sample
from automl.search.candidates import Candidates
from automl.search.costs import Costs
from automl.search.cpu import Cpu
from automl.search.crossval import choose_tree_counts
from automl.search.executors.base import Executor, Report
from automl.search.gains import Gains
from automl.search.honest import Pool
from automl.search.journal import Journal
from automl.search.pace import Pace
from automl.search.portfolio import HASTENED, Candidate
from automl.search.pruning import likely_loss, pruned_after
from automl.search.rules import RaceRules
from automl.search.scoring import Scorer, mean_score
from automl.search.studies import Studies
from automl.search.trial import FoldRun, Trial

# Finished trials whose models stay on disk and margins in memory: more than a blend looks at.
KEPT_TRIALS = 30
_GAIN_ROWS = 20_000  # on which the gain of a trial is measured
BATCH = 4  # trials per batch in trials mode; any fixed number is as good for identity
_TICK = 0.25  # seconds between looks at the clock
_GRACE = 0.3  # seconds that a task may take past its limit before it is killed
# A candidate starts if this many times its predicted end is in time: after a fold of its engine
# and recipe was seen, and before.
_SURE, _UNSURE = 1.05, 1.3


class Race:
    """Runs candidates over an executor; `run` returns the trials."""

    def __init__(  # noqa: PLR0913 - the parts of a run, each given once
        self,
        executor: Executor,
        scorer: Scorer,
        rules: RaceRules,
        *,
        candidates: tuple[Candidate, ...],
        studies: Studies,
        costs: Costs,
        folder: Path,
        journal: Journal,
        ledger: Ledger,
        watch: Callable[[Race], None] = lambda race: None,
    ) -> None:
        self.executor, self.scorer, self.rules = executor, scorer, rules
        self._chooser = scorer.with_echoes()
        self.costs, self.pace = costs, Pace(costs, executor.n_workers)
        self.cpu = Cpu(executor)
        self.folder, self.journal, self.ledger = folder, journal, ledger
        self.trials: list[Trial] = []
        self.margins: dict[str, Any] = {}  # name -> stacked (rows, k) float32 of finished trials
        self.pool = Pool(self._chooser, rules.seed)
        self.ended_by_clock = False
        self.resumed = False
        self._ended_early = False
        self.loss_seconds = 0.0  # that one evaluation of the metric takes, to plan the end
        self._candidates = Candidates(candidates, studies, costs, ledger)
        self._batch: deque[Candidate] = deque()
        self._finish: deque[tuple[Trial, FoldRun]] = deque()
        self._untold: deque[Trial] = deque()
        self._sample = row_sample(len(self._chooser.rows), _GAIN_ROWS, rules.seed)
        self._gains = Gains(lambda margin: self._chooser.loss(margin, self._sample))
        self._watch = watch

    def take_back(self, trials: Sequence[Trial], margins: Mapping[str, Any]) -> None:
        """Go on from the trials of an interrupted run, as `search.restore` makes them."""
        self.resumed = True
        self._candidates.tried(trials)
        self.margins.update(margins)
        for name, stacked in margins.items():
            self.pool.take(name, self._chooser.pooled(stacked))
        for trial in trials:
            self.trials.append(trial)
            self._untold.append(trial)
            for fold in trial.folds.values():
                self.costs.seen(trial.candidate, fold.seconds)
            if trial.state == "finishing":
                self._finish_trial(trial)

    # -- the loop -------------------------------------------------------------------------------

    def run(self) -> list[Trial]:
        """Race until the rules end it; raises SearchError if every trial failed."""
        self.cpu.begin()
        while True:
            self._fill()
            if not self._open():
                break
            reports = self.executor.wait(min(_TICK, max(self._hard_left(), 0.01)))
            for report in reports:
                self._take(report)
            self._watch(self)
            if self._hard_left() < 0:
                self._stop()
                break
        self.cpu.end()
        failed = [trial for trial in self.trials if trial.state == "failed"]
        if not self.done and failed:
            raise SearchError(
                f"Every candidate failed; the first, {failed[0].name}: {failed[0].cause}"
            )
        return self.trials

    def _hard_left(self) -> float:
        """Seconds until running tasks are killed; the first model may use what the end spares."""
        spare = _GRACE if self.done else _GRACE + self.rules.spare()
        return self.rules.seconds_left() + spare

    @property
    def done(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == "done"]

    def _open(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.is_open]

    def _fill(self) -> None:
        while self.executor.idle:
            task = self._next_task()
            if task is None:
                return
            self.executor.submit(task)

    def _next_task(self) -> Mapping[str, Any] | None:
        finish = self._next_finish(anywhere=False)
        if finish is not None:
            return finish
        for trial in self.trials:
            if trial.state == "running" and trial.pending:
                if self._too_late(trial):
                    continue
                return self._fold_task(trial, trial.pending.pop(0))
        candidate = self._next_candidate()
        if candidate is None:
            return self._next_finish(anywhere=True)
        trial = self._start(candidate)
        return self._fold_task(trial, trial.pending.pop(0))

    def _next_finish(self, *, anywhere: bool) -> Mapping[str, Any] | None:
        """A fold to finish, by the worker that holds its model or, with `anywhere`, by any.

        The first trial of a run waits for nobody: there must be a model to ship.
        """
        anywhere = anywhere or not self.done
        for i, (trial, fold) in enumerate(self._finish):
            task = trial.finish_task(fold)
            if anywhere or self.executor.suits(task):
                del self._finish[i]
                return task
        return None

    def _stop(self) -> None:
        """The clock ended the race: what is still running counts for nothing."""
        self.ended_by_clock = True
        self.executor.stop_running()
        for report in self.executor.wait(0.0):
            self._take(report)
        for trial in self._open():
            self._close(trial, "stopped")

    # -- candidates -----------------------------------------------------------------------------

    def _next_candidate(self) -> Candidate | None:
        """The next candidate to start, if one may start now."""
        if self.rules.trials is None:
            self._tell()
            if self._ends_early():
                return None
            return self._candidates.fitting(
                self._end, self.rules.seconds_left(), first=not self.trials
            )
        if self._batch:
            return self._batch.popleft()
        size = min(BATCH, self.rules.trials - len(self.trials))
        # A batch is asked for, whole, when the one before it is closed and told.
        if size <= 0 or self._open():
            return None
        if self.rules.seconds_left() <= 0:
            self.ended_by_clock = True
            return None
        self._tell()
        if self._ends_early():
            return None
        self._batch.extend(self._candidates.batch(size))
        return self._batch.popleft() if self._batch else None

    def _ends_early(self) -> bool:
        """Whether nothing is started any more, because nothing improves."""
        if self._ended_early:
            return True  # also if a trial that still ran improves it after all
        if not self.rules.stop_early or not self._candidates.searching or not self._gains.stale:
            return False
        self._ended_early = True
        waited = self._gains.waited
        self.ledger.add("race", "ends early", f"{waited} trials did not improve the blend")
        return True

    def _tell(self) -> None:
        """Tell about closed trials, in trial order."""
        closed = []
        while self._untold and not self._untold[0].is_open:
            closed.append(self._untold.popleft())
        self._candidates.tell(closed)
        for trial in closed:
            if trial.name in self.margins:
                margin = self._chooser.pooled(self.margins[trial.name])[self._sample]
                self._candidates.gained(trial, self._gains.take(margin))

    def _end(self, candidate: Candidate) -> float:
        """Seconds until all folds of `candidate` would have ended, were it started now."""
        unsure = _SURE if self.costs.known(candidate) else _UNSURE
        waiting = [trial for trial in self.trials if trial.state == "running"]
        return unsure * self.pace.last_end(waiting, candidate, len(self.scorer.splits))

    def _start(self, candidate: Candidate) -> Trial:
        number = len(self.trials)
        n_splits = len(self.scorer.splits)
        folder = self.folder / f"{number:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        trial = Trial(number, candidate, folder, n_splits, pending=list(range(n_splits)))
        self.trials.append(trial)
        self._untold.append(trial)
        self.journal.write("trial", **trial.to_json())
        return trial

    # -- tasks ----------------------------------------------------------------------------------

    def _fold_task(self, trial: Trial, split: int) -> dict[str, Any]:
        limit = self._time_limit(trial)
        self.pace.begun(trial, split)
        return trial.fold_task(
            split,
            seed=self.rules.seed,
            max_trees=self.rules.max_trees,
            patience=self.rules.patience,
            time_limit=limit,
        )

    def _time_limit(self, trial: Trial) -> float | None:
        """Seconds for one fold: a fair share of those left for the first trial and hastened ones.

        The first trial always finishes, whatever its folds were predicted to take.
        """
        left = self.rules.seconds_left()
        if not self.rules.reads_clock:
            return None if math.isinf(left) else max(left, 0.0)
        if trial.number and trial.candidate.origin != HASTENED:
            return left
        waves = math.ceil((len(trial.pending) + 1) / self.executor.n_workers)
        return left / waves * 0.85  # predicting the valid rows takes time too

    def _too_late(self, trial: Trial) -> bool:
        """Whether the pending folds of `trial` cannot end in time; gives it up if so."""
        if not self.rules.reads_clock or not self.done or trial.candidate.origin == HASTENED:
            return False
        if 0.8 * self.pace.pending_end(trial) <= self.rules.seconds_left():
            return False
        self.ended_by_clock = True
        self._close(trial, "stopped")
        return True

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
        self._finish.extend((trial, fold) for fold in folds)

    # -- reports --------------------------------------------------------------------------------

    def _take(self, report: Report) -> None:
        trial = self.trials[report.task["trial"]]
        if report.task["kind"] == "fold":
            self.pace.ended(trial, report.task["split"])
        if report.result is not None:
            self.cpu.native_seconds += report.result["native_seconds"]
            taken = report.result["seconds"], report.result["cpu_seconds"]
            self.pace.seen(*taken, self.executor.threads)
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

    def _take_failure(self, trial: Trial, report: Report) -> None:
        split = int(report.task["split"])
        if report.stopped:
            self._close(trial, "stopped")
        elif report.task["kind"] == "fold":
            trial.failures[split] = report
            trial.pending = [k for k in trial.pending if k < split]
            self._settle(trial)
        else:
            self._fail(trial, report)

    def _take_fold(self, trial: Trial, task: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        recipe_file = task["recipe_file"]
        fold = FoldRun(
            split=task["split"],
            curve=result["curve"],
            n_trained=result["n_trained"],
            seconds=result["seconds"],
            model=Path(task["model"]),
            recipe_file=None if recipe_file is None else Path(recipe_file),
            by_clock=result["by_clock"],
            model_bytes=result["model_bytes"],
        )
        trial.folds[fold.split] = fold
        self.ended_by_clock |= fold.by_clock
        trial.seconds += fold.seconds
        self.costs.seen(trial.candidate, fold.seconds)
        self.journal.write("fold", **{**task, **result})
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

    def _take_finished(self, trial: Trial) -> None:
        parts = [np.load(trial.oof_file(k), allow_pickle=False) for k in range(trial.n_splits)]
        stacked = np.concatenate(parts)
        pooled = self._chooser.pooled(stacked)
        threshold = self._chooser.threshold(pooled)
        started = time.perf_counter()
        trial.loss = self._chooser.loss(pooled)
        self.loss_seconds = max(self.loss_seconds, time.perf_counter() - started)
        trial.fold_scores = self.scorer.split_scores(stacked, threshold)
        trial.score = mean_score(trial.fold_scores)
        self.margins[trial.name] = stacked
        self.pool.take(trial.name, pooled)
        self._close(trial, "done")
        if len(self.margins) > KEPT_TRIALS:
            self._forget(max(self.done, key=lambda t: -math.inf if t.forgotten else t.loss or 0.0))

    def _forget(self, trial: Trial) -> None:
        """Drop the models and margins of a trial that no blend will want: runs may be long."""
        trial.forgotten = True
        self.margins.pop(trial.name, None)
        shutil.rmtree(trial.folder, ignore_errors=True)

    def _fail(self, trial: Trial, report: Report) -> None:
        trial.cause = report.error or "unknown"
        self.ledger.add("race", f"{trial.name} failed", trial.cause, warning=True)
        self.journal.write("traceback", trial=trial.number, traceback=report.traceback)
        self._close(trial, "failed")

    def _close(self, trial: Trial, state: Any) -> None:
        trial.state = state
        trial.pending.clear()
        self.journal.write("closed", **trial.to_json())
        if state != "done":
            self._forget(trial)

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
            self._close(trial, "pruned")
        return trial.pruned_after > 0

    # -- for people -----------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return bool(self._open())

    def board(self, *, spent: float, budget: float | None) -> Board:
        """The leaderboard as it stands."""
        metric = self.scorer.metric
        return Board(
            metric=metric.name,
            higher_is_better=metric.higher_is_better,
            rows=[trial.row() for trial in self.trials],
            blend_score=None,
            spent=spent,
            budget=budget,
            trials_done=len(self.trials) - len(self._open()),
            trials_planned=self.rules.trials,
            running=[trial.name for trial in self._open()],
        )
