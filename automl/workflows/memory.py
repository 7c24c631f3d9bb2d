"""What a run does to stay within its memory: fewer workers, candidates, folds or rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from automl.data.splits import Folds
from automl.errors import ConfigError
from automl.ledger import Ledger
from automl.search.executors.base import Executor
from automl.search.judge import KEPT_TRIALS
from automl.search.memory import MIB, use_of, written
from automl.search.needs import Needs, cell_bytes
from automl.search.portfolio import Candidate
from automl.search.store import RunData

if TYPE_CHECKING:
    from automl.workflows.plan import Plan

# A worker that has imported all libraries and holds no data: its share of 2, as measured.
_WORKER = 100 * MIB
_MARGIN_BYTES = 4  # of a row, an output and a trial that is kept
_SCORING_BYTES = 100  # of a row and an output, for choosing and scoring the blend
_HOLDOUT = 0.2
# What a cell takes while a table is parsed, beside its text, which goes meanwhile (measured: 4);
# then this process alone and its part of a row; and the features that a column makes.
_PARSE_BYTES, _MATRIX_BYTES = 6.0, 4.0
_PARENT, _PARENT_ROW_BYTES, _FEATURES = 250 * MIB, 250.0, 1.35
_LEAST_FREE = 100 * MIB
_FEWEST_ROWS, _NEARLY_ALL = 1000, 0.9
_SLACK = 0.03  # of the limit, for what comes and goes


@dataclass
class MemoryPlan:
    """How the memory of one run is shared out.

    limit: bytes of all processes together.  asked: whether the user set it.
    short: whether the run is another one than it would be with enough memory.
    rows: of the table that are used, once it was read; given where a run goes on.
    room: bytes for the tasks of all `n_workers`, at most `most_workers`.  alone: of one worker.
    """

    limit: int
    asked: bool
    ledger: Ledger
    short: bool = False
    rows: int | None = None
    room: int = 0
    alone: int = 0
    most_workers: int = 1
    n_workers: int = 1

    def settle(self, data: RunData, candidates: Iterable[Candidate]) -> bool:
        """Share out the memory for the race on `data`; whether its leanest candidate fits.

        What fits does not depend on the number of workers that were asked for: there are as few
        as leave every candidate its room that would fit alone.
        """
        needs = Needs.of(data)
        self.alone = self._room(data, 1)
        folds = [needs.fold(c.engine, c.recipe, c.params) for c in candidates]
        fitting = [need for need in folds if need <= self.alone]
        largest = max(fitting, default=0)
        self.n_workers = self.most_workers
        while self.n_workers > 1:
            self.room = self._room(data, self.n_workers)
            if max(self.n_workers * folds[0], largest) <= self.room:
                break
            self.n_workers -= 1
        else:
            self.room = self.alone
        return bool(fitting)

    def share(self, data: RunData, executor: Executor) -> None:
        """Tell the executor, and the ledger what is less than it could be."""
        if self.n_workers < self.most_workers:
            count = "1 process" if self.n_workers == 1 else f"{self.n_workers} processes"
            self.tell(f"{count} instead of {self.most_workers} to train", same=True)
        executor.share_memory(self.room, Needs.of(data).task, self.n_workers)

    def fitting(self, data: RunData, candidates: Iterable[Candidate]) -> list[Candidate]:
        """The candidates that there is memory for; the others are told."""
        needs, found = Needs.of(data), []
        for one in candidates:
            need = needs.fold(one.engine, one.recipe, one.params)
            if need <= self.alone:
                found.append(one)
            else:
                name = f"{one.engine} ({one.recipe})"
                self.tell(f"{name} is left out: it would need {written(need)}")
        return found

    def searchable(self, data: RunData, kinds: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The pairs of engine and recipe that there is memory for, by usual hyperparameters."""
        needs = Needs.of(data)
        found = [(engine, recipe) for engine, recipe in kinds]
        fits = [kind for kind in found if needs.fold(*kind, {}) <= self.alone]
        self.short |= len(fits) < len(found)
        return fits

    def too_small(self, data: RunData, candidates: Iterable[Candidate]) -> ConfigError:
        """The error that names the least limit."""
        missing = self.least(data, candidates) - self._room(data, 1)
        least = -(-int((self.limit + missing) * (1.0 + 2 * _SLACK)) // MIB)
        what = "--memory-limit" if self.asked else "The free memory"
        return ConfigError(
            f"{what} of {written(self.limit)} is too small for this table: no engine could be "
            "trained in it.",
            hint=f"Give at least --memory-limit {least}M, or use fewer rows with --sample.",
        )

    def least(self, data: RunData, candidates: Iterable[Candidate]) -> int:
        """Bytes that the leanest candidate needs."""
        needs = Needs.of(data)
        return min(needs.fold(c.engine, c.recipe, c.params) for c in candidates)

    def tell(self, decision: str, *, same: bool = False) -> None:
        """Write down what is done because memory is short; `same` if it alters no result."""
        self.short |= not same
        self.ledger.add("memory", decision, f"{written(self.limit)} are all there is")

    def _room(self, data: RunData, n_workers: int) -> int:
        """Bytes for the tasks of all workers, beside what every process needs anyway.

        This process lets go of its copy of the matrix when the workers map it.
        """
        own = use_of(psutil.Process()).proportional
        rows = sum(len(split.scored) for split in data.splits)
        lists = 8 * sum(len(s.train) + len(s.valid) + 2 * len(s.echo) for s in data.splits)
        scored = rows * data.n_outputs * (_MARGIN_BYTES * KEPT_TRIALS + _SCORING_BYTES)
        per_worker = _WORKER + lists + 8 * 3 * data.matrix.n_rows
        taken = own + scored + n_workers * per_worker + int(_SLACK * self.limit)
        return self.limit - taken


def within_memory(
    memory: MemoryPlan,
    plan: Plan,
    data: RunData,
    folds: Folds,
    *,
    may_split: bool,
) -> tuple[RunData, Folds]:
    """The folds that there is memory for: those of `data`, or one holdout.

    may_split: the folds may be others than those of `data`. Raises ConfigError naming the least
    limit where not even the leanest engine can be trained.
    """
    candidates = plan.portfolio(data)
    fits = memory.settle(data, candidates)
    if not fits and may_split and len(data.splits) > 1:
        reason = "The memory has no room for folds."
        data, folds = plan.with_splits(data, reason, holdout=_HOLDOUT)
        fits = memory.settle(data, candidates)
        memory.tell("one holdout instead of folds")
    if not fits:
        error = memory.too_small(data, candidates)
        if memory.asked:
            raise error
        # Nobody set this limit, and predictions err: the run tries.
        memory.ledger.add("memory", error.message, error.hint or "", warning=True)
        memory.room = memory.alone = memory.least(data, candidates)
    plan.n_workers = memory.n_workers
    plan.memory = memory
    return data, folds


def rows_within(memory: MemoryPlan, n_rows: int, n_columns: int, engines: Iterable[str]) -> int:
    """Rows of a table of text cells that can be parsed and trained on; `n_rows` if all can.

    A run that goes on uses as many as it began with.
    """
    if memory.rows is None:
        whole = memory.limit - _WORKER - _LEAST_FREE
        parsed = (whole - use_of(psutil.Process()).proportional) // (_PARSE_BYTES * n_columns)
        lean = min(cell_bytes(name) for name in engines) + _MATRIX_BYTES
        row = _PARENT_ROW_BYTES + _FEATURES * n_columns * lean
        rows = int(min(parsed, (whole - _PARENT) // row))
        # With hardly any rows, a larger limit is the better answer.
        memory.rows = n_rows
        if _FEWEST_ROWS <= rows < _NEARLY_ALL * n_rows:
            memory.rows = rows - rows % int(10 ** (len(str(rows)) - 2))
    if memory.rows < n_rows:
        memory.tell(f"{memory.rows:,} of {n_rows:,} rows are used")
    return memory.rows
