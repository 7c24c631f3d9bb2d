"""`--distil`: one student ships in place of the blend, and both are told of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.cli.main import main
from automl.errors import ConfigError
from automl.search.distil import NoStudent, School
from automl.workflows.result import FitResult

QUICK: dict[str, Any] = {"engines": ("lightgbm",), "trials": 2, "folds": 3, "distil": True}
Fit = Callable[..., FitResult]


def stalls(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"size": rng.normal(size=n), "street": rng.choice(list("abcdef"), n)})
    table["y"] = table["size"] + (table["street"] == "a") + rng.normal(0, 0.5, n)
    return table


def open_or_not(n: int = 300, seed: int = 0) -> pd.DataFrame:
    table = stalls(n, seed)
    return table.assign(y=np.where(table["y"] > 0.2, "open", "shut"))


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    def run(table: pd.DataFrame, **options: Any) -> FitResult:
        settings = {**QUICK, "in_process": True, "output": str(tmp_path / "model"), **options}
        return automl.fit(table, target="y", force=True, **settings)

    return run


def blend_lines(result: FitResult) -> list[str]:
    lines = (result.path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [row["decision"] for row in rows if row["topic"] == "blend"]


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_one_student_ships_and_the_blend_is_beside_it(task: str, fit: Fit) -> None:
    make = stalls if task == "regression" else open_or_not
    result = fit(make())
    (member,) = result.predictor.members
    assert len(member.boosters) == 1
    assert member.name.startswith("lightgbm")
    assert member.name.endswith("-student")
    teacher = result.teacher
    assert teacher is not None
    assert member.name not in {row["name"] for row in teacher["members"]}
    assert 0 < teacher["student_trees"] < teacher["trees"]
    metrics = json.loads((result.path / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["score"], metrics["teacher"]) == (result.score, teacher)
    assert [row["name"] for row in result.leaderboard if row["weight"]] == [member.name]
    assert [row["name"] for row in result.blend] == [member.name]
    said = [line for line in blend_lines(result) if line.startswith("ships a student")]
    assert f"{result.score:.4g} (the blend: {teacher['score']:.4g})" in said[0]
    # What was scored is what ships: it does about as well on new rows.
    new = make(2000, seed=1)
    if task == "binary":
        assert np.mean(result.predictor.predict(new) == new["y"]) > 0.8
        assert result.predictor.predict_proba(new).shape == (2000, 2)
    else:
        error = float(np.sqrt(np.mean((result.predictor.predict(new) - new["y"]) ** 2)))
        assert error == pytest.approx(result.score, rel=0.15)
    assert result.reproducible


def test_several_classes_are_refused(fit: Fit) -> None:
    table = stalls()
    table["y"] = pd.cut(table["y"], [-np.inf, 0, 0.7, np.inf], labels=["l", "m", "h"]).astype(str)
    with pytest.raises(ConfigError, match="--distil needs two classes or numbers"):
        fit(table)


def test_without_a_student_the_blend_ships_and_says_so(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise NoStudent("no time was left to teach one")

    monkeypatch.setattr(School, "distil", refuse)
    result = fit(stalls())
    assert result.teacher is None
    assert {len(member.boosters) for member in result.predictor.members} == {3}
    assert "--distil: the blend ships, not a student of it" in result.warnings


def test_a_clock_leaves_time_for_the_student(fake: str, orders: Any, fit: Fit) -> None:
    orders(slope=0.1, sleep=0.02)
    result = fit(stalls(), engines=(fake,), trials=None, time_budget=4.0)
    assert result.teacher is not None
    assert result.seconds < 4.0
    assert len(result.leaderboard) > 2


def test_a_bent_scale_and_time_order_have_students_too(fit: Fit) -> None:
    table = stalls()
    table["y"] = np.exp(table["y"])
    table["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(table)), "D")
    result = fit(table, time_column="day", target_transform="log1p")
    (member,) = result.predictor.members
    assert len(member.boosters) == 1
    assert result.score < result.baseline


def test_workers_do_not_change_the_student(fit: Fit) -> None:
    models = []
    for options in ({"in_process": True}, {"in_process": False, "workers": 2}):
        result = fit(open_or_not(), **options)
        files = (result.path / "members").rglob("*.txt")
        models.append((result.score, [path.read_bytes() for path in files]))
    assert models[0] == models[1]


def test_the_command_line_distils(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    open_or_not().to_csv("stalls.csv", index=False)
    args = ["fit", "stalls.csv", "-t", "y", "--distil", "--workers", "1", "--folds", "3"]
    assert main([*args, "--trials", "2", "--engines", "xgboost", "-o", "model"]) == 0
    assert "ships a student of the blend: xgboost" in capsys.readouterr().err
    assert main(["predict", "model", "stalls.csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 301
    assert main(["explain", "model", "stalls.csv"]) == 0
    assert main([*args, "--refit", "-o", "other"]) == 2
    assert "--distil and --refit exclude each other" in capsys.readouterr().err
