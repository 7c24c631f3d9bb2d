"""The rows that a model takes and the answers that it gives, as JSON schemas for OpenAPI."""

from __future__ import annotations

import re
import sys
from typing import Any

from automl.data.schema import Column, Kind
from automl.serve.endpoints import EXPLAINED_ROWS, MOST_POINTS, curved
from automl.serve.limits import Limits
from automl.serve.models import Model
from automl.serve.schema import bounds_of, example_record, examples_of
from automl.serve.tables import reading_of
from automl.task import Task

_LARGEST = sys.float_info.max
# More is taken in a text, but this is sure to be a number that double precision holds.
_NUMBER = r"^[+-]?([0-9]{1,100}([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$"
_DATE_PARTS = {"Y": "[0-9]{4}", "y": "[0-9]{2}", "b": "[A-Za-z]{3}", "B": "[A-Za-z]{3,9}"}
_CELL = {"type": ["string", "number", "boolean", "null"]}
Document = dict[str, Any]


# What goes in


def schemas_of(model: Model, limits: Limits) -> Document:
    """The schemas of the rows that a model takes and of its answers, by name."""
    columns = model.reader.columns
    missing: Document = {"enum": [None, *reading_of(model.predictor).markers]}
    record: Document = {
        "type": "object",
        "properties": {column.name: _cell(column, missing) for column in columns},
        "required": [column.name for column in columns],
    }
    records = {"type": "array", "items": ref(model, "Record"), "minItems": 1}
    names = [column.name for column in columns]
    rows = {
        "type": "object",
        "properties": {"records": {**records, "maxItems": limits.max_rows}},
        "required": ["records"],
        "additionalProperties": False,
    }
    table = {
        "type": "object",
        "description": "All columns have the same number of cells.",
        "properties": {
            "columns": {
                "type": "object",
                "properties": {
                    c.name: {"type": "array", "items": _cell(c, missing), "minItems": 1}
                    for c in columns
                },
                "required": names,
                "additionalProperties": {"type": "array", "minItems": 1},
            }
        },
        "required": ["columns"],
        "additionalProperties": False,
    }
    curve = {
        "type": "object",
        "properties": {
            "record": ref(model, "Record"),
            "column": {
                "type": "string",
                "enum": [column.name for column in columns if curved(column)],
            },
            "points": {"type": "integer", "minimum": 2, "maximum": MOST_POINTS},
        },
        "required": ["record", "column"],
        "additionalProperties": False,
        "example": {"record": example_record(columns), "column": names[0], "points": 20},
    }
    explained = {**rows, "properties": {"records": {**records, "maxItems": EXPLAINED_ROWS}}}
    own = {
        "Record": record,
        "Rows": {"anyOf": [rows, table]},
        "ExplainedRows": explained,
        "Curve": curve,
        **_answers(model),
    }
    return {f"{model.name}.{name}": schema for name, schema in own.items()}


def _cell(column: Column, missing: Document) -> Document:
    """What a cell of JSON may be."""
    told: Document = {"description": _told(column), "examples": [*examples_of(column)]}
    if column.kind is Kind.NUMERIC:
        number: Document = {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST}
        text = {"type": "string", "pattern": _number_pattern(column)}
        return {**told, "anyOf": [number, text, missing]}
    if column.kind is Kind.BOOLEAN:
        words = dict.fromkeys(("false", "true", *column.levels))
        return {**told, "anyOf": [{"enum": [False, True, 0, 1, *words]}, missing]}
    if column.kind is Kind.DATETIME:
        day = {"type": "string", "format": "date"}
        moment = {"type": "string", "format": "date-time"}
        return {**told, "anyOf": [day, moment, *_dates(column), missing]}
    return {**told, **_CELL}


def _number_pattern(column: Column) -> str:
    """Texts that are sure to be a number in the formats of the column."""
    if not column.formats:
        return _NUMBER
    decimal, thousands = (re.escape(column.formats[key]) for key in ("decimal", "thousands"))
    whole = "[0-9]{1,15}"
    if thousands:
        whole = f"({whole}|[1-9][0-9]{{0,2}}({thousands}[0-9]{{3}}){{1,4}})"
    units = [
        f"({'|'.join(map(re.escape, column.formats[key]))})" if column.formats.get(key) else ""
        for key in ("prefixes", "suffixes")
    ]
    before = f"({units[0]} ?)?" if units[0] else ""
    behind = f"( ?{units[1]})?" if units[1] else ""
    return f"^[+-]?{before}{whole}({decimal}[0-9]{{0,9}})?{behind}$"


def _dates(column: Column) -> list[Document]:
    """What else than ISO 8601 a cell of dates may be."""
    found: list[Document] = []
    for pattern in column.formats.get("formats", ()):
        if pattern.startswith("epoch:"):
            found.append({"type": "number", "minimum": -1e11, "maximum": 1e11})
        elif "%" in pattern:
            parts = re.split("%(.)", pattern)
            shape = [
                _DATE_PARTS.get(part, "[0-9]{1,2}") if k % 2 else re.escape(part)
                for k, part in enumerate(parts)
            ]
            found.append({"type": "string", "pattern": f"^{''.join(shape)}$"})
    return found


def _told(column: Column) -> str:
    low, high = bounds_of(column)
    missing = f", {column.missing:.1%} missing" if column.missing else ""
    span = f" from {low} to {high}" if low is not None else ""
    levels = f", {len(column.levels):,} levels" if column.levels else ""
    return f"{column.kind.value}{span}{levels}{missing} in training"


# What comes out


def _answers(model: Model) -> Document:
    number = {"type": ["number", "null"]}
    predicted: Document = {"prediction": number}
    needed = ["prediction"]
    if model.predictor.task.is_classification:
        predicted["prediction"] = {"type": "string", "enum": list(model.predictor.classes)}
        predicted["probabilities"] = {
            "type": "object",
            "properties": dict.fromkeys(model.predictor.classes, number),
            "required": list(model.predictor.classes),
            "additionalProperties": False,
        }
        needed.append("probabilities")
    contribution = {
        "type": "object",
        "properties": {"column": {"type": "string"}, "value": _CELL, "contribution": number},
        "required": ["column", "value", "contribution"],
    }
    reasons = {"type": "array", "items": contribution}
    ends = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    held = {"type": "array", "items": {"type": "string"}}
    prediction = {
        "type": "object",
        "properties": {**predicted, "interval": ends, "set": held, "reasons": reasons},
        "required": needed,
    }
    side = {"base_value": number, "margin": number, "contributions": reasons}
    explanation: Document = {
        "type": "object",
        "properties": {**predicted, **side},
        "required": [*needed, *side],
    }
    if model.predictor.task is Task.MULTICLASS:
        own = {"class": {"type": "string"}, **side}
        each = {"type": "object", "properties": own, "required": list(own)}
        explanation["properties"]["classes"] = {"type": "array", "items": each}
    point = {
        "type": "object",
        "properties": {"value": _CELL, **predicted},
        "required": ["value", *needed],
    }
    return {
        "Prediction": prediction,
        "Predictions": _listed("predictions", ref(model, "Prediction")),
        "Explanations": _listed("explanations", explanation),
        "Points": _listed("points", point, column={"type": "string"}, kind={"type": "string"}),
    }


def _listed(name: str, item: Document, **also: Document) -> Document:
    warnings = {"type": "array", "items": {"type": "object", "required": ["kind"]}}
    properties = {
        "model": {"type": "string"},
        name: {"type": "array", "items": item},
        "warnings": warnings,
        **also,
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def ref(model: Model, name: str) -> Document:
    """Where a schema of the model stands in the document."""
    return {"$ref": f"#/components/schemas/{model.name}.{name}"}
