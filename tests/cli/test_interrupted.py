"""Runs that are killed, stopped or asked to end, through the command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bomb import as_array, pickled

import automl
from automl.cli.main import main
from automl.errors import ConfigError
from automl.search.journal import read_journal
from automl.workflows.output import RunFolder
from automl.workflows.show import show

Start = Callable[..., "subprocess.Popen[str]"]
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
def start(work: Path) -> Iterator[Start]:
    """Starts `automl` in a process group of its own, as a terminal does."""
    processes = []

    def run(*words: str) -> subprocess.Popen[str]:
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "automl", *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def fit(start: Start, *more: str) -> subprocess.Popen[str]:
    words = ("table.csv", "-t", "y", "--engines", "fake", "--folds", "3", "-o", "model")
    return start("fit", *words, *(more or ("--time-budget", "60s")))


def wait_for(event: str, count: int, folder: str = "model.run") -> None:
    """Until the journal tells of so many events."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        journal = Path(folder) / "journal.jsonl"
        if (
            journal.exists()
            and journal.read_bytes().count(b'"event": "%b"' % event.encode()) >= count
        ):
            return
        time.sleep(0.02)
    raise AssertionError(f"no {count} events {event!r}")


def wait_for_model() -> None:
    """Until there is a model, and the run has noticed it."""
    wait_for("closed", 1)
    time.sleep(0.5)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=120)
    return process.returncode, said


@posix
def test_killed_run_is_resumed_without_the_data_argument(work: Path, start: Start) -> None:
    run = fit(start, "--trials", "10")
    wait_for("fold", 8)
    os.kill(run.pid, signal.SIGKILL)
    ended(run)
    before = read_journal(Path("model.run/journal.jsonl"))
    assert not Path("model").exists()
    status, said = ended(start("fit", "--resume", "model"))
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
    wait_for("closed", 1)
    wait_for("fold", 5)
    os.kill(run.pid, signal.SIGKILL)
    ended(run)
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
    status, said = ended(start("fit", "--resume", "model"))
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
    wait_for_model()
    run.send_signal(number)
    status, said = ended(run)
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
    wait_for_model()
    run.send_signal(number)
    time.sleep(0.2)
    run.send_signal(number)
    found, said = ended(run)
    assert found == status, said
    assert f"Go on with `automl fit --resume {work / 'model'}`" in said
    assert not Path("model").exists()
    status, said = ended(fit(start))
    assert status == 2
    assert "can be resumed" in said
    folds = Path("model.run/journal.jsonl").read_bytes().count(b'"event": "fold"')
    run = start("fit", "--resume", "model")
    wait_for("fold", folds + 1)
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    status, said = ended(run)
    assert status == 0, said


@posix
def test_a_signal_before_any_model_leaves_nothing(work: Path, start: Start) -> None:
    run = fit(start)
    end = time.monotonic() + 60
    while not Path("model.run/lock").exists() and time.monotonic() < end:
        time.sleep(0.01)
    run.send_signal(signal.SIGTERM)
    status, said = ended(run)
    assert status == 143, said
    assert sorted(path.name for path in work.iterdir()) == ["table.csv"]
    status, said = ended(start("fit", "--resume", "model"))
    assert status == 2
    assert "nothing to resume" in said


@posix
def test_what_has_changed_is_named(
    work: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fit(start, "--trials", "60", "--seed", "3")
    wait_for("fold", 1)
    status, said = ended(fit(start))
    assert status == 2
    assert f"Another run is writing to '{work / 'model'}' (process {run.pid})" in said
    os.kill(run.pid, signal.SIGKILL)
    ended(run)
    status, said = ended(start("fit", "--resume", "model", "--seed", "4"))
    assert status == 2
    assert "--seed is 4, but was 3 in the run" in said
    table = Path("table.csv").read_text()
    Path("table.csv").write_text(table + "0.5,0.5,yes\n")
    status, said = ended(start("fit", "--resume", "model"))
    assert status == 2
    assert "table.csv' has changed since the run began" in said
    Path("moved.csv").write_text(table)
    monkeypatch.setenv("AUTOML_FAKE", json.dumps({"slope": 0.2}))
    status, said = ended(start("fit", "moved.csv", "--resume", "model", "--seed", "3", "--quiet"))
    assert status == 0, said


def test_run_is_shown_while_it_works_and_after_it_was_killed(work: Path, start: Start) -> None:
    run = fit(start, "--trials", "60")
    wait_for("closed", 1)
    (section,) = show("model")
    assert section.data["state"] == "running"
    assert section.data["finished trials"] >= 1
    run.kill()
    ended(run)
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
    wait_for("fold", 3)
    run.kill()
    ended(run)
    status, said = ended(fit(start, "--trials", "2", "--force"))
    assert status == 0, said
    assert len(pd.read_csv("model/leaderboard.csv")) == 2
