"""Small bundles with real boosters, and the table of new rows that they score."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl import plugins
from automl.data.infer import infer_schema
from automl.engines.base import Engine, FitSetup
from automl.features.preprocess import Preprocessor
from automl.ledger import Decision
from automl.model.bundle import MemberFiles, write_bundle
from automl.model.link import Link
from automl.task import Objective, Task

CLASSES = {Task.BINARY: ("no", "yes"), Task.MULTICLASS: ("1", "2", "3"), Task.REGRESSION: ()}
LINKS = {Task.BINARY: "logit", Task.MULTICLASS: "softmax", Task.REGRESSION: "identity"}
OBJECTIVES = {
    Task.BINARY: Objective.LOGISTIC,
    Task.MULTICLASS: Objective.SOFTMAX,
    Task.REGRESSION: Objective.SQUARED,
}
METRICS = {Task.BINARY: "roc_auc", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}


def people(n_rows: int, seed: int) -> pd.DataFrame:
    """n_rows people with a target `y` in 0..1 that follows from age, city and wage."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n_rows),
            "city": rng.choice(["Ulm", "Köln", "Bonn"], n_rows),
            "wage": rng.normal(3000, 500, n_rows).round(2),
        }
    )
    signal = table["age"] / 80 + (table["city"] == "Ulm") + (table["wage"] - 3000) / 2000
    table["y"] = (signal - signal.min()) / (signal.max() - signal.min())
    return table


def target_of(task: Task, signal: pd.Series[float]) -> tuple[np.ndarray, pd.Series[Any]]:
    """(class indices or values as float64, the texts or values of a file)."""
    if task is Task.REGRESSION:
        return signal.to_numpy(), signal
    codes = np.digitize(signal, [0.5] if task is Task.BINARY else [0.4, 0.6])
    return codes.astype(np.float64), pd.Series([CLASSES[task][c] for c in codes])


WriteBundle = Callable[..., Path]


@pytest.fixture(scope="session")
def write_people(tmp_path_factory: pytest.TempPathFactory) -> WriteBundle:
    """Trains two small LightGBM models on people and writes them as a bundle."""

    def write(
        task: Task,
        threshold: float | None = None,
        *,
        trees: int = 20,
        without: tuple[str, ...] = (),
        record: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> Path:
        home = tmp_path_factory.mktemp(task.value)
        table = people(300, seed=0)
        y, _ = target_of(task, table.pop("y"))
        table = table.drop(columns=list(without))
        schema, parsed = infer_schema(table)
        preprocessor, matrix = Preprocessor.fit(parsed, schema)
        engine: Engine = plugins.load("automl.engines", "lightgbm", "ENGINE")
        setup = FitSetup(task, OBJECTIVES[task], len(CLASSES[task]), max_trees=trees, patience=0)
        prepared = engine.prepare(matrix, y, None, setup=setup)
        boosters = []
        for fold, rows in enumerate((np.arange(0, 200), np.arange(100, 300))):
            booster = engine.fit(
                prepared, rows, None, params={"learning_rate": 0.3, "num_leaves": 4}, setup=setup
            )
            booster.save(home / f"{fold}.txt")
            boosters.append((home / f"{fold}.txt", None))
        write_bundle(
            home / "bundle",
            facts={
                "task": task.value,
                "target": "y",
                "classes": list(CLASSES[task]),
                "metric": METRICS[task],
                "data": {"name": "people.csv", "n_rows": 300, "digest": "ab" * 32},
                "versions": {"python": "3.11.7"},
                **facts,
            },
            schema=schema,
            preprocessor=preprocessor,
            members=[MemberFiles("lightgbm-1", "lightgbm", "plain", 1.0, {}, tuple(boosters))],
            link=Link(LINKS[task]),  # type: ignore[arg-type]
            threshold=threshold,
            extras=records(record),
        )
        return home / "bundle"

    return write


def records(metrics: Mapping[str, Any] | None) -> dict[str, bytes]:
    """What a run writes beside the model."""
    if metrics is None:
        metrics = {"score": 0.9, "spread": 0.01, "baseline": 0.5, "validation": "k-fold"}
    board = (
        "rank,name,engine,recipe,state,score,spread,seconds,folds_done,n_folds,weight,params,cause\n"
        '1,lightgbm-1,lightgbm,plain,done,0.9,0.01,0.2,2,2,1.0,"{""num_leaves"": 4}",\n'
        "2,catboost-2,catboost,plain,failed,,,0.1,0,2,0.0,{},out of memory\n"
    )
    decisions = [
        Decision("task", "binary: y", "two values"),
        Decision("data", "3 rows repeat", "", 0.5, warning=True),
    ]
    importance = {"columns": [{"column": "city", "importance": 1.5, "share": 0.6}]}
    lines = "".join(json.dumps(decision.to_json()) + "\n" for decision in decisions)
    return {
        "leaderboard.csv": board.encode(),
        "ledger.jsonl": lines.encode(),
        "metrics.json": json.dumps(metrics).encode(),
        "explanations/global.json": json.dumps(importance).encode(),
    }


@pytest.fixture(scope="session")
def bundles(write_people: WriteBundle) -> Mapping[Task, Path]:
    return {task: write_people(task) for task in Task}


@pytest.fixture
def new_people(tmp_path: Path) -> Callable[[Task], Path]:
    """A CSV of 57 labelled people that were not in training, with a column `name` in front."""

    def write(task: Task, n_rows: int = 57) -> Path:
        table = people(n_rows, seed=1)
        table["y"] = target_of(task, table["y"])[1]
        table.insert(0, "name", [f"person {i}" for i in range(n_rows)])
        path = tmp_path / f"new-{task.value}.csv"
        table.to_csv(path, index=False)
        return path

    return write
