"""The one clock of a run: how much of the wall-time budget is spent and left."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path


class Budget:
    """A wall-time budget in seconds, counted from the start of the command.

    `seconds=None` means no limit: `left()` is then infinite and nothing may decide by the clock.
    """

    def __init__(self, seconds: float | None, *, already_spent: float = 0.0) -> None:
        self.seconds = seconds
        self._started = time.monotonic() - already_spent
        self.endable = False  # whether there is a model that could be shipped now
        self.hurried = False

    def hurry(self, seconds: float) -> None:
        """End after so many seconds from now, or sooner: somebody asks for what there is."""
        self.hurried = True
        self.seconds = self.spent() + min(seconds, self.left())

    def grant(self, seconds: float) -> None:
        """Leave at least so many seconds from now."""
        if self.seconds is not None:
            self.seconds = max(self.seconds, self.spent() + seconds)

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

    From the kernel's clock where it can be read (Linux, to 0.01 s); elsewhere from the time of
    day at which the process was started, which psutil knows to about a second. A clock that was
    set meanwhile gives nonsense, which is clipped to [0, 30].
    """
    return min(max(_age(), 0.0), 30.0)


def _age() -> float:
    try:
        # Field 22, counted behind the name in parentheses: ticks between boot and start.
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        ticks = int(stat.rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        import psutil

        return float(time.time() - psutil.Process().create_time())
