"""Runs tasks in this process, one after the other: for estimators and tiny tables."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from automl.search.crossval import FoldTrainer
from automl.search.disk import disk_trouble
from automl.search.executors.base import Report, Task
from automl.search.store import RunData


class InlineExecutor:
    """An `Executor` with one worker: the calling thread, inside `wait`."""

    n_workers = 1
    threads = 1

    def __init__(self) -> None:
        self._trainer: FoldTrainer | None = None
        self._tasks: deque[Task] = deque()

    def open(self, store: Path) -> None:
        self._trainer = FoldTrainer(RunData.read(store))

    def share_memory(self, room: int, need: Callable[[Task], int], n_workers: int) -> None:
        return  # one task at a time, in a process that is not ours alone

    @property
    def idle(self) -> int:
        return 0 if self._tasks else 1

    def suits(self, task: Task) -> bool:
        return True

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def wait(self, timeout: float | None) -> Sequence[Report]:
        if not self._tasks:
            return ()
        task = self._tasks.popleft()
        assert self._trainer is not None
        try:
            return (Report(task, self._trainer.run(task)),)
        except Exception as error:  # noqa: BLE001 - the trial boundary: recorded by the race
            if disk_trouble(error) is not None:
                raise
            text = f"{type(error).__name__}: {error}"
            return (Report(task, None, text, traceback.format_exc()),)

    def stop_running(self) -> None:
        self._tasks.clear()

    def cpu_seconds(self) -> float:
        return 0.0  # this process counts its own

    def close(self) -> None:
        self._tasks.clear()
        self._trainer = None
