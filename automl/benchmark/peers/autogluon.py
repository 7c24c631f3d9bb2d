"""AutoGluon's tabular predictor with its preset best_quality."""

from __future__ import annotations

from importlib import import_module
from typing import Any

PACKAGE = "autogluon.tabular"
INSTALL = '"autogluon.tabular[lightgbm,xgboost,catboost]"'
_METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "root_mean_squared_error"}


def fit(job: Any) -> Any:
    pandas = import_module("pandas")
    model = import_module("autogluon.tabular").TabularPredictor(
        label=job.target,
        problem_type=job.task,
        eval_metric=_METRICS[job.task],
        path=f"{job.folder}/autogluon",
        verbosity=0,
    )
    # Without the trial run that looks for overfitting by stacking: it takes a quarter of the time.
    model.fit(
        pandas.read_csv(job.train),
        time_limit=job.budget,
        presets="best_quality",
        num_cpus=job.threads,
        dynamic_stacking=False,
    )

    def predict(path: str) -> tuple[Any, Any]:
        rows = pandas.read_csv(path)
        if job.task == "regression":
            return model.predict(rows).to_numpy(), None
        table = model.predict_proba(rows)
        return table.to_numpy(), list(table.columns)

    return predict
