"""Predictors of any engine and recipe on a table with every kind of column, as cells of a CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl import plugins
from automl.data.infer import infer_schema
from automl.engines.base import FitSetup
from automl.features.preprocess import Preprocessor
from automl.features.recipes import Fold, fit_recipe, plan_recipes
from automl.model.link import Link
from automl.model.predictor import FoldBooster, Member, Predictor
from automl.task import Objective, Task

N = 600
OBJECTIVES = {
    Task.BINARY: (Objective.LOGISTIC, Link("logit", 1.1, intercept=0.2), ("no", "yes")),
    Task.MULTICLASS: (Objective.SOFTMAX, Link("softmax", 0.9), ("a", "b", "c")),
    Task.REGRESSION: (Objective.SQUARED, Link("log1p", shifts=(0.1,)), ()),
}
_WORDS = (
    *("red", "blue", "green", "small", "large", "old", "new", "cheap"),
    *("fancy", "broken", "fresh", "hot", "cold", "dry", "wet"),
)
KINDS = {"title": "text"}

Make = Callable[..., Predictor]


def table(seed: int, n: int = N) -> tuple[pd.DataFrame, np.ndarray]:
    """Text cells of every kind of column, missing ones among them, and a score that they tell."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.integers(0, 24, n), rng.integers(0, 6, n), rng.integers(0, 3, n)
    number, second = rng.normal(0, 1, n), rng.normal(5, 1, n)
    stamp = np.datetime64("2019-01-01T00:00") + rng.integers(0, 60 * 24 * 900, n)
    until = stamp + rng.integers(0, 60 * 24 * 90, n)
    words = rng.integers(0, len(_WORDS), (n, 18))
    effects = np.random.default_rng(7)
    score = (
        effects.normal(size=24)[a] + effects.normal(size=(24, 6))[a, b]
        + number * (c == 1) + second / 3 + (words[:, 0] < 4)
        + np.sin(stamp.astype(np.int64) / 90_000)
    )  # fmt: skip
    cells = pd.DataFrame(
        {
            "many": [f"lev{i}" for i in a],
            "few": [f"B{i}" for i in b],
            "code": [f"{i:03d}" for i in c],
            "number": [repr(round(float(x), 4)) for x in number],
            "price": [f"{x * 1000:,.2f}".translate(str.maketrans(",.", ".,")) for x in second],
            "from": [str(x).replace("T", " ") for x in stamp],
            "to": [pd.Timestamp(x).strftime("%d.%m.%Y") for x in until],
            "title": [" ".join(_WORDS[i] for i in row[: 3 + row[5] % 3]) for row in words],
            "text": [" ".join(_WORDS[i] for i in row) + f" {row.sum()}" for row in words],
            "flag": np.where(c == 2, "yes", "no"),
        }
    )
    for name in cells:
        cells.loc[rng.random(n) < 0.05, name] = None
    return cells.astype("str"), score


def odd_rows() -> pd.DataFrame:
    """Other rows than those of training, with all that can be wrong with a cell."""
    cells, _ = table(1, 200)
    odd = {
        "many": ["never seen", "LEV1", "lev1 ", ""],
        "code": ["1", "9", "0002"],
        "number": ["abc", "1e999", "-", "1e300", "-1e-300", "+2", ".5"],
        "price": ["1.234,5", "1234,5", "1,234.5", "€ 5", "inf"],
        "from": ["2019-02-30", "1875-02-28 23:59:59.5", "2020-02-29T12:00:00+05:30", "02.03.2020"],
        "to": ["29.02.2020", "30.02.2020", "1.2.2020", "2020-02-29", "x"],
        "title": ["zzz", "Überraschung 漢字", "RED blue", "a"],
        "text": ["", "漢字 ß once", "red " * 3000],
        "flag": ["TRUE", "0", "maybe", "Y"],
    }
    for name, found in odd.items():
        for i, cell in enumerate(found):
            cells.loc[10 * i + len(name), name] = cell
    return cells.astype("str")


@pytest.fixture(scope="session")
def make() -> Make:
    """Trains a predictor of two folds, or takes it from memory."""
    known: dict[Any, Predictor] = {}

    def made(
        task: Task,
        engine: str,
        recipe: str = "plain",
        params: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> Predictor:
        key = (task, engine, recipe, tuple(sorted((params or {}).items())), tuple(facts.items()))
        if key not in known:
            known[key] = _made(task, engine, recipe, dict(params or {}), dict(facts))
        return known[key]

    return made


def _made(
    task: Task, name: str, recipe_name: str, params: dict[str, Any], facts: dict[str, Any]
) -> Predictor:
    cells, score = table(0)
    cells = cells.drop(columns=list(facts.pop("without", ())))
    objective, link, classes = OBJECTIVES[task]
    kinds = {name: kind for name, kind in KINDS.items() if name in cells}
    schema, parsed = infer_schema(cells, kinds=kinds)
    preprocessor, matrix = Preprocessor.fit(parsed, schema)
    y = score - score.min()
    if classes:
        y = np.digitize(score, np.quantile(score, [0.5, 0.8][: len(classes) - 1])).astype(float)
    setup = FitSetup(task, objective, n_classes=len(classes), max_trees=25, patience=0)
    engine = plugins.load("automl.engines", name, "ENGINE")
    plan = plan_recipes(matrix, seed=0)[recipe_name]
    folds = []
    for k in range(2):
        rows = np.flatnonzero(np.arange(N) % 2 == k)
        fold = Fold(matrix, y, None, rows, task, len(classes), k)
        recipe, made = fit_recipe(recipe_name, plan, fold)
        prepared = engine.prepare(made, y, None, setup=setup)
        booster = engine.fit(prepared, rows, None, params=params, setup=setup)
        folds.append(FoldBooster(booster, None if recipe_name == "plain" else recipe))
    return Predictor(
        task=task, target="y", classes=classes, metric="log_loss", schema=schema,
        preprocessor=preprocessor,
        members=(Member(f"{name}-1", name, recipe_name, 1.0, params, tuple(folds)),),
        link=facts.pop("link", link), **facts,
    )  # fmt: skip


@pytest.fixture(scope="session")
def odd() -> pd.DataFrame:
    return odd_rows()
