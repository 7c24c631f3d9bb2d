"""The baseline: five LightGBM models with default settings, one per fold, averaged."""

from __future__ import annotations

import time
import warnings
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold

from benchmarks.sets import DataSet, score

N_FOLDS = 5


def lightgbm_bag(one: DataSet, *, seed: int, threads: int) -> dict[str, Any]:
    """Seconds and score of the bag: 100 trees, no early stopping, categories by their codes."""
    started = time.perf_counter()
    train, test = pd.read_csv(one.train), pd.read_csv(one.test)
    train = train[train[one.target].notna()].reset_index(drop=True)
    X, X_test, categorical = coded(train.drop(columns=one.target), test)
    y = train[one.target]
    regression = one.task == "regression"
    model_class = lightgbm.LGBMRegressor if regression else lightgbm.LGBMClassifier
    models = []
    for rows in training_rows(y, seed, stratified=not regression):
        model = model_class(random_state=seed, n_jobs=threads, verbosity=-1)
        models.append(model.fit(X[rows], y.iloc[rows], categorical_feature=categorical))
    fitted = time.perf_counter()
    classes: list[Any] = []
    if regression:
        prediction = np.mean([model.predict(X_test) for model in models], axis=0)
    else:
        classes = sorted(y.unique())
        prediction = np.zeros((len(X_test), len(classes)))
        for model in models:  # a fold may lack a class of one row
            places = np.searchsorted(classes, model.classes_)
            prediction[:, places] += model.predict_proba(X_test) / N_FOLDS
    return {
        "fit_s": fitted - started,
        "predict_s": time.perf_counter() - fitted,
        one.score_name: score(one, prediction, [str(label) for label in classes]),
    }


def training_rows(y: pd.Series, seed: int, *, stratified: bool) -> list[np.ndarray]:
    """Indices of the rows that each of the five models is trained on."""
    splitter = (StratifiedKFold if stratified else KFold)(N_FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Classes with fewer rows than folds: some folds lack them, which is as it should be.
        warnings.filterwarnings("ignore", message="The least populated class")
        return [rows for rows, _ in splitter.split(np.zeros(len(y)), y if stratified else None)]


def coded(train: pd.DataFrame, test: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """(training matrix, test matrix, indices of the categories); unseen levels are missing."""
    left, right, categorical = [], [], []
    for i, name in enumerate(train.columns):
        column = train[name]
        if pd.api.types.is_numeric_dtype(column):
            left.append(column.to_numpy(float))
            right.append(pd.to_numeric(test[name], errors="coerce").to_numpy(float))
            continue
        levels = pd.Index(column.dropna().unique())
        for side, cells in ((left, column), (right, test[name])):
            codes = levels.get_indexer(cells).astype(float)
            codes[codes < 0] = np.nan
            side.append(codes)
        categorical.append(i)
    return np.column_stack(left), np.column_stack(right), categorical
