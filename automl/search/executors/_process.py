"""One worker process: its pipes, the thread that reads its answers, and what it uses."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import psutil

import automl
from automl.search.executors.base import Task
from automl.search.memory import Use, use_of

# Native thread pools of libraries that are not told a number in a call (BLAS, OpenMP).
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# -P keeps the current folder off sys.path: a user's file called xgboost.py is not imported.
_START = "import sys; sys.path.append(sys.argv[1]); from automl.search.worker import main; main()"

SETUP = ("warm", "open", "bound")  # messages that make a worker ready; any may come again


class Worker:
    """A subprocess that talks JSON lines, and the task it holds.

    waiting: the task is not sent yet, because there is no memory for it beside the others'.
    """

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
        self.waiting = False
        self.last_kind: tuple[Any, Any] | None = None
        self.models: set[Any] = set()  # files of models that it trained and nobody asked for yet
        self.setup_ids: set[int] = set()  # of messages that are nobody's tasks
        self.served = False
        self.empty_bytes: int | None = None  # resident before its first task
        self._sent = 0
        self._given = 0.0
        self._watched = psutil.Process(self.process.pid)
        assert self.process.stdout is not None
        threading.Thread(
            target=self._read, args=(self.process.stdout, answers), daemon=True
        ).start()

    def send(self, task: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        line = json.dumps({**task, "id": self._sent}) + "\n"
        if task["kind"] in SETUP:
            self.setup_ids.add(self._sent)
        self._sent += 1
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except OSError:
            return  # it died: the reader sees the end of its output and reports the task

    def give(self, task: Task) -> None:
        """Let it hold `task` until `begin` sends it."""
        self.task, self.waiting, self._given = task, True, time.monotonic()

    def begin(self, now: float) -> None:
        """Send the task that it holds; the time that this had to wait for is spent."""
        assert self.task is not None
        limit = self.task.get("time_limit")
        waited = now - self._given
        self.waiting = False
        self.send(self.task if limit is None else {**self.task, "time_limit": limit - waited})

    def ready(self) -> None:
        """A message of `SETUP` was answered."""
        if self.task is None or self.empty_bytes is None:
            self.empty_bytes = self.use().resident

    @property
    def works(self) -> bool:
        """Whether it has a task that was sent."""
        return self.task is not None and not self.waiting

    @property
    def kept(self) -> int:
        """Bytes that it keeps from earlier tasks."""
        return 0 if self.empty_bytes is None else max(0, self.use().resident - self.empty_bytes)

    def cpu_seconds(self) -> float:
        """CPU time so far; 0 once the system has forgotten a process that died."""
        try:
            times = self._watched.cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)

    def waits_for_disk(self) -> bool:
        """Whether the system says so: then it may take no CPU time and work all the same."""
        try:
            return bool(self._watched.status() == psutil.STATUS_DISK_SLEEP)
        except psutil.Error:
            return False

    def use(self) -> Use:
        """The memory that it uses now; nothing once it has died."""
        return use_of(self._watched)

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
