"""A build context for a container that serves the bundle: everything in it, versions pinned."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from automl.errors import ConfigError
from automl.export._carried import copy_bundle
from automl.export._pins import pinned
from automl.export._wheel import PROJECT, write_wheel
from automl.export.base import ExportFormat, ExportOptions, Scores
from automl.model.predictor import Predictor

_BUNDLE, _REQUIREMENTS, _DOCKERFILE = "bundle", "requirements.txt", "Dockerfile"
_SERVED_WITH: Final = ("uvicorn",)
_SECONDS: Final = 600.0  # for scoring with what the context holds

# Scores the rows of a Parquet file with the wheel and the bundle of a context, nothing else of
# this project.
_PROBE: Final = """
import sys
wheel, bundle, rows, answers = sys.argv[1:]
sys.path.insert(0, wheel)
import json
import pandas as pd
import automl
assert automl.__file__.startswith(wheel), automl.__file__
from automl.model.bundle import load_bundle
model = load_bundle(bundle, trusted=True)
frame = pd.read_parquet(rows)
if model.task.is_classification:
    proba = model.predict_proba(frame)
    found = {"labels": model.labels(proba).tolist(), "probabilities": proba.tolist()}
else:
    found = {"values": model.predict(frame).tolist()}
with open(answers, "w", encoding="utf-8") as file:
    json.dump(found, file)
"""


def write(predictor: Predictor, folder: Path, options: ExportOptions) -> list[str]:
    """Write Dockerfile, pinned requirements, this project's wheel and the bundle.

    Raises ConfigError if the service's packages are not installed: their versions are pinned.
    """
    _need_service()
    pins = pinned(also=_SERVED_WITH)
    wheel = write_wheel(folder)
    copy_bundle(options.bundle, folder / _BUNDLE)
    texts = {
        _DOCKERFILE: _dockerfile(predictor, wheel.name),
        _REQUIREMENTS: "\n".join(pins) + "\n",
        ".dockerignore": "export.json\n.dockerignore\nDockerfile\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    name = options.name.lower()
    return [f"Build and run it: docker build -t {name} DIR && docker run -p 8000:8000 {name}"]


def score(folder: Path, frame: pd.DataFrame) -> Scores:
    """The scores of the context's own wheel and bundle, in a process of its own."""
    wheel = next(folder.glob("*.whl"))
    with tempfile.TemporaryDirectory(prefix="automl-") as place:
        rows, answers = Path(place) / "rows.parquet", Path(place) / "answers.json"
        frame.to_parquet(rows, index=False)
        places = [str(path) for path in (wheel, folder / _BUNDLE, rows, answers)]
        command = [sys.executable, "-I", "-c", _PROBE, *places]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603 - our own code
        if ended.returncode:
            last = ended.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise ConfigError(f"What the context holds cannot score: {last[0]}")
        found = json.loads(answers.read_text(encoding="utf-8"))
    if "values" in found:
        return Scores(values=np.asarray(found["values"], dtype=np.float64))
    labels = np.asarray(found["labels"], dtype=object)
    return Scores(labels, np.asarray(found["probabilities"], dtype=np.float64))


def _need_service() -> None:
    import importlib.util

    for name in _SERVED_WITH:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"The service needs {name}, whose version is taken from here, but it is not "
                "installed.",
                hint=f"pip install '{PROJECT}[serve]'",
            )


def _dockerfile(predictor: Predictor, wheel: str) -> str:
    text = files("automl.export").joinpath("Dockerfile.template").read_text(encoding="utf-8")
    facts = {
        "PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",
        "WHEEL": wheel,
        "DIGEST": str(predictor.manifest["digest"]),
    }
    for name, fact in facts.items():
        text = text.replace(f"@{name}@", fact)
    return text


FORMAT = ExportFormat("docker", "a build context of a container that serves it", write, score)
