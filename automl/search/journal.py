"""The journal of a run: one append-only JSON-lines file, on disk before anything counts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl.search.events import Checked

# Of a fold's task, left out: a bundle ships its journal, and need not tell where it was made.
PLACES = frozenset({"model", "recipe_file"})


class Journal:
    """Appends events of one run; each is flushed and synced before `write` returns.

    spent: seconds of the run so far, written with every event: what a resumed run has spent.
    A last line that a crash cut short is cut off first, so that nothing is appended to it.
    """

    def __init__(self, path: Path, *, spent: Callable[[], float] = lambda: 0.0) -> None:
        self._spent = spent
        if path.exists():
            _cut_to_whole_lines(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, event: str, **facts: Any) -> float:
        """Append {"event": event, "spent": seconds, …facts} as one line; the seconds come back."""
        spent = round(self._spent(), 3)
        line = {"event": event, "spent": spent, **facts}
        self._file.write(json.dumps(line, allow_nan=True) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        return spent

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The events of a journal in order; a last line cut by a crash is left out.

    Raises FileNotFoundError, and ValueError naming the first line that no run has written.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is not a plain file")
    events, checked = [], Checked()
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                break
            try:
                events.append(checked.take(json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number}: {error}") from None
    return events


def _cut_to_whole_lines(path: Path) -> None:
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        with path.open("r+b") as file:
            file.truncate(whole)
