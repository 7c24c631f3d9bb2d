"""The race: which candidate is tried when, fold by fold, until the budget or the trials end.

Two ways to run. With a number of trials, candidates are asked in batches of fixed size, told in
trial order, pruned only against earlier batches, and nothing reads the clock: the result is the
same for any number of workers. With a time budget, whoever is idle gets the next fold, and a
trial starts only if its folds are predicted to finish in time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl.errors import SearchError
from automl.ledger import Board
from automl.search.blend import row_sample
from automl.search.candidates import Candidates
from automl.search.cpu import Cpu
from automl.search.executors.base import Executor, Report
from automl.search.gains import Gains
from automl.search.honest import Pool
from automl.search.judge import BATCH, Judge, Record
from automl.search.pace import Pace
from automl.search.portfolio import HASTENED, Candidate
from automl.search.rules import RaceRules
from automl.search.scoring import Scorer
from automl.search.studies import Studies
from automl.search.trial import Trial

_GAIN_ROWS = 20_000  # on which the gain of a trial is measured
_TICK = 0.25  # seconds between looks at the clock
_GRACE = 0.3  # seconds that a task may take past its limit before it is killed
# A candidate starts if this many times its predicted end is in time: after a fold of its engine
# and recipe was seen, and before.
_SURE, _UNSURE = 1.05, 1.3


class Race:
    """Runs candidates over an executor; `run` returns the trials."""

    def __init__(
        self,
        executor: Executor,
        scorer: Scorer,
        rules: RaceRules,
        candidates: Candidates,
        record: Record,
        *,
        watch: Callable[[Race], None] = lambda race: None,
    ) -> None:
        self.executor, self.scorer, self.record = executor, scorer, record
        self.costs = candidates.costs
        self.judge = Judge(scorer, rules, self.costs, record)
        self.pace = Pace(self.costs, executor.n_workers)
        self.cpu = Cpu(executor)
        self.resumed = False
        self._ended_early = False
        self._candidates = candidates
        self._batch: deque[Candidate] = deque()
        self._untold: deque[Trial] = deque()
        chooser = self.judge.chooser
        self._sample = row_sample(len(chooser.rows), _GAIN_ROWS, rules.seed)
        self._gains = Gains(lambda margin: chooser.loss(margin, self._sample))
        self._watch = watch

    def take_back(self, trials: Sequence[Trial], margins: Mapping[str, Any]) -> None:
        """Go on from the trials of an interrupted run, as `search.restore` makes them."""
        self.resumed = True
        self._candidates.tried(trials)
        self._untold.extend(trials)
        self.judge.take_back(trials, margins)

    # -- what it has done so far ------------------------------------------------------------------

    @property
    def rules(self) -> RaceRules:
        return self.judge.rules

    @rules.setter
    def rules(self, rules: RaceRules) -> None:
        self.judge.rules = rules

    @property
    def trials(self) -> list[Trial]:
        return self.judge.trials

    @property
    def done(self) -> list[Trial]:
        return self.judge.done

    @property
    def margins(self) -> Mapping[str, Any]:
        """Stacked (rows, k) float32 out-of-fold margins of finished trials, by name."""
        return self.judge.margins

    @property
    def pool(self) -> Pool:
        """Pooled out-of-fold margins of all finished trials, for the corrected score."""
        return self.judge.pool

    @property
    def within_noise(self) -> Mapping[str, bool]:
        """By name, whether a finished trial is as good as the best for all that its rows tell."""
        return self.judge.within_noise

    @property
    def studies(self) -> Studies:
        """Optuna's part of the race."""
        return self._candidates.studies

    @property
    def ended_by_clock(self) -> bool:
        return self.judge.ended_by_clock

    @ended_by_clock.setter
    def ended_by_clock(self, value: bool) -> None:
        self.judge.ended_by_clock = value

    @property
    def running(self) -> bool:
        return bool(self.judge.open)

    # -- the loop -------------------------------------------------------------------------------

    def run(self) -> list[Trial]:
        """Race until the rules end it; raises SearchError if every trial failed."""
        self.cpu.begin()
        while True:
            self._fill()
            if not self.judge.open:
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
        if self.resumed and not self.done:
            return math.inf  # a resumed run ends with a model, on however slow a machine
        spare = _GRACE if self.done else _GRACE + self.rules.spare()
        return self.rules.seconds_left() + spare

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
        for i, (trial, fold) in enumerate(self.judge.finish):
            task = trial.finish_task(fold)
            if anywhere or self.executor.suits(task):
                del self.judge.finish[i]
                return task
        return None

    def _stop(self) -> None:
        """The clock ended the race: what is still running counts for nothing."""
        self.ended_by_clock = True
        self.executor.stop_running()
        for report in self.executor.wait(0.0):
            self._take(report)
        for trial in self.judge.open:
            self.judge.close(trial, "stopped")

    # -- candidates -----------------------------------------------------------------------------

    def _next_candidate(self) -> Candidate | None:
        """The next candidate to start, if one may start now."""
        if self.rules.trials is None:
            self._tell()
            if self._ends_early():
                return None
            return self._candidates.fitting(
                self._end, self.rules.seconds_left(), first=not self.done and not self.judge.open
            )
        if self._batch:
            return self._batch.popleft()
        size = min(BATCH, self.rules.trials - len(self.trials))
        # A batch is asked for, whole, when the one before it is closed and told.
        if size <= 0 or self.judge.open:
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
        self.record.ledger.add("race", "ends early", f"{waited} trials did not improve the blend")
        return True

    def _tell(self) -> None:
        """Tell about closed trials, in trial order."""
        closed = []
        while self._untold and not self._untold[0].is_open:
            closed.append(self._untold.popleft())
        self._candidates.tell(closed)
        for trial in closed:
            if trial.name in self.margins:
                margin = self.judge.chooser.pooled(self.margins[trial.name])[self._sample]
                self._candidates.gained(trial, self._gains.take(margin))

    def _end(self, candidate: Candidate) -> float:
        """Seconds until all folds of `candidate` would have ended, were it started now."""
        unsure = _SURE if self.costs.known(candidate) else _UNSURE
        waiting = [trial for trial in self.trials if trial.state == "running"]
        return unsure * self.pace.last_end(waiting, candidate, len(self.scorer.splits))

    def _start(self, candidate: Candidate) -> Trial:
        number = len(self.trials)
        n_splits = len(self.scorer.splits)
        folder = self.record.folder / f"{number:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        trial = Trial(number, candidate, folder, n_splits, pending=list(range(n_splits)))
        self.trials.append(trial)
        self._untold.append(trial)
        self.record.journal.write("trial", **trial.to_json())
        return trial

    # -- tasks ----------------------------------------------------------------------------------

    def _fold_task(self, trial: Trial, split: int) -> dict[str, Any]:
        limit = self._time_limit(trial)
        self.pace.begun(trial, split)
        task = trial.fold_task(
            split,
            seed=self.rules.seed,
            max_trees=self.rules.max_trees,
            patience=self.rules.patience,
            time_limit=limit,
        )
        return trial.like_others(task) if self.resumed and not self.done else task

    def _time_limit(self, trial: Trial) -> float | None:
        """Seconds for one fold: a fair share of those left for the first trial and hastened ones.

        The first trial, or the next one if it failed, always finishes, whatever its folds were
        predicted to take.
        """
        left = self.rules.seconds_left()
        if not self.rules.reads_clock:
            return None if math.isinf(left) else max(left, 0.0)
        first = not self.done and trial is self.judge.open[0]
        if not first and trial.candidate.origin != HASTENED:
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
        self.judge.close(trial, "stopped")
        return True

    # -- reports --------------------------------------------------------------------------------

    def _take(self, report: Report) -> None:
        trial = self.trials[report.task["trial"]]
        if report.task["kind"] == "fold":
            self.pace.ended(trial, report.task["split"])
        if report.result is not None:
            self.cpu.native_seconds += report.result["native_seconds"]
            taken = report.result["seconds"], report.result["cpu_seconds"]
            self.pace.seen(*taken, self.executor.threads)
        self.judge.take(report)

    # -- for people -----------------------------------------------------------------------------

    def board(self, *, spent: float, budget: float | None) -> Board:
        """The leaderboard as it stands."""
        metric, within = self.scorer.metric, self.within_noise
        return Board(
            metric=metric.name,
            higher_is_better=metric.higher_is_better,
            rows=[trial.row(within_noise=within.get(trial.name)) for trial in self.trials],
            blend_score=None,
            spent=spent,
            budget=budget,
            trials_done=len(self.trials) - len(self.judge.open),
            trials_planned=self.rules.trials,
            running=[trial.name for trial in self.judge.open],
        )
