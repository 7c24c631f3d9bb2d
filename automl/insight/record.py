"""What is recorded of the run that made a model: the input of the sections that tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl.data.schema import Schema


@dataclass(frozen=True)
class Record:
    """A run as the files of its bundle tell it, in plain JSON values.

    facts: of the manifest: task, target, classes, metric, seed, data, config, versions, …
    metrics: `metrics.json`.  board: a mapping per row of the leaderboard.  ledger: one per
    decision.  importance: one per column, the most important first.  trials: one per closed
    trial, by number.  tuning: as `search.tuning` has it.  scored_rows: rows that each finished
    trial predicted.
    """

    facts: Mapping[str, Any]
    metrics: Mapping[str, Any]
    schema: Schema
    board: Sequence[Mapping[str, Any]] = ()
    ledger: Sequence[Mapping[str, Any]] = ()
    importance: Sequence[Mapping[str, Any]] = ()
    trials: Sequence[Mapping[str, Any]] = ()
    tuning: Sequence[Mapping[str, Any]] = ()
    scored_rows: int | None = None
