"""What the workers share: one run's matrix, target, weights and splits as files of a folder.

Arrays are plain .npy files (the matrix memory-mapped), the rest is JSON, so that a worker, a
resumed run or another machine reads the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.folds import Split
from automl.features.matrix import Feature, Matrix
from automl.task import Objective, Task

CONTEXT = "context.json"


@dataclass(frozen=True)
class RunData:
    """Everything that training needs and that stays the same for a whole run.

    y: (n,) training target, after the link's inverse.  weight: (n,) training weights or None.
    groups: (n,) ids; rows of one id must not be on both sides of an inner fold.
    plans: recipe name -> its plan (`features.recipes.plan_recipes`).
    inner_stop: share of a split's training rows held back to stop training, where the split has
        no sibling whose curve could choose its tree count; 0 otherwise.
    """

    matrix: Matrix
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    groups: NDArray[np.int64]
    splits: tuple[Split, ...]
    task: Task
    n_classes: int
    objective: Objective
    quantile: float
    plans: Mapping[str, Mapping[str, Any]]
    seed: int
    threads: int
    inner_stop: float = 0.0

    @property
    def n_outputs(self) -> int:
        return self.task.n_outputs(self.n_classes)

    def write(self, folder: Path) -> None:
        """Write all of it below `folder`, the context last."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "values.npy", self.matrix.values, allow_pickle=False)
        np.save(folder / "y.npy", self.y, allow_pickle=False)
        np.save(folder / "groups.npy", self.groups, allow_pickle=False)
        if self.weight is not None:
            np.save(folder / "weight.npy", self.weight, allow_pickle=False)
        for i, split in enumerate(self.splits):
            np.save(folder / f"train_{i}.npy", split.train, allow_pickle=False)
            np.save(folder / f"valid_{i}.npy", split.valid, allow_pickle=False)
            np.save(folder / f"echo_{i}.npy", split.echo, allow_pickle=False)
        context = {
            "features": [feature.to_json() for feature in self.matrix.features],
            "weighted": self.weight is not None,
            "repeats": [split.repeat for split in self.splits],
            "task": self.task.value,
            "n_classes": self.n_classes,
            "objective": self.objective.value,
            "quantile": self.quantile,
            "plans": self.plans,
            "seed": self.seed,
            "threads": self.threads,
            "inner_stop": self.inner_stop,
        }
        (folder / CONTEXT).write_text(json.dumps(context), encoding="utf-8")

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
            splits=splits,
            task=Task(context["task"]),
            n_classes=context["n_classes"],
            objective=Objective(context["objective"]),
            quantile=context["quantile"],
            plans=context["plans"],
            seed=context["seed"],
            threads=context["threads"],
            inner_stop=context["inner_stop"],
        )


def _array(path: Path) -> NDArray[Any]:
    return np.asarray(np.load(path, allow_pickle=False))
