"""A run whose clock decided is done again, and its members come out the same to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.cli.main import main
from automl.errors import ConfigError, DataError
from automl.search import crossval
from automl.search.journal import read_journal
from automl.search.replay import Script
from automl.workflows.result import FitResult

Fit = Callable[..., FitResult]


def table(n: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 6)), columns=list("abcdef"))
    frame["kind"] = rng.choice([f"k{i}" for i in range(12)], n)
    signal = frame["a"] * frame["b"] + frame["c"] + (frame["kind"] < "k3")
    frame["y"] = np.where(signal + rng.normal(0, 0.5, n) > 0.3, "yes", "no")
    return frame


@pytest.fixture
def fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fit:
    table().to_csv(tmp_path / "table.csv", index=False)
    monkeypatch.chdir(tmp_path)

    def run(**options: Any) -> FitResult:
        settings = {"time_budget": 5.0, "in_process": True, **options}
        return automl.fit("table.csv", target="y", output="model", **settings)

    return run


def members(bundle: Path) -> dict[str, bytes]:
    home = bundle / "members"
    return {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file()}


def cut(bundle: Path) -> list[str]:
    """What the clock cut short, by the journal."""
    found = []
    for event in read_journal(bundle / "run" / "journal.jsonl"):
        found += ["fold"] if event["event"] == "fold" and event["by_clock"] else []
        found += [event["event"]] if event.get("stops") else []
    return found


@pytest.mark.parametrize(
    "options",
    [{}, {"workers": 2, "in_process": False}],
    ids=str,
)
def test_members_are_the_same_to_the_bit(options: dict[str, Any], fit: Fit) -> None:
    first = fit(**options)
    assert not first.reproducible
    again = automl.replay("model", in_process=True)
    assert again.path.name == "model-replay"
    assert again.replay == {
        "of": str(first.path),
        "files": len(members(first.path)),
        "differing": [],
    }
    assert members(again.path) == members(first.path)
    assert again.reproducible
    assert (again.score, again.blend) == (first.score, first.blend)
    scores = {row["name"]: (row["state"], row["score"]) for row in first.leaderboard}
    assert {r["name"]: (r["state"], r["score"]) for r in again.leaderboard} == scores
    third = automl.replay("model-replay", in_process=True)  # a replay tells as much as the run
    assert members(third.path) == members(first.path)


@pytest.mark.parametrize("options", [{}, {"refit": True}, {"distil": True}], ids=str)
def test_trees_that_the_clock_cut_are_cut_again(
    options: dict[str, Any], fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that rings after 25 rounds of any model, wherever those of its folds ended."""
    clock = crossval.clock_of

    def short(task: Mapping[str, Any], folder: Path | None = None) -> Any:
        return clock({**task, "stop_after": 25}, folder)

    with monkeypatch.context() as patch:
        patch.setattr(crossval, "clock_of", short)
        engines = ("catboost", "lightgbm", "xgboost")
        first = fit(trials=3, time_budget=None, folds=3, engines=engines, **options)
    assert {"fold", *(["refit"] if "refit" in options else [])} <= set(cut(first.path))
    assert ("student" in cut(first.path)) == ("distil" in options)
    again = automl.replay("model", in_process=True)
    assert cut(again.path) == cut(first.path)
    assert members(again.path) == members(first.path)


def test_script_is_that_of_the_last_blend() -> None:
    weights = {"lightgbm-1": 0.25, "linear-2": 0.75}
    events: list[dict[str, Any]] = [
        {"event": "blend", "weights": {"linear-2": 1.0}},
        {"event": "refit", "stops": {"linear-2": 3}},
        {"event": "blend", "weights": weights},
        {"event": "student", "stops": {"0": 7, "all": 9}},
    ]
    assert Script.read(events) == Script(weights, None, {"0": 7, "all": 9})
    assert Script.read(events[:2]) == Script({"linear-2": 1.0}, {"linear-2": 3}, None)
    assert Script.read([]) is None


def test_an_extended_run_is_replayed(fit: Fit) -> None:
    fit(trials=3, folds=3)
    extended = automl.resume("model", more_time=1.5, in_process=True)
    again = automl.replay("model", in_process=True)
    assert again.replay["differing"] == []
    assert members(again.path) == members(extended.path)


def test_what_differs_is_named(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    fit(trials=2, folds=3, engines=("lightgbm", "xgboost"))
    assert main(["fit", "--replay", "model", "-o", "again"]) == 0
    assert "member files are those of model, to the bit" in capsys.readouterr().err
    assert main(["fit", "--replay", "model", "-o", "third", "--seed", "3"]) == 2
    assert "--seed is 3, but was 0 in the run" in capsys.readouterr().err
    assert main(["fit", "--replay", "model", "--resume", "model"]) == 2
    assert "exclude each other" in capsys.readouterr().err
    with Path("table.csv").open("a", encoding="utf-8") as file:
        file.write("0,0,0,0,0,0,k1,yes\n")
    with pytest.raises(DataError, match="has changed since the run began"):
        automl.replay("model", in_process=True)
    assert not Path("model-replay").exists()
    (Path("model") / "run" / "settings.json").unlink()
    with pytest.raises(ConfigError, match="holds no record of its run"):
        automl.replay("model", in_process=True)


def test_models_of_other_libraries_are_told(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another release may train other trees: the replay says which files differ."""
    from automl.search.trial import Trial

    fit(trials=2, folds=3, engines=("lightgbm",))
    monkeypatch.setattr(Trial, "seed", lambda self, run_seed: run_seed + 7)
    monkeypatch.setattr("automl.engines.lightgbm._BINNING", {"max_bin": 63})
    found = automl.replay("model", in_process=True).replay
    assert found["differing"]
    assert set(found["differing"]) <= {f"members/{name}" for name in members(Path("model"))}
    json.dumps(found)
