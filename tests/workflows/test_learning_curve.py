"""The learning curve in a bundle: there by default, bounded by the clock, never in its way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.workflows.result import FitResult


def table(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    return pd.DataFrame({"a": a, "b": b, "y": a + b**2 + rng.normal(scale=0.3, size=n)})


def told(result: FitResult) -> dict[str, Any]:
    report = json.loads((result.path / "report.json").read_text(encoding="utf-8"))
    return dict(report["performance"])


def ledger(result: FitResult) -> str:
    return (result.path / "ledger.jsonl").read_text(encoding="utf-8")


def test_a_report_has_the_winners_curve(tmp_path: Path) -> None:
    result = automl.fit(
        table(),
        target="y",
        output=str(tmp_path / "m"),
        engines=("lightgbm",),
        trials=2,
        folds=3,
        in_process=True,
    )
    found = told(result)["learning"]
    best = min(result.leaderboard, key=lambda row: row["score"])
    assert found["name"] == best["name"]
    assert [one["rows"] for one in found["points"]] == [66, 133, 266]
    assert found["points"][-1]["score"] < found["points"][0]["score"]
    assert found["splits"] == 1
    assert "Learning curve by rows" in (result.path / "report.html").read_text(encoding="utf-8")
    assert '"learning curve by rows of ' in ledger(result)


@pytest.mark.parametrize("column", ["time_column", "group_column"])
def test_times_and_groups_have_curves_of_their_kind(column: str, tmp_path: Path) -> None:
    rows = table(600).assign(day=np.arange(600) // 5)
    result = automl.fit(
        rows,
        target="y",
        output=str(tmp_path / "m"),
        engines=("lightgbm",),
        trials=1,
        in_process=True,
        **{column: "day"},
    )
    found = told(result)["learning"]
    assert len(found["points"]) >= 3
    assert found["points"][-1]["score"] < 1.2


def test_without_time_there_is_none_and_the_ledger_says_so(
    fake: str, orders: Callable[..., None], tmp_path: Path
) -> None:
    # Folds of about a second each: a part of one would be more than 3 % of the budget.
    orders(trees=4, sleep=0.2)
    result = automl.fit(
        table(),
        target="y",
        output=str(tmp_path / "m"),
        engines=("fake",),
        time_budget=12.0,
        folds=3,
        in_process=True,
    )
    assert "learning" not in told(result)
    assert "no learning curve by rows" in ledger(result)


def test_few_rows_have_none(tmp_path: Path) -> None:
    result = automl.fit(
        table(100),
        target="y",
        output=str(tmp_path / "m"),
        engines=("linear",),
        trials=1,
        in_process=True,
    )
    assert "learning" not in told(result)
    assert "too few rows" in ledger(result)


@pytest.mark.slow
def test_under_a_clock_it_takes_a_small_part_of_the_budget(tmp_path: Path) -> None:
    result = automl.fit(
        table(2000),
        target="y",
        output=str(tmp_path / "m"),
        engines=("lightgbm", "linear"),
        time_budget=30.0,
    )
    lines = [json.loads(line) for line in ledger(result).splitlines()]
    own = [one for one in lines if "learning curve by rows" in one["decision"]]
    assert len(own) == 1
    there = own[0]["decision"].startswith("learning curve")  # a busy machine may leave it out
    assert ("learning" in told(result)) is there
    if there:
        assert 0.0 < own[0]["seconds"] < 0.03 * 30.0 + 1.0
