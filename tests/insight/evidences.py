"""Evidence made up for tests: a table, its truth, and predictions as good as a test wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.groups import group_rows
from automl.data.infer import infer_schema
from automl.insight.evidence import Evidence
from automl.metrics._lookup import get_metric
from automl.task import Task

Floats = NDArray[np.float64]


def make_evidence(
    frame: pd.DataFrame,
    y: Floats,
    prediction: Floats,
    *,
    task: Task = Task.BINARY,
    metric: str | None = None,
    classes: Sequence[str] = ("no", "yes"),
    sensitive: Sequence[str] = (),
    **more: Any,
) -> Evidence:
    """Evidence of all rows of `frame`, each of them with its cells."""
    schema, parsed = infer_schema(frame)
    n = len(frame)
    usual = "rmse" if task is Task.REGRESSION else "log_loss"
    made = Evidence(
        task=task,
        target="y",
        classes=() if task is Task.REGRESSION else tuple(classes),
        metric=get_metric(metric or usual),
        threshold=0.5,
        schema=schema,
        rows=np.arange(n),
        y=y,
        weight=None,
        prediction=prediction,
        fold=np.zeros(n, dtype=np.int64),
        sample=np.arange(n),
        cells=parsed,
        explained=np.empty(0, dtype=np.int64),
        explanation=None,
        groups=tuple(group_rows(frame[name]) for name in sensitive),
    )
    return replace(made, **more)


def people(n: int, seed: int) -> pd.DataFrame:
    """A table of persons; nothing in it depends on anything else."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, n).astype(float),
            "hours": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 10, n).round(1)),
            "job": rng.choice(["clerk", "farmer", "nurse", "smith", "cook"], n),
            "town": rng.choice([f"town {i}" for i in range(200)], n),
            "member": rng.choice(["yes", "no"], n),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
        }
    )
