"""The format "python": a folder with one scorer of plain NumPy, and what it computes as data."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Final

import numpy as np
import pandas as pd

from automl.export.base import ExportFormat, ExportOptions, Scores
from automl.export.program_build import program_of
from automl.export.python_pack import Pack, packed
from automl.export.python_source import scorer_source
from automl.model.predictor import Predictor

_MOST_BYTES: Final = 10_000_000


def write(predictor: Predictor, folder: Path, options: ExportOptions) -> list[str]:
    """scorer.py, model.json and model.npz; leaves are float32 where float64 would be too much."""
    program = program_of(predictor)
    size = _write(packed(program, leaves=np.float64), folder)
    notes = []
    if size > _MOST_BYTES:
        size = _write(packed(program, leaves=np.float32), folder)
        notes.append("values of leaves are kept as float32, to keep the folder small")
    if size > _MOST_BYTES:
        notes.append(
            f"the folder has {size / 1e6:.1f} MB; a bundle of one member (`automl fit --single`) "
            "is smaller"
        )
    return notes


def _write(pack: Pack, folder: Path) -> int:
    """Bytes of the files that were written."""
    facts = json.dumps(pack.facts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    (folder / "scorer.py").write_bytes(scorer_source().encode("utf-8"))
    (folder / "model.json").write_bytes(facts.encode("utf-8"))
    np.savez_compressed(folder / "model.npz", allow_pickle=False, **pack.arrays)
    return sum(path.stat().st_size for path in folder.iterdir())


def score(folder: Path, frame: pd.DataFrame) -> Scores:
    """What the scorer in that folder, which `write` has written, makes of the cells."""
    found = _module(folder / "scorer.py")
    model = found.Model(folder)
    columns = {name: frame[name].tolist() for name in model.names if name in frame.columns}
    made = model.predict_columns(columns)
    first, *others = made.values()
    if not model.classes:
        return Scores(values=first)
    return Scores(labels=first, probabilities=np.column_stack(others))


def _module(path: Path) -> ModuleType:
    """The scorer's module; importing it as such would leave its bytecode in the folder."""
    module = ModuleType("exported_scorer")
    module.__file__ = str(path)
    exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    return module


FORMAT = ExportFormat(
    "python", "one NumPy file that scores without any boosting library", write, score
)
