"""A finished run that gets more time: it goes on from its bundle, which never gets worse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.errors import ConfigError, DataError
from automl.ledger import Ledger, Silent
from automl.metrics._lookup import get_metric
from automl.model import known
from automl.model.bundle import verify_bundle
from automl.model.link import Link
from automl.search.journal import read_journal
from automl.search.select import Choice
from automl.workflows import finish, kept
from automl.workflows.extend import stays
from automl.workflows.result import FitResult

First = Callable[..., FitResult]
MORE = {"more_time": 1.0, "in_process": True}


def table(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    frame["kind"] = rng.choice(["x", "y", "z"], n)
    noise = rng.normal(0, 0.7, n)
    frame["y"] = np.where(frame["a"] + (frame["kind"] == "x") + noise > 0.3, "yes", "no")
    return frame


@pytest.fixture
def first(tmp_path: Path) -> First:
    """A finished run of four trials to tmp_path / "model"."""
    table().to_csv(tmp_path / "table.csv", index=False)

    def fit(data: Any = None, **options: Any) -> FitResult:
        settings = {"trials": 4, "folds": 3, "engines": ("lightgbm", "linear"), **options}
        output = str(tmp_path / "model")
        data = tmp_path / "table.csv" if data is None else data
        return automl.fit(data, target="y", output=output, in_process=True, **settings)

    return fit


def members(bundle: Path) -> dict[str, bytes]:
    home = bundle / "members"
    return {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file()}


@pytest.mark.parametrize("options", [{}, {"refit": True}, {"distil": True}], ids=str)
def test_the_trials_of_the_first_run_take_part(options: dict[str, Any], first: First) -> None:
    before = first(**options)
    journal = read_journal(before.path / "run" / "journal.jsonl")
    after = automl.resume(before.path, more_time=3.0, in_process=True)
    events = read_journal(after.path / "run" / "journal.jsonl")
    assert events[: len(journal)] == journal
    again = [e for e in events[len(journal) :] if e["event"] in ("trial", "fold")]
    assert {e["trial"] for e in again}.isdisjoint(range(4))  # nothing is trained twice
    assert after.score >= before.score
    board = {row["name"]: row["score"] for row in after.leaderboard}
    raced = [row for row in before.leaderboard if not row["name"].endswith("student")]
    assert {row["name"]: row["score"] for row in raced}.items() <= board.items()
    assert len(board) > 4
    verify_bundle(after.path)
    assert sorted(path.name for path in after.path.parent.iterdir()) == ["model", "table.csv"]
    assert automl.resume(after.path, **MORE).score >= after.score


def test_a_worse_model_leaves_the_bundle_as_it_is(
    first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = first()
    files = members(before.path)
    facts = (before.path / "manifest.json").read_bytes()
    monkeypatch.setattr(finish, "choose", worse(finish.choose))
    after = automl.resume(before.path, **MORE)
    assert (before.path / "manifest.json").read_bytes() == facts
    assert members(before.path) == files
    assert (after.score, after.blend) == (before.score, before.blend)
    assert after.importance == before.importance
    assert after.leaderboard == before.leaderboard
    assert not (before.path.parent / "model.run").exists()


def worse(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Makes what more time has found look bad."""
    from dataclasses import replace

    def chosen(*args: Any, **options: Any) -> Any:
        return replace(choose(*args, **options), score=0.1)

    return chosen


def test_it_is_said_that_the_model_of_before_stays(
    first: First, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from automl.cli.main import main

    before = first()
    monkeypatch.setattr(finish, "choose", worse(finish.choose))
    words = ["fit", "--resume", str(before.path), "--more-time", "2s"]
    assert main(words) == 0
    told = capsys.readouterr().err
    assert f"the model of before stays: roc_auc {before.score:.5g}" in told
    assert "with more time it would be 0.1" in told


@pytest.mark.parametrize(
    ("kept_before", "kept_now", "score", "remains"),
    [
        (True, True, 0.7, True),
        (True, True, 0.9, False),
        (True, False, 0.9, True),  # better by score, and beyond the limit
        (False, True, 0.7, False),
        (False, False, 0.7, True),
    ],
)
def test_a_limit_on_disparity_counts_before_the_score(
    kept_before: bool, kept_now: bool, score: float, remains: bool
) -> None:
    choice = Choice({}, Link("logit"), 0.5, np.empty((0, 1)), score, [], None)
    before = {"score": 0.8, "digest": "", "kept": kept_before}
    ledger = Ledger(Silent())
    assert stays(before, choice, kept_now, get_metric("accuracy"), ledger) is remains
    said = ledger.decisions[-1].reason
    assert ("--max-disparity" in said) == (kept_before and not kept_now)


def test_without_its_run_or_from_elsewhere_it_is_refused(
    first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = first().path
    with pytest.raises(ConfigError, match="nothing to resume: the run to .* has ended"):
        automl.resume(path)
    with pytest.raises(ConfigError, match="nothing to resume: no interrupted run"):
        automl.resume(tmp_path / "nothing", more_time=1.0)
    with monkeypatch.context() as patch:
        patch.setenv(known.FOLDER, str(tmp_path / "other user"))
        patch.setattr(known, "_in_this_process", {})
        with pytest.raises(ConfigError, match="was made elsewhere, so it cannot be extended"):
            automl.resume(path, **MORE)
    with (tmp_path / "table.csv").open("a", encoding="utf-8") as file:
        file.write("0,0,0,x,yes\n")
    with pytest.raises(DataError, match="has changed since the run began"):
        automl.resume(path, **MORE)
    shutil.rmtree(path / "run")
    with pytest.raises(ConfigError, match="holds no record of its run"):
        automl.resume(path, **MORE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "table.csv"]


def test_a_frame_is_given_again(first: First) -> None:
    before = first(table())
    with pytest.raises(ConfigError, match="did not read its table from a file"):
        automl.resume(before.path, **MORE)
    assert automl.resume(before.path, data=table(), **MORE).score >= before.score


@pytest.mark.parametrize("most", [0, 40_000])
def test_what_is_kept_is_bounded(most: int, first: First, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", most)
    before = first()
    run = before.path / "run" / "trials"
    size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    assert size <= most
    # What ships need not be kept: its models are in the bundle, its margins are made again.
    after = automl.resume(before.path, **MORE)
    assert after.score >= before.score
    facts = json.loads((after.path / "metrics.json").read_text())
    assert facts["score"] == after.score


def test_an_interrupted_extension_is_resumed(
    first: First, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = first()

    def killed(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(finish, "choose", killed)
        with pytest.raises(KeyboardInterrupt):
            automl.resume(before.path, **MORE)
    assert verify_bundle(before.path)
    # As if it had been killed when the new bundle was to take the old one's place.
    before.path.rename(tmp_path / ".model.0123abcd.old")
    after = automl.resume(before.path, in_process=True)
    assert after.score >= before.score
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "table.csv"]


def test_a_kill_after_the_bundle_stood_leaves_a_folder_that_resume_removes(
    first: First, tmp_path: Path
) -> None:
    path = first().path
    left = tmp_path / "model.run"
    (left / "trials").mkdir(parents=True)
    (left / "lock").touch()
    for name in ("settings.json", "journal.jsonl"):
        shutil.copy(path / "run" / name, left / name)
    with pytest.raises(ConfigError, match="the run to .* has ended"):
        automl.resume(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "table.csv"]
