"""A small service of a made-up additive model, at once or late: to drive the page with."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from automl.data.parse import shown_text
from automl.data.schema import Column, Drop, Kind, Schema
from automl.model.intervals import Conformal
from automl.model.link import Link
from automl.model.predictor import Predictor
from automl.serve import page
from automl.task import Task

TOKEN = "a-token-of-some-length"


def number(name: str, low: float, high: float, **more: Any) -> Column:
    bins = tuple(low + (high - low) * i / 20 for i in range(21))
    return Column(name, Kind.NUMERIC, "number", "", minimum=low, maximum=high, bins=bins, **more)


def levels(name: str, *texts: str, kind: Kind = Kind.CATEGORICAL) -> Column:
    counts = tuple(range(len(texts), 0, -1))
    return Column(name, kind, "text", "", levels=texts, counts=counts, n_unique=len(texts))


def days(name: str) -> Column:
    bins = tuple(float(17_000 + 20 * i) for i in range(21))
    return Column(name, Kind.DATETIME, "text", "", minimum=bins[0], maximum=bins[-1], bins=bins)


COLUMNS = (
    number("age", 17, 90),
    levels("colour", "red", "green", "blue", "grey", "black", "white"),
    levels("member", "no", "yes", kind=Kind.BOOLEAN),
    days("since"),
    Column("remark", Kind.TEXT, "text", ""),
    Column("id", Kind.CATEGORICAL, "text", "names its rows", drop=Drop.IDENTIFIER),
)


@dataclass
class Made:
    """A model of these columns. wait: seconds before it predicts.  seen: what it was asked."""

    columns: Sequence[Column] = COLUMNS
    classes: tuple[str, ...] = ("no", "yes")
    target: str = "bought"
    card: str = "# Model card: bought\n\n- Task: binary\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
    token: bool = False
    wait: float = 0.0
    seen: list[str] = field(default_factory=list)

    @property
    def task(self) -> Task:
        if not self.classes:
            return Task.REGRESSION
        return Task.BINARY if len(self.classes) == 2 else Task.MULTICLASS

    def facts(self) -> dict[str, Any]:
        kind = {Task.BINARY: "logit", Task.MULTICLASS: "softmax", Task.REGRESSION: "identity"}
        predictor = Predictor(
            task=self.task,
            target=self.target,
            classes=self.classes,
            metric="",
            schema=Schema(tuple(self.columns)),
            preprocessor=None,  # type: ignore[arg-type]
            members=(),
            link=Link(kind[self.task]),  # type: ignore[arg-type]
            threshold=0.4 if self.task is Task.BINARY else None,
            conformal=Conformal("split", (np.linspace(0, 1, 30),), (30,)),
        )
        used = [column.name for column in self.columns if column.used]
        told = [{"column": name, "share": 0.5**i} for i, name in enumerate(used, 1)]
        return page.facts(predictor, "made", ["made"], {"columns": told})

    def contributions(self, record: Mapping[str, Any], k: int) -> list[dict[str, Any]]:
        found = []
        for i, column in enumerate(one for one in self.columns if one.used):
            cell = record.get(column.name)
            size = 0.0
            if cell is not None and column.kind is Kind.NUMERIC:
                assert column.minimum is not None
                assert column.maximum is not None
                middle = (column.minimum + column.maximum) / 2
                size = 3 * (float(cell) - middle) / (column.maximum - column.minimum or 1)
            elif cell in column.levels:
                size = 0.5 * column.levels.index(cell)
            elif cell is not None and column.kind is Kind.TEXT:
                size = len(str(cell)) / 50
            size *= math.cos(k * (i + 1))
            found.append({"column": column.name, "value": None, "contribution": size})
        return found

    def margin(self, record: Mapping[str, Any], k: int) -> float:
        return -0.5 + sum(one["contribution"] for one in self.contributions(record, k))

    def predicted(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if self.task is Task.REGRESSION:
            value = 100 * self.margin(record, 0)
            return {"prediction": value, "interval": [value - 20, value + 30]}
        if self.task is Task.BINARY:
            share = 1 / (1 + math.exp(-self.margin(record, 0)))
            shares = [1 - share, share]
            label = self.classes[share >= 0.4]
        else:
            sizes = [math.exp(self.margin(record, k)) for k in range(len(self.classes))]
            shares = [size / sum(sizes) for size in sizes]
            label = self.classes[shares.index(max(shares))]
        chances = dict(zip(self.classes, shares, strict=True))
        return {"prediction": label, "probabilities": chances, "set": [label]}

    def explained(self, record: Mapping[str, Any]) -> dict[str, Any]:
        sides = [
            {
                "class": label,
                "base_value": -0.5,
                "margin": self.margin(record, k),
                "contributions": self.contributions(record, k),
            }
            for k, label in enumerate(self.classes or ("",))
        ]
        return {**sides[0], "classes": sides}

    def curve(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        column = next(one for one in self.columns if one.name == asked["column"])
        cells: list[Any] = list(column.levels)
        if column.kind is Kind.NUMERIC:
            assert column.minimum is not None
            assert column.maximum is not None
            step = (column.maximum - column.minimum) / 10
            cells = [column.minimum + step * i for i in range(11)]
        elif column.kind is Kind.DATETIME:
            cells = ["2016-07-18", "2017-01-01", "2017-08-22"]
        made = [{**asked["record"], column.name: cell} for cell in cells]
        return [
            {"value": cell, **self.predicted(record)}
            for cell, record in zip(cells, made, strict=True)
        ]

    def scores(self, text: str) -> tuple[int, str]:
        header, *lines = text.strip().splitlines()
        names = header.split(",")
        records = []
        for i, line in enumerate(lines, 1):
            cells = dict(zip(names, line.split(","), strict=False))
            record: dict[str, Any] = {name: cell or None for name, cell in cells.items()}
            if "age" in record and record["age"] == "old":
                return 422, _refusal(i, "age", "'old' is not a finite number")
            records.append(record)
        rows = [self.predicted(record)["prediction"] for record in records]
        return 200, "prediction\n" + "".join(f"{row}\n" for row in rows)

    def answer(self, path: str, kind: str, body: bytes) -> tuple[int, str, str]:
        """(status, media type, text) of a POST."""
        if kind.startswith("text/csv"):
            status, text = self.scores(body.decode())
            return status, "text/csv" if status == 200 else "application/json", text
        asked = json.loads(body)
        if path == "/curve":
            return 200, "application/json", json.dumps({"points": self.curve(asked)})
        records = asked["records"]
        if path == "/explain":
            told = [self.explained(record) for record in records]
            return 200, "application/json", json.dumps({"explanations": told})
        for record in records:
            if record.get("age") == 666:
                return 422, "application/json", _refusal(1, "age", "666 is a number of evil")
        if len(records) == 1:
            time.sleep(self.wait)
        told = [self.predicted(record) for record in records]
        return 200, "application/json", json.dumps({"predictions": told, "warnings": []})


def _refusal(row: int, column: str, message: str) -> str:
    violations = [{"row": row, "column": shown_text(column), "message": message}]
    said = {"message": "1 cell breaks the contract.", "hint": "Mend it.", "violations": violations}
    return json.dumps({"error": said})


class Answers(BaseHTTPRequestHandler):
    """One connection. made: the model that answers."""

    made: Made
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing is written."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.made.seen.append(path)
        asset = page.asset(path.removeprefix("/page/"))
        if path == "/":
            self._send(200, "text/html; charset=utf-8", page.document())
        elif asset is not None:
            self._send(200, asset.media_type, asset.content)
        elif not self._refused():
            self._told(path)

    def _told(self, path: str) -> None:
        if path == "/page.json":
            self._send(200, "application/json", json.dumps(self.made.facts()).encode())
        elif path == "/card":
            self._send(200, "text/markdown; charset=utf-8", self.made.card.encode())
        elif path == "/openapi.json":
            paths = {"/predict": {"post": {"summary": "Predictions"}}}
            self._send(200, "application/json", json.dumps({"paths": paths}).encode())
        else:
            self._send(404, "application/json", b"{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.made.seen.append(self.path)
        if self._refused():
            return
        path = urlsplit(self.path).path
        status, kind, text = self.made.answer(path, self.headers["Content-Type"], body)
        self._send(status, kind, text.encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        headers = {**page.HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def _refused(self) -> bool:
        if not self.made.token or self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return False
        said = {"error": {"message": "A token is needed.", "hint": "Ask for it."}}
        self._send(401, "application/json", json.dumps(said).encode())
        return True


@contextmanager
def serving(model: Made) -> Iterator[str]:
    """The address of a service of `model`."""

    class Own(Answers):
        made = model

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
