"""Files that are whole or not there, and a disk that is full."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LEAST_FREE = 1 << 20  # bytes that a run leaves, to end with its journal in order
_DISK = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes `path` when all is written: no half file after a crash.

    Raises OSError where the disk is full, also if a library that wrote has not noticed.
    """
    part = path.with_name(f"part-{path.name}")
    try:
        yield part
    except Exception:
        part.unlink(missing_ok=True)
        _check_space(path)
        raise
    _check_space(path)
    part.replace(path)


def _check_space(path: Path) -> None:
    try:
        free = shutil.disk_usage(path.parent).free
    except FileNotFoundError:
        return  # the folder was dropped meanwhile
    if free < _LEAST_FREE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def disk_trouble(error: Exception) -> tuple[int, str, str] | None:
    """(number, text, file) of an error of the disk that every other task would meet, else None."""
    if isinstance(error, OSError) and error.errno is not None and error.errno in _DISK:
        return error.errno, error.strerror or "", str(error.filename or "")
    return None
