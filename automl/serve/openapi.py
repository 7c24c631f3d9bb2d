"""The OpenAPI 3.1 document of a service: columns, types, ranges and examples of its bundles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from automl.serve.documented import Document, ref, schemas_of
from automl.serve.endpoints import Service
from automl.serve.models import Model, Models
from automl.serve.rows import MODES
from automl.serve.schema import example_record

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


def openapi(models: Models, service: Service) -> bytes:
    """The document as JSON."""
    paths: Document = {}
    schemas: Document = {"Error": _error()}
    for place, model in [("", models.all()[0]), *((m.name, m) for m in models.all())]:
        if place:
            schemas |= schemas_of(model, service.limits)
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
            "application/json": ref(model, "Rows"),
            "text/csv": {"type": "string"},
            "application/x-ndjson": {},
        },
        {
            "application/json": ref(model, "Predictions"),
            "text/csv": {"type": "string"},
            "application/x-ndjson": {},
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
        {"application/json": ref(model, "ExplainedRows")},
        {"application/json": ref(model, "Explanations")},
        [_mode()],
    )
    curve = _post(
        model,
        f"{prefix}/curve",
        "The predictions of one row as one of its columns changes.",
        {"application/json": ref(model, "Curve")},
        {"application/json": ref(model, "Points")},
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


def _csv(record: Mapping[str, Any]) -> str:
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([list(record), list(record.values())])
    return stream.getvalue()
