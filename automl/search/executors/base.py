"""The contract between the race and whatever runs its tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Task = Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """What became of a task: a result, or the error's text (and its traceback).

    stopped: it was ended on purpose, because its time was up.
    outside: its process was ended by something else, so that it is worth another try.
    """

    task: Task
    result: Mapping[str, Any] | None
    error: str | None = None
    traceback: str = ""
    stopped: bool = False
    outside: bool = False


class Executor(Protocol):
    """Runs tasks of `FoldTrainer`; a task that was submitted comes back as one report."""

    n_workers: int
    threads: int  # of each worker

    def open(self, store: Path) -> None:
        """Let every worker map the run's data; tasks may be submitted from then on."""
        ...

    def share_memory(self, room: int, need: Callable[[Task], int], n_workers: int) -> None:
        """Let at most `n_workers` run tasks whose needs together fit into `room` bytes.

        A task that does not fit waits for others to end, and none may take more than `room`.
        """
        ...

    @property
    def idle(self) -> int:
        """Workers without a task."""
        ...

    def suits(self, task: Task) -> bool:
        """Whether an idle worker has task["model"] in memory, or no worker has."""
        ...

    def submit(self, task: Task) -> None:
        """Give `task` to an idle worker, if possible one that holds what it needs."""
        ...

    def wait(self, timeout: float | None) -> Sequence[Report]:
        """The reports that are there, waiting up to `timeout` seconds for the first."""
        ...

    def stop_running(self) -> None:
        """End all running tasks now; their reports say so."""
        ...

    def cpu_seconds(self) -> float:
        """CPU time of all workers so far, their start included; 0 for those in this process."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...
