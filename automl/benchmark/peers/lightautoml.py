"""LightAutoML's tabular preset."""

from __future__ import annotations

from importlib import import_module
from typing import Any

PACKAGE = "lightautoml"
INSTALL = "lightautoml"
_TASKS = {"binary": "binary", "multiclass": "multiclass", "regression": "reg"}


def fit(job: Any) -> Any:
    pandas = import_module("pandas")
    table = pandas.read_csv(job.train)
    model = import_module("lightautoml.automl.presets.tabular_presets").TabularAutoML(
        task=import_module("lightautoml.tasks").Task(_TASKS[job.task]),
        timeout=max(1, int(job.budget)),
        cpu_limit=job.threads,
        reader_params={"n_jobs": job.threads, "random_state": job.seed},
    )
    model.fit_predict(table, roles={"target": job.target}, verbose=0)
    # The order of its columns: its own mapping, or the sorted labels where it needed none.
    mapping = model.reader.class_mapping
    labels = sorted(mapping, key=mapping.get) if mapping else sorted(table[job.target].unique())

    def predict(path: str) -> tuple[Any, Any]:
        found = model.predict(pandas.read_csv(path)).data
        if job.task == "regression":
            return found[:, 0], None
        if job.task == "binary":
            return import_module("numpy").column_stack([1.0 - found[:, 0], found[:, 0]]), labels
        return found, labels

    return predict
