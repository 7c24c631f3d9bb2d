"""Benchmark data sets: folders with train.csv, test.csv and meta.json; and how they are scored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics

# Task -> (name of the score in results, the tool's metric, whether higher is better).
SCORES: Mapping[str, tuple[str, str, bool]] = {
    "binary": ("auc", "roc_auc", True),
    "multiclass": ("logloss", "log_loss", False),
    "regression": ("rmse", "rmse", False),
}


@dataclass(frozen=True)
class DataSet:
    """One data set: a table to train on, a table to score, and what is predicted."""

    name: str
    target: str
    task: str
    folder: Path

    @property
    def train(self) -> Path:
        return self.folder / "train.csv"

    @property
    def test(self) -> Path:
        return self.folder / "test.csv"

    @property
    def score_name(self) -> str:
        return SCORES[self.task][0]

    @property
    def metric(self) -> str:
        return SCORES[self.task][1]

    @property
    def higher_is_better(self) -> bool:
        return SCORES[self.task][2]


def find_sets(folder: Path, only: Sequence[str] = ()) -> list[DataSet]:
    """The data sets below `folder` by name; ValueError if there are none or one is not whole."""
    found = []
    for path in sorted(folder.glob("*/meta.json")):
        meta = json.loads(path.read_text(encoding="utf-8"))
        one = DataSet(meta["name"], meta["target"], meta["task"], path.parent)
        if one.task not in SCORES:
            raise ValueError(f"{path} has the unknown task {one.task!r}.")
        for table in (one.train, one.test):
            if not table.is_file():
                raise ValueError(f"{table} is missing.")
        if not only or one.name in only:
            found.append(one)
    missing = set(only) - {one.name for one in found}
    if missing or not found:
        names = ", ".join(sorted(missing)) or "NAME/meta.json"
        raise ValueError(f"There is no {names} in {folder}.")
    return found


def truth(one: DataSet) -> pd.Series:
    """The target of the test rows: texts, or numbers for regression."""
    dtype = float if one.task == "regression" else str
    return pd.read_csv(one.test, usecols=[one.target], dtype={one.target: dtype})[one.target]


def score(one: DataSet, prediction: np.ndarray, classes: Sequence[str]) -> float:
    """The score of predictions for the test rows, by scikit-learn.

    prediction: (n,) values, or (n, n_classes) probabilities in the order of `classes`. Binary:
    area under the ROC curve of the class that sorts last; multiclass: log loss.
    """
    y = truth(one)
    if len(y) != len(prediction):
        raise ValueError(f"{one.name}: {len(prediction)} predictions for {len(y)} rows.")
    if one.task == "regression":
        return float(metrics.root_mean_squared_error(y, prediction))
    order = np.argsort(classes)
    if one.task == "binary":
        positive = order[1]
        return float(metrics.roc_auc_score(y == classes[positive], prediction[:, positive]))
    ordered = prediction[:, order] / prediction.sum(axis=1, keepdims=True)
    return float(metrics.log_loss(y, ordered, labels=[classes[i] for i in order]))
