"""The format "python": a folder with one scorer of plain NumPy, and what it computes as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from automl.export import scorer
from automl.export.base import ExportFormat, ExportOptions, Scores
from automl.export.program_build import program_of
from automl.export.python_pack import Pack, packed
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
    source = Path(scorer.__file__).read_bytes()
    facts = json.dumps(pack.facts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    (folder / "scorer.py").write_bytes(source)
    (folder / "model.json").write_bytes(facts.encode("utf-8"))
    np.savez_compressed(folder / "model.npz", allow_pickle=False, **pack.arrays)
    return sum(path.stat().st_size for path in folder.iterdir())


def score(folder: Path, frame: pd.DataFrame) -> Scores:
    """What the scorer makes of the cells; its own file in the folder is a copy of this one's."""
    model = scorer.Model(folder)
    columns = {name: frame[name].tolist() for name in model.names if name in frame.columns}
    margin = model.margin(columns)
    if not model.classes:
        return Scores(values=model.values(margin))
    made = model.predict_columns(columns)
    labels = made[model.facts["value_name"]]
    return Scores(labels=labels, probabilities=model.probabilities(margin))


FORMAT = ExportFormat(
    "python", "one NumPy file that scores without any boosting library", write, score
)
