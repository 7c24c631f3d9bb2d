"""Kills runs at random moments and resumes them: nothing that was recorded may be lost.

python -m benchmarks.faults TABLE --target COLUMN [--kills 30] [--budget 20s] [--seed 0]

Each run's whole process group gets SIGKILL. After `automl fit --resume`: every fold that the
journal told of is still there and was not trained again, every trial that had ended has the score
it had, and the leaderboard holds all trials of the journal. A kill before a fold was recorded must
be told as "nothing to resume". "lost" counts folds that left a file but no line in the journal:
at most one a worker may.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from automl.forms import parse_duration
from automl.model.bundle import verify_bundle

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """One killed run; `fault` is empty if all went well."""

    after: float
    folds: int
    lost: int
    trials: int
    resumed: str
    more_folds: int
    trials_at_end: int
    seconds: float
    fault: str

    def row(self) -> str:
        fault = self.fault or "-"
        return (
            f"| {self.after:.2f} | {self.folds} | {self.lost} | {self.trials} | {self.resumed} | "
            f"{self.more_folds} | {self.trials_at_end} | {self.seconds:.1f} | {fault} |"
        )


@click.command()
@click.argument("table", type=click.Path(path_type=Path, exists=True))
@click.option("--target", required=True)
@click.option("--kills", type=int, default=30, help="Runs to kill  [30]")
@click.option("--budget", default="20s", help="Of each run  [20s]")
@click.option("--seed", type=int, default=0, help="Of the moments  [0]")
def main(table: Path, target: str, kills: int, budget: str, seed: int) -> None:
    """Print one row per killed run; the exit status is 1 if one of them lost something."""
    rng = np.random.default_rng(seed)
    words = [str(table.absolute()), "--target", target, "--time-budget", budget]
    click.echo(
        "| killed after (s) | folds | lost | trials | resumed | more folds | trials at the end | "
        "took (s) | fault |\n|---:|---:|---:|---:|---|---:|---:|---:|---|"
    )
    outcomes = []
    for after in np.sort(rng.uniform(0.5, parse_duration(budget), kills)):
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(_killed(words, Path(folder) / "model", float(after)))
        click.echo(outcomes[-1].row())
    faults = sum(bool(outcome.fault) for outcome in outcomes)
    click.echo(f"\n{faults} of {kills} runs with a fault.")
    sys.exit(1 if faults else 0)


def _killed(words: Sequence[str], output: Path, after: float) -> Outcome:
    """One run, killed after so many seconds, and resumed."""
    command = [sys.executable, "-m", "automl", "fit"]
    process = subprocess.Popen(
        [*command, *words, "--output", str(output), "--quiet"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(after)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    run = output.with_name(output.name + ".run")
    before = _events(run / "journal.jsonl")
    folds, lost = _folds(before), _lost(before, run / "trials")
    if output.exists():  # it had just ended
        shutil.rmtree(run, ignore_errors=True)
        return Outcome(after, 0, 0, 0, "had ended", 0, 0, 0.0, "")
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--resume", str(output), "--quiet"], capture_output=True, text=True, check=False
    )
    took = time.monotonic() - started
    trials = {event["trial"] for event in before if event["event"] == "trial"}
    if not folds:
        told = done.returncode == 2 and "nothing to resume" in done.stderr
        fault = "" if told else f"status {done.returncode}"
        return Outcome(after, 0, lost, len(trials), "nothing to resume", 0, 0, took, fault)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["silent"]
        fault = f"status {done.returncode}: {last[0]}"
        return Outcome(after, len(folds), lost, len(trials), "no", 0, 0, took, fault)
    events = _events(output / "run" / "journal.jsonl")
    board = list(csv.DictReader((output / "leaderboard.csv").open(encoding="utf-8")))
    more = len(_folds(events)) - len(folds)
    fault = _fault(before, events, board)
    if lost > (os.cpu_count() or 1):
        fault = f"{lost} folds were lost"
    verify_bundle(output)
    return Outcome(after, len(folds), lost, len(trials), "yes", more, len(board), took, fault)


def _fault(before: Sequence[Event], events: Sequence[Event], board: Sequence[Event]) -> str:
    """What was lost, or done twice; empty if nothing."""
    if list(events[: len(before)]) != list(before):
        return "the journal has changed"
    folds = _folds(events)
    if len(folds) != len(set(folds)):
        return f"{len(folds) - len(set(folds))} folds were trained again"
    names = {event["name"] for event in events if event["event"] == "trial"}
    if names != {row["name"] for row in board}:
        return "the leaderboard is not that of the journal"
    scores = {row["name"]: row["score"] for row in board}
    for event in before:
        ended = event["event"] == "closed" and event["state"] == "done"
        if ended and float(scores[event["name"]]) != event["score"]:
            return f"{event['name']} has another score"
    return ""


def _folds(events: Sequence[Event]) -> list[tuple[int, int]]:
    return [(event["trial"], event["split"]) for event in events if event["event"] == "fold"]


def _lost(events: Sequence[Event], trials: Path) -> int:
    """Folds of open trials that wrote a file, or began to, and are not in the journal."""
    recorded = set(_folds(events))
    closed = {event["trial"] for event in events if event["event"] == "closed"}
    begun = {
        (int(path.parent.name), int(path.stem.rpartition("_")[2]))
        for path in trials.glob("*/*fold_*")
    }
    return len({fold for fold in begun - recorded if fold[0] not in closed})


def _events(path: Path) -> list[Event]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


if __name__ == "__main__":
    main()
