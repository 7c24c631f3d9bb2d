"""Trains again what a run has trained, by its journal and without a clock.

What a clock decided is in the journal: which candidates were tried, after how many rounds the
training of a fold ended, which trials the blend consists of. A replay does the same, so that on
the same platform, with as many threads, its models are the same to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automl.errors import SearchError
from automl.search.journal import PLACES
from automl.search.race import Race
from automl.search.restore import Event, Recorded, restored_trials
from automl.search.ship import Stops, run_all

# Trials whose models wait on the disk, with all their trees, until they are cut.
_AT_ONCE = 4
_OURS = {"event", "spent", *PLACES}  # of a line of the journal: written anew, or not at all


@dataclass(frozen=True)
class BagLine:
    """What the calibrated margins of a bag count, and what is added to them."""

    slope: float
    shift: float


@dataclass(frozen=True)
class Script:
    """What a run did after its race, where its clock decided.

    weights: of the blend.  refit: rounds after which refits were cut, by trial; None where the
    models of the folds shipped.  student: the same of the students of --distil; None = no student.
    bag: of the link that shipped; None where no bag did, or by a run that did not tell.
    """

    weights: Mapping[str, float]
    refit: Stops | None
    student: Stops | None
    bag: BagLine | None = None

    @classmethod
    def read(cls, events: Iterable[Event]) -> Script | None:
        """That of the last blend of a journal; None if it tells of none."""
        found: Script | None = None
        for event in events:
            if event["event"] == "blend":
                found = cls({k: float(v) for k, v in event["weights"].items()}, None, None)
            elif event["event"] == "refit" and found is not None:
                found = replace(found, refit=event["stops"])
            elif event["event"] == "student" and found is not None:
                found = replace(found, student=event["stops"])
            elif event["event"] == "bag" and found is not None:
                line = BagLine(float(event["slope"]), float(event["shift"]))
                found = replace(found, bag=line)
        return found


def train_again(race: Race, recorded: Sequence[Recorded]) -> None:
    """Give `race` the trials of another run's journal, those that it finished trained anew.

    Trials that were pruned, stopped or failed keep their rows; they are in no blend. The journal
    of the race tells of all as if it had been their first. Raises SearchError if one cannot be
    trained here.
    """
    for start in range(0, len(recorded), _AT_ONCE):
        chunk = recorded[start : start + _AT_ONCE]
        tasks = [task for one in chunk if _finished(one) for task in _tasks(race, one)]
        trained: dict[tuple[int, int], Event] = {}
        for report in run_all(race.executor, tasks, seconds_left=lambda: math.inf):
            if report.result is None:
                name = recorded[report.task["trial"]].begun["name"]
                raise SearchError(f"{name} could not be trained again: {report.error}")
            event = {**report.task, **report.result}
            trained[(event["trial"], event["split"])] = event
        again = [_anew(race, one, trained) for one in chunk]
        trials, _ = restored_trials(again, race.record.folder)
        race.rules = replace(race.rules, trials=len(race.trials) + len(trials))
        race.take_back(trials, {})
        if tasks:
            race.run()
    race.resumed = False  # it is one run, from its first trial on


def _finished(one: Recorded) -> bool:
    return one.closed is not None and one.closed["state"] == "done"


def _tasks(race: Race, one: Recorded) -> list[dict[str, Any]]:
    """The folds of a trial to train, each to its tree."""
    ((trial,), _) = restored_trials([Recorded(one.begun)], race.record.folder)
    trial.folder.mkdir(parents=True, exist_ok=True)
    tasks = []
    for split, event in sorted(one.folds.items()):
        task = trial.fold_task(
            split,
            seed=race.rules.seed,
            max_trees=int(event["max_trees"]),
            patience=int(event["patience"]),
            time_limit=None,
        )
        stop = len(event["curve"]) if event["by_clock"] else None
        tasks.append({**task, "stop_after": stop})
    return tasks


def _anew(race: Race, one: Recorded, trained: Mapping[tuple[int, int], Event]) -> Recorded:
    """Write a trial into the journal of the race; what is recorded of it now."""
    race.record.journal.write("trial", **_facts(one.begun))
    number = int(one.begun["trial"])
    folds = {
        split: trained[(number, split)] if _finished(one) else event
        for split, event in sorted(one.folds.items())
    }
    for event in folds.values():
        race.record.journal.write("fold", **_facts(event))
    if _finished(one):
        return Recorded(one.begun, folds)
    closed = one.closed or {**one.begun, "state": "stopped"}
    race.record.journal.write("closed", **_facts(closed))
    return Recorded(one.begun, folds, closed)


def _facts(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in _OURS}
