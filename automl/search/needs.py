"""Predicts the memory that a worker needs for a task from table, engine and recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.search.crossval import PLAIN, load_engine
from automl.search.executors.base import Task
from automl.search.memory import MIB
from automl.search.store import RunData

# Measured as the rise of a worker's own pages during a fold: on 36,631 x 15 cells 6 to 29 MiB, on
# 1,000,000 x 41 by engine (and recipe) 197 to 714 MiB, of which this predicts 99 to 127 %.
_LEAST = 30 * MIB
_UNKNOWN_CELL_BYTES = 16.0  # of an engine that does not say
_ROW_BYTES, _OUTPUT_BYTES = 40.0, 32.0  # of a row: targets and indices; scores and gradients
_BIN_BYTES, _BINS = 16.0, 256  # a histogram has so many bins of a gradient and a hessian
_MOST_LEAVES, _USUAL_LEAVES = 512, 64
_ADDED = 0.3  # of the features, that a recipe adds
_RECIPE_BYTES = 0.5  # beside the cells themselves, while a recipe is made
_SURE = 1.1


@dataclass(frozen=True)
class Needs:
    """Bytes of tasks on one table. item_bytes: of a cell of the matrix."""

    n_rows: int
    n_features: int
    n_outputs: int
    item_bytes: int
    n_categorical: int = 0

    @classmethod
    def of(cls, data: RunData) -> Needs:
        matrix = data.matrix
        return cls(matrix.n_rows, matrix.n_features, data.n_outputs, matrix.values.dtype.itemsize)

    def fold(self, engine: str, recipe: str, params: Mapping[str, Any]) -> int:
        """Bytes that a fold of this candidate takes beside the worker and the shared table."""
        plain = recipe == PLAIN
        features = self.n_features * (1.0 if plain else 1.0 + _ADDED)
        cells = self.n_rows * features
        needed = cells * cell_bytes(engine)
        if params.get("cat_mode", "native") == "native":
            needed += self.n_rows * self.n_categorical * _category_bytes(engine)
        if not plain:
            needed += cells * (self.item_bytes + _RECIPE_BYTES)
        needed += self.n_rows * (_ROW_BYTES + _OUTPUT_BYTES * self.n_outputs)
        bins = min(_BINS, self.n_rows)
        needed += min(_leaves(params), self.n_rows / 2) * features * bins * _BIN_BYTES
        return int(_SURE * needed) + _LEAST

    def task(self, task: Task) -> int:
        """Bytes that a task takes; what is no fold takes less than one of its engine."""
        engine = task.get("engine")
        if engine is None:  # SHAP values or lessons of some boosters: rows, not tables
            return _LEAST + int(self.n_rows * self.n_features * self.item_bytes * 0.5)
        return self.fold(engine, str(task.get("recipe", PLAIN)), task.get("params") or {})


def cell_bytes(engine: str) -> float:
    """Bytes that an engine needs for a cell, beside the matrix itself; engines may say it."""
    return float(getattr(load_engine(engine), "cell_bytes", _UNKNOWN_CELL_BYTES))


def _category_bytes(engine: str) -> float:
    return float(getattr(load_engine(engine), "category_bytes", 0.0))


def _leaves(params: Mapping[str, Any]) -> float:
    """Leaves whose histograms may be there at once, by what the libraries call their bounds."""
    depths = [float(params[name]) for name in ("max_depth", "depth") if params.get(name, 0) > 0]
    leaves = [float(params[name]) for name in ("num_leaves", "max_leaves") if params.get(name)]
    found = [*leaves, *(math.pow(2.0, depth) for depth in depths)]
    return min([*found, _MOST_LEAVES]) if found else _USUAL_LEAVES
