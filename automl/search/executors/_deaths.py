"""Why a worker ended, in plain words: signals, status codes, and whether it was its own doing."""

from __future__ import annotations

import signal
from dataclasses import dataclass

_NAMES = {
    "SIGSEGV": "segmentation fault",
    "SIGABRT": "aborted",
    "SIGBUS": "bus error",
    "SIGILL": "illegal instruction",
    "SIGFPE": "arithmetic error",
    "SIGTRAP": "trap",
    "SIGKILL": "out of memory or from outside",
    "SIGTERM": "ended from outside",
    "SIGXCPU": "CPU time limit of the system",
}
# What a process does not do to itself: another try may well succeed.
_OUTSIDE = frozenset({"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"})
_WINDOWS = {0xC0000005: "access violation", 0xC00000FD: "stack overflow", 0xC0000017: "no memory"}


@dataclass(frozen=True)
class Death:
    """cause: what happened.  outside: whether something else ended the process."""

    cause: str
    outside: bool


def death_of(code: int) -> Death:
    """The death of a process with this return code; negative numbers are signals, as in POSIX."""
    fault = _WINDOWS.get(code & 0xFFFFFFFF)
    if fault is not None:
        return Death(f"killed by the system ({fault})", False)
    if code < 0:
        name = _signal_name(-code)
        said = _NAMES.get(name, name or "unknown")
        words = f": {said}" if name in _OUTSIDE else f" ({said})"
        return Death(f"killed by signal {-code}{words}", name in _OUTSIDE)
    return Death(f"its process ended by itself with status {code}", False)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
