"""What the addresses of a model answer: predictions, explanations, curves, facts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from typing import Any

from automl.data.schema import Column, Kind
from automl.errors import ConfigError
from automl.serve.body import (
    CSV,
    JSON,
    NDJSON,
    check_records,
    json_rows,
    media_type,
    parse_json,
)
from automl.serve.http import Answer, Request
from automl.serve.limits import Limits
from automl.serve.log import Log
from automl.serve.models import Model
from automl.serve.refusal import Refusal, Violation, broken_contract
from automl.serve.rows import MODES, Rows
from automl.serve.schema import date_text, shown_levels
from automl.serve.scoring import PLAIN, Asked
from automl.serve.tables import csv_answer, csv_rows

_INLINE_BYTES = 65_536  # of a body that is taken apart without a thread of its own
EXPLAINED_ROWS = 200
MOST_POINTS = 500


@dataclass(frozen=True)
class Service:
    """What the endpoints share."""

    limits: Limits
    pool: ThreadPoolExecutor
    log: Log | None


async def predict(service: Service, request: Request, model: Model) -> Answer:
    """POST predict with a body of JSON or CSV."""
    kind = media_type(request.header(b"content-type"), (JSON, CSV))
    query = request.query()
    asked, mode = asked_of(query, model), mode_of(query)
    as_csv = _wants_csv(request, kind)
    body = await request.body()
    if kind == JSON and not as_csv and model.scorers is not None:
        made = await model.scorers.answer(body, asked, mode)
        if made is not None:
            return Answer(made, plain=asked is PLAIN and mode == "default")
    rows = await _rows_of(service, body, kind, model, mode)
    if asked.explains:
        _check_explained(rows.n)

    def finish(answers: list[dict[str, Any]]) -> bytes:
        if service.log is not None:
            service.log.add(model, rows, answers)
        if as_csv:
            safe = query.get("excel_safe") == "true"
            return csv_answer(model.predictor, answers, asked, excel_safe=safe)
        return predicted(model, answers, rows.warnings)

    assert model.lane is not None
    content = await model.lane.answer(rows, asked, finish)
    return Answer(content, content_type=f"{CSV}; charset=utf-8" if as_csv else JSON)


def _check_explained(n: int) -> None:
    """Raise Refusal (413) for more rows than can be explained in the time of a request."""
    if n > EXPLAINED_ROWS:
        raise Refusal(
            413,
            f"The request has {n:,} rows; at most {EXPLAINED_ROWS:,} are explained.",
            hint="Send them in parts, or use `automl explain`.",
        )


def predicted(
    model: Model, answers: Sequence[Mapping[str, Any]], warnings: Sequence[Mapping[str, Any]]
) -> bytes:
    found = {"model": model.id, "predictions": answers, "warnings": warnings}
    return json.dumps(found).encode("ascii")


async def explain(service: Service, request: Request, model: Model) -> Answer:
    """POST explain: all contributions of some rows."""
    media_type(request.header(b"content-type"), (JSON,))
    query = request.query()
    mode = mode_of(query)
    refuse_unknown(query, ("mode",))
    body = await request.body()
    rows = await _rows_of(service, body, JSON, model, mode)
    _check_explained(rows.n)

    def finish(answers: list[dict[str, Any]]) -> bytes:
        found = {"model": model.id, "explanations": answers, "warnings": rows.warnings}
        return json.dumps(found).encode("ascii")

    assert model.lane is not None
    return Answer(await model.lane.answer(rows, Asked(explain=True), finish))


async def curve(service: Service, request: Request, model: Model) -> Answer:
    """POST curve: the predictions for one row as one of its columns changes."""
    media_type(request.header(b"content-type"), (JSON,))
    query = request.query()
    mode = mode_of(query)
    asked = asked_of(query, model)
    value = parse_json(await request.body())
    record, name, points = _curve_of(value)
    check_records([record], service.limits)
    position = model.reader.position(name)
    row = model.reader.records([record], mode)
    cells = curve_cells(model.reader.columns[position], points)
    rows = model.reader.replaced(row, position, cells)
    if asked.explains:
        _check_explained(rows.n)

    def finish(answers: list[dict[str, Any]]) -> bytes:
        found = [{"value": cell, **answer} for cell, answer in zip(cells, answers, strict=True)]
        kind = model.reader.columns[position].kind.value
        made = {"model": model.id, "column": name, "kind": kind, "points": found}
        return json.dumps({**made, "warnings": row.warnings}).encode("ascii")

    assert model.lane is not None
    return Answer(await model.lane.answer(rows, asked, finish))


def _curve_of(value: Any) -> tuple[Any, str, int]:
    if not isinstance(value, dict) or not {"record", "column"} <= value.keys():
        message = 'the body is no object with "record" and "column"'
        raise broken_contract([Violation(None, None, message)])
    unknown = sorted(value.keys() - {"record", "column", "points"})
    points = value.get("points", 50)
    if isinstance(points, float) and points.is_integer():  # 50.0 is a whole number in JSON
        points = int(points)
    if unknown:
        message = f"the body has the unknown key {unknown[0][:200]!r}"
    elif not isinstance(value["column"], str):
        message = '"column" is no text'
    elif isinstance(points, bool) or not isinstance(points, int) or not 2 <= points <= MOST_POINTS:
        message = f'"points" is no whole number from 2 to {MOST_POINTS}'
    else:
        return value["record"], value["column"], points
    raise broken_contract([Violation(None, None, message)])


def curve_cells(column: Column, points: int) -> list[Any]:
    """Cells over the range, or the levels, of a column; Refusal where it has neither."""
    if column.kind in (Kind.NUMERIC, Kind.DATETIME):
        low, high = column.minimum, column.maximum
        if low is None or high is None:
            raise Refusal(422, f"No range of the column {column.name[:200]!r} is known.")
        step = (high / (points - 1)) - (low / (points - 1))
        ends = [low + i * step for i in range(points - 1)] + [high]
        if column.bins and all(float(bound).is_integer() for bound in column.bins):
            ends = sorted({float(round(end)) for end in ends})
        if column.kind is Kind.NUMERIC:
            return ends
        return [date_text(end) for end in ends]
    levels = shown_levels(column)[:points]
    if not levels:
        raise Refusal(
            422,
            f"The column {column.name[:200]!r} has no levels to go through.",
            hint="Ask for a column of numbers, dates or categories.",
        )
    return list(levels)


def curved(column: Column) -> bool:
    """Whether the column has a range, or levels that may be told."""
    if column.kind in (Kind.NUMERIC, Kind.DATETIME):
        return column.minimum is not None and column.maximum is not None
    return bool(shown_levels(column))


async def _rows_of(service: Service, body: bytes, kind: str, model: Model, mode: str) -> Rows:
    """The rows of a body; a large one is taken apart in a thread."""
    limits = service.limits

    def read() -> Rows:
        if kind == CSV:
            return csv_rows(body, model.predictor, model.reader, limits, mode)
        return json_rows(parse_json(body), model.reader, limits, mode)

    if kind == JSON and len(body) <= _INLINE_BYTES:
        return read()
    return await asyncio.get_running_loop().run_in_executor(service.pool, read)


def asked_of(query: Mapping[str, str], model: Model) -> Asked:
    """What a query asks for. Raises Refusal (422) for what the model or nobody can give."""
    if not query:
        return PLAIN
    refuse_unknown(query, ("interval", "sets", "reasons", "mode", "excel_safe"))
    if query.get("excel_safe", "false") not in ("true", "false"):
        raise _wrong("excel_safe", "is neither true nor false")
    reasons = query.get("reasons", "0")
    if not (reasons.isascii() and reasons.isdigit()) or len(reasons) > 6:
        raise _wrong("reasons", "is no whole number from 0 on")
    levels: dict[str, float | None] = {}
    for name in ("interval", "sets"):
        levels[name] = _level(query, name, model) if name in query else None
    return Asked(levels["interval"], levels["sets"], int(reasons))


def _level(query: Mapping[str, str], name: str, model: Model) -> float:
    try:
        level = float(query[name])
    except ValueError:
        raise _wrong(name, "is no number") from None
    if not isfinite(level):
        raise _wrong(name, "is no number")
    try:
        model.predictor.conformal_for(interval=name == "interval").share(level)
    except ConfigError as error:
        raise Refusal(422, error.message, hint=error.hint) from None
    return level


def mode_of(query: Mapping[str, str]) -> str:
    mode = query.get("mode", "default")
    if mode not in MODES:
        raise _wrong("mode", f"is none of {', '.join(MODES)}")
    return mode


def refuse_unknown(query: Mapping[str, str], known: Sequence[str]) -> None:
    for name in query:
        if name not in known:
            raise Refusal(
                422,
                f"The parameter {name[:100]!r} is not known.",
                hint=f"Known: {', '.join(known)}.",
            )


def _wrong(name: str, what: str) -> Refusal:
    return Refusal(422, f"The parameter {name!r} {what}.")


def _wants_csv(request: Request, kind: str) -> bool:
    accept = request.header(b"accept")
    return CSV in accept or (kind == CSV and (not accept or "*/*" in accept))


__all__ = ["NDJSON", "Service", "curve", "explain", "predict"]
