"""Workers that crash, hang, leak or are killed: the run goes on and says what happened."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

import automl
from automl.search.journal import read_journal

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
GOOD = {"slope": 0.2, "trees": 4}
KILLED = "killed by signal 9: out of memory or from outside"
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def work(tmp_path: Path, fake: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    table = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(x[:, 0] > 0, "yes", "no")})
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "turns").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def start(work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Starts `automl fit` with an engine that does, call by call, what `turns` say."""
    processes = []

    def run(*words: str, turns: list[dict[str, Any]], **orders: Any) -> subprocess.Popen[str]:
        told = {**GOOD, **orders, "turns": turns, "folder": str(work / "turns")}
        monkeypatch.setenv("AUTOML_FAKE", json.dumps(told))
        fixed = ("table.csv", "-t", "y", "--folds", "3", "-o", "model", "--workers", "1")
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "automl", "fit", *fixed, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def board() -> pd.DataFrame:
    return pd.read_csv("model/leaderboard.csv").sort_values("name", key=_number)


def _number(names: pd.Series[str]) -> pd.Series[int]:
    return names.str.rpartition("-")[2].astype(int)


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists()


@linux
def test_engine_that_misbehaves_in_every_way(work: Path, start: Run) -> None:
    turns = [
        {"signal": signal.SIGSEGV},
        {"hang": 600.0},
        *[{}] * 3,
        {"leak": 8 << 30},
        {"fail": "no more trees"},
        {"signal": signal.SIGKILL},
    ]
    words = ("--engines", "fake", "--trials", "8", "--time-budget", "50s")
    began = time.monotonic()
    status, said = ended(start(*words, "--memory-limit", "700M", turns=turns))
    assert status == 0, said
    assert time.monotonic() - began < 55
    assert "Traceback" not in said
    found = board()
    causes = list(found["cause"][:5].fillna(""))
    assert list(found["state"][:5]) == ["failed", "failed", "done", "failed", "failed"]
    assert causes[0] == "killed by signal 11 (segmentation fault)"
    assert causes[1].startswith("no answer for ")
    assert "idle for the last " in causes[1]
    # The hard limit of its process or the sum over all processes: whichever is met first.
    assert re.match(r"needed more memory than|stopped at \d+ MiB: the run had come", causes[3])
    assert causes[4] == "RuntimeError: no more trees"
    metrics = json.loads(Path("model/metrics.json").read_text())
    assert [trial["cause"] for trial in metrics["failed"]][:2] == causes[:2]
    events = read_journal(Path("model/run/journal.jsonl"))
    (died,) = [event for event in events if event["event"] == "died"]
    assert died["cause"] == KILLED
    ledger = Path("model/ledger.jsonl").read_text()
    assert KILLED in ledger
    assert causes[0] in ledger
    shown = subprocess.run(
        [sys.executable, "-m", "automl", "show", "model", "leaderboard"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "segmentation fault" in shown.stdout
    assert len(automl.load("model").predict(pd.read_csv("table.csv"))) == 120


@posix
def test_engine_that_only_crashes_is_benched_and_the_others_go_on(start: Run) -> None:
    crashes = [{"signal": signal.SIGSEGV}] * 99
    words = ("--engines", "fake,lightgbm", "--trials", "10")
    status, said = ended(start(*words, turns=crashes))
    assert status == 0, said
    found = board()
    assert set(found["state"][found["engine"] == "fake"]) == {"failed"}
    assert (found["state"][found["engine"] == "lightgbm"] == "done").any()
    ledger = [json.loads(line) for line in Path("model/ledger.jsonl").read_text().splitlines()]
    if (found["engine"] == "fake").sum() >= 3:
        assert "fake is not tried again" in [entry["decision"] for entry in ledger]


@posix
def test_if_every_engine_dies_the_error_says_of_what(start: Run) -> None:
    status, said = ended(
        start("--engines", "fake", "--trials", "9", turns=[{"signal": signal.SIGSEGV}] * 99)
    )
    assert status == 1
    assert "Every candidate failed" in said
    assert "killed by signal 11 (segmentation fault)" in said
    assert not Path("model").exists()


@posix
def test_real_engine_killed_from_outside_costs_one_try(work: Path, start: Run) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5_000, 8))
    table = pd.DataFrame(x, columns=list("abcdefgh"))
    table["y"] = np.where(x.sum(axis=1) + rng.normal(size=len(x)) > 0, "yes", "no")
    table.to_csv("table.csv", index=False)
    run = start("--engines", "lightgbm", "--trials", "2", turns=[])
    victim = _training(run, Path("model.run/journal.jsonl"))
    victim.kill()
    status, said = ended(run)
    assert status == 0, said
    assert set(board()["state"]) == {"done"}
    died = [e for e in read_journal(Path("model/run/journal.jsonl")) if e["event"] == "died"]
    assert [event["cause"] for event in died] == [KILLED]


def _training(run: subprocess.Popen[str], journal: Path) -> psutil.Process:
    """The worker of a run, once it trains a fold."""
    wait_for(journal)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if b'"event": "fold"' in journal.read_bytes():
            (worker,) = psutil.Process(run.pid).children()
            return worker
        time.sleep(0.005)
    raise AssertionError("no fold was trained")
