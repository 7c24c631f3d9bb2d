"""A process that scores small requests of one model, so that the service has its core to itself.

It takes frames of the bodies of POST predict and gives frames of answers. What it cannot answer
plainly, be it a refusal, a large request or a fault, it gives back, and the service does it: so
there is one place for what is said of a request.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.engines._imports import use_lean_imports
from automl.errors import AutoMLError
from automl.serve.body import json_rows, parse_json
from automl.serve.endpoints import predicted
from automl.serve.frames import Frames, packed
from automl.serve.lane import SMALL_ROWS
from automl.serve.limits import Limits
from automl.serve.models import Model, load_model
from automl.serve.rows import Rows
from automl.serve.scoring import PLAIN, Asked, answered, parsed_table

_READ_BYTES = 1 << 20


def main() -> None:
    """Score what comes on standard input until it ends. The last argument says what is scored."""
    for name in ("SIGINT", "SIGTERM"):  # the service ends it, by the end of what it sends
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    use_lean_imports()
    orders = json.loads(sys.argv[-1])
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        model = load_model(orders["name"], Path(orders["place"]), orders["digest"])
    except (AutoMLError, OSError, ValueError) as error:
        _write(answers, packed({"error": str(error)}, []))
        os._exit(1)
    limits = Limits(**orders["limits"])
    gc.collect()
    gc.freeze()  # what was loaded stays: no look at it at each collection
    _write(answers, packed({"ready": True}, []))
    frames = Frames()
    while data := os.read(0, _READ_BYTES):
        asked: list[Any] = []
        bodies: list[bytes | None] = []
        for head, parts in frames.feed(data):  # what came while it scored is scored together
            asked += head.get("asked") or [None] * len(parts)
            bodies += parts
        if bodies:
            _write(answers, answer_frame(model, limits, asked, bodies))
    os._exit(0)  # taking the boosters' libraries apart takes up to a second


def answer_frame(
    model: Model,
    limits: Limits,
    asked: Sequence[Sequence[Any] | None],
    bodies: Sequence[bytes | None],
) -> bytes:
    """The frame that answers some bodies. asked: (interval, sets, mode) of each; None: plain."""
    started = time.perf_counter()
    found: list[bytes | None] = [None] * len(bodies)
    groups: dict[Asked, dict[int, Rows]] = {}
    for place, (body, one) in enumerate(zip(bodies, asked, strict=True)):
        interval, sets, mode = one or (None, None, "default")
        rows = _rows(model, limits, body or b"", mode)
        if rows is not None:
            wanted = PLAIN if one is None else Asked(interval, sets)
            groups.setdefault(wanted, {})[place] = rows
    n_rows = 0
    for wanted, group in groups.items():
        made = _answers(model, wanted, group)
        for place, content in made.items():
            found[place] = content
            n_rows += group[place].n
    return packed({"rows": n_rows, "seconds": time.perf_counter() - started}, found)


def _rows(model: Model, limits: Limits, body: bytes, mode: str) -> Rows | None:
    """The rows of a body; None for one that the service looks at itself."""
    try:
        rows = json_rows(parse_json(body), model.reader, limits, mode)
    except Exception:  # noqa: BLE001 - the service meets it again, and tells of it
        return None
    return rows if rows.n <= SMALL_ROWS else None


def _answers(model: Model, asked: Asked, group: Mapping[int, Rows]) -> dict[int, bytes]:
    """By place the answers of requests that ask alike; without those that fail."""
    parts = list(group.values())
    try:
        found = answered(model.predictor, parsed_table(model.predictor, parts), parts, asked)
    except Exception:  # noqa: BLE001 - the service meets it again, and tells of it
        if len(group) == 1:
            return {}
        singly = [_answers(model, asked, {place: rows}) for place, rows in group.items()]
        return {place: content for one in singly for place, content in one.items()}
    made, start = {}, 0
    for place, rows in group.items():
        made[place] = predicted(model, found[start : start + rows.n], rows.warnings)
        start += rows.n
    return made


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
