"""How a run spends its budget: folds that fit, when the race ends, what the end will cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from automl.search.setup import Goal, fold_seconds
from automl.search.ship import refit_seconds
from automl.search.store import RunData
from automl.search.studies import Studies
from automl.workflows.fairness import parity_of
from automl.workflows.memory import MemoryPlan
from automl.workflows.portable import portable_space
from automl.workflows.reserves import Reserves
from automl.workflows.resume import Earlier, Interrupted
from automl.workflows.training_table import TrainingTable
from automl.workflows.validation import inner_stop, split_rows

MAX_TREES = 2000
PATIENCE = 40
MAX_MEMBERS = 8
MAX_REFIT_MEMBERS = 3
_BOARD_SECONDS = 0.3
# Of a split's predicted seconds, the share that still gives a model worth shipping.
_WORTH = 0.1
# Repeated or many folds are for tables on which a trial is quick: at least so many trials must
# fit into the budget, or there are `_FEW_SPLITS` splits.
_LEAST_TRIALS = 8
_FEW_SPLITS = 5
_REFIT_COST = 1.9  # of a fold's seconds: 1.2 to 1.5 times the rows and as many more trees
# Of the budget, what may be kept for a student: one of a blend that is hardly there learns little.
_MOST_DISTIL = 0.5


class Plan(Reserves):
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
        super().__init__(config, budget, table, goal)
        self._engines, self.n_workers = engines, n_workers
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
        most = left + self._spare()  # the first model may use what is kept for explanations
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
            if most >= need:
                reason = "The time budget has no room for folds."
                data, folds = self.with_splits(data, reason, holdout=0.2)
        if most < max(need, 0.05):
            raise self.too_small(need - most)
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
        if self.config.portable:
            spaces = {arm: portable_space(arm[0], space) for arm, space in spaces.items()}
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

    def _spare(self) -> float:
        return self.explain_seconds() if self.budget.limited else 0.0

    def grant_end(self) -> None:
        """Leave at least the time for what comes after training, on a machine as slow as it is."""
        if self.budget.limited and not self.budget.hurried and self._race is not None:
            refit = self._refit_reserve() if self._refits and self._race.done else 0.0
            self.budget.grant(self.reserve() + refit)

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
