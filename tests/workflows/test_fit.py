"""`fit` from a frame to a bundle: tasks, options, what is written, and what is left behind."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.errors import ConfigError, DataError, SearchError
from automl.ledger import Board, Decision
from automl.workflows.result import FitResult

Fit = Callable[..., FitResult]
QUICK: dict[str, Any] = {"engines": ("lightgbm",), "trials": 2, "folds": 3, "in_process": True}


def visits(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """Mixed columns with gaps, and a signal that age, city and wage make."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n).astype(float),
            "city": rng.choice(["Ulm", "Köln", "Bonn", "Rom"], n),
            "wage [€]": rng.normal(3000, 500, n).round(2),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
            "member": rng.choice([True, False], n),
        }
    )
    signal = table["age"] / 20 + 1.5 * (table["city"] == "Ulm") + (table["wage [€]"] - 3000) / 500
    table["signal"] = signal + rng.normal(0, 0.7, n)
    table.loc[rng.random(n) < 0.1, "age"] = np.nan
    table.loc[rng.random(n) < 0.1, "city"] = None
    return table


def with_target(task: str, n: int = 400, seed: int = 0) -> pd.DataFrame:
    table = visits(n, seed)
    signal = table.pop("signal")
    if task == "regression":
        table["y"] = signal
    elif task == "binary":
        table["y"] = np.where(signal > 3.2, "goes", "stays")
    else:
        table["y"] = pd.cut(signal, [-np.inf, 2.2, 3.8, np.inf], labels=["l", "m", "h"]).astype(
            str
        )
    return table


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """`automl.fit` in this process on few trials, with its bundle in the test's folder."""

    def run(data: Any, target: str = "y", **options: Any) -> FitResult:
        return automl.fit(
            data, target=target, **{**QUICK, "output": str(tmp_path / "model"), **options}
        )

    return run


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def fitted(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[str, FitResult]:
    """One fit per task, which tests only look at."""
    output = tmp_path_factory.mktemp("bundles") / "model"
    result = automl.fit(with_target(request.param), target="y", output=str(output), **QUICK)
    return request.param, result


def read(result: FitResult, name: str) -> Any:
    text = (result.path / name).read_text(encoding="utf-8")
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(text.splitlines())) if name.endswith(".csv") else json.loads(text)


def decisions(result: FitResult, topic: str) -> list[str]:
    return [row["decision"] for row in read(result, "ledger.jsonl") if row["topic"] == topic]


def boosters(result: FitResult) -> list[int]:
    return [len(member.boosters) for member in result.predictor.members]


# -- a plain run of each task -------------------------------------------------------------------


def test_result_says_what_was_found(fitted: tuple[str, FitResult]) -> None:
    task, result = fitted
    assert (result.task, result.target, result.n_rows, result.n_columns) == (task, "y", 400, 5)
    assert result.metric == {"binary": "roc_auc", "multiclass": "log_loss"}.get(task, "rmse")
    better = result.score > result.baseline if task == "binary" else result.score < result.baseline
    assert better
    assert len(result.fold_scores) == 3
    assert result.score == pytest.approx(np.mean(result.fold_scores))
    assert result.spread == pytest.approx(np.std(result.fold_scores, ddof=1))
    assert sum(member["weight"] for member in result.blend) == pytest.approx(1.0)
    assert result.reproducible
    assert result.budget is None
    assert set(result.engine_scores) == {"lightgbm"}
    assert {name for name, _ in result.importance} == {
        "age",
        "city",
        "wage [€]",
        "since",
        "member",
    }
    assert result.importance[0][0] in ("age", "wage [€]")
    assert json.loads(json.dumps(result.to_json()))["score"] == result.score


def test_predictor_scores_new_rows(fitted: tuple[str, FitResult]) -> None:
    task, result = fitted
    new = with_target(task, 300, seed=9)
    predictor = automl.load(result.path)
    prediction = predictor.predict(new)
    assert len(prediction) == 300
    if task == "regression":
        error = np.sqrt(np.mean((prediction - new["y"]) ** 2))
        assert error == pytest.approx(result.score, rel=0.25)
        assert error < 0.75 * new["y"].std()
        return
    proba = predictor.predict_proba(new)
    assert proba.sum(axis=1) == pytest.approx(1.0)
    assert predictor.classes == (("goes", "stays") if task == "binary" else ("h", "l", "m"))
    assert (prediction == new["y"]).mean() > {"binary": 0.7, "multiclass": 0.55}[task]


def test_contributions_add_up_to_the_margin(fitted: tuple[str, FitResult]) -> None:
    task, result = fitted
    new = with_target(task, 60, seed=5)
    new.loc[3, "city"] = "Paris"  # never seen
    explanation = automl.load(result.path).explain(new)
    total = explanation.values.sum(axis=1) + explanation.base_values
    size = np.maximum(1.0, np.abs(explanation.values).sum(axis=1))
    assert (np.abs(total - explanation.margin) <= 1e-5 * size).all()
    assert np.array_equal(explanation.margin, automl.load(result.path).margin(new).squeeze())


def test_leaderboard_lists_every_trial(fitted: tuple[str, FitResult]) -> None:
    _, result = fitted
    rows = read(result, "leaderboard.csv")
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert {row["name"][:8] for row in rows} == {"lightgbm"}
    assert {row["name"].rpartition("-")[2] for row in rows} == {"1", "2"}
    assert [row["state"] for row in rows] == ["done", "done"]
    weights = {row["name"]: float(row["weight"]) for row in rows if float(row["weight"])}
    assert weights == pytest.approx({m["name"]: m["weight"] for m in result.blend})
    assert all(json.loads(row["params"])["num_leaves"] for row in rows)
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=result.metric == "roc_auc")


def test_ledger_and_metrics_tell_the_run(fitted: tuple[str, FitResult]) -> None:
    task, result = fitted
    topics = [row["topic"] for row in read(result, "ledger.jsonl")]
    assert topics.index("task") < topics.index("columns") < topics.index("folds")
    assert topics.index("folds") < topics.index("blend") < topics.index("explain")
    metrics = read(result, "metrics.json")
    for name in ("metric", "score", "spread", "fold_scores", "baseline", "score_crossfitted"):
        assert metrics[name] == getattr(result, name)
    assert metrics["n_splits"] == 3
    assert metrics["validation"] == ("kfold" if task == "regression" else "stratified")
    assert metrics["out_of_fold"][result.metric] == pytest.approx(result.score, rel=0.1)


def test_global_explanation_names_each_column(fitted: tuple[str, FitResult]) -> None:
    task, result = fitted
    found = read(result, "explanations/global.json")
    outputs = {"binary": ["stays"], "multiclass": ["h", "l", "m"], "regression": ["prediction"]}
    assert found["outputs"] == outputs[task]
    assert found["rows"] == 400
    assert [c["column"] for c in found["columns"]] == [name for name, _ in result.importance]
    assert sum(c["share"] for c in found["columns"]) == pytest.approx(1.0)
    age = next(c for c in found["columns"] if c["column"] == "age")
    direction = {"binary": -1.0, "multiclass": 1.0, "regression": 1.0}[task]  # of "stays", "h"
    assert age["by_output"][0]["direction"] == direction


def test_journal_of_the_run_is_in_the_bundle(fitted: tuple[str, FitResult]) -> None:
    _, result = fitted
    events = [row["event"] for row in read(result, "run/journal.jsonl")]
    assert events[0] == "start"
    assert events[-1] == "result"
    assert events.count("fold") == 6
    manifest = read(result, "manifest.json")
    assert manifest["config"]["trials"] == 2
    assert manifest["reproducible"] is True
    assert manifest["data"]["n_rows"] == 400
    assert len(manifest["data"]["digest"]) == 64


def test_nothing_but_the_bundle_is_left(fitted: tuple[str, FitResult]) -> None:
    _, result = fitted
    assert [path.name for path in result.path.parent.iterdir()] == ["model"]


# -- roles and options --------------------------------------------------------------------------


def test_weights_enter_training_and_score(fit: Fit) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    heavy = rng.random(400) < 0.5
    # Light rows say the opposite of heavy ones.
    table = pd.DataFrame({"x": x, "y": (x > 0) == heavy, "w": np.where(heavy, 50.0, 1.0)})
    weighted = fit(table, weight_column="w")
    assert weighted.score > 0.9
    assert weighted.n_columns == 1
    proba = weighted.predictor.predict_proba(pd.DataFrame({"x": [-1.0, 1.0]}))[:, 1]
    assert proba[0] < 0.2 < 0.8 < proba[1]
    plain = fit(table.drop(columns="w"), force=True)
    assert plain.score < 0.7


@pytest.mark.parametrize("dtype", ["float64", "object"])
@pytest.mark.parametrize(
    ("cell", "message"), [(-1.0, "is negative in row 1"), (np.nan, "is missing in row 1")]
)
def test_bad_weights_are_named(cell: float, message: str, dtype: str, fit: Fit) -> None:
    table = with_target("binary", 60)
    table["w"] = pd.Series([cell, *range(1, 60)], dtype=dtype)
    with pytest.raises(DataError, match=message):
        fit(table, weight_column="w")


@pytest.mark.parametrize(
    ("cell", "message"),
    [(0.0, "is zero in every row"), (-1.0, "is negative in row 1"), ("heavy", "--weight-column")],
)
def test_equal_weights_are_checked_too(cell: Any, message: str, fit: Fit) -> None:
    with pytest.raises(DataError, match=message):
        fit(with_target("binary", 60).assign(w=cell), weight_column="w")


def test_groups_are_kept_in_one_fold(fit: Fit) -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(40), 12)
    table = pd.DataFrame({"x": rng.normal(size=40)[group], "y": rng.integers(0, 2, 40)[group]})
    table["shop"] = [f"shop {g}" for g in group]
    table["x"] += rng.normal(0, 1e-6, len(table))
    assert fit(table.drop(columns="shop")).score > 0.9  # it knows the group by heart
    result = fit(table, group_column="shop", force=True)
    assert result.score < 0.7
    assert read(result, "metrics.json")["validation"] == "group"
    assert "shop" not in result.predictor.columns


@pytest.mark.parametrize("recipe", ["time", "holdout", "refit"])
def test_refitted_model_is_one_booster_of_all_rows(recipe: str, fit: Fit) -> None:
    table = with_target("regression")
    options: dict[str, Any] = {
        "time": {"time_column": "since"},
        "holdout": {"holdout": 0.3, "folds": None},
        "refit": {"refit": True},
    }[recipe]
    result = fit(table, **options)
    assert set(boosters(result)) == {1}
    assert "members are refitted on all rows" in decisions(result, "blend")
    assert read(result, "metrics.json")["validation"] == {"refit": "kfold"}.get(recipe, recipe)
    assert len(result.fold_scores) == (1 if recipe == "holdout" else 3)
    assert result.score < result.baseline
    new = with_target("regression", 200, seed=4)
    assert np.std(result.predictor.predict(new) - new["y"]) < 0.75 * new["y"].std()


def test_fold_models_are_a_bag(fit: Fit) -> None:
    assert set(boosters(fit(with_target("binary")))) == {3}


@pytest.mark.parametrize(
    "times",
    [
        range(60),
        np.random.default_rng(0).normal(size=60),
        pd.date_range("2024-01-01", periods=60).astype(str),
    ],
    ids=["running number", "numbers", "dates"],
)
def test_time_column_may_be_any_order(times: Any, fit: Fit) -> None:
    table = with_target("regression", 60)
    table["when"] = list(times)
    assert fit(table, time_column="when").fold_scores


def test_limit_that_no_model_keeps_is_told(fit: Fit) -> None:
    result = fit(with_target("binary"), max_trees=1, folds=2)
    assert any("--max-trees 1 is exceeded" in text for text in result.warnings)


def test_single_ships_the_best_trial_alone(fit: Fit) -> None:
    result = fit(with_target("binary"), single=True, trials=3)
    (member,) = result.blend
    assert member["weight"] == 1.0
    assert member["score"] == max(row["score"] for row in result.leaderboard if row["score"])
    assert result.score_crossfitted is None


@pytest.mark.parametrize(("sample", "rows"), [(0.5, 200), (123, 123), (10_000, 400)])
def test_sample_of_the_rows(sample: float, rows: int, fit: Fit) -> None:
    result = fit(with_target("binary"), sample=sample, trials=1)
    assert result.n_rows == rows
    assert f"{rows} of 400 rows are used" in decisions(result, "data")


def test_class_weight_balances_the_classes(fit: Fit) -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"x": rng.normal(size=600)})
    table["y"] = np.where(table["x"] + rng.normal(0, 1.5, 600) > 2.2, "rare", "usual")
    share = (table["y"] == "rare").mean()
    assert share < 0.2
    rare = {}
    for choice in ("none", "balanced"):
        model = fit(table, class_weight=choice, force=True).predictor
        rare[choice] = model.predict_proba(table)[:, model.classes.index("rare")].mean()
    assert rare["none"] == pytest.approx(share, abs=0.04)
    assert rare["balanced"] > 2 * share


@pytest.mark.parametrize("options", [{"metric": "mae"}, {"robust": True}])
def test_engines_that_cannot_serve_the_metric_are_refused(options: Any, fit: Fit) -> None:
    with pytest.raises(ConfigError, match=r"linear cannot train for .* absolute loss"):
        fit(with_target("regression"), engines=("linear",), **options)


def test_class_weight_needs_classes(fit: Fit) -> None:
    with pytest.raises(ConfigError, match="needs a classification"):
        fit(with_target("regression"), class_weight="auto")


@pytest.mark.parametrize(
    ("engine", "direction"), [("catboost", 1), ("lightgbm", 1), ("lightgbm", -1), ("xgboost", -1)]
)
def test_monotone_predictions_never_turn(engine: str, direction: int, fit: Fit) -> None:
    rng = np.random.default_rng(3)
    n = 400
    table = pd.DataFrame({"x": rng.uniform(0, 1, n), "z": rng.normal(size=n)})
    table["c"] = rng.choice(list("abc"), n)
    # Up and down: without the direction, the model would follow.
    table["y"] = np.sin(9 * table["x"]) + 0.3 * table["z"] + rng.normal(0, 0.3, n)
    result = fit(table, engines=(engine,), monotone={"x": direction})
    grid = np.linspace(-0.1, 1.1, 300)
    for z, c in ((-1.0, "a"), (0.4, "c"), (2.0, "new")):
        rows = pd.DataFrame({"x": grid, "z": z, "c": c})
        steps = np.diff(result.predictor.margin(rows)[:, 0]) * direction
        assert steps.min() >= -1e-9
    free = fit(table, engines=(engine,), trials=1, force=True).predictor
    steps = np.diff(free.margin(pd.DataFrame({"x": grid, "z": 0.0, "c": "a"}))[:, 0])
    assert steps.min() < -0.01 < 0.01 < steps.max()


def test_dropped_column_and_chosen_kinds(fit: Fit) -> None:
    table = with_target("binary")
    table["code"] = np.random.default_rng(0).integers(1, 6, 400)
    result = fit(table, drop=("wage [€]",), column={"code": "categorical", "member": "text"})
    kinds = {c.name: (c.kind.value, c.used) for c in result.predictor.schema.columns}
    assert kinds["wage [€]"][1] is False
    assert kinds["code"] == ("categorical", True)
    assert kinds["member"][0] == "text"
    assert "'wage [€]' is not used" in decisions(result, "columns")
    assert "wage [€]" not in result.predictor.columns


# -- metrics ------------------------------------------------------------------------------------


def skewed(n: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"x": rng.uniform(0, 2, n), "z": rng.normal(size=n)})
    table["y"] = np.exp(table["x"] + rng.normal(0, 0.8, n))
    return table


@pytest.mark.parametrize("metric", ["mae", "rmsle", "mape", "quantile@0.9", "r2", "rmse"])
def test_regression_metric_is_what_is_optimised(metric: str, fit: Fit) -> None:
    table = skewed()
    result = fit(table, metric=metric)
    assert result.metric == metric
    assert (result.score > result.baseline) == (metric == "r2")
    value = result.predictor.predict(table)
    below = float(np.mean(table["y"] <= value))
    level = {"mae": 0.5, "quantile@0.9": 0.9, "rmse": 0.62, "r2": 0.62}.get(metric)
    if level is not None:
        assert below == pytest.approx(level, abs=0.08)
    if metric == "rmsle":
        assert result.predictor.link.kind == "log1p"
        error = np.sqrt(np.mean((np.log1p(value) - np.log1p(table["y"])) ** 2))
        assert error <= result.score
    if metric == "mape":  # small targets weigh most: it predicts low
        assert below < 0.45


def test_rmsle_refuses_negative_targets(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="without negative values"):
        fit(skewed(60) - 3.0, metric="rmsle")
    assert not list(tmp_path.iterdir())


def imbalanced(n: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    table["y"] = np.where(table["x"] + rng.normal(0, 1.0, n) > 1.6, "yes", "no")
    return table


def test_label_metric_tunes_the_threshold(fit: Fit) -> None:
    table = imbalanced()
    f1 = fit(table, metric="f1")
    threshold = f1.predictor.threshold
    assert threshold is not None
    assert 0.05 < threshold < 0.45
    assert decisions(f1, "threshold") == [f"'yes' from a probability of {threshold:.4f}"]
    proba = f1.predictor.predict_proba(table)[:, 1]
    assert np.array_equal(f1.predictor.predict(table) == "yes", proba >= threshold)
    accuracy = fit(table, metric="accuracy", force=True)
    assert accuracy.score > accuracy.baseline
    assert accuracy.predictor.threshold > threshold  # type: ignore[operator]
    assert fit(table, metric="roc_auc", force=True).predictor.threshold == 0.5


def test_metric_narrows_the_task(fit: Fit) -> None:
    table = with_target("binary")
    table["y"] = (table["y"] == "goes").astype(int)
    assert fit(table, metric="log_loss", trials=1).task == "binary"
    result = fit(table, metric="rmse", trials=1, force=True)
    assert result.task == "regression"
    assert result.score < result.baseline


# -- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ((1, 2), ("1", "2")),
        ((True, False), ("False", "True")),
        (("n/a?", "ja, klar"), ("ja, klar", "n/a?")),
        ((0.0, 1.0), ("0", "1")),
    ],
)
def test_labels_of_any_type_come_back_as_text(labels: Any, classes: Any, fit: Fit) -> None:
    table = with_target("binary", 200)
    table["y"] = np.where(table["y"] == "goes", *[np.array(label) for label in labels])
    result = fit(table, trials=1)
    assert result.task == "binary"
    assert set(result.predictor.classes) == set(classes)
    assert set(result.predictor.predict(table)) <= set(classes)


def test_class_of_one_row_is_kept_and_named(fit: Fit) -> None:
    table = with_target("multiclass", 300)
    table.loc[7, "y"] = "unique"
    table.loc[[20, 21], "y"] = "double"
    result = fit(table)
    assert set(result.predictor.classes) == {"h", "l", "m", "unique", "double"}
    assert result.predictor.predict_proba(table).shape == (300, 5)
    said = " ".join(result.warnings)
    assert "'unique'" in said
    assert "'double'" in said


def test_rows_without_a_target_are_left_out(fit: Fit) -> None:
    table = with_target("regression")
    table.loc[:49, "y"] = np.nan
    result = fit(table, trials=1)
    assert result.n_rows == 350
    assert "50 rows without a target are left out" in decisions(result, "data")


def test_copy_of_the_target_is_warned_of(fit: Fit) -> None:
    table = with_target("binary")
    table["answer"] = table["y"].map({"goes": "G", "stays": "S"})
    result = fit(table, trials=1)
    assert any("'answer'" in text and "copy of the target" in text for text in result.warnings)
    assert result.score > 0.999


def test_noise_is_said_to_be_no_better_than_the_baseline(fit: Fit) -> None:
    rng = np.random.default_rng(11)
    table = pd.DataFrame({"x": rng.normal(size=300), "y": rng.normal(size=300)})
    result = fit(table)
    told = any("no better than the baseline" in text for text in result.warnings)
    assert told == (result.score >= result.baseline)
    assert result.score > 0.97 * result.baseline


# -- files --------------------------------------------------------------------------------------


def test_file_is_read_like_the_frame(fit: Fit, tmp_path: Path) -> None:
    table = with_target("binary")
    table.to_csv(tmp_path / "visits.csv", index=False)
    result = fit(tmp_path / "visits.csv")
    assert result.score == fit(table, force=True).score
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "visits.csv"]


def test_bundle_is_named_after_the_data(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with_target("binary", 100).to_csv("visits.csv.gz", index=False)
    result = fit("visits.csv.gz", output=None, trials=1)
    assert result.path == tmp_path / "visits-model"


def test_bundle_that_is_there_is_not_replaced_without_force(fit: Fit, tmp_path: Path) -> None:
    first = fit(with_target("binary", 100), trials=1)
    before = (first.path / "manifest.json").read_bytes()
    with pytest.raises(ConfigError, match="already holds a bundle") as error:
        fit(with_target("regression", 100), trials=1)
    assert "--force" in str(error.value.hint)
    assert (first.path / "manifest.json").read_bytes() == before
    assert fit(with_target("regression", 100), trials=1, force=True).task == "regression"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_folder_that_is_no_bundle_is_left_alone(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="is not a bundle"):
        fit(with_target("binary", 100), force=True)
    assert (tmp_path / "model" / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_temporary_files_go_where_asked_and_vanish(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / "fast").mkdir()
    fit(with_target("binary", 100), trials=1, temp_dir=str(tmp_path / "fast"))
    assert not list((tmp_path / "fast").iterdir())
    fit(with_target("binary", 100), trials=1, temp_dir=str(tmp_path / "new" / "one"), force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fast", "model"]


def test_error_leaves_the_old_bundle_and_nothing_else(fit: Fit, tmp_path: Path) -> None:
    first = fit(with_target("binary", 100), trials=1)
    files = {p: p.read_bytes() for p in first.path.rglob("*") if p.is_file()}
    with pytest.raises(DataError, match="'zz' is not a column"):
        fit(with_target("binary", 100), target="zz", force=True)
    with pytest.raises(ConfigError, match="needs a classification"):  # after the schema is known
        fit(with_target("regression", 100), class_weight="auto", force=True)
    with pytest.raises(ConfigError, match="--folds is 90"):  # in the middle of the preparation
        fit(with_target("binary", 100), folds=90, force=True)
    assert {p: p.read_bytes() for p in first.path.rglob("*") if p.is_file()} == files
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("in_process", [True, False])
def test_race_without_a_model_is_an_error_that_names_the_cause(
    in_process: bool, fit: Fit, fake: str, orders: Callable[..., None], tmp_path: Path
) -> None:
    orders(fail="libfoo is broken")
    with pytest.raises(SearchError, match="fake-1: RuntimeError: libfoo is broken"):
        fit(with_target("binary", 60), engines=(fake,), in_process=in_process)
    assert not list(tmp_path.iterdir())


def test_failing_engine_does_not_spoil_the_run(
    fit: Fit, fake: str, orders: Callable[..., None]
) -> None:
    orders(fail="no licence")
    result = fit(with_target("binary", 200), engines=(fake, "lightgbm"), trials=6)
    assert set(result.engine_scores) == {"lightgbm"}
    failed = [row for row in result.leaderboard if row["state"] == "failed"]
    assert {row["engine"] for row in failed} == {"fake"}
    assert failed[0]["cause"] == "RuntimeError: no licence"
    assert any("fake" in warning for warning in result.warnings)


# -- the clock ----------------------------------------------------------------------------------


def test_run_ends_within_its_budget(fit: Fit) -> None:
    started = time.monotonic()
    result = fit(with_target("binary"), trials=None, time_budget=4.0, folds=None, in_process=False)
    assert time.monotonic() - started < 4.1
    assert result.seconds < 4.0
    assert result.budget == 4.0
    assert not result.reproducible
    assert result.score > 0.8
    assert len(result.leaderboard) > 3


def test_hanging_engine_is_cut_off_at_the_end(
    fit: Fit, fake: str, orders: Callable[..., None]
) -> None:
    orders(hang=600.0)
    started = time.monotonic()
    result = fit(
        with_target("binary"),
        engines=(fake, "lightgbm"),
        trials=None,
        time_budget=4.0,
        in_process=False,
        workers=2,
    )
    assert time.monotonic() - started < 4.2
    assert set(result.engine_scores) == {"lightgbm"}
    assert {row["state"] for row in result.leaderboard if row["engine"] == "fake"} == {"stopped"}


def test_budget_too_small_for_one_model_names_the_least(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too small for this table") as error:
        fit(with_target("binary"), trials=None, time_budget=0.2, folds=None)
    assert "--time-budget" in str(error.value.hint)
    assert not list(tmp_path.iterdir())


def test_folds_that_were_asked_for_are_kept_under_a_budget(fit: Fit) -> None:
    result = fit(with_target("binary"), folds=8, time_budget=8.0, trials=1)
    assert len(result.fold_scores) == 8


# -- who is told --------------------------------------------------------------------------------


class Listener:
    def __init__(self) -> None:
        self.stages: list[str] = []
        self.decisions: list[Decision] = []
        self.boards: list[Board] = []

    def stage(self, title: str) -> None:
        self.stages.append(title)

    def decided(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def board(self, board: Board) -> None:
        self.boards.append(board)


def test_progress_hears_stages_decisions_and_the_board(fit: Fit) -> None:
    listener = Listener()
    result = fit(with_target("binary", 200), progress=listener)
    assert listener.stages[0] == "Reading"
    assert "Race" in listener.stages
    assert [d.to_json() for d in listener.decisions] == read(result, "ledger.jsonl")
    last = listener.boards[-1]
    assert (last.trials_done, last.trials_planned) == (2, 2)
    assert {row.name.rpartition("-")[2] for row in last.rows} == {"1", "2"}


def test_unknown_names_are_said_before_anything_is_read(fit: Fit, tmp_path: Path) -> None:
    empty = pd.DataFrame({"nothing": []})
    with pytest.raises(ConfigError, match="Unknown metric 'roc_aux'"):
        fit(empty, metric="roc_aux")
    with pytest.raises(ConfigError, match="Unknown engine 'lightgmb'"):
        fit(empty, engines=("lightgmb",))
    with pytest.raises(ConfigError, match="target"):
        automl.fit(empty, trials=1)
    assert not list(tmp_path.iterdir())
