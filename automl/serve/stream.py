"""NDJSON in, NDJSON out: lines are answered as they come, in their order, one line each.

A line that cannot be scored is answered by an error with its number; the others go on. What is
to be sent waits in memory while the client is still sending, so that neither waits for the other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from automl.errors import AutoMLError
from automl.serve.body import check_records, check_rows, parse_json
from automl.serve.endpoints import EXPLAINED_ROWS, NDJSON, Service, asked_of, mode_of
from automl.serve.http import Request, Send, head_of
from automl.serve.limits import Limits
from automl.serve.models import Model
from automl.serve.refusal import Refusal, Violation
from automl.serve.rows import Rows
from automl.serve.scoring import Asked

_BLOCK = 256  # lines that are scored in one call
_Line = tuple[int, bytes]  # number from 1, text


async def predict_stream(
    service: Service, request: Request, model: Model, send: Send, headers: Mapping[str, str]
) -> None:
    """Answer POST predict with a body of lines. Raises Refusal before the answer has begun."""
    query = request.query()
    asked, mode = asked_of(query, model), mode_of(query)
    request.check_length()
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
    writer = asyncio.create_task(_write(send, waiting, headers, service.limits.timeout))
    begun = False
    try:
        try:
            most = EXPLAINED_ROWS if asked.explains else service.limits.max_rows
            async for lines in _blocks(request, replace(service.limits, max_rows=most)):
                waiting.put_nowait(await _answered(service, model, lines, asked, mode))
                begun = True
                request.go_on(service.limits.timeout)
            if not begun:
                raise Refusal(400, "The body is empty.", hint="Send one JSON object a line.")
        except Refusal as refusal:
            if not begun:
                raise
            waiting.put_nowait(refusal.body() + b"\n")
        waiting.put_nowait(None)
        await writer
    finally:
        writer.cancel()


async def _write(
    send: Send, waiting: asyncio.Queue[bytes | None], headers: Mapping[str, str], seconds: float
) -> None:
    """Send what waits until there is no more; TimeoutError for a client that does not read."""
    part = await waiting.get()
    await send(head_of(200, NDJSON, headers, None))
    while part is not None:
        async with asyncio.timeout(seconds):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        part = await waiting.get()
    await send({"type": "http.response.body", "body": b""})


async def _blocks(request: Request, limits: Limits) -> AsyncIterator[list[_Line]]:
    """The lines that have come, at most `_BLOCK` at a time, without blank ones."""
    number, rest = 0, b""
    async for part in request.parts():
        lines = (rest + part).split(b"\n")
        rest = lines.pop()
        found: list[_Line] = []
        for line in lines:
            number += 1
            if line.strip():
                found.append((number, line))
        check_rows(number, limits)
        for start in range(0, len(found), _BLOCK):
            yield found[start : start + _BLOCK]
    if rest.strip():
        check_rows(number + 1, limits)
        yield [(number + 1, rest)]


async def _answered(
    service: Service, model: Model, lines: list[_Line], asked: Asked, mode: str
) -> bytes:
    """The answers to some lines, a line each."""
    texts: dict[int, str] = {}
    records: list[tuple[int, Any]] = []
    for number, line in lines:
        try:
            record = parse_json(line)
            check_records([record], service.limits)
            records.append((number, record))
        except Refusal as refusal:
            texts[number] = _refused(number, refusal)
    parts: list[tuple[list[int], Rows]] = []
    try:
        if records:
            rows = model.reader.records([record for _, record in records], mode)
            parts.append(([number for number, _ in records], rows))
    except Refusal:  # which of them it is
        for number, record in records:
            try:
                parts.append(([number], model.reader.records([record], mode)))
            except Refusal as refusal:
                texts[number] = _refused(number, refusal)
    answers = await asyncio.gather(
        *(_scored(service, model, numbers, rows, asked) for numbers, rows in parts)
    )
    for found in answers:
        texts |= found
    return "".join(texts[number] + "\n" for number, _ in lines).encode("ascii")


async def _scored(
    service: Service, model: Model, numbers: list[int], rows: Rows, asked: Asked
) -> dict[int, str]:
    def finish(answers: list[dict[str, Any]]) -> dict[int, str]:
        if service.log is not None:
            service.log.add(model, rows, answers)
        return {
            number: json.dumps(answer) for number, answer in zip(numbers, answers, strict=True)
        }

    assert model.lane is not None
    try:
        found: dict[int, str] = await model.lane.answer(rows, asked, finish)
    except AutoMLError as error:
        refusal = Refusal(422, error.message, hint=error.hint)
        return {number: _refused(number, refusal) for number in numbers}
    return found


def _refused(number: int, refusal: Refusal) -> str:
    violations = [Violation(number, one.column, one.message) for one in refusal.violations]
    told = Refusal(refusal.status, refusal.message, hint=refusal.hint, violations=violations)
    return json.dumps({"row": number, **told.to_json()})
