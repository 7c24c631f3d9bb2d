"""Runs one peer's adapter on one job, as a script, in the Python that the peer is installed in.

An adapter is a file beside this one that defines

    PACKAGE   the module that must be installed
    INSTALL   what `pip install` needs for it
    fit(job)  reads job.train, fits within job.budget and returns `predict`
    stop()    ends what would outlive the process; only where something would

where predict(path) is (values, None) for regression, else (probabilities, classes): an array of
shape (n, n_classes) and the labels in its order. Nothing of automl is imported here.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main(name: str, job_file: str) -> None:
    """Fit, predict the test table, predict many rows; write predictions.csv and report.json."""
    own = Path(__file__).resolve().parent
    # This folder holds a flaml.py and an h2o.py of its own, which are not the packages.
    sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != own]
    job = SimpleNamespace(**json.loads(Path(job_file).read_text(encoding="utf-8")))
    adapter = _adapter(own / f"{name}.py")
    importlib.import_module(adapter.PACKAGE)  # its seconds are not counted: in the peer's favour
    os.chdir(job.folder)
    report = Path(job.folder) / "report.json"
    started = time.perf_counter()
    predict = adapter.fit(job)
    facts = {"fit_s": time.perf_counter() - started}
    report.write_text(json.dumps(facts), encoding="utf-8")
    started = time.perf_counter()
    values, classes = predict(job.test)
    facts["predict_s"] = time.perf_counter() - started
    _write(Path(job.folder) / "predictions.csv", values, classes)
    started = time.perf_counter()
    predict(job.many)
    facts["many_s"] = time.perf_counter() - started
    report.write_text(json.dumps(facts), encoding="utf-8")
    getattr(adapter, "stop", lambda: None)()
    # Some libraries leave threads behind that would keep the interpreter from ending.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _adapter(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"peer_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"There is no adapter {path}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write(path: Path, values: Any, classes: Any) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        if classes is None:
            rows.writerow(["prediction"])
            rows.writerows([float(value)] for value in values)
        else:
            rows.writerow([f"proba_{label}" for label in classes])
            rows.writerows([float(p) for p in row] for row in values)


if __name__ == "__main__":
    main(*sys.argv[1:])
