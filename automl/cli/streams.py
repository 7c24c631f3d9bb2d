"""The three streams of a process of our own, such that nothing is lost or broken in silence."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress


def mend_streams() -> None:
    """Replace `sys.stdin`, `sys.stdout` and `sys.stderr` where they could do harm.

    A stream that was closed before the start leads nowhere: a file opened later would take its
    place and hold what is printed. With PYTHONUNBUFFERED, stdout may write a part of what it is
    given and not say so: it gets a buffer. What stderr cannot take is lost, and ends nothing.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    out, err = sys.__stdout__, sys.__stderr__
    if isinstance(out, io.TextIOWrapper) and isinstance(out.buffer, io.RawIOBase):
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(out.buffer), out.encoding, out.errors)
    if isinstance(err, io.TextIOWrapper):
        sys.stderr = _Talk(err.buffer, err.encoding, err.errors, line_buffering=True)


class _Talk(io.TextIOWrapper):
    """A stream that goes on when nobody can hear it."""

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()
