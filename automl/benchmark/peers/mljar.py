"""mljar-supervised in its mode Compete."""

from __future__ import annotations

from importlib import import_module
from typing import Any

PACKAGE = "supervised"
INSTALL = "mljar-supervised"
_METRICS = {"binary": "auc", "multiclass": "logloss", "regression": "rmse"}
_PREFIX = "prediction_"


def fit(job: Any) -> Any:
    pandas = import_module("pandas")
    table = pandas.read_csv(job.train)
    model = import_module("supervised.automl").AutoML(
        mode="Compete",
        # Said, since it takes text with many classes for a regression.
        ml_task="regression" if job.task == "regression" else f"{job.task}_classification",
        eval_metric=_METRICS[job.task],
        total_time_limit=max(1, int(job.budget)),
        results_path=f"{job.folder}/mljar",
        n_jobs=job.threads,
        random_state=job.seed,
        verbose=0,
    )
    model.fit(table.drop(columns=[job.target]), table[job.target])

    def predict(path: str) -> tuple[Any, Any]:
        rows = pandas.read_csv(path).drop(columns=[job.target])
        if job.task == "regression":
            return model.predict(rows), None
        proba = model.predict_all(rows)
        names = [name for name in proba.columns if name.startswith(_PREFIX)]
        return proba[names].to_numpy(), [name[len(_PREFIX) :] for name in names]

    return predict
