"""Explanations agree with `shap.TreeExplainer` on the same single booster."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl import plugins
from automl.data.infer import infer_schema
from automl.engines.base import FitSetup
from automl.features.preprocess import Preprocessor
from automl.model.link import Link
from automl.model.predictor import FoldBooster, Member, Predictor
from automl.task import Objective, Task

# shap and matplotlib warn of their own ends when they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")

OBJECTIVES = {
    Task.BINARY: Objective.LOGISTIC,
    Task.MULTICLASS: Objective.SOFTMAX,
    Task.REGRESSION: Objective.SQUARED,
}
CLASSES = {Task.BINARY: ("no", "yes"), Task.MULTICLASS: ("a", "b", "c"), Task.REGRESSION: ()}
LINKS = {Task.BINARY: "logit", Task.MULTICLASS: "softmax", Task.REGRESSION: "identity"}


def native(engine: str, path: Path) -> Any:
    """The library's own model out of the file of a bundle."""
    if engine == "xgboost":
        booster = import_module("xgboost").Booster()
        booster.load_model(path)
        return booster
    if engine == "lightgbm":
        return import_module("lightgbm").Booster(model_file=str(path))
    model = import_module("catboost").CatBoost()
    model.load_model(str(path))
    return model


def raw(engine: str, model: Any, values: np.ndarray) -> Any:
    """Rows as `TreeExplainer` hands them to this library."""
    if engine == "xgboost":
        return import_module("xgboost").DMatrix(values)
    return import_module("catboost").Pool(values) if engine == "catboost" else values


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("engine_name", ["xgboost", "lightgbm", "catboost"])
def test_values_are_those_of_tree_explainer(engine_name: str, task: Task, tmp_path: Path) -> None:
    shap = import_module("shap")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(300, 4)).astype(np.float32), columns=list("abcd"))
    signal = table["a"] * table["b"] + table["c"] + 0.3 * rng.normal(size=300)
    cuts = {Task.BINARY: [0.0], Task.MULTICLASS: [-0.5, 0.5]}.get(task)
    y = np.asarray(signal if cuts is None else np.digitize(signal, cuts), dtype=np.float64)
    schema, parsed = infer_schema(table)
    preprocessor, matrix = Preprocessor.fit(parsed, schema)
    engine = plugins.load("automl.engines", engine_name, "ENGINE")
    setup = FitSetup(task, OBJECTIVES[task], len(CLASSES[task]), max_trees=30, patience=0)
    prepared = engine.prepare(matrix, y, None, setup=setup)
    booster = engine.fit(prepared, np.arange(300), None, params={}, setup=setup)
    path = tmp_path / f"model{engine.suffix}"
    booster.save(path)
    predictor = Predictor(
        task=task,
        target="y",
        classes=CLASSES[task],
        metric="log_loss",
        schema=schema,
        preprocessor=preprocessor,
        members=(Member("one", engine_name, "plain", 1.0, {}, (FoldBooster(booster),)),),
        link=Link(LINKS[task]),  # type: ignore[arg-type]
    )
    found = predictor.explain(table)
    values = np.asarray(matrix.values, dtype=np.float32)
    model = native(engine_name, path)
    expected = np.asarray(shap.TreeExplainer(model).shap_values(raw(engine_name, model, values)))
    assert expected.shape == found.values.shape
    assert np.abs(found.values - expected).max() < 1e-4
    assert np.abs(found.values).max() > 0.1
