"""How many cores this process may really use, and work that is spread over them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

# cgroup v2 and v1; absent elsewhere (macOS, Windows), where only the affinity counts.
_QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")
_QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
_MANY_ROWS = 50_000
_MOST_THREADS = 8  # that Python code between the native calls leaves work for

T = TypeVar("T")
R = TypeVar("R")


def usable_cores() -> int:
    """Cores by affinity and cgroup quota, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _cpu_quota()
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def _cpu_quota() -> float | None:
    """Cores' worth of time per period that the cgroup allows, or None without a limit."""
    text = _read(_QUOTA_V2)
    if text is not None:
        limit, _, length = text.partition(" ")
        return None if limit == "max" else int(limit) / int(length or 100_000)
    quota, period = _read(_QUOTA_V1) or "-1", _read(_PERIOD_V1) or "100000"
    return None if int(quota) <= 0 else int(quota) / int(period)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None


def over_columns(work: Callable[[T], R], columns: Iterable[T], *, n_rows: int) -> Iterator[R]:
    """`work` of each column, in order; in threads where the rows are many.

    Worth it for work that native code does, which lets other threads run meanwhile.
    """
    cores = min(usable_cores(), _MOST_THREADS)
    if cores == 1 or n_rows < _MANY_ROWS:
        yield from map(work, columns)
        return
    with ThreadPoolExecutor(cores, "columns") as pool:
        yield from pool.map(work, columns)
