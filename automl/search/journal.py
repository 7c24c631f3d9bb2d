"""The journal of a run: one append-only JSON-lines file, on disk before anything counts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """Appends events of one run; each is flushed and synced before `write` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, event: str, **facts: Any) -> None:
        """Append {"event": event, …facts} as one line."""
        self._file.write(json.dumps({"event": event, **facts}, allow_nan=True) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The events of a journal in order; a last line cut by a crash is left out."""
    events = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break
            events.append(json.loads(line))
    return events
