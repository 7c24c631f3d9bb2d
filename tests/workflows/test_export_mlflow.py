"""MLflow models, and fits that are logged to a tracking server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.budget import Budget
from automl.config import FitConfig
from automl.errors import ConfigError
from automl.export.check import agreement
from automl.export.mlflow import FORMAT
from automl.export.rows import typical_rows
from automl.ledger import Decision, Silent
from automl.model.bundle import load_bundle, verify_bundle
from automl.task import Task
from automl.workflows.pyfunc import _load_pyfunc
from automl.workflows.replay import OWN
from automl.workflows.result import FitResult
from automl.workflows.tracking import check_tracking, tracked

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow's own making


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def model(bundles, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("mlflow") / "model"
    automl.export(bundles[Task.BINARY], "mlflow", place)
    return place


def test_the_model_folder_has_all_it_needs_and_no_pickle(model):
    files = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    wheel = next(name for name in files if name.endswith(".whl"))
    lines = (model / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == wheel
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][^ ]*", line) for line in lines[1:])
    assert {"xgboost", "mlflow-skinny"} <= {line.partition("==")[0] for line in lines}
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib", ".run"))]
    assert "data/bundle/manifest.json" in files
    assert "input_example.json" in " ".join(files)


def test_mlflow_loads_it_and_takes_typed_and_missing_cells(model, bundles):
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(str(model))
    predictor = load_bundle(bundles[Task.BINARY])
    rows = pd.DataFrame({"age": [30, 40], "city": ["Ulm", None], "wage": [3000, 4000]})
    answer = loaded.predict(rows)
    assert answer.columns.tolist() == ["prediction", "proba_no", "proba_yes"]
    np.testing.assert_array_equal(answer["proba_yes"], predictor.predict_proba(rows)[:, 1])
    reasons = loaded.predict(rows, params={"explain": 1})
    assert "reason_1" in reasons.columns
    with pytest.raises(Exception, match="wage"):
        loaded.predict(rows[["age", "city"]])


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
def test_the_other_tasks_agree(bundles, tmp_path, task):
    found = automl.export(bundles[task], "mlflow", tmp_path / "out")
    assert found.largest == 0.0


def test_wrong_cells_are_named_in_the_log(bundles, caplog):
    model = _load_pyfunc(str(bundles[Task.BINARY]))
    rows = typical_rows(model.predictor, 2).astype({"age": object})
    rows.loc[1, "age"] = "old"
    assert len(model.predict(rows)) == 2
    assert "row 2, 'age': 'old'" in caplog.text
    with pytest.raises(automl.errors.DataError, match="old"):
        model.predict(rows, {"mode": "strict"})


# Logging a fit


def result_of(bundle: Path) -> FitResult:
    return FitResult(
        path=bundle, task="binary", target="y", metric="quantile@0.9", score=0.9, spread=0.01,
        score_crossfitted=None, fold_scores=[0.8, 1.0], baseline=0.5,
        engine_scores={"lightgbm": 0.9}, blend=[{"name": "lightgbm-1", "weight": 1.0,
        "engine": "lightgbm", "recipe": "plain", "score": 0.9}], leaderboard=[], importance=[],
        n_rows=300, n_columns=3, seconds=1.5, budget=None, reproducible=True,
    )  # fmt: skip


class Told(Silent):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[Decision] = []

    def decided(self, decision: Decision) -> None:
        self.warnings.append(decision)


def test_a_run_is_logged_and_its_model_loads_back(bundles, tmp_path):
    import mlflow

    uri = f"sqlite:///{tmp_path.as_posix()}/runs.db"
    config = FitConfig(target="y", mlflow=uri, seed=3)
    found = tracked(result_of(bundles[Task.BINARY]), config, Budget(None), Told())
    assert found.warnings == []
    assert "logged to" in found.notes[-1]
    mlflow.set_tracking_uri(uri)
    run = mlflow.search_runs(experiment_names=["automl"], output_format="list")[0]
    assert run.data.metrics["quantile_0.9_baseline"] == 0.5
    assert run.data.metrics["quantile_0.9_fold_1"] == 1.0
    assert run.data.params["seed"] == "3"
    assert run.data.tags["automl.target"] == "y"
    assert "leaderboard.csv" in {
        a.path for a in mlflow.MlflowClient().list_artifacts(run.info.run_id)
    }
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    rows = typical_rows(load_bundle(bundles[Task.BINARY]), 2)
    assert len(loaded.predict(rows)) == 2


@pytest.mark.parametrize(("budget", "says"), [(None, "not logged"), (0.5, "no time was left")])
def test_a_server_that_does_not_answer_is_one_warning(bundles, budget, says):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
    told = Told()
    config = FitConfig(target="y", mlflow=uri)
    found = tracked(result_of(bundles[Task.BINARY]), config, Budget(budget), told)
    assert len(told.warnings) == len(found.warnings) == 1
    assert says in found.warnings[0]
    assert "automl export" in told.warnings[0].reason


def test_a_server_that_hangs_does_not_cost_more_than_the_budget(bundles):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        config = FitConfig(target="y", mlflow=f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        found = tracked(result_of(bundles[Task.BINARY]), config, Budget(3.0), Told())
    assert time.monotonic() - started < 30
    assert "longer than" in found.warnings[0]


def test_a_fit_whose_server_fails_has_its_bundle(fake, tmp_path):
    table = pd.DataFrame({"a": np.sin(np.arange(60.0)), "y": ["no", "yes"] * 30})
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
    place = str(tmp_path / "out")
    told = {"engines": (fake,), "trials": 1, "output": place, "mlflow": uri}
    found = automl.fit(table, target="y", in_process=True, **told)
    assert "was not logged" in found.warnings[-1]
    assert verify_bundle(place)


def test_a_replay_tells_no_server_that_it_was_not_given():
    assert "mlflow" in OWN
    assert FitConfig(target="y").mlflow is None


def test_credentials_do_not_get_into_a_bundle():
    with pytest.raises(ConfigError, match="password, which the bundle would keep") as refused:
        check_tracking("https://me:secret@example.org")
    assert "MLFLOW_TRACKING_PASSWORD" in str(refused.value.hint)
    assert "secret" not in refused.value.message


def test_without_mlflow_nothing_is_trained(monkeypatch):
    monkeypatch.setattr("automl.workflows.tracking.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="MLflow is not installed"):
        automl.fit(pd.DataFrame({"a": [1, 2], "y": [0, 1]}), target="y", mlflow="http://x")


# With MLflow itself, in an environment of its own


@pytest.fixture(scope="module")
def fresh(model, tmp_path_factory) -> Path:
    """The folder of commands of an environment with the model's requirements."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=True)
    commands = home / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(commands / "pip"), "install", "-q", "-r", "requirements.txt"]
    subprocess.run(pip, check=True, cwd=model)
    return commands


@pytest.fixture(scope="module")
def service(fresh, model) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = f"{fresh}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": paths, "PYTHONPATH": "", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [str(fresh / "mlflow"), "models", "serve", "-m", str(model)]
    with subprocess.Popen(
        [*command, "--env-manager", "local", "-p", str(port)],
        env=environ,
        start_new_session=True,
    ) as process:
        try:
            _await(f"http://127.0.0.1:{port}/ping")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _await(address: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5)
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"{address} does not answer")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends a group of processes")
def test_mlflow_serves_it_in_an_environment_of_its_requirements(service, bundles, model):
    predictor = load_bundle(bundles[Task.BINARY])
    rows = typical_rows(predictor, 3)
    rows.loc[0, "city"] = None
    records = json.loads(rows.to_json(orient="records"))
    request = urllib.request.Request(
        f"{service}/invocations",
        data=json.dumps({"dataframe_records": records}).encode(),
        headers={"Content-Type": "application/json"},
    )
    answer = json.load(urllib.request.urlopen(request, timeout=60))["predictions"]
    found = [row["proba_yes"] for row in answer]
    np.testing.assert_allclose(found, predictor.predict_proba(rows)[:, 1], rtol=1e-12)
    agreement(predictor, FORMAT, model, [(rows.astype("str"), rows)], rows="some")


def test_the_wheel_is_the_running_package(model, tmp_path):
    wheel = next(model.rglob("*.whl"))
    shutil.unpack_archive(wheel, tmp_path / "wheel", "zip")
    root = Path(automl.__file__).parent
    sources = {p.relative_to(root) for p in root.rglob("*.py")}
    packed = tmp_path / "wheel" / "automl"
    assert {p.relative_to(packed) for p in packed.rglob("*.py")} == sources
    assert (packed / "errors.py").read_bytes() == (root / "errors.py").read_bytes()
