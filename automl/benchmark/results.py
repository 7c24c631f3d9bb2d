"""Results of a benchmark: one JSON line per finished system, set, budget and seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.errors import DataError

Result = Mapping[str, Any]
# What tells one result from another.
KEY = ("system", "dataset", "budget", "seed", "options")


class Results:
    """The results in a file; `add` appends to it at once, so that a run can be gone on with."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _end_line(path)
        self.rows = read_results(path)

    def has(self, key: Result) -> bool:
        """Whether this was measured; what failed is worth another try."""
        return any(same(row, key) and "error" not in row for row in self.rows)

    def add(self, result: Result) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        self.rows.append(result)

    def of(self, keys: Sequence[Result]) -> list[Result]:
        """The last result for each of these keys, where there is one."""
        found = ([row for row in self.rows if same(row, key)] for key in keys)
        return [rows[-1] for rows in found if rows]


def _end_line(path: Path) -> None:
    """Cut off a last line without its end, which a crash left, so that the next starts anew."""
    data = path.read_bytes() if path.exists() else b""
    if data and not data.endswith(b"\n"):
        path.write_bytes(data[: data.rfind(b"\n") + 1])


def same(row: Result, key: Result) -> bool:
    return all(row.get(name) == key.get(name) for name in KEY)


def read_results(path: Path) -> list[Result]:
    """The results in a JSON-lines file, none if there is no file; a cut last line is left out."""
    if not path.exists():
        return []
    rows: list[Result] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(True), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            if not line.endswith("\n"):
                break  # a crash while it was written
            raise DataError(f"{path}, line {number} is not JSON.") from None
        if not isinstance(row, dict) or not {"system", "dataset"} <= set(row):
            raise DataError(f"{path}, line {number} has no 'system' or no 'dataset'.")
        rows.append(row)
    return rows
