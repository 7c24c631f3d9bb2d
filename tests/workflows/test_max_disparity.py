"""`fit --sensitive` and `--max-disparity`: what is audited, that a limit is kept, its price."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.config import FitConfig
from automl.errors import ConfigError, DataError
from automl.workflows.fit import fit, replay
from automl.workflows.report import report
from automl.workflows.result import FitResult

QUICK: dict[str, Any] = {
    "target": "y",
    "engines": ("lightgbm",),
    "trials": 2,
    "folds": 3,
    "time_budget": None,
}


def biased(n: int = 900, seed: int = 0) -> pd.DataFrame:
    """Persons of whom group a is called good far more often; `town` gives the group away."""
    rng = np.random.default_rng(seed)
    first = rng.random(n) < 0.5
    skill = rng.normal(size=n)
    good = rng.normal(size=n) * 0.5 + skill + 1.5 * first > 0.8
    same = rng.random(n) < 0.95
    return pd.DataFrame(
        {
            "group": np.where(first, "a", "b"),
            "town": np.where(first == same, "north", "south"),
            "skill": skill,
            "y": np.where(good, "1", "0"),
        }
    )


def run(frame: pd.DataFrame, path: Path, **options: Any) -> FitResult:
    return fit(frame, output=str(path), in_process=True, **{**QUICK, **options})


def ledger(result: FitResult) -> list[dict[str, Any]]:
    lines = (result.path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    return [one for one in map(json.loads, lines) if one["topic"] == "fairness"]


def facts(result: FitResult) -> Any:
    return json.loads((result.path / "report.json").read_text(encoding="utf-8"))["fairness"]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    path = tmp_path_factory.mktemp("fair") / "limited"
    options = {"sensitive": ("group",), "max_disparity": 0.2, "metric": "accuracy"}
    return run(biased(), path, drop=("group",), **options)


def test_the_limit_is_kept_and_its_price_is_told(limited: FitResult, tmp_path: Path) -> None:
    free = run(biased(), tmp_path / "free", metric="accuracy", drop=("group",))
    parity = limited.parity
    assert parity is not None
    assert parity["kept"]
    assert parity["difference"] <= 0.2 < parity["without"]["difference"]
    assert parity["score"] == limited.score < parity["without"]["score"]
    assert parity["without"]["score"] == pytest.approx(free.score)
    told = ledger(limited)[-1]
    assert told["decision"].startswith("--max-disparity 0.2 holds")
    assert f"{free.score:.4g} without the limit" in told["reason"]
    audit = facts(limited)["columns"][0]
    assert audit["gaps"]["parity_difference"][0] == pytest.approx(parity["difference"])
    assert facts(limited)["limit"]["without"] == parity["without"]
    assert "--max-disparity" in (limited.path / "report.html").read_text(encoding="utf-8")


def test_a_column_that_is_no_feature_is_audited(limited: FitResult) -> None:
    assert "group" not in {name for name, _ in limited.importance}
    assert {one["group"] for one in facts(limited)["columns"][0]["groups"]} == {"a", "b"}
    assert "is no feature" in ledger(limited)[0]["decision"]


def test_a_column_that_is_no_feature_is_audited_on_new_rows(
    limited: FitResult, tmp_path: Path
) -> None:
    data = tmp_path / "new.csv"
    frame = biased(600, seed=1)
    frame.to_csv(data, index=False)
    found = report(limited.path, data, tmp_path / "new.html").facts["fairness"]
    called = automl.load(limited.path).predict(frame).astype(str) == "1"
    shares = [called[(frame["group"] == group).to_numpy()].mean() for group in ("a", "b")]
    gap = found["columns"][0]["gaps"]["parity_difference"][0]
    assert gap == pytest.approx(abs(shares[0] - shares[1]))
    assert not found["out_of_fold"]


def test_a_replay_keeps_the_limit(limited: FitResult, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    biased().to_csv(data, index=False)
    options = {"sensitive": ("group",), "max_disparity": 0.2, "metric": "accuracy"}
    first = fit(data, output=str(tmp_path / "first"), in_process=True, **{**QUICK, **options})
    place = FitConfig(target="y", output=str(tmp_path / "again"))
    again = replay(first.path, config=place, in_process=True)
    assert again.parity == first.parity
    assert again.replay is not None
    assert again.replay["differing"] == []


def test_where_nothing_keeps_to_the_limit_a_warning_says_so(tmp_path: Path) -> None:
    frame = biased()
    frame["y"] = np.where(frame["group"] == "a", "1", "0")
    frame.loc[::20, "y"] = "1"
    result = run(frame, tmp_path / "out", sensitive=("group",), max_disparity=0.02)
    assert result.parity is not None
    assert not result.parity["kept"]
    assert any("--max-disparity 0.02 is exceeded" in text for text in result.warnings)
    assert "could not be kept" in (result.path / "report.html").read_text(encoding="utf-8")


def test_columns_that_sound_protected_are_audited_unasked(tmp_path: Path) -> None:
    frame = biased(300).rename(columns={"group": "sex"})
    result = run(frame, tmp_path / "out", trials=1)
    assert not facts(result)["asked"]
    assert "not asked for" in ledger(result)[0]["reason"]
    assert result.parity is None


def test_numbers_and_several_classes_have_no_limit(tmp_path: Path) -> None:
    frame = biased(300)
    frame["y"] = frame["skill"]
    with pytest.raises(ConfigError, match="two classes"):
        run(frame, tmp_path / "out", sensitive=("group",), max_disparity=0.1)
    result = run(frame, tmp_path / "audit", sensitive=("group",), trials=1)
    assert "loss" in facts(result)["columns"][0]["groups"][0]


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    frame = biased(300)
    with pytest.raises(ConfigError, match="none are named"):
        run(frame, tmp_path / "out", max_disparity=0.1)
    with pytest.raises(ConfigError, match="both the target and --sensitive"):
        run(frame, tmp_path / "out", sensitive=("y",))
    with pytest.raises(DataError, match="'grup' is not a column"):
        run(frame, tmp_path / "out", sensitive=("grup",))
    few = frame.assign(group=["a"] * 290 + ["b"] * 10)
    with pytest.raises(ConfigError, match="no groups to compare"):
        run(few, tmp_path / "out", sensitive=("group",), max_disparity=0.1)
