"""Runs a command as a user does and measures its seconds and the memory of its processes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil

_EVERY = 0.5  # seconds between two looks at the memory
_MIB = 1024.0**2
_TOLD = 500  # last characters of what a failed command said


@dataclass(frozen=True)
class Measured:
    """Of one command: wall seconds of the whole process, and what went wrong, if something did.

    peak_mib: highest sum of proportional memory (shared pages counted once) over the process and
    its children, looked at twice a second; None where the system does not tell it.
    """

    seconds: float
    peak_mib: float | None
    error: str | None


def run_measured(command: Sequence[str], *, limit: float) -> Measured:
    """Run `command` without input; it and its children are killed after `limit` seconds."""
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        ) as running:
            watch = _Watch(running.pid, limit)
            try:
                status = running.wait()
            except BaseException:
                watch.kill()
                raise
            finally:
                seconds = time.perf_counter() - started
                watch.stop()
        error = None
        if watch.killed:
            error = f"not done after {limit:.0f} s"
        elif status != 0:
            said.seek(0)
            text = said.read().decode("utf-8", "replace").strip()
            error = text[-_TOLD:] or f"exit status {status}"
    return Measured(seconds, watch.peak_mib, error)


class _Watch:
    """A thread that looks at a process and its children until told to stop, or time is up.

    What the process leaves running behind it is ended too, so that it does not disturb the next.
    """

    def __init__(self, pid: int, limit: float) -> None:
        self.killed = False
        self.peak_mib: float | None = None
        self._root = psutil.Process(pid)
        self._seen: set[psutil.Process] = set()
        self._deadline = time.perf_counter() + limit
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        _kill(self._seen)

    def kill(self) -> None:
        _kill(_tree(self._root))

    def _look(self) -> None:
        while True:
            tree = _tree(self._root)
            self._seen.update(tree[1:])
            now = sum_mib(tree)
            if now is not None:
                self.peak_mib = max(now, self.peak_mib or 0.0)
            left = self._deadline - time.perf_counter()
            if left <= 0:
                self.killed = True
                self.kill()
                return
            if self._ended.wait(min(_EVERY, left)):
                return


def sum_mib(processes: Iterable[psutil.Process]) -> float | None:
    """Proportional MiB of processes now; None if there is nothing to read."""
    total, seen = 0, False
    for one in processes:
        try:
            memory = one.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if hasattr(memory, "pss"):
            total, seen = total + int(memory.pss), True
    return total / _MIB if seen else None


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(processes: Iterable[psutil.Process]) -> None:
    """End those that still run; a number that another process has by now is left alone."""
    for one in processes:
        try:
            if one.is_running():
                one.kill()
        except psutil.NoSuchProcess:
            continue


def folder_bytes(folder: str | os.PathLike[str]) -> int:
    """Bytes of all files below `folder`."""
    return sum(
        os.path.getsize(os.path.join(place, name))
        for place, _, names in os.walk(folder)
        for name in names
    )
