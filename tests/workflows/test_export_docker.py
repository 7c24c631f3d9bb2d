"""The build context of a container, by its own steps: without Docker in a clean folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

import pytest

import automl
from automl.export.rows import typical_rows
from automl.model.bundle import load_bundle
from automl.task import Task


@pytest.fixture(scope="module")
def context(bundles, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("docker") / "context"
    found = automl.export(bundles[Task.REGRESSION], "docker", place)
    assert found.largest == 0.0  # scored by the wheel and the bundle in it
    return place


def steps(context: Path, word: str) -> list[str]:
    text = (context / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.partition(" ")[2] for line in text.splitlines() if line.startswith(word + " ")]


def test_the_dockerfile_pins_and_drops_rights(context):
    assert steps(context, "FROM") == [
        f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    ]
    assert steps(context, "USER") == ["10001"]
    assert "/health" in steps(context, "HEALTHCHECK")[0]
    digest = load_bundle(context / "bundle").manifest["digest"]
    assert json.loads(steps(context, "ENTRYPOINT")[0])[-2:] == ["--require-digest", digest]
    lines = (context / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][^ ]*", line) for line in lines)
    assert {"uvicorn", "lightgbm"} <= {line.partition("==")[0] for line in lines}
    assert "@" not in " ".join(steps(context, "RUN") + steps(context, "COPY"))


def test_what_is_copied_is_there(context):
    for line in steps(context, "COPY"):
        for name in shlex.split(line)[:-1]:
            assert (context / name).exists(), name
    assert not (context / "bundle" / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends a process by a signal")
def test_its_own_steps_make_a_service(context, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(context, home)
    venv.create(home / "env", with_pip=True)
    commands = home / "env" / "bin"
    environ = {"PATH": f"{commands}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    pip = [step for step in " && ".join(steps(context, "RUN")).split("&&") if "pip " in step]
    assert len(pip) == 2
    for step in pip:
        subprocess.run(shlex.split(step), check=True, cwd=home, env=environ)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    entry = json.loads(steps(context, "ENTRYPOINT")[0])
    entry = [port if word == "8000" else word for word in entry]
    entry = ["127.0.0.1" if word == "0.0.0.0" else word for word in entry]  # noqa: S104
    check = steps(context, "HEALTHCHECK")[0].partition("CMD ")[2].replace("8000", port)
    rows = typical_rows(load_bundle(context / "bundle"), 2)
    body = json.dumps({"records": json.loads(rows.to_json(orient="records"))}).encode()
    with subprocess.Popen(
        [str(commands / entry[0]), *entry[1:]], cwd=home, env=environ
    ) as process:
        try:
            for _ in range(300):
                healthy = subprocess.run(json.loads(check), env=environ, capture_output=True)
                if healthy.returncode == 0:
                    break
                time.sleep(0.3)
            assert healthy.returncode == 0, healthy.stderr
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/predict", body, {"Content-Type": "application/json"}
            )
            answer = json.load(urllib.request.urlopen(request, timeout=60))
        finally:
            process.send_signal(signal.SIGTERM)
    found = [row["prediction"] for row in answer["predictions"]]
    assert found == load_bundle(context / "bundle").predict(rows).tolist()
