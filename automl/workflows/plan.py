"""How a run spends its budget: folds that fit, when the race ends, what the end will cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automl.budget import Budget
from automl.config import FitConfig
from automl.data.splits import Folds
from automl.errors import ConfigError
from automl.ledger import Ledger
from automl.search.baseline import baseline_margins, objective_losses
from automl.search.candidates import Candidates
from automl.search.costs import Costs
from automl.search.crossval import load_engine
from automl.search.distil import distil_seconds
from automl.search.executors.base import Executor
from automl.search.journal import Journal
from automl.search.judge import Record
from automl.search.portfolio import Candidate, portfolio
from automl.search.race import Race
from automl.search.rules import RaceRules
from automl.search.scoring import Scorer
from automl.search.select import MAX_CANDIDATES, MAX_ROWS
from automl.search.setup import Goal, fold_seconds
from automl.search.ship import refit_seconds
from automl.search.store import RunData
from automl.search.studies import Studies
from automl.workflows.facts import expected_seconds
from automl.workflows.fairness import parity_of
from automl.workflows.memory import MemoryPlan
from automl.workflows.resume import Earlier, Interrupted
from automl.workflows.training_table import TrainingTable
from automl.workflows.validation import inner_stop, split_rows

MAX_TREES = 2000
PATIENCE = 40
MAX_MEMBERS = 8
MAX_REFIT_MEMBERS = 3
_LEAST_BLEND = 0.3  # of the seconds kept for choosing, for the search of the blend
# Seconds that are kept for scores and SHAP values do for so much less on a busy machine.
_MOST_STRETCHED = 2.0
# Writing, syncing and renaming the bundle, ending the workers and the interpreter: measured on two
# cores, 0.15 to 0.25 s.
END_SECONDS = 0.35
# Choosing the blend: so many evaluations of its loss per candidate, as measured; more where its
# limits keep members out and it is chosen again at higher prices.
_CHOOSE_ROUNDS = 24
_CALIBRATE_ROUNDS = 24  # evaluations on all rows, where a blend is chosen on some
_CHOOSE_SECONDS = 0.1
# Of a row, and of a row and output: intervals and sets with their coverage, all metrics once.
_VALUE_SECONDS, _CLASS_SECONDS = 2e-6, 1e-6
_BOARD_SECONDS = 0.3
_HURRIED_SECONDS = 0.5  # for SHAP values, when somebody waits for the end
_LEAST_REPORT = 0.1
_REPORT_SHARE = 0.08  # of the budget, at most
_REPORT_SHARE_LEFT = 0.4  # of what is left of it, at most
_REPORT_SPARE = 1.25  # times what it is expected to take
# Of a split's predicted seconds, the share that still gives a model worth shipping.
_WORTH = 0.1
# Repeated or many folds are for tables on which a trial is quick: at least so many trials must
# fit into the budget, or there are `_FEW_SPLITS` splits.
_LEAST_TRIALS = 8
_FEW_SPLITS = 5
_SLOWEST = 3.0  # what a start-up on a cold disk may make believe
_REFIT_COST = 1.9  # of a fold's seconds: 1.2 to 1.5 times the rows and as many more trees
# Of the budget, what may be kept for a student: one of a blend that is hardly there learns little.
_MOST_DISTIL = 0.5


class Plan:
    """The clock's side of one run; without a time budget it plans nothing away."""

    def __init__(
        self,
        config: FitConfig,
        budget: Budget,
        table: TrainingTable,
        goal: Goal,
        engines: tuple[str, ...],
        n_workers: int,
    ) -> None:
        self.config, self.budget = config, budget
        self._table, self._goal = table, goal
        self._engines, self.n_workers = engines, n_workers
        self._race: Race | None = None
        self._data: RunData | None = None
        self.memory: MemoryPlan | None = None
        self._refits = False
        self._resumes: Path | None = None  # the bundle of the run that this one goes on with
        self.fewer: dict[str, Any] = {}  # what the clock made of the folds: as `with_splits` takes

    # -- before the race ------------------------------------------------------------------------

    def within_budget(self, data: RunData, folds: Folds) -> tuple[RunData, Folds]:
        """The folds, or fewer or a single holdout where the budget has no time for them.

        Raises ConfigError naming the least budget where not even one model fits.
        """
        if not self.budget.limited:
            return data, folds
        guess = self._guess(data)
        left = self.budget.left() - self.reserve()
        waves = math.ceil(len(data.splits) / self.n_workers)
        asked = self.config.folds, self.config.holdout, self.config.trials
        chosen = all(option is None for option in asked)
        if chosen and len(data.splits) > _FEW_SPLITS and guess * waves > left / _LEAST_TRIALS:
            reason = f"{_FEW_SPLITS} folds leave time for more candidates."
            data, folds = self.with_splits(data, reason, n_folds=_FEW_SPLITS)
            waves = math.ceil(_FEW_SPLITS / self.n_workers)
        need = _WORTH * guess * waves
        if chosen and left < 2 * need and len(data.splits) > 1:
            need = _WORTH * guess * 2  # one split, and its refit on all rows
            if left >= need:
                reason = "The time budget has no room for folds."
                data, folds = self.with_splits(data, reason, holdout=0.2)
        if left < max(need, 0.05):
            raise self.too_small(need - left)
        return data, folds

    def as_before(self, earlier: Earlier, data: RunData, folds: Folds) -> tuple[RunData, Folds]:
        """The folds that an earlier run had."""
        if isinstance(earlier, Interrupted):
            self._resumes = earlier.bundle
        fewer = earlier.start["fewer"]
        return self.with_splits(data, **fewer) if fewer else (data, folds)

    def too_small(self, missing: float) -> ConfigError:
        """The error that names the least budget, `missing` seconds above this one."""
        least = math.ceil((self.budget.seconds or 0.0) + max(missing, 0.0) * 1.2 + 0.5)
        if self._resumes is not None:
            again = f"automl fit --resume {self._resumes} --more-time {least}s"
            return ConfigError(
                "The time left for the run had no room for a model.", hint=f"Go on with `{again}`."
            )
        return ConfigError(
            f"A time budget of {self.budget.seconds:g} s is too small for this table: "
            "no model could be trained in it.",
            hint=f"Give at least --time-budget {least}s, or use fewer rows with --sample.",
        )

    def with_splits(
        self,
        data: RunData,
        reason: str,
        *,
        n_folds: int | None = None,
        holdout: float | None = None,
    ) -> tuple[RunData, Folds]:
        """The data with other splits: `n_folds` once, or one holdout."""
        self.fewer = {"reason": reason, "n_folds": n_folds, "holdout": holdout}
        folds = split_rows(
            self._table,
            self.config,
            n_features=data.matrix.n_features,
            n_folds=n_folds,
            holdout=holdout,
        )
        folds = replace(folds, reason=reason)
        return replace(data, splits=folds.splits, inner_stop=inner_stop(folds)), folds

    def portfolio(self, data: RunData) -> tuple[Candidate, ...]:
        """The candidates that are tried first, in their order."""
        return portfolio(self._engines, tuple(data.plans), data.size)

    @property
    def memory_short(self) -> bool:
        """Whether something was left out for want of memory."""
        return self.memory is not None and self.memory.short

    def _guess(self, data: RunData) -> float:
        return fold_seconds(data.size, data.n_outputs)

    # -- the race -------------------------------------------------------------------------------

    def race(
        self,
        data: RunData,
        folds: Folds,
        executor: Executor,
        folder: Path,
        journal: Journal,
        ledger: Ledger,
    ) -> Race:
        """The race over portfolio and studies, ready to run."""
        self._data, goal = data, self._goal
        self._refits = refit = self.config.refit or folds.refit
        size = data.size
        scorer = Scorer(
            goal.metric,
            goal.task,
            goal.link,
            self._table.target.y,
            self._table.weight,
            data.splits,
            fences=goal.fences,
            parity=parity_of(self._table, self.config),
        )
        entries: Sequence[Candidate] = self.portfolio(data)
        kinds = [(name, recipe) for name in self._engines for recipe in data.plans]
        if self.memory is not None:
            entries = self.memory.fitting(data, entries)
            kinds = self.memory.searchable(data, kinds)
        spaces = {
            (name, recipe): load_engine(name).space(goal.task, size) for name, recipe in kinds
        }
        rules = RaceRules(
            trials=self.config.trials,
            seconds_left=self._race_seconds_left(refit),
            max_trees=MAX_TREES,
            patience=PATIENCE,
            seed=self.config.seed,
            inner_stop=data.inner_stop > 0,
            baseline_losses=tuple(objective_losses(data, baseline_margins(data))),
            spare=self._spare,
            stop_early=self.config.stop_early,
            groups=data.groups,
        )
        candidates = Candidates(
            entries,
            Studies(
                spaces,
                seed=self.config.seed,
                baseline_loss=rules.baseline_loss,
                sampler=self.config.sampler,
            ),
            Costs(self._guess(data)),
            ledger,
        )
        slowness = self.slowness if self.budget.limited else 1.0
        self._race = Race(
            executor,
            scorer,
            rules,
            candidates,
            Record(folder, journal, ledger),
            watch=self._watcher(ledger),
        )
        self._race.pace.slowness = slowness
        return self._race

    def _watcher(self, ledger: Ledger) -> Callable[[Race], None]:
        """Shows the leaderboard a few times a second at most."""
        shown, told = -math.inf, False

        def watch(race: Race) -> None:
            nonlocal shown, told
            self.budget.endable = bool(race.done)
            if self.budget.hurried and not told:
                told = True
                # A topic of its own, so that it is not among the lines that few see.
                ledger.add("interrupt", "ends with the best so far", "once more stops at once")
            spent = self.budget.spent()
            if spent - shown < _BOARD_SECONDS and race.running:
                return
            shown = spent
            ledger.progress.board(race.board(spent=spent, budget=self.budget.seconds))

        return watch

    def _race_seconds_left(self, refit: bool) -> Callable[[], float]:
        def left() -> float:
            if not self.budget.limited:
                return math.inf
            seconds = self.budget.left() - self.reserve()
            if self.config.distil:
                return seconds - self._distil_reserve()
            return seconds - self._refit_reserve() if refit else seconds

        return left

    def reserve(self) -> float:
        """Seconds that everything after training needs, refitting excepted."""
        if not self.budget.limited:
            return 0.0
        choose = self._choose_seconds() + self.honest_seconds()
        if self.config.test_share is not None:
            choose += self.test_seconds()
        return self.end_seconds() + choose + self.explain_seconds()

    def _spare(self) -> float:
        return self.explain_seconds() if self.budget.limited else 0.0

    def end_seconds(self) -> float:
        """Seconds for intervals and sets, for the report, for writing the bundle and ending."""
        if not self.budget.limited:
            return 0.0
        return self._interval_seconds() + self.report_seconds() + self.write_seconds()

    def _interval_seconds(self) -> float:
        """Seconds for conformal scores and for all metrics, which read no clock."""
        target = self._table.target
        n_outputs = target.task.n_outputs(len(target.classes))
        each = _CLASS_SECONDS * n_outputs if target.task.is_classification else _VALUE_SECONDS
        return self.slowness * each * self._table.n_rows

    def write_seconds(self) -> float:
        """Seconds for writing the bundle and ending, on a machine as busy as it is now."""
        return END_SECONDS * self.slowness

    @property
    def slowness(self) -> float:
        """Wall time over CPU time: of the race's tasks, and of this process before the race."""
        if self._race is not None:
            return self._race.pace.slowness
        return float(np.clip(self.budget.spent() / max(time.process_time(), 0.1), 1.0, _SLOWEST))

    def _choose_seconds(self) -> float:
        """Seconds for choosing the blend among the trials so far."""
        race = self._race
        if race is None or self.config.single:
            return _CHOOSE_SECONDS
        rows = len(race.scorer.rows)
        each = race.judge.loss_seconds * min(1.0, MAX_ROWS / rows)
        candidates = min(len(race.done), MAX_CANDIDATES)
        seconds = self.slowness * _CHOOSE_SECONDS + each * candidates * _CHOOSE_ROUNDS
        if self._goal.calibrate:
            seconds += race.judge.loss_seconds * _CALIBRATE_ROUNDS
        # With a limit on disparity, what would ship without it is chosen too, to tell the price.
        return seconds if self.config.max_disparity is None else 2.0 * seconds

    def blend_seconds(self) -> float:
        """Seconds for the search of the blend: what nothing after it is kept for.

        A machine that becomes busier just then takes longer for it, not the time of the rest.
        """
        race = self._race
        if race is None or not self.budget.limited:
            return math.inf
        choosing = self._choose_seconds()
        rest = race.judge.loss_seconds * _CALIBRATE_ROUNDS if self._goal.calibrate else 0.0
        spare = race.rules.seconds_left() + choosing - rest
        return max(spare, _LEAST_BLEND * choosing)

    def grant_end(self) -> None:
        """Leave at least the time for what comes after training, on a machine as slow as it is."""
        if self.budget.limited and not self.budget.hurried and self._race is not None:
            refit = self._refit_reserve() if self._refits and self._race.done else 0.0
            self.budget.grant(self.reserve() + refit)

    def explain_seconds(self) -> float:
        """Seconds kept for the SHAP values."""
        if not self.budget.limited:
            return math.inf
        if self.budget.hurried:
            return _HURRIED_SECONDS
        return self._stretched(np.clip(0.04 * (self.budget.seconds or 0.0), 0.25, 6.0))

    def honest_seconds(self) -> float:
        """Seconds kept for correcting the score for the choice."""
        if not self.budget.limited:
            return math.inf
        if self.budget.hurried:
            return _HURRIED_SECONDS
        return self._stretched(np.clip(0.03 * (self.budget.seconds or 0.0), 0.1, 3.0))

    def _stretched(self, seconds: float) -> float:
        """What a machine as busy as it is now takes for what an idle one does in `seconds`."""
        return float(seconds) * min(self.slowness, _MOST_STRETCHED)

    def report_seconds(self) -> float:
        """Seconds kept for the facts of the report and its page: none before there is a model.

        Where little time is left at the end, SHAP values get most of it.
        """
        if not self.budget.limited:
            return math.inf
        if self._race is None or not self._race.done:
            return 0.0
        target = self._table.target
        n_outputs = target.task.n_outputs(len(target.classes))
        need = _REPORT_SPARE * self.slowness * expected_seconds(self._table.n_rows, n_outputs)
        room = _REPORT_SHARE_LEFT * max(self.budget.left() - self.write_seconds(), 0.0)
        share = _REPORT_SHARE * (self.budget.seconds or 0.0)
        return min(need, max(_LEAST_REPORT, share), room)

    def test_seconds(self) -> float:
        """Seconds kept for scoring the rows kept aside."""
        return self.honest_seconds()

    def _refit_reserve(self) -> float:
        """Seconds for refitting the best trials on all rows, side by side on the workers."""
        assert self._data is not None
        done = self._race.done if self._race is not None else []
        if not done:
            # A refit trains on more rows, for more trees, than the folds of a trial.
            waves = math.ceil(len(self._data.splits) / self.n_workers)
            share = _REFIT_COST / (_REFIT_COST + waves)
            return share * max(self.budget.left() - self.reserve(), 0.0)
        best = sorted(done, key=lambda trial: trial.loss or 0.0)[: self.max_members(refit=True)]
        seconds = [refit_seconds(trial, self._data) for trial in best]
        return 0.1 + 1.2 * max(max(seconds), sum(seconds) / self.n_workers)

    def _distil_reserve(self) -> float:
        """Seconds for teaching a student: it is trained as often as a trial, and on all rows."""
        assert self._data is not None
        done = self._race.done if self._race is not None else []
        if not done:
            waves = math.ceil(len(self._data.splits) / self.n_workers)
            share = (waves + _REFIT_COST) / (2 * waves + _REFIT_COST)
            return share * max(self.budget.left() - self.reserve(), 0.0)
        seconds = distil_seconds(
            done,
            self._data,
            n_workers=self.n_workers,
            members=self.max_members(refit=False),
        )
        return min(seconds, _MOST_DISTIL * (self.budget.seconds or 0.0))

    def max_members(self, *, refit: bool) -> int:
        """How many members a blend may have."""
        if self.config.single:
            return 1
        most = self.config.max_members or MAX_MEMBERS
        return min(most, MAX_REFIT_MEMBERS) if refit and self.budget.limited else most
