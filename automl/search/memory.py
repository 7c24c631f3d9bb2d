"""How much memory a run may use, and how much its processes do use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

MIB = 1 << 20
# Of what is free, a part stays free: for the file cache, for others, and for what is not foreseen.
_RESERVE_SHARE, _LEAST_RESERVE = 0.1, 200 * MIB
_ROOT = Path("/sys/fs/cgroup")
_GROUPS = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60  # what version 1 writes where there is no limit


@dataclass(frozen=True)
class _Names:
    """What a version of cgroups calls its files; `cache` is a line of memory.stat."""

    limit: str
    used: str
    cache: str


_V1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = _Names("memory.max", "memory.current", "inactive_file")


def memory_limit(asked: int | None = None) -> int:
    """Bytes that this process and its workers may use together.

    asked: what the user allows; without it what the machine and every cgroup above this process
    have left now, plus what this process uses itself, less a reserve.
    """
    if asked is not None:
        return asked
    free = usable_memory()
    reserve = max(int(_RESERVE_SHARE * free), min(_LEAST_RESERVE, free // 2))
    return free - reserve + use_of(psutil.Process()).resident


def usable_memory() -> int:
    """Bytes that are available now, or fewer where a cgroup sets a limit."""
    free = int(psutil.virtual_memory().available)
    for folder, names in _cgroups():
        limit, used = _number(folder / names.limit), _number(folder / names.used)
        if limit is None or limit >= _UNLIMITED:
            continue
        cache = _stat(folder / "memory.stat", names.cache)  # goes when memory is asked for
        free = min(free, limit - (used or 0) + cache)
    return max(free, 0)


def _cgroups() -> Iterator[tuple[Path, _Names]]:
    """The memory cgroups of this process up to the root, of either version; none elsewhere."""
    try:
        lines = _GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers == "":
            base, names = _ROOT, _V2
        elif "memory" in controllers.split(","):
            base, names = _ROOT / "memory", _V1
        else:
            continue
        folder = base / place.lstrip("/")
        if not folder.is_dir():
            folder = base  # a container sees its own group as the root, under another name
        while True:
            yield folder, names
            if folder == base or base not in folder.parents:
                break
            folder = folder.parent


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _stat(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)


@dataclass(frozen=True)
class Use:
    """Memory of one process. resident: bytes, with what it shares; cheap to know.

    `proportional` counts shared pages by the number of processes that share them, where the
    system tells (Linux); it takes some milliseconds a gigabyte.
    """

    pid: int
    resident: int

    @property
    def proportional(self) -> int:
        try:
            text = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return self.resident
        for line in text.splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return self.resident


def use_of(process: Any) -> Use:
    """What a `psutil.Process` uses; nothing once it has ended."""
    try:
        return Use(process.pid, int(process.memory_info().rss))
    except psutil.Error:
        return Use(process.pid, 0)


def written(n_bytes: float) -> str:
    """`1500 MiB`."""
    return f"{n_bytes / MIB:,.0f} MiB"
