"""Evidence of made-up models, for tests of what a report says of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl.data.schema import ParsedTable, Schema
from automl.insight.evidence import Evidence
from automl.metrics._lookup import default_metric
from automl.task import Task


def made(
    task: Task, y: np.ndarray, prediction: np.ndarray, classes: tuple[str, ...] = (), **other: Any
) -> Evidence:
    """Evidence of these rows, with a table that has no columns."""
    n = len(y)
    none = np.empty(0, dtype=np.int64)
    known: dict[str, Any] = {
        "task": task,
        "target": "y",
        "classes": classes,
        "metric": default_metric(task),
        "threshold": 0.5,
        "schema": Schema(()),
        "rows": np.arange(n, dtype=np.int64),
        "y": y.astype(np.float64),
        "weight": None,
        "prediction": prediction,
        "fold": np.arange(n, dtype=np.int64) % 5,
        "sample": none,
        "cells": ParsedTable(0, {}),
        "explained": none,
        "explanation": None,
    }
    return Evidence(**(known | other))


def binary(
    n: int = 2000, *, seed: int = 0, classes: tuple[str, ...] = ("no", "yes"), **other: Any
):
    """Calibrated probabilities of two classes."""
    rng = np.random.default_rng(seed)
    proba = 1.0 / (1.0 + np.exp(-(rng.normal(size=n) * 2.0 - 1.0)))
    return made(Task.BINARY, rng.random(n) < proba, proba, classes, **other)


def multiclass(
    n: int = 2000,
    k: int = 4,
    *,
    seed: int = 0,
    classes: tuple[str, ...] | None = None,
    **other: Any,
):
    """Calibrated probabilities of `k` classes."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(size=(n, k)) * 3.0
    proba = np.exp(margin)
    proba /= proba.sum(axis=1, keepdims=True)
    y = (proba.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)
    names = classes or tuple(f"class {i}" for i in range(k))
    return made(Task.MULTICLASS, y, proba, names, **other)


def regression(n: int = 2000, *, seed: int = 0, **other: Any):
    """Errors that grow with the prediction."""
    rng = np.random.default_rng(seed)
    value = rng.gamma(2.0, 50.0, n)
    y = value + rng.normal(size=n) * (5.0 + 0.2 * value)
    return made(Task.REGRESSION, y, value, **other)
