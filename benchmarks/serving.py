"""How many single-row requests a served bundle answers, beside an empty endpoint of the server.

python -m benchmarks.serving BUNDLE DATA.csv [--clients 16] [--seconds 60] [--output FILE.json]

Each client keeps one connection and asks again as soon as it was answered. The empty endpoint is
one more address of the same service: it takes the same requests, reads them and answers {}. It
takes the service's usual way, which POST predict leaves where a head is known: see
`automl/serve/shortcut.py`.
Short phases of empty and of scored requests take turns, so that both see the same machine; the
ratio is that of their medians, and GET health, which sends nothing, is given beside it. Then one
phase of `--seconds` of scored requests alone looks for errors, slow answers and growing memory.
The clients are one thread of this process, which shares the cores with the server.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import pandas as pd
import psutil

import automl
from automl.serve.endpoints import Service
from automl.serve.http import Answer, Request
from automl.serve.models import Model

_ROWS = 500  # different rows that are asked for
_PHASES, _PHASE_SECONDS, _WARM_SECONDS = 7, 2.0, 6.0
_ADDRESS = re.compile(r"http://([0-9.]+):([0-9]+)")


@dataclass
class Phase:
    """What the clients saw. seconds: of each answer.  errors: answers that are not of 200.

    cpu: seconds of the server, all threads.
    """

    duration: float = 0.0
    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    ids: set[bytes] = field(default_factory=set)
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.duration

    @property
    def cost(self) -> float:
        """CPU milliseconds of the server for an answer."""
        return 1000 * self.cpu / len(self.seconds)

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share was answered."""
        return 1000 * float(np.quantile(self.seconds, share))


class Client:
    """One connection, one request at a time; with as little work as can be, since it shares the
    cores with the server."""

    def __init__(self, address: tuple[str, int], requests: Sequence[bytes], start: int) -> None:
        self._requests, self._next = requests, start
        self._waiting = b""
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> None:
        self._waiting = b""
        self._asked = time.perf_counter()
        self.socket.sendall(self._requests[self._next % len(self._requests)])
        self._next += 1

    def take(self, phase: Phase) -> bool:
        """Read what came; whether the answer is whole, and counted."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise SystemExit("The service closed a connection.")
        self._waiting += data
        start = self._waiting.find(b"\r\n\r\n") + 4
        if start < 4:
            return False
        length, fine, model = _facts(self._waiting[:start])
        if len(self._waiting) - start < length:
            return False
        phase.seconds.append(time.perf_counter() - self._asked)
        phase.errors += not fine
        phase.ids.add(model)
        return True


@lru_cache(maxsize=1000)
def _facts(head: bytes) -> tuple[int, bool, bytes]:
    """Of the head of an answer: the length of its body, whether it is of 200, the model's id."""
    length, model = _between(head, b"content-length: "), _between(head, b"x-model-id: ")
    return int(length), head.startswith(b"HTTP/1.1 200 "), model


def _between(head: bytes, mark: bytes) -> bytes:
    start = head.index(mark) + len(mark)
    return head[start : head.index(b"\r", start)]


class Server:
    """A service that runs, with the processes that it has started."""

    def __init__(self, process: psutil.Process, address: tuple[str, int]) -> None:
        self.address = address
        self._process = process

    def cpu(self) -> float:
        """CPU seconds so far."""
        all_times = [process.cpu_times() for process in self._all()]
        return float(sum(times.user + times.system for times in all_times))

    def memory(self) -> int:
        """Resident bytes."""
        return int(sum(process.memory_info().rss for process in self._all()))

    def _all(self) -> list[psutil.Process]:
        return [self._process, *self._process.children()]


def load(
    server: Server,
    requests: Sequence[bytes],
    clients: int,
    seconds: float,
    each_second: Callable[[], None] = lambda: None,
) -> Phase:
    """Let the clients ask for some seconds."""
    phase = Phase()
    made = [Client(server.address, requests, i * 31) for i in range(clients)]
    before = server.cpu()
    started = time.perf_counter()
    until, look = started + seconds, started
    with selectors.DefaultSelector() as selector:
        for client in made:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
        n_open = clients
        while n_open:
            for key, _ in selector.select():
                client = key.data
                if not client.take(phase):
                    continue
                if time.perf_counter() < until:
                    client.ask()
                else:
                    selector.unregister(client.socket)
                    client.socket.close()
                    n_open -= 1
            if time.perf_counter() - look > 1.0:
                look = time.perf_counter()
                each_second()
    phase.duration = time.perf_counter() - started
    phase.cpu = server.cpu() - before
    return phase


def row_requests(bundle: Path, data: Path) -> list[bytes]:
    """A request of one row each, from the rows of a table."""
    predictor = automl.load(bundle)
    kinds = {column.name: column.kind for column in predictor.schema.columns}
    frame = pd.read_csv(data, nrows=_ROWS, dtype=str, keep_default_na=False)
    found = []
    for row in frame[list(predictor.columns)].to_dict("records"):
        record = {
            str(name): None if cell == "" else float(cell) if kinds[name] == "numeric" else cell
            for name, cell in row.items()
        }
        body = json.dumps({"records": [record]}).encode()
        head = (
            f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


def started(bundle: Path) -> tuple[subprocess.Popen[str], tuple[str, int]]:
    """A service of the bundle in a process of its own, and where it listens."""
    start = "import sys; from benchmarks.serving import _serve; _serve(sys.argv[1])"
    command = [sys.executable, "-c", start, str(bundle)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stderr is not None
    for line in process.stderr:
        found = _ADDRESS.search(line)
        if found:
            return process, (found[1], int(found[2]))
    raise SystemExit("The service did not start.")


HEALTH = [b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]


async def empty(service: Service, request: Request, model: Model) -> Answer:
    """Takes what POST predict takes, and does nothing with it."""
    await request.body()
    return Answer(b"{}")


def _serve(bundle: str) -> None:
    """The service with one address more."""
    from automl.cli.main import run
    from automl.serve.app import POSTED

    POSTED["empty"] = empty
    sys.argv = ["automl", "serve", bundle, "--port", "0"]
    run()


def measure(server: Server, requests: list[bytes], clients: int, seconds: float) -> dict[str, Any]:
    """All figures of one service."""
    nothing = [request.replace(b"/predict", b"/empty", 1) for request in requests]
    asked = {"health": HEALTH, "empty": nothing, "scored": requests}
    phases: dict[str, list[Phase]] = {name: [] for name in asked}
    load(server, requests, clients, _WARM_SECONDS)
    for _ in range(_PHASES):
        for name, found in phases.items():
            found.append(load(server, asked[name], clients, _PHASE_SECONDS))
    memory = [server.memory()]
    phase = load(
        server, requests, clients, seconds, each_second=lambda: memory.append(server.memory())
    )
    single = load(server, requests, 1, 3.0)
    middle = memory[len(memory) // 2]
    return {
        "clients": clients,
        **{f"{name}_per_s": round(_rate(found)) for name, found in phases.items()},
        **{f"{name}_cpu_ms": round(_cost(found), 3) for name, found in phases.items()},
        "ratio": round(_rate(phases["scored"]) / _rate(phases["empty"]), 3),
        "ratio_to_health": round(_rate(phases["scored"]) / _rate(phases["health"]), 3),
        "seconds": seconds,
        "requests": len(phase.seconds),
        "per_s": round(phase.rate),
        "errors": phase.errors,
        "bundles": len(phase.ids),
        "p50_ms": round(phase.quantile(0.5), 2),
        "p99_ms": round(phase.quantile(0.99), 2),
        "max_ms": round(phase.quantile(1.0), 2),
        "one_client_p50_ms": round(single.quantile(0.5), 2),
        "memory_mb": [round(value / 2**20, 1) for value in (memory[0], middle, memory[-1])],
    }


def _rate(phases: Sequence[Phase]) -> float:
    return median(phase.rate for phase in phases)


def _cost(phases: Sequence[Phase]) -> float:
    return median(phase.cost for phase in phases)


@click.command()
@click.argument("bundle", type=Path)
@click.argument("data", type=Path)
@click.option("--clients", default=16)
@click.option("--seconds", default=60.0)
@click.option("--output", type=Path)
def main(bundle: Path, data: Path, clients: int, seconds: float, output: Path | None) -> None:
    """Measure the service of BUNDLE with rows of DATA."""
    requests = row_requests(bundle, data)
    process, address = started(bundle)
    server = Server(psutil.Process(process.pid), address)
    try:
        figures = measure(server, requests, clients, seconds)
    finally:
        process.terminate()
        process.wait(60)
    text = json.dumps({"bundle": bundle.name, **figures}, indent=1)
    print(text)
    if output is not None:
        output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
