"""`--quantiles 0.1,0.5,0.9`: several quantiles of one bundle, through every command."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.cli.main import main
from automl.errors import ConfigError

LEVELS = (0.1, 0.5, 0.9)
NAMES = ["quantile_0.1", "quantile_0.5", "quantile_0.9"]


def noisy(n: int, seed: int) -> pd.DataFrame:
    """The spread of y grows with x."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    y = 2 * x + rng.normal(size=n) * (0.3 + x)
    return pd.DataFrame({"x": x, "z": rng.random(n), "g": rng.choice(list("uvw"), n), "y": y})


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A bundle of XGBoost and CatBoost, and new rows."""
    home = tmp_path_factory.mktemp("quantiles")
    noisy(1200, 0).to_csv(home / "a.csv", index=False)
    noisy(1200, 1).to_csv(home / "b.csv", index=False)
    fit = ["fit", str(home / "a.csv"), "-t", "y", "-o", str(home / "m"), "--trials", "3", "-q"]
    assert main([*fit, "--folds", "3", "--quantiles", "0.9,0.1,0.5"]) == 0
    return {"model": str(home / "m"), "new": str(home / "b.csv"), "home": str(home)}


def said(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capfd.readouterr()
    assert main([str(word) for word in words]) == code
    streams = capfd.readouterr()
    return streams.err if code else streams.out


def test_predictions_have_a_column_per_level_and_never_cross(
    places: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    found = pd.read_csv(io.StringIO(said(capfd, "predict", places["model"], places["new"])))
    assert list(found) == NAMES
    assert (np.diff(found.to_numpy(), axis=1) >= 0).all()
    rows = pd.read_csv(places["new"])
    for level, name in zip(LEVELS, NAMES, strict=True):
        assert (rows["y"] <= found[name]).mean() == pytest.approx(level, abs=0.045)
    width = found[NAMES[2]] - found[NAMES[0]]
    assert width[rows["x"] > 0.8].mean() > 1.7 * width[rows["x"] < 0.2].mean()


def test_the_score_is_the_mean_pinball_loss(
    places: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(said(capfd, "evaluate", places["model"], places["new"], "--json"))
    predictor = automl.load(places["model"])
    rows = pd.read_csv(places["new"])
    values, y = predictor.predict(rows), rows["y"].to_numpy()
    each = [
        np.maximum(level * (y - v), (level - 1) * (y - v)).mean()
        for level, v in zip(LEVELS, values.T, strict=True)
    ]
    assert told["metric"] == "quantile@0.1,0.5,0.9"
    assert told["scores"][told["metric"]] == pytest.approx(np.mean(each))
    assert told["scores"]["mae"] == pytest.approx(np.abs(y - values[:, 1]).mean())
    assert [one["level"] for one in told["quantiles"]] == list(LEVELS)
    assert [one["loss"] for one in told["quantiles"]] == pytest.approx(each)
    known = json.loads((Path(places["model"]) / "metrics.json").read_text(encoding="utf-8"))
    assert [one["below"] for one in known["quantiles"]] == pytest.approx(LEVELS, abs=0.04)
    assert known["score"] < known["baseline"]


def test_contributions_add_up_at_every_level(places: dict[str, str]) -> None:
    predictor = automl.load(places["model"])
    rows = pd.read_csv(places["new"]).head(50)
    found = predictor.explain(rows)
    assert found.outputs == tuple(NAMES)
    assert found.values.shape == (50, 3, 3)
    assert found.additivity_error < 1e-5
    assert found.margin == pytest.approx(predictor.margin(rows))


def test_explain_tells_of_the_middle_and_names_the_others(
    places: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    out = said(capfd, "explain", places["model"], places["new"], "--rows", "5")
    rows = list(csv.DictReader(io.StringIO(out)))
    values = automl.load(places["model"]).predict(pd.read_csv(places["new"]).head(5))
    for row, own in zip(rows, values, strict=True):
        assert [float(row[name]) for name in NAMES] == pytest.approx(own)
        assert float(row["prediction"]) == pytest.approx(own[1])
    asked = [
        "--row",
        "2",
        "--set",
        "x=0.99",
        "--counterfactual",
        "--aim",
        "9:",
        "--format",
        "json",
    ]
    told = json.loads(said(capfd, "explain", places["model"], places["new"], *asked))[0]
    changed = pd.read_csv(places["new"]).iloc[[1]].assign(x=0.99)
    after = automl.load(places["model"]).predict(changed)[0]
    assert list(told["what_if"]["quantiles"].values()) == after.tolist()
    assert told["output"] == "quantile_0.5"
    assert told["counterfactual"]["found"] is False


def test_report_has_the_coverage_of_each_level(
    places: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    facts = json.loads((Path(places["model"]) / "report.json").read_text(encoding="utf-8"))
    found = facts["performance"]["quantiles"]
    assert [one["level"] for one in found["levels"]] == list(LEVELS)
    assert found["inside"] == pytest.approx(0.8, abs=0.04)
    assert found["between"] == 0.8
    assert found["widths"][-1] > found["widths"][0]
    titles = [one["title"] for one in facts["performance"]["metrics"]]
    assert titles[0] == "Mean pinball loss at 0.1, 0.5, 0.9"
    assert len(set(titles)) == len(titles)
    page = Path(places["home"]) / "new.html"
    said(capfd, "report", places["model"], places["new"], "-o", str(page))
    text = page.read_text(encoding="utf-8")
    assert "Coverage by level" in text
    assert "of the 0.5 quantile" in text


def test_show_and_compare_know_them(
    places: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "(0.9)" in said(capfd, "show", places["model"])
    told = said(capfd, "compare", places["model"], places["model"], places["new"])
    assert "quantile@0.1,0.5,0.9" in told
    other = tmp_path / "plain"
    table = f"{places['home']}/a.csv"
    fit = ["fit", table, "-t", "y", "-o", str(other), "--trials", "1", "--engines", "linear"]
    said(capfd, *fit, "-q")
    pair = ["compare", places["model"], str(other), places["new"]]
    assert "no metric is of both" in said(capfd, *pair, code=2)
    assert "mae" in said(capfd, *pair, "--metric", "mae")


def test_intervals_move_the_outer_quantiles_to_their_coverage(
    places: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    rows = pd.read_csv(places["new"])
    width = []
    for level in (0.5, 0.8, 0.95):
        out = said(capfd, "predict", places["model"], places["new"], "--interval", str(level))
        found = pd.read_csv(io.StringIO(out))
        low, high = found["prediction_lower"], found["prediction_upper"]
        assert ((rows["y"] >= low) & (rows["y"] <= high)).mean() == pytest.approx(level, abs=0.05)
        width.append((high - low).to_numpy())
    assert (np.diff(width, axis=0) >= 0).all()
    assert width[1][rows["x"] > 0.8].mean() > 1.7 * width[1][rows["x"] < 0.2].mean()
    known = json.loads((Path(places["model"]) / "metrics.json").read_text(encoding="utf-8"))
    assert known["intervals"]["method"] == "cv+"
    assert known["intervals"]["coverage"]["0.9"] == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predict", "--sets", "0.9"], "--sets needs classes"),
        (["predict", "--proba"], "has no probabilities"),
        (["evaluate", "--metric", "quantile@0.2,0.9"], "needs its quantiles"),
    ],
)
def test_what_they_cannot_do_is_said(
    words: list[str],
    message: str,
    places: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    command, *options = words
    err = said(capfd, command, places["model"], places["new"], *options, code=2)
    assert message in err
    assert len(err.strip().splitlines()) == 2  # the error and its hint


@pytest.mark.parametrize(
    "words", [["serve"], ["export", "--to", "python"], ["export", "--to", "docker"]]
)
def test_commands_for_one_value_refuse_them(
    words: list[str], places: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    more = ["--output", str(tmp_path / "out")] if words[0] == "export" else []
    err = said(capfd, words[0], places["model"], *words[1:], *more, code=2)
    assert "quantiles" in err
    assert not (tmp_path / "out").exists()


def test_engines_that_cannot_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="several levels at once"):
        automl.fit(
            noisy(100, 0),
            target="y",
            output=str(tmp_path / "m"),
            engines=("linear",),
            trials=1,
            quantiles=LEVELS,
            in_process=True,
        )


def settings(**more: Any) -> dict[str, Any]:
    return {"target": "y", "trials": 2, "folds": 3, "quantiles": LEVELS, **more}


def test_the_bundle_does_not_depend_on_the_workers(tmp_path: Path) -> None:
    rows = noisy(400, 2)
    found = [
        automl.fit(rows, output=str(tmp_path / f"m{i}"), **settings(**how))
        for i, how in enumerate([{"workers": 2}, {"in_process": True}])
    ]
    margins = [one.predictor.margin(noisy(100, 3)) for one in found]
    assert np.array_equal(*margins)
    assert found[0].score == found[1].score


def test_a_refit_model_and_a_bent_scale_keep_the_order(tmp_path: Path) -> None:
    rows = noisy(400, 2).assign(y=lambda t: np.exp(t["y"]))
    found = automl.fit(
        rows,
        output=str(tmp_path / "m"),
        in_process=True,
        **settings(refit=True, single=True, target_transform="log1p", engines=("xgboost",)),
    )
    values = found.predictor.predict(noisy(200, 5))
    assert (np.diff(values, axis=1) >= 0).all()
    assert found.score < found.baseline
