"""With a number of trials and a seed, the model is the same to the bit, and stays so on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.data.folds import Asked, make_folds
from automl.metrics._lookup import get_metric
from automl.search.crossval import FoldTrainer
from automl.task import Task
from automl.workflows.result import FitResult

ENGINES = ("catboost", "lightgbm", "linear", "xgboost")


def shops(n: int = 360, seed: int = 0) -> pd.DataFrame:
    """Numbers with gaps, a category with many levels, a boolean; a target of two classes."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "age": rng.integers(1, 50, n).astype(float),
            "street": rng.choice([f"s{i}" for i in range(25)], n),
            "kind": rng.choice(["bread", "books", "bikes"], n),
            "open": rng.choice([True, False], n),
        }
    )
    signal = table["size"] + (table["kind"] == "books") + (table["age"] - 25) / 20
    table["y"] = np.where(signal + rng.normal(0, 0.8, n) > 0.4, "yes", "no")
    table.loc[rng.random(n) < 0.15, "age"] = np.nan
    table.loc[rng.random(n) < 0.1, "street"] = None
    return table


def new_shops() -> pd.DataFrame:
    """Rows with gaps and levels that no training row has."""
    table = shops(200, seed=1).drop(columns="y")
    table.loc[::7, "street"] = "nowhere"
    table.loc[::11, "kind"] = "boats"
    table.loc[::13, ["size", "age"]] = np.nan
    return table


Run = Callable[..., FitResult]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A fit in worker processes with the settings of the command line's `--trials 6 --seed 0`."""

    def fit(**options: Any) -> FitResult:
        output = tmp_path_factory.mktemp("bundles") / "model"
        settings = {"trials": 6, "seed": 0, "folds": 3, "workers": 2, **options}
        return automl.fit(shops(), target="y", output=str(output), **settings)

    return fit


@pytest.fixture(scope="module")
def first(run: Run) -> FitResult:
    return run()


def member_files(result: FitResult) -> dict[str, bytes]:
    home = result.path / "members"
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }


def board(result: FitResult) -> list[Any]:
    rows = sorted(result.leaderboard, key=lambda row: row["name"])
    return [(r["name"], r["params"], r["state"], r["score"], r["weight"]) for r in rows]


def assert_same(one: FitResult, other: FitResult) -> None:
    assert board(one) == board(other)
    assert member_files(one) == member_files(other)
    for name in ("schema.json", "preprocess.json"):
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes()
    rows = new_shops()
    assert np.array_equal(one.predictor.margin(rows), other.predictor.margin(rows))
    assert (one.score, one.fold_scores, one.blend) == (other.score, other.fold_scores, other.blend)
    assert one.predictor.threshold == other.predictor.threshold
    assert one.predictor.link == other.predictor.link


def test_all_engines_take_part(first: FitResult) -> None:
    assert set(first.engine_scores) == set(ENGINES)
    assert first.reproducible


@pytest.mark.parametrize("workers", [2, 1])
def test_same_seed_gives_the_same_bytes(workers: int, first: FitResult, run: Run) -> None:
    assert_same(run(workers=workers), first)


def test_this_process_gives_the_same_bytes(first: FitResult, run: Run) -> None:
    assert_same(run(in_process=True), first)


def test_another_seed_differs(first: FitResult, run: Run) -> None:
    other = run(seed=1)
    assert member_files(other) != member_files(first)
    rows = new_shops()
    assert not np.array_equal(other.predictor.margin(rows), first.predictor.margin(rows))


def test_explanations_do_not_depend_on_the_workers(first: FitResult, run: Run) -> None:
    name = "explanations/global.json"
    assert (run(workers=1).path / name).read_bytes() == (first.path / name).read_bytes()


def test_the_learning_curve_does_not_depend_on_the_workers(first: FitResult, run: Run) -> None:
    def curve(result: FitResult) -> Any:
        told = json.loads((result.path / "report.json").read_text(encoding="utf-8"))
        return told["performance"]["learning"]

    assert curve(first)["points"][-1]["rows"] == 240
    assert curve(run(workers=1)) == curve(first)


def test_searched_trials_do_not_depend_on_the_workers(run: Run) -> None:
    searched = {"engines": ("lightgbm",), "trials": 11, "metric": "f1"}
    alone, many = run(workers=1, **searched), run(workers=3, **searched)
    origins = {row["name"] for row in alone.leaderboard if "lambda_l1" in row["params"]}
    assert len(origins) >= 4  # asked by Optuna, after the portfolio
    assert_same(alone, many)


def test_refit_does_not_depend_on_the_workers(run: Run) -> None:
    assert_same(run(workers=1, refit=True, trials=4), run(workers=2, refit=True, trials=4))


SCORE = """
import sys
import numpy as np
import pandas as pd
import automl
rows = pd.read_parquet(sys.argv[2])
np.save(sys.argv[3], automl.load(sys.argv[1]).margin(rows), allow_pickle=False)
"""


@pytest.mark.parametrize("engines", [*[(name,) for name in ENGINES], ENGINES], ids="-".join)
def test_new_process_predicts_the_same_to_the_bit(
    engines: tuple[str, ...], run: Run, tmp_path: Path
) -> None:
    result = run(engines=engines, trials=3 if len(engines) == 1 else 8, in_process=True)
    assert {member["engine"] for member in result.blend} <= set(engines)
    rows = new_shops()
    here = automl.load(result.path).margin(rows)
    rows.to_parquet(tmp_path / "rows.parquet")
    names = [str(result.path), str(tmp_path / "rows.parquet"), str(tmp_path / "margin.npy")]
    subprocess.run([sys.executable, "-c", SCORE, *names], check=True)
    assert np.array_equal(np.load(tmp_path / "margin.npy", allow_pickle=False), here)
    # Row by row, and in another order, nothing changes either.
    order = np.random.default_rng(0).permutation(len(rows))
    assert np.array_equal(result.predictor.margin(rows.iloc[order]), here[order])
    assert np.array_equal(result.predictor.margin(rows.iloc[[17]]), here[[17]])


def test_score_is_that_of_the_shipped_boosters_on_rows_they_did_not_see(run: Run) -> None:
    result = run(trials=6, in_process=True, single=True)
    (member,) = result.predictor.members
    table = shops()
    y = (table["y"] == "yes").to_numpy(dtype=float)
    matrix = result.predictor.matrix(table)
    folds = make_folds(y, Task.BINARY, n_classes=2, n_cells=1, seed=0, asked=Asked(n_folds=3))
    for split, fold, score in zip(folds.splits, member.boosters, result.fold_scores, strict=True):
        rows = matrix.take(split.valid)
        rows = rows if fold.recipe is None else fold.recipe.transform(rows)
        margin = fold.booster.margin(rows)[:, 0]
        assert get_metric("roc_auc").score(y[split.valid], margin) == pytest.approx(
            score, abs=1e-4
        )


def test_slow_machine_chooses_the_same_blend(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = run(trials=5, in_process=True)
    finish = FoldTrainer.finish_fold

    def slow(self: FoldTrainer, task: Any) -> dict[str, Any]:
        return {**finish(self, task), "predict_seconds": 60.0 * (task["trial"] % 2)}

    monkeypatch.setattr(FoldTrainer, "finish_fold", slow)
    assert run(trials=5, in_process=True).blend == usual.blend
