"""Scores of predictions in a file, by one implementation for every system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.benchmark.sets import DataSet
from automl.errors import DataError
from automl.metrics._lookup import get_metric
from automl.task import Task

Floats = NDArray[np.float64]
_PROBA = "proba_"
_EPS = 1e-15  # an impossible class that occurs costs 34.5


def score_file(one: DataSet, predictions: Path) -> dict[str, float]:
    """Score of the rows in `predictions` against the target of the test table, by name.

    The file has a column `prediction` for regression, else `proba_<class>` for each class, and
    as many rows as the test table. Raises DataError where it has not.
    """
    table = pd.read_csv(predictions)
    y = _truth(one.test, one)
    if len(table) != len(y):
        raise DataError(f"{one.name}: {len(table)} predictions for {len(y)} rows.")
    if one.task is Task.REGRESSION:
        return {"rmse": _rmse(np.asarray(y, dtype=np.float64), _column(table, one))}
    names = [name for name in table.columns if name.startswith(_PROBA)]
    if len(names) < 2:
        raise DataError(f"{one.name}: the predictions hold no {_PROBA}<class> columns.")
    classes = [_label(name.removeprefix(_PROBA)) for name in names]
    proba = table[names].to_numpy(dtype=np.float64)
    if np.isnan(proba).any():
        raise DataError(f"{one.name}: probabilities are missing.")
    return class_scores(one.task, [_label(text) for text in y], proba, classes)


def class_scores(
    task: Task, y: Sequence[str], proba: Floats, classes: Sequence[str]
) -> dict[str, float]:
    """Log loss, and for two classes the area under the ROC curve of the one that sorts last.

    proba: (n, n_classes), rows scaled to add up to 1. A class that is not among `classes` has
    the probability 0.
    """
    proba = proba / np.maximum(proba.sum(axis=1, keepdims=True), _EPS)
    place = {name: i for i, name in enumerate(classes)}
    codes = np.array([place.get(label, -1) for label in y])
    true = np.where(codes < 0, 0.0, proba[np.arange(len(codes)), codes])
    scores = {"logloss": float(-np.mean(np.log(np.clip(true, _EPS, 1.0))))}
    if task is Task.BINARY:
        last = place[max(classes)]
        auc = get_metric("roc_auc").score((codes == last).astype(np.float64), proba[:, last])
        scores = {"auc": auc, **scores}
    return scores


def constant_score(one: DataSet) -> float:
    """The score of predicting the training rows' mean or class shares for every row."""
    y, new = _truth(one.train, one), _truth(one.test, one)
    if one.task is Task.REGRESSION:
        values = np.asarray(new, dtype=np.float64)
        return _rmse(values, np.full(len(values), np.mean(np.asarray(y, dtype=np.float64))))
    labels = pd.Series([_label(text) for text in y])
    shares = labels.value_counts(normalize=True)
    proba: Floats = np.tile(np.asarray(shares, dtype=np.float64), (len(new), 1))
    found = class_scores(one.task, [_label(text) for text in new], proba, list(shares.index))
    return found[one.score.name]


def _truth(path: Path, one: DataSet) -> list[str]:
    """Texts of the target; rows of the training table that have none are left out."""
    column = pd.read_csv(path, usecols=[one.target], dtype={one.target: str})[one.target]
    if path == one.test and column.isna().any():
        raise DataError(f"{path} has rows without {one.target!r}.", hint="Remove them.")
    return [str(text) for text in column.dropna()]


def _column(table: pd.DataFrame, one: DataSet) -> Floats:
    if "prediction" not in table.columns:
        raise DataError(f"{one.name}: the predictions have no column 'prediction'.")
    values = pd.to_numeric(table["prediction"], errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"{one.name}: predictions are missing or infinite.")
    return values


def _rmse(y: Floats, prediction: Floats) -> float:
    return float(np.sqrt(np.mean((y - prediction) ** 2)))


def _label(text: str) -> str:
    """One spelling for a class that one system writes `3`, another `3.0` and a third `true`."""
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:g}" if np.isfinite(number) and abs(number) < 1e6 else text
