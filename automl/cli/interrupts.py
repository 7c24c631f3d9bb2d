"""Ctrl-C and SIGTERM during a fit: once to end with the best so far, twice to stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from automl.budget import Budget

TERMINATED = 143
# Choosing, writing and ending take about 2 s of a usual run; folds in training may use the rest.
_LAST_SECONDS = 3.5


class Interrupts:
    """A context manager in which the first signal shortens the run's budget.

    The second one stops the run, and so does the first where there is no model to ship.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._budget.endable and not self._budget.hurried:
            self._budget.hurry(_LAST_SECONDS)
            return
        error = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(TERMINATED)
        if not self._budget.endable:
            error.add_note("There was no model yet.")
        raise error
