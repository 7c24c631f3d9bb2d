"""Runs tasks in worker processes of this machine, and survives whatever becomes of them."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from automl.errors import ConfigError, SearchError
from automl.search.executors._deaths import death_of
from automl.search.executors._lives import Lives
from automl.search.executors._process import Worker
from automl.search.executors.base import Report, Task
from automl.search.memory import MIB, use_of, written

_LOOK = 0.25  # seconds between looks at what the workers do and use
_STARTS = 3  # workers that may die at their start, one after the other, once any has worked
_HOARD = 32 * MIB  # what an idle worker may keep before it is replaced to make room


@dataclass
class _Room:
    """Memory for tasks beside each other. bytes: in all.  need: of a task, predicted."""

    bytes: int
    need: Callable[[Task], int]


@dataclass(frozen=True)
class _Ended:
    """Stands for a worker that was killed on purpose while it held a task."""

    report: Report


class LocalExecutor:
    """An `Executor` over subprocesses that talk JSON lines; started early, opened later.

    engines: imported by the workers while the caller still reads the table.
    log: file that receives whatever the workers and native libraries print.
    memory: bytes that this process and its workers may use together, or None.

    A worker that dies, hangs or takes the memory of all is replaced, and its task reported with
    the cause.
    """

    def __init__(
        self,
        n_workers: int,
        *,
        threads: int,
        engines: Sequence[str],
        log: Path,
        memory: int | None = None,
    ) -> None:
        self.n_workers = n_workers
        self.threads = threads
        self._engines = list(engines)
        self._log = log
        self._memory = memory
        self._store: Path | None = None
        self._room: _Room | None = None
        self._answers: queue.Queue[tuple[Worker | _Ended, dict[str, Any] | None]] = queue.Queue()
        self._cpu_seconds = 0.0  # of workers that have ended
        self._lives = Lives()
        self._counted_twice = 0  # bytes that the sum of resident sizes was too large by, lately
        self._next_look = 0.0
        self._lost_starts = 0
        self._ever_served = False
        self._workers = [self._start() for _ in range(n_workers)]

    def open(self, store: Path) -> None:
        self._store = store
        for worker in self._workers:
            worker.send({"kind": "open", "store": str(store)})

    def share_memory(self, room: int, need: Callable[[Task], int], n_workers: int) -> None:
        self._room = _Room(room, need)
        self.n_workers = min(self.n_workers, n_workers)
        while len(self._workers) > self.n_workers:
            self._kill(self._workers.pop())
        for worker in self._workers:
            worker.send({"kind": "bound", "bytes": room})

    @property
    def idle(self) -> int:
        return sum(worker.task is None for worker in self._workers)

    def suits(self, task: Task) -> bool:
        holders = [worker for worker in self._workers if task["model"] in worker.models]
        return not holders or any(worker.task is None for worker in holders)

    def submit(self, task: Task) -> None:
        waiting = [worker for worker in self._workers if worker.task is None]
        # A worker that holds the model need not load it; one that holds this engine's and
        # recipe's binned data saves binning it again.
        kind = (task.get("engine"), task.get("recipe"))
        model = task.get("model")
        worker = max(waiting, key=lambda w: (model in w.models, w.last_kind == kind))
        if task["kind"] == "fold":
            worker.models.add(model)
        else:
            worker.models.discard(model)
        worker.last_kind = kind
        worker.give(task)
        self._begin_waiting()

    def wait(self, timeout: float | None) -> Sequence[Report]:
        reports: list[Report] = []
        end = None if timeout is None else time.monotonic() + timeout
        self._look()
        while True:
            try:
                if reports:
                    worker, answer = self._answers.get_nowait()
                else:
                    left = _LOOK if end is None else max(0.0, end - time.monotonic())
                    worker, answer = self._answers.get(timeout=min(left, _LOOK))
            except queue.Empty:
                if not reports and (end is None or time.monotonic() < end):
                    self._look()
                    continue
                self._begin_waiting()
                return reports
            report = self._report(worker, answer)
            if report is not None:
                reports.append(report)

    def stop_running(self) -> None:
        for worker in [worker for worker in self._workers if worker.task is not None]:
            self._end(worker, "out of time", stopped=True)

    def cpu_seconds(self) -> float:
        return self._cpu_seconds + sum(worker.cpu_seconds() for worker in self._workers)

    def close(self) -> None:
        for worker in self._workers:
            self._kill(worker)
        self._workers = []

    # -- workers --------------------------------------------------------------------------------

    def _start(self, *, warm: bool = True) -> Worker:
        worker = Worker(self.threads, self._log, self._answers)
        if warm:
            worker.send({"kind": "warm", "engines": self._engines})
        if self._store is not None:
            worker.send({"kind": "open", "store": str(self._store)})
        if self._room is not None:
            worker.send({"kind": "bound", "bytes": self._room.bytes})
        return worker

    def _kill(self, worker: Worker) -> None:
        self._counted_twice = 0  # those that are left share less
        self._cpu_seconds += worker.cpu_seconds()
        worker.kill()
        self._lives.end(worker, answered=False, now=time.monotonic())

    def _replace(self, worker: Worker, *, warm: bool = True) -> None:
        self._kill(worker)
        self._workers[self._workers.index(worker)] = self._start(warm=warm)

    def _end(self, worker: Worker, cause: str, *, stopped: bool = False) -> None:
        """Kill a worker with its task, which is reported by the next `wait`."""
        assert worker.task is not None
        self._answers.put((_Ended(Report(worker.task, None, cause, stopped=stopped)), None))
        self._replace(worker)

    # -- answers --------------------------------------------------------------------------------

    def _report(self, worker: Worker | _Ended, answer: dict[str, Any] | None) -> Report | None:
        if isinstance(worker, _Ended):
            return worker.report
        if worker not in self._workers:
            return None  # it was killed on purpose, perhaps just after it had answered
        if answer is None:  # its output closed: it died
            return self._bury(worker)
        self._ever_served, self._lost_starts = True, 0
        if answer["id"] in worker.setup_ids:
            if "error" in answer:
                if answer["mend"] is not None:
                    message, hint = answer["mend"]
                    raise ConfigError(message, hint=hint)
                raise SearchError(f"A training process could not start. {answer['error']}")
            worker.ready()
            return None
        task, worker.task = worker.task, None
        self._lives.end(worker, answered=True, now=time.monotonic())
        assert task is not None
        if "error" not in answer:
            return Report(task, answer["result"])
        if answer["disk"] is not None:  # no other task can be stored either
            raise OSError(*answer["disk"])
        if answer["memory"]:
            self._replace(worker)  # what it holds is in pieces, and its libraries may be too
            most = "there is" if self._room is None else written(self._room.bytes)
            cause = f"needed more memory than {most} ({answer['error']})"
            return Report(task, None, cause, answer["traceback"])
        return Report(task, None, answer["error"], answer["traceback"])

    def _bury(self, worker: Worker) -> Report | None:
        """Replace a dead worker; the report of the task that it held."""
        self._cpu_seconds += worker.cpu_seconds()  # the system forgets it in a moment
        death = death_of(worker.process.wait())
        if not worker.served:
            self._lost_starts += 1
            if self._lost_starts > (_STARTS if self._ever_served else 0) and worker.task is None:
                said = self._log.read_text(encoding="utf-8", errors="replace").strip()
                raise SearchError(
                    f"A training process ended at its start: {death.cause}.",
                    hint=f"It said: {said[-500:] or 'nothing'}",
                )
        task = worker.task
        # One that died of its imports is followed by one that imports what its tasks need.
        self._replace(worker, warm=worker.served)
        return None if task is None else Report(task, None, death.cause, outside=death.outside)

    # -- watching -------------------------------------------------------------------------------

    def _look(self) -> None:
        """End workers that hang or take the memory of all; looks a few times a second at most."""
        now = time.monotonic()
        if now < self._next_look or not self._answers.empty():
            return
        self._next_look = now + _LOOK
        self._lives.look(now)
        for worker in [worker for worker in self._workers if worker.works]:
            cpu, waits = worker.cpu_seconds(), worker.waits_for_disk()
            cause = self._lives.hang(worker, cpu, now, waits=waits)
            if cause is not None:
                self._end(worker, cause)
        if self._memory is not None:
            self._keep_within(self._memory)
        self._begin_waiting()

    def _keep_within(self, limit: int) -> None:
        uses = {worker: worker.use() for worker in self._workers}
        own = use_of(psutil.Process())
        # It counts what they share more than once, but costs nothing to know.
        resident = own.resident + sum(use.resident for use in uses.values())
        if resident - self._counted_twice <= limit:
            return
        shares = {worker: use.proportional for worker, use in uses.items()}
        used = own.proportional + sum(shares.values())
        self._counted_twice = resident - used
        if used <= limit or self._emptied():
            return
        working = [worker for worker in self._workers if worker.works]
        if not working:
            return
        largest = max(working, key=lambda worker: shares[worker])
        most = written(limit)
        cause = f"stopped at {written(shares[largest])}: the run had come to its memory limit of"
        self._end(largest, f"{cause} {most}")

    def _emptied(self) -> bool:
        """Whether an idle worker that kept data for later was replaced."""
        idle = [worker for worker in self._workers if worker.task is None]
        fullest = max(idle, key=lambda worker: worker.kept, default=None)
        if fullest is None or fullest.kept < _HOARD:
            return False
        self._replace(fullest)
        return True

    def _begin_waiting(self) -> None:
        """Send tasks that there is memory for beside those that run."""
        for worker in [worker for worker in self._workers if worker.waiting]:
            task = worker.task
            assert task is not None
            if not self._fits(task):
                continue
            now = time.monotonic()
            worker.begin(now)
            self._lives.begin(worker, task.get("time_limit"), worker.cpu_seconds(), now)

    def _fits(self, task: Task) -> bool:
        working = [worker.task for worker in self._workers if worker.task and worker.works]
        if self._room is None or not working:
            return True  # alone it may try: the hard limit is its own
        kept = sum(worker.kept for worker in self._workers if worker.task is None)
        needed = sum(self._room.need(one) for one in [*working, task])
        return needed + kept <= self._room.bytes
