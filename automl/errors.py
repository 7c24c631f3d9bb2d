"""The errors a user can meet, as one tree.

AutoMLError                     every error this package raises on purpose
├── DataError                   a table cannot be read or used as asked
├── ConfigError                 an option, its value or a combination is wrong
├── BundleError                 a bundle is missing, broken or from a newer format
└── SearchError                 the race ended without a usable model

The text says what was found and where; the hint says what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class AutoMLError(Exception):
    """Base of all errors raised on purpose; `exit_code` is the process's status."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} {self.hint}"


class DataError(AutoMLError):
    """The table, or a column of it, cannot be read or used as asked."""


class ConfigError(AutoMLError):
    """An option is unknown, has a wrong value, or conflicts with another one."""


class BundleError(AutoMLError):
    """A bundle is missing, damaged, unsafe, or written by a newer version."""


class SearchError(AutoMLError):
    """Every candidate of the race failed; carries the first cause."""

    exit_code = 1


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint naming the known words closest to `word`, or None when none is close."""
    by_lower = {name.lower(): name for name in known}
    close = [by_lower[low] for low in get_close_matches(word.lower(), by_lower, n=3, cutoff=0.5)]
    if not close:
        return None
    return f"Did you mean {' or '.join(repr(name) for name in close)}?"
