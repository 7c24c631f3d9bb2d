"""Signs of life: when a worker that does not answer counts as hanging.

A process that trains takes CPU time, whatever the size of its table; one that waits for ever takes
none. So standing still is the sign of a hang, and only an endless loop is left to the clock: a
task that was told its time and is long past it, or one that takes many times longer than any
before it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

# CPU seconds that count as a sign of life: any that the system counts, in hundredths.
_SIGN = 0.005
# Seconds without one: a tenth of the time that a task was given, within bounds; or without any.
_STILL_SHARE, _LEAST_STILL, _MOST_STILL, _STILL_NO_CLOCK = 0.1, 5.0, 10.0, 60.0
# That a task may take past its time: the clock is looked at between rounds, and the first one of a
# large table comes after all its preparations. A trial of folds that take longer has no time.
_LATE_SHARE, _LATE_SECONDS = 1.0, 10.0
# Of the longest task so far: with a clock, where an endless loop eats the budget; and without.
_FACTOR, _LEAST_LONG = 30.0, 20.0
_FACTOR_NO_CLOCK, _LEAST_LONG_NO_CLOCK = 100.0, 3600.0
_GAP = 1.5  # seconds between two looks after which nothing is known: this process was suspended


@dataclass
class _Life:
    begun: float
    limit: float  # seconds that the task was given, or infinite
    sign: float  # when it last showed a sign of life
    cpu: float


class Lives:
    """Watches tasks by the CPU time of their processes; all times are a monotonic clock's."""

    def __init__(self) -> None:
        self._lives: dict[Hashable, _Life] = {}
        self._longest = 0.0
        self._looked = -math.inf

    def begin(self, worker: Hashable, limit: float | None, cpu: float, now: float) -> None:
        """`worker` has a task from now on, to be answered within `limit` seconds."""
        limit = math.inf if limit is None else max(limit, 0.0)
        self._lives[worker] = _Life(now, limit, now, cpu)

    def end(self, worker: Hashable, *, answered: bool, now: float) -> None:
        """It has answered, or was ended."""
        life = self._lives.pop(worker, None)
        if life is not None and answered:
            self._longest = max(self._longest, now - life.begun)

    def look(self, now: float) -> None:
        """A round of `hang` begins; forgets the signs if the one before is long ago."""
        if now - self._looked > _GAP:
            for life in self._lives.values():
                life.sign = now
        self._looked = now

    def hang(self, worker: Hashable, cpu: float, now: float, *, waits: bool = False) -> str | None:
        """Why `worker` counts as hanging, or None.

        cpu: seconds that its process has used.  waits: the system says that it waits for a disk.
        """
        life = self._lives.get(worker)
        if life is None:
            return None
        if waits or cpu - life.cpu >= _SIGN:
            life.cpu, life.sign = cpu, now
        took, still = now - life.begun, now - life.sign
        if still > _still_limit(life.limit):
            return f"no answer for {took:.0f} s, and idle for the last {still:.0f} s"
        if took > life.limit * (1.0 + _LATE_SHARE) + _LATE_SECONDS:
            return f"no answer for {took:.0f} s, though it was given {life.limit:.0f} s"
        if took > self._most(life.limit):
            longest = f"the longest task before it took {self._longest:.1f} s"
            return f"no answer for {took:.0f} s, while {longest}"
        return None

    def _most(self, limit: float) -> float:
        if not self._longest:
            return math.inf
        if math.isinf(limit):
            return max(_LEAST_LONG_NO_CLOCK, _FACTOR_NO_CLOCK * self._longest)
        return max(_LEAST_LONG, _FACTOR * self._longest)


def _still_limit(limit: float) -> float:
    if math.isinf(limit):
        return _STILL_NO_CLOCK
    return min(max(_STILL_SHARE * limit, _LEAST_STILL), _MOST_STILL)
