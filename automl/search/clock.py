"""What ends the training of one fold: seconds, a number of rounds, or that nobody wants it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LOOK_SECONDS = 0.05  # between looks at the folder of a fold that trains


class Clock:
    """Seconds left of one task, and whether it rang.

    folder: where the results belong; once it is gone nobody wants them, and no time is left.
    """

    def __init__(self, seconds: float | None, folder: Path | None = None) -> None:
        self._end = math.inf if seconds is None else time.monotonic() + seconds
        self._folder = folder
        self._look = time.monotonic()  # when to look for the folder again
        self.given_up = False

    def left(self) -> float:
        now = time.monotonic()
        if self._folder is not None and now >= self._look:
            self.given_up = not self._folder.exists()
            self._look = now + _LOOK_SECONDS
        return -math.inf if self.given_up else self._end - now

    @property
    def rang(self) -> bool:
        return self.left() <= 0


class _Rounds(Clock):
    """A clock that rings after so many rounds, whatever they take: it is asked once in each."""

    def __init__(self, rounds: int, folder: Path | None) -> None:
        super().__init__(None, folder)
        self._rounds = rounds

    def left(self) -> float:
        self._rounds -= 1
        return super().left() if self._rounds > 0 else 0.0

    @property
    def rang(self) -> bool:
        return self._rounds <= 0


def clock_of(task: Mapping[str, Any], folder: Path | None = None) -> Clock:
    """What ends a task: its "time_limit", or the "stop_after" rounds that a clock left it once."""
    if task.get("stop_after") is not None:
        return _Rounds(int(task["stop_after"]), folder)
    return Clock(task.get("time_limit"), folder)
