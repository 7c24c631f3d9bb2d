"""H2O AutoML; needs Java."""

from __future__ import annotations

import socket
from importlib import import_module
from typing import Any

PACKAGE = "h2o"
INSTALL = "h2o pandas"
_METRICS = {"binary": "AUC", "multiclass": "logloss", "regression": "RMSE"}


def fit(job: Any) -> Any:
    h2o = import_module("h2o")
    h2o.init(
        port=_free_port(),  # a server of its own, not one that happens to run
        nthreads=job.threads,
        ip="127.0.0.1",
        bind_to_localhost=True,
        log_level="ERRR",
        strict_version_check=False,
    )
    h2o.no_progress()
    classes = job.task != "regression"
    train = h2o.import_file(job.train)
    if classes:
        train[job.target] = train[job.target].asfactor()
    model = import_module("h2o.automl").H2OAutoML(
        max_runtime_secs=max(1, int(job.budget)),
        sort_metric=_METRICS[job.task],
        seed=job.seed or 1,  # 0 is not a seed to it
        verbosity=None,
    )
    model.train(y=job.target, training_frame=train)
    labels = train[job.target].levels()[0] if classes else None

    def predict(path: str) -> tuple[Any, Any]:
        rows = h2o.import_file(path, col_types=_types(train, job.target))
        table = model.leader.predict(rows).as_data_frame(use_multi_thread=False)
        if labels is None:
            return table["predict"].to_numpy(), None
        return table.drop(columns=["predict"]).to_numpy(), labels

    return predict


def stop() -> None:
    """End the server, which is a process of its own."""
    import_module("h2o").cluster().shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _types(train: Any, target: str) -> dict[str, str]:
    """The kinds of the training columns, so that a table of few rows is not read differently."""
    kinds = {"int": "numeric", "real": "numeric", "enum": "enum", "time": "time"}
    return {n: kinds[k] for n, k in train.types.items() if k in kinds and n != target}
