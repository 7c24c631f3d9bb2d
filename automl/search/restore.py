"""Trials of an interrupted run, made again from its journal and the files of its folds.

A fold counts if its event is in the journal and its files are as long as they were then; another
is trained again. So a crash costs the folds that were in training, and a disk that lost what it
had promised to keep costs those folds too, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.search.crossval import PLAIN, load_engine
from automl.search.portfolio import Candidate
from automl.search.trial import FoldRun, Trial

Event = Mapping[str, Any]
Margins = dict[str, NDArray[np.float32]]


@dataclass
class Recorded:
    """What a journal tells of one trial; `closed` is None while it was open."""

    begun: Event
    folds: dict[int, Event] = field(default_factory=dict)
    closed: Event | None = None


def recorded_trials(events: Iterable[Event]) -> list[Recorded]:
    """The trials of a journal by number."""
    found: dict[int, Recorded] = {}
    for event in events:
        if event["event"] == "trial":
            found[int(event["trial"])] = Recorded(event)
        elif event["event"] == "fold":
            found[int(event["trial"])].folds[int(event["split"])] = event
        elif event["event"] == "closed":
            found[int(event["trial"])].closed = event
    return [found[number] for number in sorted(found)]


def restored_trials(recorded: Iterable[Recorded], folder: Path) -> tuple[list[Trial], Margins]:
    """The trials, and the stacked out-of-fold margins of the finished ones by name.

    folder: that of all trials' folders. A trial with a gap is open again: "running" with the
    splits to train, or "finishing".
    """
    trials, margins = [], {}
    for one in recorded:
        trial = _restored(one, folder)
        if trial.state == "done":
            stacked = _margins(trial)
            if stacked is not None:
                margins[trial.name] = stacked
            elif trial.folder.exists():  # its margins are predicted again
                trial.state, trial.predict_seconds = "finishing", 0.0
            else:
                trial.forgotten = True
        trials.append(trial)
    return trials, margins


def _restored(one: Recorded, folder: Path) -> Trial:
    facts = one.begun if one.closed is None else one.closed
    number, n_splits = int(facts["trial"]), int(facts["n_splits"])
    candidate = Candidate(
        facts["engine"],
        facts["recipe"],
        dict(facts["params"]),
        float(facts["cost"]),
        facts["origin"],
        seed=int(facts["seed"]),
    )
    trial = Trial(number, candidate, folder / f"{number:04d}", n_splits)
    for split, event in one.folds.items():
        fold = _fold(trial, split, event)
        trial.seconds += fold.seconds
        trial.folds[split] = fold
    if one.closed is not None:
        _close(trial, one.closed)
    if trial.is_open or (trial.state == "done" and trial.folder.exists()):
        sizes = facts.get("model_bytes") if one.closed else None
        for split in list(trial.folds):
            expected = sizes[split] if sizes else one.folds[split]["model_bytes"]
            if not _whole(trial, trial.folds[split], expected):
                del trial.folds[split]
        trial.pending = [k for k in range(n_splits) if k not in trial.folds]
        if trial.pending:
            trial.state = "running"
        elif trial.is_open:
            trial.state = "finishing"
    if trial.is_open:
        trial.predict_seconds = 0.0
    return trial


def _fold(trial: Trial, split: int, event: Event) -> FoldRun:
    suffix = load_engine(trial.candidate.engine).suffix
    plain = trial.candidate.recipe == PLAIN
    return FoldRun(
        split=split,
        curve=list(event["curve"]),
        n_trained=int(event["n_trained"]),
        seconds=float(event["seconds"]),
        model=trial.folder / f"fold_{split:02d}{suffix}",
        recipe_file=None if plain else trial.folder / f"recipe_{split:02d}.json",
        by_clock=bool(event["by_clock"]),
        model_bytes=int(event["model_bytes"]),
    )


def _close(trial: Trial, facts: Event) -> None:
    trial.state = facts["state"]
    trial.loss, trial.score = facts["loss"], facts["score"]
    trial.objective_loss = facts["objective_loss"]
    trial.fold_scores = list(facts["fold_scores"])
    trial.predict_seconds = float(facts["predict_seconds"])
    trial.cause, trial.ended = facts["cause"], facts.get("spent")
    trial.forgotten = trial.state != "done"
    for split, n_trees in zip(sorted(trial.folds), facts["n_trees"], strict=False):
        trial.folds[split].n_trees = int(n_trees)


def _whole(trial: Trial, fold: FoldRun, expected: int) -> bool:
    """Whether the files of a fold are there, as long as they were.

    When its margins were predicted, but not yet those of all folds of its trial, the model may
    have been cut to its honest tree count since.
    """
    try:
        size = fold.model.stat().st_size
    except OSError:
        return False
    cut = trial.state != "done" and trial.oof_file(fold.split).is_file() and 0 < size < expected
    recipe = fold.recipe_file is None or fold.recipe_file.is_file()
    return recipe and (size == expected or cut)


def _margins(trial: Trial) -> NDArray[np.float32] | None:
    parts = []
    for split in range(trial.n_splits):
        try:
            parts.append(np.load(trial.oof_file(split), allow_pickle=False))
        except (OSError, ValueError, EOFError):
            return None
    return np.concatenate(parts)
