"""A service of stored bundles in a thread of the tests, and a client that keeps to http.client."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl.serve.server import ServeOptions, serve

STORED = Path(__file__).parents[1] / "bundles" / "format-1"
_SECONDS = 120.0


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found


@dataclass
class Live:
    """A service that runs. said: what it told.  stop: ends it."""

    port: int
    said: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, value: Any, kind: str = "application/json", **more: str) -> Reply:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, body, {"Content-Type": kind, **more})


@contextmanager
def living(*bundles: str, **options: Any) -> Iterator[Live]:
    """A service on a free port, ended with the block."""
    said: list[str] = []
    ready, stop = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("Serving on"):
            ready.set()

    def run() -> None:
        try:
            serve(bundles, ServeOptions(port=0, **options), say=say, debug=True, stop=stop)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(_SECONDS)
        if failed:
            raise failed[0]
        port = int(said[-1].split("//")[1].split(" ")[0].rpartition(":")[2])
        yield Live(port, said, stop)
    finally:
        stop.set()
        thread.join(_SECONDS)
    assert not thread.is_alive()


def wait_for_scorer(live: Live) -> None:
    until = time.monotonic() + 120
    while 'automl_scoring_processes{model="sizes"} 1\n' not in live.get("/metrics").body.decode():
        assert time.monotonic() < until, live.said
        time.sleep(0.05)


ROW: dict[str, Any] = {
    "length": 11.04,
    "width": 5.02,
    "price": "321.39 €",
    "city": "Ulm",
    "paid": True,
    "day": "04.06.2025",
    "note": "green round old old 0",
}
