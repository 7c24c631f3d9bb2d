"""What a run says of itself while it works, or once it was interrupted: its journal, shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.errors import ConfigError
from automl.search.journal import read_journal
from automl.workflows._lock import FolderLock
from automl.workflows.output import LOCK, read_settings, run_folder

_BOARD = ("rank", "name", "engine", "recipe", "state", "score", "folds_done", "n_folds", "seconds")


class ShownRun:
    """A run without a bundle: its settings, its events, and whether a process works on it."""

    def __init__(self, bundle: Path) -> None:
        self.bundle = bundle.absolute()
        folder = run_folder(self.bundle)
        self.settings = read_settings(folder) or {}
        self.events = _events(folder / "journal.jsonl")
        lock = FolderLock(folder / LOCK)
        self.running = not lock.take()
        lock.free()

    @classmethod
    def find(cls, bundle: Path) -> ShownRun | None:
        """The run to `bundle`, if there is no bundle yet but a run folder."""
        there = (run_folder(bundle.absolute()) / LOCK).is_file()
        return cls(bundle) if there and not bundle.exists() else None

    def facts(self) -> dict[str, Any]:
        """The summary."""
        config = self.settings.get("config", {})
        start = self._start()
        board = self.board()
        spent = max((float(event["spent"]) for event in self.events), default=None)
        facts = {
            "state": "running" if self.running else "interrupted",
            "target": config.get("target"),
            "metric": start.get("metric"),
            "training data": self.settings.get("data"),
            "seconds spent": spent,
            "time budget": config.get("time_budget"),
            "trials": len(board),
            "finished trials": sum(row["state"] == "done" for row in board),
            "folds": sum(row["folds_done"] for row in board),
            "best score": board[0]["score"] if board else None,
            "best trial": board[0]["name"] if board and board[0]["score"] is not None else None,
        }
        if not self.running and facts["folds"]:
            facts["go on with"] = f"automl fit --resume {self.bundle}"
        return {name: value for name, value in facts.items() if value is not None}

    def board(self) -> list[dict[str, Any]]:
        """One row per trial, the best score first; unfinished ones last."""
        rows: dict[int, dict[str, Any]] = {}
        for event in self.events:
            if event["event"] not in ("trial", "fold", "closed"):
                continue
            if event["event"] == "fold":
                row = rows[event["trial"]]
                row["folds_done"] += 1
                row["seconds"] += event["seconds"]
                continue
            known = rows.setdefault(event["trial"], {"folds_done": 0, "seconds": 0.0})
            state = event["state"] if event["event"] == "closed" or self.running else "interrupted"
            known |= {
                "name": event["name"],
                "engine": event["engine"],
                "recipe": event["recipe"],
                "state": state,
                "score": event["score"],
                "n_folds": event["n_splits"],
                "cause": event["cause"],
            }
        up = bool(self._start().get("higher_is_better", True))

        def place(row: Mapping[str, Any]) -> float:
            if row["score"] is None:
                return float("inf")
            return -row["score"] if up else float(row["score"])

        ranked = sorted(rows.values(), key=place)
        return [{"rank": rank, **row} for rank, row in enumerate(ranked, start=1)]

    def table(self) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
        """Column names and rows of the leaderboard."""
        rows = self.board()
        shown = (*_BOARD, "cause") if any(row["cause"] for row in rows) else _BOARD
        return shown, tuple(tuple(row[name] for name in shown) for row in rows)

    def _start(self) -> Mapping[str, Any]:
        return next((event for event in self.events if event["event"] == "start"), {})


def _events(journal: Path) -> list[dict[str, Any]]:
    try:
        return read_journal(journal)
    except FileNotFoundError:
        return []  # it still reads the table
    except ValueError as error:
        raise ConfigError(
            f"The journal '{journal}' is damaged: {error}.",
            hint="Start the run again, with --force.",
        ) from None
