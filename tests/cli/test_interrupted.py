"""Runs that are killed, stopped or asked to end, through the command line."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bomb import as_array, pickled

import automl
from automl.budget import Budget
from automl.cli.main import main
from automl.errors import ConfigError
from automl.search.crossval import FoldTrainer
from automl.search.journal import read_journal
from automl.workflows.output import RunFolder
from automl.workflows.show import show

Start = Callable[..., "Run"]
CAP = 90.0  # seconds after which a test that waits is broken
SLOW = json.dumps({"slope": 0.2, "trees": 6, "sleep": 0.03})
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture
def work(tmp_path: Path, fake: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table; the fake engine takes its time."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    table = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(x[:, 0] > 0, "yes", "no")})
    table.to_csv(tmp_path / "table.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOML_FAKE", SLOW)
    return tmp_path


@pytest.fixture
def start(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts `automl` in a process group of its own, as a terminal does."""
    running = []

    def run(*words: str, table: str | None = None) -> Run:
        said = tmp_path_factory.mktemp("said") / "stderr"
        with said.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "automl", *words],
                stdin=subprocess.PIPE if table else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,
            )
        running.append(process)
        if table:
            assert process.stdin is not None
            process.stdin.write(Path(table).read_bytes())
            process.stdin.close()
        return Run(process, said)

    yield run
    for process in running:
        process.kill()
        process.wait()


@dataclass
class Run:
    """A command that runs, and the file of what it says on stderr."""

    process: subprocess.Popen[bytes]
    said: Path

    def ended(self) -> tuple[int, str]:
        return self.process.wait(timeout=CAP), self.said.read_text(encoding="utf-8")

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def wait_said(self, text: str) -> None:
        self.wait(lambda: text in self.said.read_text(encoding="utf-8"), f"{text!r} said")

    def wait(self, happened: Callable[[], bool], what: str) -> None:
        """Until it has happened; the cap only ends a test that would never end."""
        end = time.monotonic() + CAP
        while not happened():
            in_time = self.process.poll() is None and time.monotonic() < end
            assert in_time or happened(), f"never {what}: {self.said.read_text(encoding='utf-8')}"
            time.sleep(0.01)

    def wait_for(self, *names: str) -> None:
        """Until the journal tells of these events in this order."""

        def told() -> bool:
            journal = Path("model.run/journal.jsonl")
            left = list(names)
            for event in read_journal(journal) if journal.exists() else []:
                if left and event["event"] == left[0]:
                    left.pop(0)
            return not left

        self.wait(told, f"{names} in the journal")

    def wait_for_model(self) -> None:
        """Until there is a model, and the run has looked at the board again since."""
        self.wait_for("closed", "trial")


def fit(start: Start, *more: str) -> Run:
    words = ("table.csv", "-t", "y", "--engines", "fake", "--folds", "3", "-o", "model")
    return start("fit", *words, *(more or ("--time-budget", "60s")))


@posix
def test_killed_run_is_resumed_without_the_data_argument(work: Path, start: Start) -> None:
    run = fit(start, "--trials", "10")
    run.wait_for(*["fold"] * 8)
    run.send(signal.SIGKILL)
    run.ended()
    before = read_journal(Path("model.run/journal.jsonl"))
    assert not Path("model").exists()
    status, said = start("fit", "--resume", "model").ended()
    assert status == 0, said
    assert "Traceback" not in said
    assert not Path("model.run").exists()
    events = read_journal(Path("model/run/journal.jsonl"))
    assert events[: len(before)] == before
    folds = [(e["trial"], e["split"]) for e in events if e["event"] == "fold"]
    assert len(folds) == len(set(folds))
    assert {e["trial"] for e in events if e["event"] == "closed"} == set(range(10))
    board = pd.read_csv("model/leaderboard.csv")
    assert len(board) == 10
    assert len(automl.load("model").predict(pd.read_csv("table.csv"))) == 120


@posix
def test_pickles_in_a_run_folder_are_never_run(
    work: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = work / "canary"
    bomb, array = pickled(canary), as_array(canary)
    run = fit(start, "--trials", "4", "--folds", "3")
    run.wait_for("closed", "fold", "fold")
    run.send(signal.SIGKILL)
    run.ended()
    shutil.copytree("model.run", "kept")
    for name in ("journal.jsonl", "settings.json"):
        Path("model.run", name).write_bytes(bomb)
        assert main(["show", "model", "all"]) == 2
        assert main(["fit", "--resume", "model"]) == 2
        assert "damaged" in capsys.readouterr().err
        shutil.rmtree("model.run")
        shutil.copytree("kept", "model.run")
    Path("model.run", "run.json").write_bytes(bomb)
    trained = [path for path in Path("model.run/trials").rglob("*") if path.is_file()]
    assert {path.suffix for path in trained} > {".npy"}
    for path in trained:
        if path.suffix == ".npy":
            path.write_bytes(array)
        elif path.parent.name != "0000":  # that trial is whole, so its margins are read
            path.write_bytes(bomb)
    status, said = start("fit", "--resume", "model").ended()
    assert status == 0, said
    assert "Traceback" not in said
    assert main(["fit", "table.csv", "-t", "y", "--config", "kept/pickle"]) == 2
    Path("kept/pickle").write_bytes(bomb)
    assert main(["fit", "table.csv", "-t", "y", "--config", "kept/pickle"]) == 2
    assert main(["fit", "kept/pickle", "-t", "y"]) == 2
    assert main(["predict", "model", "kept/pickle"]) == 2
    assert not canary.exists()


@posix
def test_a_run_folder_cannot_have_other_folders_removed(work: Path) -> None:
    precious = work / "automl-data"
    precious.mkdir()
    (work / "model.run").mkdir()
    (work / "model.run" / "lock").touch()
    mark = json.dumps({"pid": 1, "store": str(precious)})
    (work / "model.run" / "run.json").write_text(mark, encoding="utf-8")
    with RunFolder(work / "model", str(work / "fast")) as run:
        store = run.store
        assert store.exists()
        mark = (run.path / "run.json").read_text(encoding="utf-8")
    assert precious.exists()
    assert not store.exists()
    # What a run that was killed has left is removed by the next one.
    store.mkdir(parents=True)
    (store / "run-folder").write_text(str(run.path), encoding="utf-8")
    run.path.mkdir()
    (run.path / "run.json").write_text(mark, encoding="utf-8")
    with RunFolder(work / "model", None):
        assert not store.exists()


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_the_run_with_the_best_so_far(
    number: signal.Signals, work: Path, start: Start
) -> None:
    run = fit(start)
    run.wait_for_model()
    run.send(number)
    status, said = run.ended()
    assert status == 0, said
    assert "ends with the best so far" in said
    assert not Path("model.run").exists()
    automl.load("model")


@posix
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_two_signals_stop_the_run_which_can_be_resumed(
    number: signal.Signals, status: int, work: Path, start: Start
) -> None:
    run = fit(start)
    run.wait_for_model()
    run.send(number)
    run.wait_said("ends with the best so far")
    run.send(number)
    found, said = run.ended()
    assert found == status, said
    assert f"Go on with `automl fit --resume {work / 'model'}`" in said
    assert not Path("model").exists()
    status, said = fit(start).ended()
    assert status == 2
    assert "can be resumed" in said
    run = start("fit", "--resume", "model")
    run.wait_for("resumed", "fold", "trial")
    run.send(signal.SIGTERM)
    status, said = run.ended()
    assert status == 0, said


@posix
def test_a_signal_before_any_model_leaves_nothing(work: Path, start: Start) -> None:
    run = fit(start)
    run.wait(Path("model.run/lock").exists, "locked")
    run.send(signal.SIGTERM)
    status, said = run.ended()
    assert status == 143, said
    assert "no model yet" in said or "Hint" not in said  # it may not have begun to listen
    assert sorted(path.name for path in work.iterdir()) == ["table.csv"]
    status, said = start("fit", "--resume", "model").ended()
    assert status == 2
    assert "nothing to resume" in said


@posix
def test_what_has_changed_is_named(
    work: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fit(start, "--trials", "60", "--seed", "3")
    run.wait_for("fold")
    status, said = fit(start).ended()
    assert status == 2
    assert f"Another run is writing to '{work / 'model'}' (process {run.process.pid})" in said
    run.send(signal.SIGKILL)
    run.ended()
    status, said = start("fit", "--resume", "model", "--seed", "4").ended()
    assert status == 2
    assert "--seed is 4, but was 3 in the run" in said
    table = Path("table.csv").read_text()
    Path("table.csv").write_text(table + "0.5,0.5,yes\n")
    status, said = start("fit", "--resume", "model").ended()
    assert status == 2
    assert "table.csv' has changed since the run began" in said
    Path("moved.csv").write_text(table)
    monkeypatch.setenv("AUTOML_FAKE", json.dumps({"slope": 0.2}))
    status, said = start("fit", "moved.csv", "--resume", "model", "--seed", "3", "--quiet").ended()
    assert status == 0, said


def test_run_is_shown_while_it_works_and_after_it_was_killed(work: Path, start: Start) -> None:
    run = fit(start, "--trials", "60")
    run.wait_for("closed")
    (section,) = show("model")
    assert section.data["state"] == "running"
    assert section.data["finished trials"] >= 1
    run.process.kill()
    run.ended()
    summary, board, config = show("model", "all")
    assert summary.data["state"] == "interrupted"
    assert summary.data["go on with"] == f"automl fit --resume {work / 'model'}"
    assert board.data[0]["state"] == "done"
    assert board.data[0]["score"] == summary.data["best score"]
    assert config.data["trials"] == 60
    with pytest.raises(ConfigError, match="has no 'schema' to show"):
        show("model", "schema")


def test_force_drops_an_interrupted_run(work: Path, start: Start) -> None:
    run = fit(start, "--trials", "50")
    run.wait_for(*["fold"] * 3)
    run.process.kill()
    run.ended()
    status, said = fit(start, "--trials", "2", "--force").ended()
    assert status == 0, said
    assert len(pd.read_csv("model/leaderboard.csv")) == 2


@posix
def test_a_run_from_stdin_says_that_it_cannot_be_resumed(work: Path, start: Start) -> None:
    words = ("fit", "-", "-t", "y", "--engines", "fake", "--folds", "3", "-o", "model")
    run = start(*words, "--trials", "50", table="table.csv")
    run.wait_said("standard input is read once: this run cannot be resumed")
    run.wait_for("fold")
    run.send(signal.SIGKILL)
    run.ended()
    status, said = start("fit", "--resume", "model").ended()
    assert status == 2
    assert "There is nothing to resume: no interrupted run" in said
    # Its folder is in nobody's way.
    status, said = start(*words, "--trials", "2", table="table.csv").ended()
    assert status == 0, said
    assert sorted(path.name for path in work.iterdir()) == ["model", "table.csv"]


@posix
def test_a_kill_before_a_fold_is_nothing_to_resume(
    work: Path, start: Start, orders: Callable[..., None]
) -> None:
    orders(slope=0.2, hang=1000.0)
    run = fit(start)
    run.wait_for("trial")
    run.send(signal.SIGKILL)
    run.ended()
    orders(slope=0.2)
    status, said = start("fit", "--resume", "model").ended()
    assert status == 2
    assert "There is nothing to resume" in said
    status, said = fit(start, "--trials", "2").ended()  # no --force is needed
    assert status == 0, said


def test_a_slower_machine_still_ends_the_first_trial(
    work: Path, orders: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading took all the time that was left, and each fold takes more than it would have had."""
    train, folds = FoldTrainer.fit_fold, []

    def killed(self: FoldTrainer, task: Any) -> Any:
        if folds:
            raise KeyboardInterrupt
        folds.append(task)
        return train(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(FoldTrainer, "fit_fold", killed)
        options: Any = {"engines": ("fake",), "folds": 3, "time_budget": 9.0, "in_process": True}
        orders(slope=0.2, trees=6)
        with pytest.raises(KeyboardInterrupt):
            automl.fit("table.csv", target="y", output="model", **options)
    orders(slope=0.2, trees=6, sleep=0.1)
    result = automl.resume("model", in_process=True, budget=Budget(9.0, already_spent=9.0))
    assert result.seconds > 9.0 + 2 * 6 * 0.1
    (row, *_) = result.leaderboard
    assert (row["state"], row["folds_done"]) == ("done", 3)
    (member,) = automl.load("model").members
    assert {booster.booster.n_trees for booster in member.boosters} == {6}


def test_no_room_to_resume_loses_nothing(
    work: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fit(start, "--trials", "3")
    run.wait_for("fold")
    run.send(signal.SIGKILL)
    run.ended()
    left = {path: path.read_bytes() for path in Path("model.run/trials").rglob("*.json")}
    write = Path.write_text

    def full(self: Path, *args: Any, **options: Any) -> int:
        if self.name == "run.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(ConfigError, match=r"run\.json': No space left"):
            automl.resume("model")
    assert all(path.read_bytes() == content for path, content in left.items())
    assert len(automl.resume("model", in_process=True).leaderboard) == 3
