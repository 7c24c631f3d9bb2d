"""An MLflow model: a pyfunc folder with the bundle and this project's wheel, and no pickle."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from automl.errors import ConfigError
from automl.export._carried import carried_bundle
from automl.export._pins import pinned
from automl.export._wheel import write_wheel
from automl.export.base import ExportFormat, ExportOptions, Scores
from automl.export.rows import typical_rows
from automl.model.predictor import Predictor

# A module of this project, which the model's environment has from its wheel.
LOADER: Final = "automl.workflows.pyfunc"
_WHEELS: Final = "wheels"
_EXAMPLES: Final = 3
_LEVELS: Final = 50  # of a column that the description of the model names
_NOTE: Final = (
    "Columns have the type 'any' in the signature: MLflow would refuse whole numbers, missing "
    "cells and dates in typed ones. Send JSON to `mlflow models serve`; it reads no CSV then."
)


def write(predictor: Predictor, folder: Path, options: ExportOptions) -> list[str]:
    """Write the model folder with MLflow's own writer."""
    with parts(predictor, options.bundle) as given, quiet():
        mlflow_pyfunc().save_model(path=str(folder), **given)
    return [_NOTE]


@contextmanager
def parts(predictor: Predictor, bundle: Path) -> Iterator[dict[str, Any]]:
    """What `mlflow.pyfunc.save_model` and `log_model` take, lying ready in a temporary folder.

    MLflow installs requirements from within the model's folder, where it puts code under `code`:
    so the path of the wheel is relative to that.  Raises ConfigError without mlflow-skinny.
    """
    mlflow_pyfunc()
    with carried_bundle(bundle) as data:
        wheels = data.with_name(_WHEELS)
        wheels.mkdir()
        wheel = write_wheel(wheels)
        yield {
            "loader_module": LOADER,
            "data_path": str(data),
            "code_paths": [str(wheels)],
            "signature": signature(predictor),
            "input_example": typical_rows(predictor, _EXAMPLES),
            "pip_requirements": [
                f"code/{_WHEELS}/{wheel.name}",
                *pinned(also=["mlflow-skinny"]),
            ],
            "metadata": description(predictor),
        }


def score(folder: Path, frame: pd.DataFrame) -> Scores:
    """The scores of `mlflow.pyfunc.load_model`."""
    with quiet():
        model = mlflow_pyfunc().load_model(str(folder))
    names = model.metadata.get_input_schema().input_names()
    answer = model.predict(frame[names])
    metadata = model.metadata.metadata
    classes = metadata["classes"]
    if not classes:
        return Scores(values=answer.iloc[:, 0].to_numpy(dtype=np.float64))
    probabilities = answer[[f"proba_{label}" for label in classes]].to_numpy(dtype=np.float64)
    return Scores(answer["prediction"].to_numpy(dtype=object), probabilities)


def signature(predictor: Predictor) -> Any:
    """Columns of any type in, as the schema reads them; prediction and probabilities out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    outputs = [ColSpec(DataType.double, name) for name in _number_columns(predictor)]
    if predictor.task.is_classification:
        outputs.insert(0, ColSpec(DataType.string, "prediction"))
    params = [
        ParamSpec("mode", DataType.string, "default"),
        ParamSpec("explain", DataType.long, 0),
        ParamSpec("interval", DataType.double, 0.0),
        ParamSpec("sets", DataType.double, 0.0),
    ]
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), name) for name in predictor.columns]),
        outputs=Schema(outputs),
        params=ParamSchema(params),
    )


def description(predictor: Predictor) -> dict[str, Any]:
    """What the MLmodel file says of the model: task, classes and columns with what they hold."""
    return {
        "task": str(predictor.task),
        "target": predictor.target,
        "classes": list(predictor.classes),
        "threshold": predictor.threshold,
        "metric": predictor.metric,
        "bundle": str(predictor.manifest.get("digest", "")),
        "columns": [_column(predictor, i) for i in predictor.schema.used],
    }


def _column(predictor: Predictor, index: int) -> Mapping[str, Any]:
    column = predictor.schema.columns[index]
    levels = [] if column.hash_key else list(column.levels[:_LEVELS])
    facts = {"name": column.name, "kind": str(column.kind), "levels": levels}
    return {**facts, "minimum": column.minimum, "maximum": column.maximum}


def _number_columns(predictor: Predictor) -> list[str]:
    if predictor.task.is_classification:
        return [f"proba_{label}" for label in predictor.classes]
    return [predictor.value_names[0]]


def mlflow_pyfunc() -> Any:
    """MLflow's writer and reader of Python models."""
    try:
        import mlflow.pyfunc
    except ImportError:
        raise ConfigError(
            "MLflow is not installed.", hint="pip install 'automl[mlflow]'"
        ) from None
    return mlflow.pyfunc


@contextmanager
def quiet() -> Iterator[None]:
    """Without MLflow's own talk, which is about environments that nobody asked for."""
    log = logging.getLogger("mlflow")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


FORMAT = ExportFormat(
    "mlflow", "a pyfunc folder that MLflow serves, loads and registers", write, score
)
