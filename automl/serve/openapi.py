"""The OpenAPI 3.1 document of a service: columns, types, ranges and examples of its bundles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from automl.data.schema import Column, Kind
from automl.serve.cells import PLAIN_NUMBER
from automl.serve.endpoints import EXPLAINED_ROWS, MOST_POINTS, Service
from automl.serve.models import Model, Models
from automl.serve.rows import MODES
from automl.serve.schema import bounds_of, example_record, examples_of
from automl.task import Task

_LARGEST = 1e308
_CELL = {"type": ["string", "number", "boolean", "null"]}
_ERRORS = {
    400: "The body or the query cannot be read.",
    401: "A token is needed.",
    408: "The request was not whole in time.",
    413: "The request is too large.",
    415: "The body has a type that is not taken.",
    422: "A cell, column or parameter breaks the contract; `violations` names rows and columns.",
    429: "Too many requests at a time.",
    503: "There was no answer in time, or the service is about to end.",
}
Document = dict[str, Any]


def openapi(models: Models, service: Service) -> bytes:
    """The document as JSON."""
    paths: Document = {}
    schemas: Document = {"Error": _error()}
    for place, model in [("", models.all()[0]), *((m.name, m) for m in models.all())]:
        if place:
            schemas |= _schemas(model, service)
        prefix = f"/models/{place}" if place else ""
        paths |= _paths(prefix, model)
    paths |= _service_paths()
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "automl serve",
            "version": version("automl"),
            "description": "Predictions of "
            + ", ".join(f"{m.predictor.target!r} ({m.name})" for m in models.all())
            + ". Addresses without a model are those of the first one.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }
    return json.dumps(document).encode("ascii")


def _paths(prefix: str, model: Model) -> Document:
    predict = _post(
        model,
        f"{prefix}/predict",
        "Score rows.",
        {
            "application/json": _ref(model, "Rows"),
            "text/csv": {"type": "string"},
            "application/x-ndjson": {"type": "string"},
        },
        {
            "application/json": _ref(model, "Predictions"),
            "text/csv": {"type": "string"},
            "application/x-ndjson": {"type": "string"},
        },
        _asked(model),
    )
    body = predict["requestBody"]["content"]
    columns = model.reader.columns
    record = example_record(columns)
    body["application/json"]["example"] = {"records": [record]}
    body["text/csv"]["example"] = _csv(record)
    body["application/x-ndjson"]["example"] = json.dumps(record) + "\n"
    explain = _post(
        model,
        f"{prefix}/explain",
        "The contribution of each column to the margin of rows.",
        {"application/json": _ref(model, "ExplainedRows")},
        {"application/json": _ref(model, "Explanations")},
        [_mode()],
    )
    curve = _post(
        model,
        f"{prefix}/curve",
        "The predictions of one row as one of its columns changes.",
        {"application/json": _ref(model, "Curve")},
        {"application/json": _ref(model, "Points")},
        _asked(model),
    )
    found: Document = {
        f"{prefix}/predict": {"post": predict},
        f"{prefix}/explain": {"post": explain},
        f"{prefix}/curve": {"post": curve},
    }
    for name, told, kind in (
        ("schema", "Columns, task, classes and threshold.", "application/json"),
        ("card", "The model card.", "text/markdown"),
        ("page.json", "The facts that the page at / shows.", "application/json"),
    ):
        schema: Document = {"type": "string" if kind == "text/markdown" else "object"}
        missing = (404,) if name == "card" else ()
        found[f"{prefix}/{name}"] = {"get": _get(f"{prefix}/{name}", told, kind, schema, missing)}
    return found


def _service_paths() -> Document:
    anything: Document = {"type": "object"}
    text: Document = {"type": "string"}
    state: Document = {"type": "object", "required": ["ready"]}
    found: Document = {}
    for name, told, kind, schema in (
        ("health", "Whether the process answers.", "application/json", anything),
        ("ready", "Whether requests are taken.", "application/json", state),
        ("metrics", "Counters for Prometheus.", "text/plain", text),
        ("models", "The models that are served.", "application/json", anything),
        ("openapi.json", "This document.", "application/json", anything),
    ):
        also = (503,) if name == "ready" else ()
        found[f"/{name}"] = {"get": _get(f"/{name}", told, kind, schema, also)}
    return found


def _get(path: str, told: str, kind: str, schema: Document, also: Sequence[int]) -> Document:
    answers = {"200": {"description": told, "content": {kind: {"schema": schema}}}}
    codes = [401, 421, *also] if path not in ("/health", "/ready") else [421]
    return {
        "summary": told,
        "operationId": f"get{path.replace('/', '_').replace('.', '_')}",
        "responses": answers
        | {str(code): _refusal(code) for code in codes}
        | (
            {"503": {"description": "Not now.", "content": answers["200"]["content"]}}
            if path == "/ready"
            else {}
        ),
    }


def _post(  # noqa: PLR0913 - the parts of an operation
    model: Model,
    path: str,
    told: str,
    takes: Mapping[str, Document],
    gives: Mapping[str, Document],
    parameters: Sequence[Document],
) -> Document:
    answer = {
        "description": told,
        "headers": {"X-Model-Id": {"schema": {"type": "string"}, "required": True}},
        "content": {kind: {"schema": schema} for kind, schema in gives.items()},
    }
    return {
        "summary": told,
        "operationId": f"post{path.replace('/', '_')}",
        "tags": [model.name],
        "parameters": list(parameters),
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": schema} for kind, schema in takes.items()},
        },
        "responses": {"200": answer}
        | {str(code): _refusal(code) for code in (*_ERRORS, 414, 421)},
    }


def _refusal(code: int) -> Document:
    schema = {"$ref": "#/components/schemas/Error"}
    told = _ERRORS.get(code, "The request cannot be taken.")
    return {"description": told, "content": {"application/json": {"schema": schema}}}


def _error() -> Document:
    text = {"type": ["string", "null"]}
    violation = {
        "type": "object",
        "properties": {
            "row": {"type": ["integer", "null"], "minimum": 1},
            "column": text,
            "message": {"type": "string"},
        },
        "required": ["row", "column", "message"],
    }
    error = {
        "type": "object",
        "properties": {
            "message": {"type": "string"},
            "hint": text,
            "violations": {"type": "array", "items": violation},
        },
        "required": ["message", "hint", "violations"],
    }
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}


# Parameters


def _asked(model: Model) -> list[Document]:
    reasons = {"type": "integer", "minimum": 0, "maximum": 999_999}
    found = [_mode(), _parameter("reasons", "Add the strongest reasons.", reasons)]
    known = model.predictor.conformal
    if known is not None:
        name = "sets" if model.predictor.task.is_classification else "interval"
        share = {"type": "number", "enum": [0.5, 0.8, 0.9]}
        found.append(_parameter(name, "How often it holds the truth, such as 0.9.", share))
    return found


def _mode() -> Document:
    told = "default: wrong cells are refused; lenient: scored as missing; strict: levels, too."
    return _parameter("mode", told, {"type": "string", "enum": list(MODES)})


def _parameter(name: str, told: str, schema: Document) -> Document:
    return {"name": name, "in": "query", "description": told, "schema": schema}


# What goes in


def _schemas(model: Model, service: Service) -> Document:
    columns = model.reader.columns
    record: Document = {
        "type": "object",
        "properties": {column.name: _cell(column) for column in columns},
        "required": [column.name for column in columns],
    }
    limits = service.limits
    records = {"type": "array", "items": _ref(model, "Record"), "minItems": 1}
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
                "properties": {c.name: {"type": "array", "items": _cell(c)} for c in columns},
                "required": names,
            }
        },
        "required": ["columns"],
        "additionalProperties": False,
    }
    curve = {
        "type": "object",
        "properties": {
            "record": _ref(model, "Record"),
            "column": {"type": "string", "enum": names},
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


def _cell(column: Column) -> Document:
    """What a cell of JSON may be; all may be null."""
    told: Document = {"description": _told(column), "examples": [*examples_of(column)]}
    if column.kind is Kind.NUMERIC:
        number: Document = {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST}
        text: Document = {"type": "string", "maxLength": 100}
        if not column.formats:
            text["pattern"] = f"^{PLAIN_NUMBER}$"
        return {**told, "anyOf": [number, text, {"type": "null"}]}
    if column.kind is Kind.BOOLEAN:
        words = dict.fromkeys(("false", "true", *column.levels))
        return {**told, "enum": [None, False, True, *words]}
    if column.kind is Kind.DATETIME:
        day = {"type": "string", "format": "date"}
        moment = {"type": "string", "format": "date-time"}
        return {**told, "anyOf": [day, moment, {"type": "string"}, {"type": "null"}]}
    return {**told, **_CELL}


def _told(column: Column) -> str:
    low, high = bounds_of(column)
    missing = f", {column.missing:.1%} missing" if column.missing else ""
    span = f" from {low} to {high}" if low is not None else ""
    levels = f", {len(column.levels):,} levels" if column.levels else ""
    return f"{column.kind.value}{span}{levels}{missing} in training"


def _csv(record: Mapping[str, Any]) -> str:
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([list(record), list(record.values())])
    return stream.getvalue()


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
        "Predictions": _listed("predictions", _ref(model, "Prediction")),
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


def _ref(model: Model, name: str) -> Document:
    return {"$ref": f"#/components/schemas/{model.name}.{name}"}
