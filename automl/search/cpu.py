"""Where the race's CPU seconds go: training inside the libraries, and all the rest."""

from __future__ import annotations

import time

from automl.search.executors.base import Executor


class Cpu:
    """CPU seconds of this process and its workers between `begin` and `end`.

    native_seconds: those inside the libraries' own training, of tasks that came back.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._begun = 0.0
        self.native_seconds = 0.0
        self.total_seconds = 0.0

    def begin(self) -> None:
        self._begun = self._now()

    def end(self) -> None:
        self.total_seconds = self._now() - self._begun

    def _now(self) -> float:
        return time.process_time() + self._executor.cpu_seconds()

    def to_json(self) -> dict[str, float]:
        """Both, rounded to a hundredth."""
        return {
            "native_seconds": round(self.native_seconds, 2),
            "total_seconds": round(self.total_seconds, 2),
        }
