"""What the workers share: one run's matrix, target, weights and splits as files of a folder.

Arrays are plain .npy files (the matrix memory-mapped), the rest is JSON, so that a worker, a
resumed run or another machine reads the same bytes.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.splits import Split
from automl.engines.base import TableSize
from automl.features.matrix import Feature, Matrix
from automl.task import Objective, Task

CONTEXT = "context.json"


@dataclass(frozen=True)
class RunData:
    """Everything that training needs and that stays the same for a whole run.

    y: (n,) training target, after the link's inverse.  weight: (n,) training weights or None.
    groups: (n,) ids; rows of one id must not be on both sides of an inner fold.
    times: (n,) order of the rows, or None; an inner fold then holds the latest.
    plans: recipe name -> its plan (`features.recipes.plan_recipes`).
    quantiles: the levels, where there are several.
    inner_stop: share of a split's training rows held back to stop training, where the split has
        no sibling whose curve could choose its tree count; 0 otherwise.
    """

    matrix: Matrix
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    groups: NDArray[np.int64]
    times: NDArray[np.float64] | None
    splits: tuple[Split, ...]
    task: Task
    n_classes: int
    objective: Objective
    quantile: float
    plans: Mapping[str, Mapping[str, Any]]
    seed: int
    threads: int
    inner_stop: float = 0.0
    quantiles: tuple[float, ...] = ()

    @property
    def n_outputs(self) -> int:
        return len(self.quantiles) or self.task.n_outputs(self.n_classes)

    @property
    def size(self) -> TableSize:
        """What ranges and cost estimates go by."""
        features = self.matrix.features
        return TableSize(
            n_rows=self.matrix.n_rows,
            n_features=len(features),
            n_categorical=len(self.matrix.categorical),
            n_classes=self.n_classes,
            most_levels=max(feature.n_levels for feature in features),
        )

    def write(self, folder: Path) -> None:
        """Write all of it below `folder`, the context last."""
        folder.mkdir(parents=True, exist_ok=True)
        save_array(folder / "values.npy", self.matrix.values)
        save_array(folder / "y.npy", self.y)
        save_array(folder / "groups.npy", self.groups)
        if self.weight is not None:
            save_array(folder / "weight.npy", self.weight)
        if self.times is not None:
            save_array(folder / "times.npy", self.times)
        for i, split in enumerate(self.splits):
            save_array(folder / f"train_{i}.npy", split.train)
            save_array(folder / f"valid_{i}.npy", split.valid)
            save_array(folder / f"echo_{i}.npy", split.echo)
        context = {
            "features": [feature.to_json() for feature in self.matrix.features],
            "weighted": self.weight is not None,
            "timed": self.times is not None,
            "repeats": [split.repeat for split in self.splits],
            "task": self.task.value,
            "n_classes": self.n_classes,
            "objective": self.objective.value,
            "quantile": self.quantile,
            "quantiles": self.quantiles,
            "plans": self.plans,
            "seed": self.seed,
            "threads": self.threads,
            "inner_stop": self.inner_stop,
        }
        (folder / CONTEXT).write_text(json.dumps(context), encoding="utf-8")

    def cells(self, folder: Path, rows: NDArray[np.int64]) -> Matrix:
        """The features of `rows`, from the files that `write` left in `folder`."""
        values = np.load(folder / "values.npy", mmap_mode="r", allow_pickle=False)
        return Matrix(values, self.matrix.features).take(rows)

    @classmethod
    def read(cls, folder: Path) -> RunData:
        """Map what `write` wrote."""
        context = json.loads((folder / CONTEXT).read_text(encoding="utf-8"))
        values = np.load(folder / "values.npy", mmap_mode="r", allow_pickle=False)
        splits = tuple(
            Split(
                _array(folder / f"train_{i}.npy"),
                _array(folder / f"valid_{i}.npy"),
                repeat,
                _array(folder / f"echo_{i}.npy"),
            )
            for i, repeat in enumerate(context["repeats"])
        )
        return cls(
            matrix=Matrix(values, tuple(Feature.from_json(f) for f in context["features"])),
            y=_array(folder / "y.npy"),
            weight=_array(folder / "weight.npy") if context["weighted"] else None,
            groups=_array(folder / "groups.npy"),
            times=_array(folder / "times.npy") if context["timed"] else None,
            splits=splits,
            task=Task(context["task"]),
            n_classes=context["n_classes"],
            objective=Objective(context["objective"]),
            quantile=context["quantile"],
            plans=context["plans"],
            seed=context["seed"],
            threads=context["threads"],
            inner_stop=context["inner_stop"],
            quantiles=tuple(context["quantiles"]),
        )


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write a .npy file, or raise OSError: numpy alone says nothing when the disk is full."""
    np.save(path, array, allow_pickle=False)
    if path.stat().st_size < array.nbytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _array(path: Path) -> NDArray[Any]:
    return np.asarray(np.load(path, allow_pickle=False))
