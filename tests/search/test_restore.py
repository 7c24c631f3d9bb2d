"""A race that is killed at any moment goes on from its journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import candidates, make_race

from automl.search.executors.base import Report, Task
from automl.search.executors.inline import InlineExecutor
from automl.search.journal import read_journal
from automl.search.race import Race
from automl.search.restore import recorded_trials, restored_trials

GOOD, FAIR, PRIOR = {"slope": 0.25, "trees": 6}, {"slope": 0.1, "trees": 6}, {"slope": 0.0}
N_TRIALS = 7


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


Arena = Callable[["Mortal"], Race]


class Mortal(InlineExecutor):
    """Dies instead of its task number `last`, counted from 0; keeps what it was asked to do."""

    def __init__(self, last: int | None = None) -> None:
        super().__init__()
        self.last = last
        self.asked: list[tuple[str, int, int]] = []

    def submit(self, task: Task) -> None:
        if len(self.asked) == self.last:
            raise Killed
        self.asked.append((task["kind"], task["trial"], task["split"]))
        super().submit(task)

    def wait(self, timeout: float | None) -> Sequence[Report]:
        return super().wait(timeout)


@pytest.fixture
def race_in(tmp_path: Path) -> Iterator[Arena]:
    """Makes the race of a process, in the same folder each time."""
    races = []

    def make(executor: Mortal) -> Race:
        for race in races:
            race.record.journal.close()
        races.append(
            make_race(
                tmp_path / "run",
                executor=executor,
                trials=N_TRIALS,
                portfolio=candidates(GOOD, PRIOR, FAIR),
            )
        )
        return races[-1]

    yield make
    for race in races:
        race.record.journal.close()


def resumed(race: Race) -> Race:
    """`race`, which has not begun, with the trials that stand in its folder."""
    events = read_journal(race.record.folder.parent / "journal.jsonl")
    race.take_back(*restored_trials(recorded_trials(events), race.record.folder))
    return race


def facts(race: Race) -> list[dict[str, Any]]:
    timed = ("seconds", "predict_seconds", "cost")
    return [{k: v for k, v in t.to_json().items() if k not in timed} for t in race.trials]


@pytest.mark.parametrize("last", [1, 2, 3, 4, 5, 7, 8, 11, 13, 17, 20, 24])
def test_killed_race_loses_only_the_fold_in_training(
    last: int, fake: str, tmp_path: Path, race_in: Arena
) -> None:
    second = Mortal()
    with pytest.raises(Killed):
        race_in(Mortal(last)).run()
    before = read_journal(tmp_path / "run" / "journal.jsonl")
    race = resumed(race_in(second))
    trials = race.run()
    assert [trial.number for trial in trials] == list(range(N_TRIALS))
    assert {trial.state for trial in trials} <= {"done", "pruned"}
    trained = {(e["trial"], e["split"]) for e in before if e["event"] == "fold"}
    again = {(trial, split) for kind, trial, split in second.asked if kind == "fold"}
    assert not trained & again
    for event in before:
        if event["event"] == "closed":
            assert trials[event["trial"]].loss == event["loss"]
    for trial in race.done:
        assert race.scorer.loss(race.scorer.pooled(race.margins[trial.name])) == trial.loss


def test_finished_race_comes_back_as_it_was(fake: str, race_in: Arena) -> None:
    executor = Mortal()
    race = race_in(Mortal())
    race.run()
    again = resumed(race_in(executor))
    assert facts(again) == facts(race)
    assert set(again.margins) == set(race.margins)
    for name, margin in race.margins.items():
        assert np.array_equal(again.margins[name], margin)
    assert len(again.run()) == N_TRIALS
    assert executor.asked == []


@pytest.mark.parametrize("harm", ["empty", "missing", "longer", "oof"])
def test_harmed_files_are_made_again(harm: str, fake: str, tmp_path: Path, race_in: Arena) -> None:
    executor, folder = Mortal(), tmp_path / "run" / "trials" / "0000"
    race_in(Mortal()).run()
    model = next(folder.glob("fold_01*"))
    if harm == "missing":
        model.unlink()
    elif harm == "oof":
        (folder / "oof_01.npy").write_bytes(b"\x93NUMPY")
    else:
        model.write_bytes(b"" if harm == "empty" else model.read_bytes() + b" ")
    race = resumed(race_in(executor))
    (first, *_) = race.run()
    assert first.state == "done"
    assert "fake-1" in race.margins
    folds = [task for task in executor.asked if task[0] == "fold"]
    assert folds == ([] if harm == "oof" else [("fold", 0, 1)])


def test_stopped_portfolio_entry_is_tried_again_and_a_finished_one_is_not(
    fake: str, tmp_path: Path, race_in: Arena
) -> None:
    executor = Mortal()
    race_in(Mortal()).run()
    path = tmp_path / "run" / "journal.jsonl"
    events = read_journal(path)
    for event in events:
        if event["event"] == "closed" and event["trial"] == 1:
            event["state"] = "stopped"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    race = resumed(race_in(executor))
    race.rules = replace(race.rules, trials=N_TRIALS + 2)
    trials = race.run()
    assert trials[N_TRIALS].candidate.params == PRIOR
    assert trials[N_TRIALS + 1].candidate.origin == "optuna"
