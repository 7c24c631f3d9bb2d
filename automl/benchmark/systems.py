"""What is compared: this tool by its command line, and peers, each in a Python of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from automl import plugins
from automl.benchmark.measure import folder_bytes, run_measured
from automl.benchmark.scores import score_file
from automl.benchmark.sets import DataSet
from automl.cores import usable_cores
from automl.errors import ConfigError, DataError
from automl.task import Task

PEERS = "automl.benchmark.peers"
_ADAPTERS = Path(__file__).with_name("peers")
# A run that has not ended after so many budgets and seconds counts as failed.
_PATIENCE, _PATIENCE_SECONDS = 4.0, 180.0
SPEED_ROWS = 50_000  # test rows are repeated up to here to measure rows per second


class System(Protocol):
    """Something that learns from a table and predicts another one."""

    @property
    def name(self) -> str:
        """Its name in the results."""

    def key(self, one: DataSet, budget: float, seed: int) -> dict[str, Any]:
        """What tells this result from others."""

    def measure(self, one: DataSet, budget: float, seed: int, place: Path) -> dict[str, Any]:
        """Seconds, memory, size and score, or the `error`; `place` is an empty folder."""


@dataclass(frozen=True)
class Tool:
    """`automl fit` and `automl predict`, as whole processes."""

    name: str
    command: tuple[str, ...]
    fit_args: tuple[str, ...]

    def key(self, one: DataSet, budget: float, seed: int) -> dict[str, Any]:
        return _key(self.name, one, budget, seed, list(self.fit_args))

    def measure(self, one: DataSet, budget: float, seed: int, place: Path) -> dict[str, Any]:
        bundle, limit = place / "bundle", _limit(budget)
        words = ["fit", one.train, "--target", one.target, "--task", one.task.value]
        words += ["--time-budget", f"{budget:g}s", "--metric", one.score.metric]
        words += ["--seed", seed, "--output", bundle, *self.fit_args]
        fit = run_measured([*self.command, *map(str, words)], limit=limit)
        found = {
            "fit_s": fit.seconds,
            "overrun": fit.seconds / budget - 1.0,
            "peak_mib": fit.peak_mib,
        }
        if fit.error is not None:
            return found | {"error": f"fit: {fit.error}"}
        found |= {"bundle_bytes": folder_bytes(bundle), "native_share": native_share(bundle)}
        found["predict_s"], error = self._predict(bundle, one, one.test, place / "scored.csv")
        if error is not None:
            return found | {"error": f"predict: {error}"}
        many, n_rows = speed_table(one, place)
        seconds, error = self._predict(bundle, one, many, place / "many_scored.csv")
        if error is not None:
            return found | {"error": f"predict: {error}"}
        return found | {"rows_per_s": n_rows / seconds} | score_file(one, place / "scored.csv")

    def _predict(
        self, bundle: Path, one: DataSet, table: Path, output: Path
    ) -> tuple[float, str | None]:
        words = ["predict", str(bundle), str(table), "--output", str(output)]
        words += [] if one.task is Task.REGRESSION else ["--proba"]
        done = run_measured([*self.command, *words], limit=_limit(0.0))
        return done.seconds, done.error


@dataclass(frozen=True)
class Peer:
    """Another AutoML system, run by the adapter of its name in automl/benchmark/peers."""

    name: str
    python: str

    def key(self, one: DataSet, budget: float, seed: int) -> dict[str, Any]:
        return _key(self.name, one, budget, seed, [])

    def measure(self, one: DataSet, budget: float, seed: int, place: Path) -> dict[str, Any]:
        many, n_rows = speed_table(one, place)
        job = {
            "train": str(one.train.absolute()),
            "test": str(one.test.absolute()),
            "many": str(many.absolute()),
            "target": one.target,
            "task": one.task.value,
            "budget": budget,
            "seed": seed,
            "threads": usable_cores(),
            "folder": str(place.absolute()),
        }
        (place / "job.json").write_text(json.dumps(job), encoding="utf-8")
        command = [self.python, str(_ADAPTERS / "base.py"), self.name, str(place / "job.json")]
        done = run_measured(command, limit=_limit(budget))
        found: dict[str, Any] = {"process_s": done.seconds, "peak_mib": done.peak_mib}
        report = place / "report.json"
        if report.is_file():
            found |= json.loads(report.read_text(encoding="utf-8"))
        if "fit_s" in found:
            found["overrun"] = found["fit_s"] / budget - 1.0
        if done.error is not None:
            return found | {"error": done.error}
        found["rows_per_s"] = n_rows / found.pop("many_s")
        return found | score_file(one, place / "predictions.csv")


def peer_of(word: str) -> Peer:
    """The peer of `flaml` (in this Python) or `flaml=/path/to/python`.

    Raises ConfigError for an unknown name, and where its package is missing there.
    """
    name, _, python = word.partition("=")
    package = plugins.load(PEERS, name, "PACKAGE")
    install = plugins.load(PEERS, name, "INSTALL")
    python = python or sys.executable
    look = "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)"
    try:
        missing = subprocess.run(
            [python, "-c", look, package], capture_output=True, check=False, timeout=60
        ).returncode
    except OSError as error:
        raise ConfigError(
            f"{python!r} cannot be run for {name}: {error.strerror or error}.",
            hint=f"Pass --against {name}=/path/to/python.",
        ) from None
    if missing:
        raise ConfigError(
            f"{name} is not installed for {python}.",
            hint=f"Give it an environment of its own: python -m venv {name}-env, "
            f"{name}-env/bin/pip install {install}, then --against {name}={name}-env/bin/python.",
        )
    return Peer(name, python)


def speed_table(one: DataSet, place: Path) -> tuple[Path, int]:
    """(path of the test rows, repeated until there are `SPEED_ROWS`; their number)."""
    table = pd.read_csv(one.test, dtype=str, keep_default_na=False)
    times = -(-SPEED_ROWS // max(len(table), 1))
    if times <= 1:
        return one.test, len(table)
    path = place / "many.csv"
    many = pd.concat([table] * times).iloc[:SPEED_ROWS]
    many.to_csv(path, index=False, encoding="utf-8")
    return path, len(many)


def native_share(bundle: Path) -> float | None:
    """Share of the run's CPU seconds inside the boosters' training; None if it is not told."""
    path = bundle / "metrics.json"
    if not path.is_file():
        return None
    cpu = json.loads(path.read_text(encoding="utf-8")).get("cpu")
    if not isinstance(cpu, Mapping) or not cpu.get("total_seconds"):
        return None
    return float(cpu["native_seconds"]) / float(cpu["total_seconds"])


def measured(
    system: System, one: DataSet, budget: float, seed: int, place: Path
) -> dict[str, Any]:
    """`system.measure`; predictions that cannot be scored are an error of the system too."""
    try:
        return system.measure(one, budget, seed, place)
    except DataError as error:
        return {"error": error.message}


def _key(name: str, one: DataSet, budget: float, seed: int, options: list[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"system": name, "dataset": one.name, "task": one.task.value}
    return facts | {"budget": budget, "seed": seed, "options": options}


def _limit(budget: float) -> float:
    return _PATIENCE * budget + _PATIENCE_SECONDS
