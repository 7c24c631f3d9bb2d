"""A fit's corrected score, intervals and sets, from the command line to the bundle and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.cli.main import main
from automl.errors import BundleError, ConfigError
from automl.model.bundle import load_bundle
from automl.model.manifest import read_manifest, write_manifest
from automl.search.honest import Corrected
from automl.workflows import honest
from automl.workflows.evaluate import bootstrap_interval
from automl.workflows.kept import told
from automl.workflows.report import report
from automl.workflows.result import FitResult

QUICK = {"engines": ("lightgbm",), "trials": 2, "folds": 3, "in_process": True}
OWN = ("files", "digest", "format")
ENGINES = ("lightgbm", "xgboost", "catboost", "linear")


def table(kind: str, n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(size=n)})
    signal = frame["a"] + rng.normal(size=n) * (0.2 + frame["b"])
    if kind == "regression":
        frame["y"] = signal
    else:
        frame["y"] = pd.cut(signal, [-np.inf, -0.5, 0.5, np.inf], labels=["l,1", "m", 'h"'])
        frame["y"] = frame["y"].astype(str)
    return frame


@pytest.fixture(scope="module", params=["regression", "multiclass"])
def fitted(request: Any, tmp_path_factory: Any) -> tuple[str, FitResult]:
    output = tmp_path_factory.mktemp("honest") / "model"
    result = automl.fit(table(request.param, 900), target="y", output=str(output), **QUICK)
    return request.param, result


def test_the_result_the_record_and_show_agree(
    fitted: tuple[str, FitResult], capsys: pytest.CaptureFixture[str]
) -> None:
    _, result = fitted
    found = result.corrected
    assert found is not None
    assert found["low"] < found["score"] < found["high"]
    metrics = json.loads((result.path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["corrected"] == found
    assert metrics["intervals"]["method"] == "cv+"
    assert main(["show", str(result.path)]) == 0
    assert f"corrected      {found['score']:.6g} (" in capsys.readouterr().out
    assert main(["show", str(result.path), "decisions"]) == 0
    assert "90% " in capsys.readouterr().out


def test_the_report_measures_as_the_metrics_do(fitted: tuple[str, FitResult]) -> None:
    kind, result = fitted
    metrics = json.loads((result.path / "metrics.json").read_text(encoding="utf-8"))
    report = json.loads((result.path / "report.json").read_text(encoding="utf-8"))
    found = report["performance"]
    assert found["rows"] == 900
    if kind == "regression":
        coverage = found["regression"]["coverage"]
        assert coverage["covered"] == pytest.approx(metrics["intervals"]["coverage"]["0.9"], 1e-4)
        width = metrics["intervals"]["mean_width"]["0.9"]
        assert coverage["width"] == pytest.approx(width, 1e-4)
        assert len(found["regression"]["deciles"]) == 10
    else:
        cells = np.array(found["multiclass"]["confusion"]["cells"])
        scores = {one["name"]: one["score"] for one in found["metrics"]}
        assert np.trace(cells) / cells.sum() == pytest.approx(scores["accuracy"], abs=1e-5)
        assert found["multiclass"]["confusion"]["labels"] == list(load_bundle(result.path).classes)


def test_a_report_on_new_rows_covers_as_the_model_does(
    fitted: tuple[str, FitResult], tmp_path: Path
) -> None:
    kind, result = fitted
    new = table(kind, 700, seed=2)
    new.loc[:49, "y"] = None  # rows without a target shift the others
    new.to_csv(tmp_path / "new.csv", index=False)
    found = report(result.path, tmp_path / "new.csv", tmp_path / "page.html")
    facts = found.facts["performance"]
    assert facts["rows"] == 650
    assert not facts["out_of_fold"]
    assert "rows of new data" in (tmp_path / "page.html").read_text(encoding="utf-8")
    if kind == "regression":
        low, high = load_bundle(result.path).interval(new[50:], 0.9)
        inside = ((new["y"][50:] >= low) & (new["y"][50:] <= high)).mean()
        assert facts["regression"]["coverage"]["covered"] == pytest.approx(inside, 1e-4)


def test_averaging_is_counted_from_the_models_that_ship(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Any, Any]] = []
    corrected_score = honest.corrected_score

    def spy(choice: Any, margins: Any, *rest: Any) -> Corrected | None:
        given.append((choice, rest[-1]))
        return corrected_score(choice, margins, *rest)

    monkeypatch.setattr(honest, "corrected_score", spy)
    for refit in (False, True):
        output = str(tmp_path / f"{refit}")
        result = automl.fit(
            table("regression", 500), target="y", output=output, refit=refit, **QUICK
        )
        assert result.corrected is not None
        assert (result.corrected["averaging"] < 0) is not refit
    (choice, averages), (_, none) = given
    assert none is None
    own = averages.margins[averages.own, np.arange(len(averages.own))]
    assert own == pytest.approx(choice.pooled[averages.positions], abs=1e-5)
    models = load_bundle(tmp_path / "False")
    rows = table("regression", 500).iloc[averages.positions]
    assert averages.margins.mean(axis=0) == pytest.approx(models.margin(rows), abs=1e-5)


def test_new_rows_are_taken_to_repeat_known_ones_as_rows_of_the_table_do(tmp_path: Path) -> None:
    rows = table("regression", 400).round(1)
    rows["y"] += np.random.default_rng(5).normal(size=400)  # known for a row that repeats only
    doubled = pd.concat([rows, rows.iloc[:100]], ignore_index=True)
    result = automl.fit(doubled, target="y", output=str(tmp_path / "m"), **QUICK)
    found = result.corrected
    assert found is not None
    assert found["repeats"] < 0
    assert found["score"] == pytest.approx(found["unseen"] + found["repeats"])
    assert found["low"] < found["score"] < found["high"]
    ledger = (result.path / "ledger.jsonl").read_text(encoding="utf-8")
    assert "of new rows are taken to repeat known ones" in ledger


def test_the_leaderboard_says_what_is_within_noise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "m"
    options = {**QUICK, "engines": ("lightgbm", "linear"), "trials": 4}
    result = automl.fit(table("multiclass", 400), target="y", output=str(output), **options)
    done = [row for row in result.leaderboard if row["state"] == "done"]
    assert done[0]["within_noise"] is True
    assert all(isinstance(row["within_noise"], bool) for row in done)
    manifest = read_manifest(output)
    assert told(manifest, seconds=1.0, budget=None).leaderboard == result.leaderboard
    assert main(["show", str(output), "leaderboard"]) == 0
    assert "within_noise" in capsys.readouterr().out


def test_predict_adds_intervals_or_sets_that_cover(
    fitted: tuple[str, FitResult], tmp_path: Path
) -> None:
    kind, result = fitted
    new, out = tmp_path / "new.csv", tmp_path / "out.csv"
    table(kind, 1500, seed=1).to_csv(new, index=False)
    option = "--interval" if kind == "regression" else "--sets"
    plain = ["predict", str(result.path), str(new), "--keep", "y", "--output", str(out)]
    assert main(plain) == 0
    without = pd.read_csv(out, dtype=str)
    assert main([*plain, option, "0.9"]) == 0
    scored = pd.read_csv(out, dtype=str)
    assert scored[without.columns].equals(without)  # predictions stay as they are, to the bit
    if kind == "regression":
        low, high, y = (
            scored[name].astype(float) for name in ("prediction_lower", "prediction_upper", "y")
        )
        covered = (low <= y) & (y <= high)
        assert high.std() + low.std() > 0
        wide, narrow = (high - low).max(), (high - low).min()
        assert wide > narrow > 0
    else:
        sets = scored["prediction_set"].map(json.loads)
        covered = pd.Series([y in held for y, held in zip(scored["y"], sets, strict=True)])
        assert (sets.map(lambda held: held[0]) == scored["prediction"]).all()
    assert 0.86 < covered.mean() < 0.95
    measured = json.loads((result.path / "metrics.json").read_text(encoding="utf-8"))
    assert 0.86 < measured["intervals"]["coverage"]["0.9"] < 0.94


def test_the_wrong_question_is_refused(
    fitted: tuple[str, FitResult], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, result = fitted
    new = tmp_path / "new.csv"
    table(kind, 5).to_csv(new, index=False)
    wrong, right = ("--sets", "--interval")[:: 1 if kind == "regression" else -1]
    for option, level, said in (
        (wrong, "0.9", f"{wrong} needs "),
        (right, "90", "must lie between 0 and 1"),
    ):
        assert main(["predict", str(result.path), str(new), option, level]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert said in err


def test_a_refitted_model_says_that_its_intervals_are_approximate(tmp_path: Path) -> None:
    result = automl.fit(
        table("regression", 600), target="y", output=str(tmp_path / "m"), refit=True, **QUICK
    )
    metrics = json.loads((result.path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["intervals"]["method"] == "approximate"
    low, high = load_bundle(result.path).interval(table("regression", 20, seed=1), 0.9)
    assert (low < high).all()


@pytest.mark.parametrize("change", [{"counts": [3, 3, 3, 3]}, {"folds": [[1.0]], "counts": [1]}])
def test_scores_that_do_not_fit_the_models_are_refused(
    fitted: tuple[str, FitResult], tmp_path: Path, change: dict[str, Any]
) -> None:
    bundle = Path(shutil.copytree(fitted[1].path, tmp_path / "model"))
    scores = json.loads((bundle / "intervals.json").read_text(encoding="utf-8"))
    (bundle / "intervals.json").write_text(json.dumps({**scores, **change}), encoding="utf-8")
    with pytest.raises(BundleError, match="was changed after it was written"):
        load_bundle(bundle)
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    (bundle / "manifest.json").unlink()
    write_manifest(bundle, {k: v for k, v in manifest.items() if k not in OWN})
    with pytest.raises(BundleError, match=r"intervals\.json.*does not have the expected form"):
        load_bundle(bundle)


def test_an_older_bundle_says_that_it_has_none() -> None:
    stored = Path(__file__).parents[1] / "bundles"
    predictor = load_bundle(stored / "format-1")
    rows = pd.read_csv(stored / "format-1.rows.csv")
    assert predictor.conformal is None
    ask = predictor.prediction_sets if predictor.task.is_classification else predictor.interval
    with pytest.raises(ConfigError, match="no prediction intervals or sets"):
        ask(rows, 0.9)


def noise(seed: int) -> pd.DataFrame:
    """Twenty numbers, and a target that has nothing to do with them."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({f"x{i}": rng.normal(size=600) for i in range(20)})
    table["y"] = rng.permutation(np.arange(600) % 2)
    return table


@pytest.mark.slow
def test_the_choice_among_fifty_is_corrected_on_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty tables without a signal, fifty candidates each, all of them validated in full."""
    naive: list[bool] = []
    corrected_score = honest.corrected_score

    def also_naive(choice: Any, margins: Any, scorer: Any, *rest: Any) -> Corrected | None:
        y, weight = scorer.truth()
        plain = bootstrap_interval(scorer.metric, y, choice.link.predict(choice.pooled), weight)
        assert plain is not None
        naive.append(plain.low <= 0.5 <= plain.high)
        return corrected_score(choice, margins, scorer, *rest)

    monkeypatch.setattr(honest, "corrected_score", also_naive)
    within = 0
    for seed in range(20):
        result = automl.fit(
            noise(seed),
            target="y",
            metric="roc_auc",
            engines=ENGINES,
            trials=50,
            holdout=0.5,
            seed=seed,
            in_process=True,
            output=str(tmp_path / f"{seed}"),
        )
        assert result.corrected is not None
        assert result.corrected["candidates"] == 50
        within += result.corrected["low"] <= 0.5 <= result.corrected["high"]
    assert within >= 18
    assert sum(naive) < 10


@pytest.mark.slow
def test_pruned_candidates_that_are_left_out_do_not_flatter_noise(tmp_path: Path) -> None:
    within = 0
    for seed in range(20):
        result = automl.fit(
            noise(seed),
            target="y",
            metric="roc_auc",
            engines=ENGINES,
            trials=50,
            folds=3,
            seed=seed,
            in_process=True,
            output=str(tmp_path / f"{seed}"),
        )
        assert result.corrected is not None
        assert result.corrected["candidates"] < 50
        within += result.corrected["low"] <= 0.5 <= result.corrected["high"]
    assert within >= 18
