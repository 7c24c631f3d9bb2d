"""One run at a time in a folder: a lock of the operating system, which ends with its process."""

from __future__ import annotations

import os
from pathlib import Path

if os.name == "nt":
    import msvcrt

    def _take(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FolderLock:
    """A lock on a file; `take` is False where another process has it.

    However a process ends, the system frees its lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    @property
    def held(self) -> bool:
        return self._file is not None

    def take(self) -> bool:
        """Whether the lock is ours now. Raises OSError if the file cannot be made."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _take(file)
        except OSError:
            os.close(file)
            return False
        except BaseException:  # a signal
            os.close(file)
            raise
        if not self._is_ours(file):  # a run that ended removed the file before we had its lock
            os.close(file)
            return self.take()
        self._file = file
        return True

    def free(self) -> None:
        """Give the lock back; nothing happens without it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _is_ours(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False
