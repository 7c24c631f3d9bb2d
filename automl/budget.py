"""The one clock of a run: how much of the wall-time budget is spent and left."""

from __future__ import annotations

import math
import time


class Budget:
    """A wall-time budget in seconds, counted from the start of the command.

    `seconds=None` means no limit: `left()` is then infinite and nothing may decide by the clock.
    """

    def __init__(self, seconds: float | None, *, already_spent: float = 0.0) -> None:
        self.seconds = seconds
        self._started = time.monotonic() - already_spent

    @property
    def limited(self) -> bool:
        return self.seconds is not None

    def spent(self) -> float:
        """Seconds since the start of the command."""
        return time.monotonic() - self._started

    def left(self) -> float:
        """Seconds until the budget is used up; negative once it is overrun."""
        return math.inf if self.seconds is None else self.seconds - self.spent()


def process_age() -> float:
    """Seconds since this process was started, interpreter start included.

    The operating system's start time has a resolution of about 0.01 s. A clock that was set
    back or forward meanwhile gives nonsense, which is clipped to [0, 30].
    """
    import psutil

    age: float = time.time() - psutil.Process().create_time()
    return min(max(age, 0.0), 30.0)
