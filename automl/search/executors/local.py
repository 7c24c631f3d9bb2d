"""Runs tasks in worker processes of this machine."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

import automl
from automl.errors import ConfigError, SearchError
from automl.search.executors.base import Report, Task

# Native thread pools of libraries that are not told a number in a call (BLAS, OpenMP).
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# -P keeps the current folder off sys.path: a user's file called xgboost.py is not imported.
_START = "import sys; sys.path.append(sys.argv[1]); from automl.search.worker import main; main()"

_SETUP = ("warm", "open")  # messages that make a worker ready; data may be opened more than once


class LocalExecutor:
    """An `Executor` over subprocesses that talk JSON lines; started early, opened later.

    engines: imported by the workers while the caller still reads the table.
    log: file that receives whatever the workers and native libraries print.
    """

    def __init__(self, n_workers: int, *, threads: int, engines: Sequence[str], log: Path) -> None:
        self.n_workers = n_workers
        self.threads = threads
        self._engines = list(engines)
        self._log = log
        self._store: Path | None = None
        self._answers: queue.Queue[tuple[_Worker | _Stopped, dict[str, Any] | None]] = (
            queue.Queue()
        )
        self._cpu_seconds = 0.0  # of workers that have ended
        self._workers = [self._start() for _ in range(n_workers)]

    def open(self, store: Path) -> None:
        self._store = store
        for worker in self._workers:
            worker.send({"kind": "open", "store": str(store)})

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
        worker.task = task
        worker.send(task)

    def wait(self, timeout: float | None) -> Sequence[Report]:
        reports: list[Report] = []
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                if reports:
                    worker, answer = self._answers.get_nowait()
                else:
                    left = None if end is None else max(0.0, end - time.monotonic())
                    worker, answer = self._answers.get(timeout=left)
            except queue.Empty:
                return reports
            report = self._report(worker, answer)
            if report is not None:
                reports.append(report)

    def stop_running(self) -> None:
        for i, worker in enumerate(self._workers):
            if worker.task is not None:
                self._kill(worker)
                task, worker.task = worker.task, None
                self._workers[i] = self._start()
                self._answers.put((_Stopped(task), None))

    def cpu_seconds(self) -> float:
        return self._cpu_seconds + sum(worker.cpu_seconds() for worker in self._workers)

    def close(self) -> None:
        for worker in self._workers:
            self._kill(worker)
        self._workers = []

    # -- parts ----------------------------------------------------------------------------------

    def _start(self) -> _Worker:
        worker = _Worker(self.threads, self._log, self._answers)
        worker.send({"kind": "warm", "engines": self._engines})
        if self._store is not None:
            worker.send({"kind": "open", "store": str(self._store)})
        return worker

    def _kill(self, worker: _Worker) -> None:
        self._cpu_seconds += worker.cpu_seconds()
        worker.kill()

    def _report(self, worker: _Worker | _Stopped, answer: dict[str, Any] | None) -> Report | None:
        if isinstance(worker, _Stopped):
            return Report(worker.task, None, "out of time", stopped=True)
        if worker not in self._workers:
            return None  # it was killed on purpose, perhaps just after it had answered
        if answer is None:  # its output closed: it died
            return self._bury(worker)
        if answer["id"] in worker.setup_ids:
            if "error" in answer:
                if answer["mend"] is not None:
                    message, hint = answer["mend"]
                    raise ConfigError(message, hint=hint)
                raise SearchError(f"A training process could not start. {answer['error']}")
            return None
        task, worker.task = worker.task, None
        assert task is not None
        if "error" in answer:
            if answer["disk"] is not None:  # no other task can be stored either
                raise OSError(*answer["disk"])
            return Report(task, None, answer["error"], answer["traceback"])
        return Report(task, answer["result"])

    def _bury(self, worker: _Worker) -> Report | None:
        """Replace a dead worker; the report of the task that it held."""
        self._cpu_seconds += worker.cpu_seconds()  # the system forgets it in a moment
        code = worker.process.wait()
        if worker.task is None and not worker.served:
            said = self._log.read_text(encoding="utf-8", errors="replace").strip()
            raise SearchError(
                f"A training process ended at its start (status {code}).",
                hint=f"It said: {said[-500:] or 'nothing'}",
            )
        task = worker.task
        worker.kill()
        self._workers[self._workers.index(worker)] = self._start()
        if task is None:
            return None
        return Report(task, None, f"the training process died (status {code})")


class _Stopped:
    """Stands for a worker that was killed on purpose while it held `task`."""

    def __init__(self, task: Task) -> None:
        self.task = task


class _Worker:
    """One subprocess, the thread that reads its answers, and the task it holds."""

    def __init__(self, threads: int, log: Path, answers: queue.Queue[Any]) -> None:
        environ = {**os.environ, **dict.fromkeys(_POOLS, str(threads)), "PYTHONUTF8": "1"}
        root = str(Path(automl.__file__).parent.parent)
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, root],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environ,
                # Ctrl-C reaches the parent alone, which ends its workers itself.
                start_new_session=os.name != "nt",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        self.task: Task | None = None
        self.last_kind: tuple[Any, Any] | None = None
        self.models: set[Any] = set()  # files of models that it trained and nobody asked for yet
        self.setup_ids: set[int] = set()  # of messages that are nobody's tasks
        self.served = False
        self._sent = 0
        assert self.process.stdout is not None
        threading.Thread(
            target=self._read, args=(self.process.stdout, answers), daemon=True
        ).start()

    def send(self, task: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        line = json.dumps({**task, "id": self._sent}) + "\n"
        if task["kind"] in _SETUP:
            self.setup_ids.add(self._sent)
        self._sent += 1
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except OSError:
            return  # it died: the reader sees the end of its output and reports the task

    def cpu_seconds(self) -> float:
        """CPU time so far; 0 once the system has forgotten a process that died."""
        try:
            times = psutil.Process(self.process.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except OSError:
            return  # unsent bytes for a process that is gone

    def _read(self, pipe: IO[bytes], answers: queue.Queue[Any]) -> None:
        with pipe:
            for line in pipe:
                if not line.endswith(b"\n"):
                    break  # the worker died while it wrote
                self.served = True
                answers.put((self, json.loads(line)))
        answers.put((self, None))
