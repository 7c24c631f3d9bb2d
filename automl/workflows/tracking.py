"""Log a finished fit to an MLflow tracking server, by a process of its own with a deadline."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import automl
from automl.budget import Budget
from automl.config import FitConfig
from automl.errors import AutoMLError, ConfigError
from automl.ledger import Decision, Progress
from automl.workflows.result import FitResult

_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); from automl.workflows.tracking import main; main()"
)
_SECONDS: Final = 300.0  # where no budget ends the run
_END_SECONDS: Final = 0.3  # kept of a budget for the end of this process
_LEAST_SECONDS: Final = 1.0  # in which nothing could be logged
_EXPERIMENT: Final = "automl"
_LONGEST: Final = 500  # characters of a parameter
# Of the bundle, beside the model; `run/` is for --resume.
_ARTEFACTS: Final = (
    *("report.html", "MODEL_CARD.md", "leaderboard.csv", "ledger.jsonl", "metrics.json"),
    *("report.json", "schema.json", "explanations/global.json"),
)
_NO_METRIC: Final = re.compile(r"[^A-Za-z0-9_./ -]+")


def check_tracking(uri: str | None) -> None:
    """Raise ConfigError, before anything is trained, if nothing could be logged to `uri`."""
    if uri is None:
        return
    if find_spec("mlflow") is None:
        raise ConfigError("MLflow is not installed.", hint="pip install 'automl[mlflow]'")
    if "@" in urlsplit(uri).netloc:
        raise ConfigError(
            "The URI of --mlflow holds a user's name or password, which the bundle would keep.",
            hint="Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead.",
        )


def tracked(result: FitResult, config: FitConfig, budget: Budget, progress: Progress) -> FitResult:
    """`result`, after it and its bundle were logged to the server that `config` names, if any.

    The bundle stands already: whatever the server does, or does not do within what is left of the
    budget, is one warning, never an error. The run has params, metrics, artefacts and the model.
    """
    if config.mlflow is None:
        return result
    found = _logged(result, config.mlflow, config, budget)
    if "error" not in found:
        told = f"logged to {config.mlflow}: run {found['run']} of '{found['experiment']}'"
        return replace(result, notes=[*result.notes, told])
    told = f"the run was not logged to {config.mlflow}: {found['error']}"
    cure = f"the bundle is whole; `automl export {result.path} --to mlflow` makes its MLflow model"
    progress.decided(Decision("tracking", told, cure, warning=True))
    return replace(result, warnings=[*result.warnings, told])


def _logged(result: FitResult, uri: str, config: FitConfig, budget: Budget) -> dict[str, Any]:
    """What the process that logs it answers: {"run", "experiment"} or {"error"}."""
    seconds = min(budget.left() - _END_SECONDS, _SECONDS) if budget.limited else _SECONDS
    if seconds < _LEAST_SECONDS:
        return {"error": "no time was left for it"}
    return _asked({"uri": uri, "bundle": str(result.path), **_facts(result, config)}, seconds)


def main() -> None:
    """Do what stands on the standard input, and answer on the standard output."""
    orders = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what MLflow prints is no answer
    try:
        found = _log(orders)
    except AutoMLError as error:
        found = {"error": error.message}
    except Exception as error:  # noqa: BLE001 - whatever the server or its client does is told
        found = {"error": f"{type(error).__name__}: {str(error)[:_LONGEST]}"}
    answers.write(json.dumps(found))
    answers.flush()
    os._exit(0)  # threads of MLflow that still wait for the server


def _asked(orders: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What the process answers; its error if it does not."""
    root = str(Path(automl.__file__).parent.parent)
    whole = str(max(1, math.ceil(seconds)))
    environ = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": whole,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        **os.environ,
        "PYTHONUTF8": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _START, root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            answer, said = process.communicate(json.dumps(orders), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return {"error": f"it took longer than the {seconds:.0f} s that were left"}
        except BaseException:
            process.kill()
            raise
    with suppress(ValueError):
        found = json.loads(answer)
        if isinstance(found, dict):
            return found
    last = (said.strip().splitlines() or ["without a word"])[-1]
    return {"error": f"the process ended with {process.returncode}: {last[:_LONGEST]}"}


def _facts(result: FitResult, config: FitConfig) -> dict[str, Any]:
    """Params, metrics and tags of the run, as plain JSON."""
    settings = {
        name: value for name, value in config.to_json().items() if value not in (None, [], {}, "")
    }
    params = {name: _text(value) for name, value in settings.items() if name != "mlflow"}
    params |= {"n_rows": str(result.n_rows), "n_columns": str(result.n_columns)}
    for i, member in enumerate(result.blend):
        parts = f"{member['weight']:.4g} x {member['name']} ({member['engine']}, "
        params[f"member_{i}"] = f"{parts}{member['recipe']})"[:_LONGEST]
    tags = {"task": result.task, "target": result.target, "metric": result.metric}
    return {"params": params, "metrics": dict(_metrics(result)), "tags": tags}


def _metrics(result: FitResult) -> Iterator[tuple[str, float]]:
    name = _NO_METRIC.sub("_", result.metric)
    found: dict[str, Any] = {name: result.score, f"{name}_baseline": result.baseline}
    found |= {f"{name}_spread": result.spread, "seconds": result.seconds}
    for label, scores in (("corrected", result.corrected), ("test", result.test)):
        for part in ("score", "low", "high"):
            found[f"{name}_{label}_{part}"] = (scores or {}).get(part)
    found |= {f"{name}_{engine}": score for engine, score in result.engine_scores.items()}
    found |= {f"{name}_fold_{i}": score for i, score in enumerate(result.fold_scores)}
    for key, value in found.items():
        if value is not None and math.isfinite(value):
            yield key, float(value)


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:_LONGEST]


def _log(orders: Mapping[str, Any]) -> dict[str, Any]:
    """Log the run and its model; {"run", "experiment"}."""
    import mlflow

    from automl.export.mlflow import parts, quiet
    from automl.model.bundle import load_bundle

    folder = Path(orders["bundle"])
    mlflow.set_tracking_uri(orders["uri"])
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
    mlflow.set_experiment(experiment)
    predictor = load_bundle(folder, trusted=True)
    tags = {**orders["tags"], "bundle": str(predictor.manifest["digest"])}
    with quiet(), mlflow.start_run(run_name=folder.name) as run:
        mlflow.set_tags({f"automl.{name}": value for name, value in tags.items()})
        mlflow.log_params(orders["params"])
        mlflow.log_metrics(orders["metrics"])
        for name in _ARTEFACTS:
            if (folder / name).is_file():
                below = name.rpartition("/")[0]
                mlflow.log_artifact(str(folder / name), *([below] if below else []))
        with parts(predictor, folder) as given:
            mlflow.pyfunc.log_model(name="model", **given)
    return {"run": run.info.run_id, "experiment": experiment}
