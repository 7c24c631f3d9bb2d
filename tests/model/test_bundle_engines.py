"""Blends of real boosters: bit-equal after saving, exact contributions, only needed imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from automl import plugins
from automl.data.infer import infer_schema
from automl.data.parse import parse_table
from automl.engines.base import FitSetup
from automl.errors import ConfigError
from automl.features.preprocess import Preprocessor
from automl.features.recipes import Fold, fit_recipe, plan_recipes
from automl.model import contributions
from automl.model import predictor as predictor_module
from automl.model.bundle import MemberFiles, load_bundle, write_bundle
from automl.model.link import Link
from automl.model.predictor import FoldBooster, Member, Predictor
from automl.task import Objective, Task

ENGINES = ("catboost", "lightgbm", "linear", "xgboost")
OBJECTIVES = {
    Task.BINARY: (Objective.LOGISTIC, Link("logit", 1.1), ("0", "1")),
    Task.MULTICLASS: (Objective.SOFTMAX, Link("softmax", 0.9), ("a", "b", "c")),
    Task.REGRESSION: (Objective.SQUARED, Link("log1p"), ()),
}
N = 240


def _table(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "number": rng.normal(0, 1, N),
            "big, {number}": np.round(rng.normal(1.6e7, 1e4, N), 1),
            "level": rng.choice(["x", "y", "z", "rare"], N, p=[0.4, 0.3, 0.25, 0.05]),
            "other level": rng.choice([f"L{i}" for i in range(12)], N),
            "day": pd.to_datetime("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 24 * 400, N), unit="h"),
            "flag": rng.choice(["yes", "no"], N),
        }
    )
    for name in ("number", "level", "day"):
        table.loc[rng.random(N) < 0.1, name] = None
    return table


class Blend(NamedTuple):
    predictor: Predictor
    folder: Path
    rows: pd.DataFrame  # other rows than the training ones, unseen levels included


def _blend(task: Task, folder: Path) -> Blend:
    train, rows = _table(0), _table(1)
    rows.loc[[0, 5, 9], "level"] = ["new", None, "newer"]
    objective, link, classes = OBJECTIVES[task]
    schema, parsed = infer_schema(train)
    preprocessor, matrix = Preprocessor.fit(parsed, schema)
    rng = np.random.default_rng(2)
    signal = np.nan_to_num(train["number"].to_numpy()) + (train["level"] == "x")
    score = (signal + rng.normal(0, 0.5, N)).to_numpy(dtype=np.float64)
    y = (
        score
        if not classes
        else np.digitize(score, np.quantile(score, [0.5, 0.8][: len(classes) - 1]))
    )
    setup = FitSetup(task, objective, n_classes=len(classes), max_trees=25, patience=0)
    plans = plan_recipes(matrix, seed=0)
    members, files = [], []
    for weight, name in zip((0.4, 0.2, 0.15, 0.25), ENGINES, strict=True):
        engine = plugins.load("automl.engines", name, "ENGINE")
        recipe_name = "encoded" if name != "lightgbm" else "plain"
        folds, saved = [], []
        for fold in range(2):
            rows_in = np.flatnonzero(np.arange(N) % 2 == fold)
            recipe, made = fit_recipe(
                recipe_name,
                plans[recipe_name],
                Fold(matrix, y.astype(np.float64), None, rows_in, task, len(classes), fold),
            )
            prepared = engine.prepare(made, y.astype(np.float64), None, setup=setup)
            booster = engine.fit(prepared, rows_in, None, params={}, setup=setup)
            path = folder / f"{name}-{fold}{engine.suffix}"
            booster.save(path)
            plain = recipe_name == "plain"
            folds.append(FoldBooster(booster, None if plain else recipe))
            saved.append((path, None if plain else recipe.to_json()))
        members.append(Member(f"{name}-1", name, recipe_name, weight, {}, tuple(folds)))
        files.append(MemberFiles(f"{name}-1", name, recipe_name, weight, {}, tuple(saved)))
    predictor = Predictor(
        task=task, target="y", classes=classes, metric="log_loss", schema=schema,
        preprocessor=preprocessor, members=tuple(members), link=link,
    )  # fmt: skip
    write_bundle(
        folder / "model",
        facts={"task": task, "target": "y", "classes": list(classes), "metric": "log_loss"},
        schema=schema, preprocessor=preprocessor, members=files, link=link, threshold=None,
        extras={},
    )  # fmt: skip
    return Blend(predictor, folder / "model", rows)


@pytest.fixture(scope="module", params=list(Task))
def blend(request, tmp_path_factory) -> Blend:
    return _blend(request.param, tmp_path_factory.mktemp(str(request.param)))


def test_loaded_margins_are_equal_to_the_bit(blend):
    loaded = load_bundle(blend.folder)
    assert np.array_equal(loaded.margin(blend.rows), blend.predictor.margin(blend.rows))
    before, after = blend.predictor.explain(blend.rows), loaded.explain(blend.rows)
    assert np.array_equal(before.values, after.values)
    assert np.array_equal(before.base_values, after.base_values)


def test_each_engine_alone_is_equal_to_the_bit(blend):
    loaded = load_bundle(blend.folder)
    matrix = loaded.matrix(blend.rows)
    for old, new in zip(blend.predictor.members, loaded.members, strict=True):
        for a, b in zip(old.boosters, new.boosters, strict=True):
            first = matrix if a.recipe is None else a.recipe.transform(matrix)
            second = matrix if b.recipe is None else b.recipe.transform(matrix)
            assert np.array_equal(first.values, second.values, equal_nan=True)
            assert np.array_equal(a.booster.margin(first), b.booster.margin(second))


def test_a_new_process_gives_the_same_bits(blend, tmp_path):
    blend.rows.to_json(tmp_path / "rows.json", orient="records", date_format="iso")
    script = (
        "import sys, json, numpy as np\n"
        "from automl.model.bundle import load\n"
        "rows = json.load(open(sys.argv[2], encoding='utf-8'))\n"
        "np.save(sys.argv[3], load(sys.argv[1]).margin(rows))\n"
    )
    arguments = [blend.folder, tmp_path / "rows.json", tmp_path / "margin.npy"]
    subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True)
    with (tmp_path / "rows.json").open(encoding="utf-8") as file:
        rows = json.load(file)
    assert np.array_equal(np.load(tmp_path / "margin.npy"), blend.predictor.margin(rows))


@pytest.mark.parametrize("size", [1, 3, 129])
def test_chunks_are_equal_to_the_bit(blend, size):
    n_rows = min(N, 10 * size)
    whole = blend.predictor.margin(blend.rows)[:n_rows]
    parts = [
        blend.predictor.margin(blend.rows.iloc[i : min(i + size, n_rows)])
        for i in range(0, n_rows, size)
    ]
    assert np.array_equal(np.vstack(parts), whole)


def test_inner_chunks_and_threads_change_nothing(blend, monkeypatch):
    loaded = load_bundle(blend.folder)
    whole, values = loaded.margin(blend.rows), loaded.explain(blend.rows).values
    loaded.threads = 2
    for module in (predictor_module, contributions):
        monkeypatch.setattr(module, "CHUNK", 101)
    assert np.array_equal(loaded.margin(blend.rows), whole)
    assert np.array_equal(loaded.explain(blend.rows).values, values)
    with pytest.raises(ConfigError, match="threads is 0"):
        loaded.threads = 0


def test_contributions_add_up_to_the_margin(blend):
    explanation = blend.predictor.explain(blend.rows)
    assert explanation.additivity_error <= 1e-5
    assert explanation.values.shape[:2] == (N, 6)
    assert np.abs(explanation.cube).mean(axis=(0, 2)).min() > 0  # no column lost
    assert explanation.columns[0] == "number"


def test_no_rows(blend):
    predictor = load_bundle(blend.folder)
    none = blend.rows.iloc[:0]
    assert predictor.predict(none).shape == (0,)
    assert predictor.explain(none).base_values.shape[0] == 0


def test_parsed_rows_are_taken_as_they_are(blend):
    parsed = parse_table(blend.rows, blend.predictor.schema)
    assert np.array_equal(blend.predictor.margin(parsed), blend.predictor.margin(blend.rows))


def test_only_the_used_engines_are_imported(blend, tmp_path):
    lone = blend.predictor.members[1]  # lightgbm, plain
    blend.predictor.members[1].boosters[0].booster.save(tmp_path / "one.txt")
    write_bundle(
        tmp_path / "single",
        facts={
            "task": blend.predictor.task, "target": "y", "metric": "rmse",
            "classes": list(blend.predictor.classes),
        },
        schema=blend.predictor.schema, preprocessor=blend.predictor.preprocessor,
        members=[
            MemberFiles(lone.name, lone.engine, "plain", 1.0, {}, ((tmp_path / "one.txt", None),))
        ],
        link=blend.predictor.link, threshold=None, extras={},
    )  # fmt: skip
    script = (
        "import sys\nfrom automl.model.bundle import load\nload(sys.argv[1])\n"
        "unwanted = {'xgboost', 'catboost', 'shap', 'optuna', 'matplotlib'}\n"
        "print(sorted(unwanted & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "single")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
