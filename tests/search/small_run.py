"""A run's data, scorer and race small enough for milliseconds, and an executor that shuffles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.splits import Split
from automl.engines.base import Float, Int
from automl.features.matrix import Feature, Matrix
from automl.ledger import Ledger
from automl.metrics._lookup import get_metric
from automl.model.link import Link
from automl.search.baseline import baseline_margins, objective_losses
from automl.search.candidates import Candidates
from automl.search.costs import Costs
from automl.search.crossval import FoldTrainer
from automl.search.executors.base import Executor, Report, Task
from automl.search.executors.inline import InlineExecutor
from automl.search.executors.local import LocalExecutor
from automl.search.journal import Journal
from automl.search.judge import Record
from automl.search.portfolio import Candidate
from automl.search.race import Race
from automl.search.rules import RaceRules
from automl.search.scoring import Scorer
from automl.search.store import RunData
from automl.search.studies import Studies
from automl.task import Objective
from automl.task import Task as Kind

SPACE = {"slope": Float(-0.5, 0.5), "trees": Int(1, 8)}
KINDS = {Objective.LOGISTIC: Kind.BINARY, Objective.SOFTMAX: Kind.MULTICLASS}
CLASSES = {Kind.BINARY: 2, Kind.MULTICLASS: 3, Kind.REGRESSION: 0}
METRICS = {Kind.BINARY: "log_loss", Kind.MULTICLASS: "log_loss", Kind.REGRESSION: "rmse"}
LINKS = {Kind.BINARY: "logit", Kind.MULTICLASS: "softmax", Kind.REGRESSION: "identity"}


def make_splits(n: int, n_folds: int, repeats: int = 1) -> tuple[Split, ...]:
    """Folds of every n_folds-th row, moved on by a random order in each repeat."""
    splits = []
    for repeat in range(repeats):
        place = np.random.default_rng(repeat).permutation(n) % n_folds
        splits += [
            Split(np.flatnonzero(place != k), np.flatnonzero(place == k), repeat)
            for k in range(n_folds)
        ]
    return tuple(splits)


def make_data(
    objective: Objective = Objective.LOGISTIC,
    *,
    n: int = 60,
    folds: int = 3,
    repeats: int = 1,
    weighted: bool = False,
    inner_stop: float = 0.0,
) -> RunData:
    """A table whose target follows its first feature."""
    rng = np.random.default_rng(7)
    values = np.asfortranarray(rng.normal(size=(n, 2)), dtype=np.float32)
    signal = values[:, 0] + rng.normal(scale=0.7, size=n)
    kind = KINDS.get(objective, Kind.REGRESSION)
    y = np.asarray(signal, dtype=np.float64)
    if kind is not Kind.REGRESSION:
        y = np.digitize(signal, [0.2] if kind is Kind.BINARY else [-0.6, 0.5]).astype(np.float64)
    return RunData(
        matrix=Matrix(values, (Feature("a", (0,)), Feature("b", (1,)))),
        y=y,
        weight=rng.uniform(0.2, 3.0, n) if weighted else None,
        groups=np.arange(n),
        times=None,
        splits=make_splits(n, folds, repeats),
        task=kind,
        n_classes=CLASSES[kind],
        objective=objective,
        quantile=0.8,
        plans={"plain": {}},
        seed=0,
        threads=1,
        inner_stop=inner_stop,
    )


def make_scorer(data: RunData, metric: str | None = None) -> Scorer:
    return Scorer(
        get_metric(metric or METRICS[data.task]),
        data.task,
        Link(LINKS[data.task]),  # type: ignore[arg-type]
        data.y,
        data.weight,
        data.splits,
    )


def candidates(*params: Mapping[str, Any], engine: str = "fake") -> tuple[Candidate, ...]:
    return tuple(Candidate(engine, "plain", p) for p in params)


def make_studies(*engines: str, seed: int = 0) -> Studies:
    return Studies(
        {(name, "plain"): SPACE for name in engines or ("fake",)}, seed=seed, baseline_loss=0.7
    )


def make_race(
    folder: Path,
    *,
    executor: Executor | None = None,
    data: RunData | None = None,
    trials: int | None = None,
    seconds_left: Callable[[], float] = lambda: float("inf"),
    portfolio: Sequence[Candidate] = (),
    studies: Studies | None = None,
) -> Race:
    """A race over an executor that has opened the data; by default in this process."""
    data = data or make_data()
    folder.mkdir(exist_ok=True)
    if executor is None or not isinstance(executor, LocalExecutor):  # those are open already
        data.write(folder / "store")
        executor = executor or InlineExecutor()
        executor.open(folder / "store")
    ledger = Ledger()
    return Race(
        executor,
        make_scorer(data),
        RaceRules(
            trials=trials,
            seconds_left=seconds_left,
            max_trees=20,
            patience=5,
            seed=0,
            inner_stop=data.inner_stop > 0,
            baseline_losses=objective_losses(data, baseline_margins(data)),
        ),
        Candidates(portfolio, studies or make_studies(), Costs(0.01), ledger),
        Record(folder / "trials", Journal(folder / "journal.jsonl"), ledger),
    )


class Shuffled:
    """An `Executor` in this process whose tasks end in an order that the seed draws."""

    threads = 1

    def __init__(self, n_workers: int, *, seed: int = 0) -> None:
        self.n_workers = n_workers
        self._rng = np.random.default_rng(seed)
        self._running: list[Task] = []
        self._inline = InlineExecutor()
        self.order: list[tuple[int, int | None]] = []  # (trial, split) as they ended

    def open(self, store: Path) -> None:
        self._inline.open(store)

    @property
    def idle(self) -> int:
        return self.n_workers - len(self._running)

    def suits(self, task: Task) -> bool:
        return True

    def submit(self, task: Task) -> None:
        assert self.idle
        self._running.append(task)

    def wait(self, timeout: float | None) -> Sequence[Report]:
        reports: list[Report] = []
        for _ in range(self._rng.integers(1, self.n_workers + 1)):
            if self._running:
                task = self._running.pop(self._rng.integers(len(self._running)))
                self._inline.submit(task)
                reports += self._inline.wait(None)
                self.order.append((task["trial"], task.get("split")))
        return reports

    def cpu_seconds(self) -> float:
        return 0.0

    def stop_running(self) -> None:
        self._running.clear()

    def close(self) -> None:
        self._inline.close()


def fold_task(folder: Path, split: int = 0, **params: Any) -> dict[str, Any]:
    """A task as the race makes it, for one fold of the fake engine."""
    return {
        "kind": "fold",
        "trial": 0,
        "split": split,
        "engine": "fake",
        "recipe": "plain",
        "params": params,
        "seed": split,
        "max_trees": 20,
        "patience": 5,
        "time_limit": None,
        "model": str(folder / f"fold_{split:02d}.json"),
        "recipe_file": None,
    }


def trainer(data: RunData, **changes: Any) -> FoldTrainer:
    return FoldTrainer(replace(data, **changes))
