"""FLAML, with its default estimators and the same metric."""

from __future__ import annotations

from importlib import import_module
from typing import Any

PACKAGE = "flaml"
INSTALL = '"flaml[automl]" catboost'
_METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


def fit(job: Any) -> Any:
    pandas = import_module("pandas")
    table = pandas.read_csv(job.train)
    model = import_module("flaml").AutoML()
    model.fit(
        X_train=table.drop(columns=[job.target]),
        y_train=table[job.target],
        task="regression" if job.task == "regression" else "classification",
        metric=_METRICS[job.task],
        time_budget=job.budget,
        n_jobs=job.threads,
        seed=job.seed,
        verbose=0,
    )

    def predict(path: str) -> tuple[Any, Any]:
        rows = pandas.read_csv(path).drop(columns=[job.target])
        if job.task == "regression":
            return model.predict(rows), None
        return model.predict_proba(rows), list(model.classes_)

    return predict
