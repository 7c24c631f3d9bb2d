"""The format `onnx`: one file from raw columns to the prediction, for onnxruntime alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import automl
from automl.data.cells import level_texts, read_cells
from automl.data.parse import column_levels, parse_cells
from automl.data.schema import Column, Kind
from automl.errors import ConfigError, DataError
from automl.export._onnx_graph import LEAST_RUNTIME, library
from automl.export._onnx_model import VALUE, model_of, output_names
from automl.export.base import ExportFormat, ExportOptions, Scores
from automl.export.program import Level, Program, Terms
from automl.export.program_build import program_of
from automl.model.predictor import Predictor

FILE: Final = "model.onnx"
_COLUMN_FACTS: Final = ("name", "kind", "source", "formats", "levels")
_SHOWN_FACTS: Final = ("minimum", "maximum", "missing")
_SUMMARY: Final = "one ONNX file from raw columns to the prediction, for onnxruntime"


def write(predictor: Predictor, folder: Path, options: ExportOptions) -> list[str]:
    """Write `model.onnx`. Raises ConfigError for hashed columns, see `refuse`."""
    library("onnx")
    program = program_of(predictor)
    refuse(program)
    model = model_of(program, facts_of(predictor, program), automl.__version__)
    (folder / FILE).write_bytes(model)
    return _notes(program)


def refuse(program: Program) -> None:
    """Raises ConfigError, with a way out, if the program has a step that ONNX cannot express."""
    for step in program.steps:
        if isinstance(step, Level) and step.key:
            column = program.inputs[step.input].name
            raise ConfigError(
                f"The member {program.members[0].name!r} knows the levels of {column!r} by keyed "
                "hashes, which an ONNX model cannot compute.",
                hint="Fit again with --drop-pii instead of --hash-pii, or export --to python.",
            )


def _notes(program: Program) -> list[str]:
    notes = [
        f"Needs onnxruntime {LEAST_RUNTIME} or later. Inputs are (rows, 1) by column: float64 "
        "with NaN = missing for numbers, strings with '' = missing for all others."
    ]
    if any(each.kind == "datetime" for each in program.inputs):
        notes.append("Dates are strings in ISO 8601, such as 2026-11-21 or 2026-11-21T10:30:00Z.")
    if any(isinstance(step, Terms) for step in program.steps):
        notes.append(
            "Texts are taken apart by an operator of onnxruntime's own (Tokenizer); score them in "
            "batches of some thousand rows, which take about 30 KB each."
        )
    names = output_names(program)
    if any(name.endswith("_") for name in names):
        notes.append(f"Columns have the outputs' names, so these are {', '.join(names)}.")
    return notes


def facts_of(predictor: Predictor, program: Program) -> dict[str, str]:
    """The metadata of the model: texts, JSON where there is more than one thing to say."""
    facts: dict[str, Any] = {
        "version": automl.__version__,
        "task": str(program.task),
        "target": program.target,
        "metric": program.metric,
        "bundle": str(predictor.manifest.get("digest", "")),
        "schema": [_column_facts(predictor.schema.columns[i.column]) for i in program.inputs],
    }
    if program.classes:
        facts |= {"classes": program.classes}
    if len(program.classes) == 2:
        facts |= {"threshold": program.threshold}
    return {
        f"automl.{name}": fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)
        for name, fact in facts.items()
    }


def _column_facts(column: Column) -> dict[str, Any]:
    facts = column.to_json()
    known = {name: facts[name] for name in _COLUMN_FACTS}
    return known | {name: facts[name] for name in _SHOWN_FACTS if facts[name] is not None}


# --- scoring ----------------------------------------------------------------------------------


def score(folder: Path, frame: pd.DataFrame) -> Scores:
    """What `model.onnx` says of rows whose cells are texts. Raises DataError without a column."""
    runtime = library("onnxruntime")
    _refuse_old(runtime.__version__)
    session = runtime.InferenceSession(str(folder / FILE), providers=["CPUExecutionProvider"])
    facts: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    columns = json.loads(facts["automl.schema"])
    wanted = {each.name: each.type for each in session.get_inputs()}
    feed = {}
    for told in columns:
        column = Column.from_json({"reason": "", **told})
        if column.name not in frame:
            raise DataError(f"The column {column.name!r} is missing from the data.")
        typed = cells_of(frame[column.name], column, text=wanted[column.name] == "tensor(string)")
        feed[column.name] = typed.reshape(-1, 1)
    made = session.run(None, feed)
    names = [each.name for each in session.get_outputs()]
    if names[0].startswith(VALUE):
        return Scores(values=made[0])
    return Scores(labels=made[0].astype(object), probabilities=made[1])


def _refuse_old(version: str) -> None:
    """Raises ConfigError for a runtime that might not come back from loading a model."""
    found = [int(part) for part in re.findall(r"\d+", version)[:3]]
    if found < [int(part) for part in LEAST_RUNTIME.split(".")]:
        raise ConfigError(
            f"onnxruntime {version} cannot load splits by sets in time; it takes {LEAST_RUNTIME}.",
            hint='Install it: pip install --upgrade "automl[onnx]".',
        )


def cells_of(series: pd.Series[Any], column: Column, *, text: bool) -> NDArray[Any]:
    """(n,) cells of a delimited file as the model takes them: texts ('' = missing) or numbers."""
    cells = read_cells(series)
    if not text:
        return np.asarray(parse_cells(cells, column).values, dtype=np.float64)
    if column.kind is Kind.DATETIME:
        days = np.asarray(parse_cells(cells, column).values, dtype=np.float64)
        known = ~np.isnan(days)
        dates = np.full(len(days), "", dtype=object)
        dates[known] = level_texts(days[known], "datetime")
        return dates
    codes, texts = cells.distinct()
    if column.kind is Kind.CATEGORICAL:
        codes, texts = column_levels(cells, column)
    return np.append(texts, "").astype(object)[codes]  # code -1 takes the last entry


FORMAT = ExportFormat("onnx", _SUMMARY, write, score)
