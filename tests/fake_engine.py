"""An engine that predicts the prior (or a straight line), and misbehaves on command.

Params, or the JSON object in the variable AUTOML_FAKE for runs that choose no params:

slope: what a tree adds to the margin per unit of the first feature (0 = the prior alone).
trees: rounds to train at most.  sleep: seconds per round, with a look at the clock after each.
hang: seconds without a look at the clock.  spin: the same, but busy.  fail: text of an error.
crash: exit status of the whole process, 0 = abort.  signal: number of one to send itself.
memory: bytes to take.  leak: bytes to take and keep, a few at a time.  only: splits that a
command is for, all if absent (the race seeds split k with its own seed + k, and its seed is 0
here).  turns: commands of the first calls of `fit` in all processes, one call after the other;
folder: where they are counted.  tell: a file that is there once a command is about to be obeyed.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from automl.engines.base import FitSetup, Float, Int, Space, TableSize
from automl.errors import BundleError
from automl.features.matrix import Matrix
from automl.task import Objective, Task

VARIABLE = "AUTOML_FAKE"
LEAK = 8 << 20


@dataclass
class FakeBooster:
    """margin = base + number of trees × slope × first feature, missing counts as 0."""

    base: np.ndarray  # (k,)
    slope: float
    n_trees: int
    curve: np.ndarray = field(default_factory=lambda: np.empty(0))
    engine: str = "fake"
    threads: int = 1

    def margin(self, matrix: Matrix, n_trees: int | None = None) -> np.ndarray:
        x = np.nan_to_num(matrix.values[:, 0].astype(np.float64))
        trees = self.n_trees if n_trees is None else n_trees
        return np.asarray(self.base[None, :] + (trees * self.slope) * x[:, None])

    def contributions(self, matrix: Matrix) -> np.ndarray:
        made = np.zeros((matrix.n_rows, len(self.base), matrix.n_features + 1))
        made[:, :, -1] = self.base
        made[:, :, 0] = self.margin(matrix) - self.base
        return made

    def save(self, path: Path, n_trees: int | None = None) -> None:
        trees = self.n_trees if n_trees is None else n_trees
        data = {"fake": 1, "base": self.base.tolist(), "slope": self.slope, "n_trees": trees}
        path.write_text(json.dumps(data), encoding="utf-8")


@dataclass(frozen=True)
class Prepared:
    matrix: Matrix
    y: np.ndarray
    weight: np.ndarray | None


class FakeEngine:
    name = "fake"
    suffix = ".json"
    objectives = frozenset(Objective)
    tree_seconds = 1e-8

    def space(self, task: Task, size: TableSize) -> Space:
        return {"slope": Float(-0.5, 0.5), "trees": Int(1, 8)}

    def prepare(
        self, matrix: Matrix, y: np.ndarray, weight: np.ndarray | None, *, setup: FitSetup
    ) -> Prepared:
        return Prepared(matrix, y, weight)

    def fit(
        self,
        prepared: Prepared,
        train_rows: np.ndarray,
        valid_rows: np.ndarray | None,
        *,
        params: Mapping[str, Any],
        setup: FitSetup,
    ) -> FakeBooster:
        orders = {**json.loads(os.environ.get(VARIABLE, "{}")), **params}
        if "turns" in orders:
            orders = {**_turn(orders)}
        if setup.seed in orders.get("only", [setup.seed]):
            _obey(orders)
        y, weight = prepared.y, prepared.weight
        booster = FakeBooster(_base(setup, y, weight, train_rows), orders.get("slope", 0.0), 0)
        curve = []
        for _ in range(min(orders.get("trees", 3), setup.max_trees)):
            booster.n_trees += 1
            if valid_rows is not None:
                margin = booster.margin(prepared.matrix.take(valid_rows))
                held = None if weight is None else weight[valid_rows]
                curve.append(_loss(setup, y[valid_rows], margin, held))
            if setup.seed in orders.get("only", [setup.seed]):
                time.sleep(orders.get("sleep", 0.0))
            if setup.seconds_left() <= 0:
                break
        booster.curve = np.array(curve)
        return booster

    def load(self, path: Path, *, n_outputs: int) -> FakeBooster:
        data = json.loads(path.read_text(encoding="utf-8"))
        if "fake" not in data or len(data["base"]) != n_outputs:
            raise BundleError(f"{path} is not a fake model.")
        return FakeBooster(np.array(data["base"]), data["slope"], data["n_trees"])


_leaked: list[bytearray] = []


def _turn(orders: Mapping[str, Any]) -> Mapping[str, Any]:
    """The commands of this call, by the number of calls so far."""
    for number, turn in enumerate(orders["turns"]):
        try:
            (Path(orders["folder"]) / f"turn_{number}").open("x").close()
        except FileExistsError:
            continue
        return {**orders, **turn}
    return orders


def _obey(orders: Mapping[str, Any]) -> None:
    if "tell" in orders:
        Path(orders["tell"]).touch()
    if "memory" in orders:
        bytearray(orders["memory"])
    for _ in range(orders.get("leak", 0) // LEAK):
        _leaked.append(bytearray(b"x") * LEAK)
    if "signal" in orders:
        os.kill(os.getpid(), orders["signal"])
    if "crash" in orders:
        os._exit(orders["crash"]) if orders["crash"] else os.abort()
    if "fail" in orders:
        raise RuntimeError(orders["fail"])
    time.sleep(orders.get("hang", 0.0))
    end = time.monotonic() + orders.get("spin", 0.0)
    while time.monotonic() < end:
        pass


def _base(
    setup: FitSetup, y: np.ndarray, weight: np.ndarray | None, rows: np.ndarray
) -> np.ndarray:
    """(k,) the margin of the prior, or of the mean."""
    w = np.ones(len(rows)) if weight is None else weight[rows]
    if not setup.task.is_classification:
        return np.array([np.average(y[rows], weights=w)])
    mass = np.bincount(y[rows].astype(int), weights=w, minlength=setup.n_classes) + 1e-9
    log_share = np.log(mass / mass.sum())
    return log_share if setup.task is Task.MULTICLASS else log_share[1:] - log_share[:1]


def _loss(setup: FitSetup, y: np.ndarray, margin: np.ndarray, weight: np.ndarray | None) -> float:
    """The objective, row by row as its definition says it."""
    if setup.objective is Objective.SQUARED:
        return math.sqrt(np.average((y - margin[:, 0]) ** 2, weights=weight))
    if setup.objective is Objective.ABSOLUTE:
        each = np.abs(y - margin[:, 0])
    elif setup.objective is Objective.QUANTILE:
        over = y - margin[:, 0]
        each = np.where(over > 0, setup.quantile * over, (setup.quantile - 1) * over)
    elif setup.objective is Objective.LOGISTIC:
        p = 1.0 / (1.0 + np.exp(-margin[:, 0]))
        each = -np.log(np.where(y == 1, p, 1.0 - p))
    else:
        p = np.exp(margin) / np.exp(margin).sum(axis=1, keepdims=True)
        each = -np.log(p[np.arange(len(y)), y.astype(int)])
    return float(np.average(each, weights=weight))


ENGINE = FakeEngine()
