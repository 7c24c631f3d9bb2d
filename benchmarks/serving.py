"""How many single-row requests a served bundle answers, beside an empty endpoint of the server.

python -m benchmarks.serving BUNDLE DATA.csv [--clients 16] [--seconds 60] [--output FILE.json]

Each client keeps one connection and asks again as soon as it was answered. Short phases of empty
and scored requests take turns, so that both see the same machine; the ratio is that of their
medians. Then one phase of `--seconds` of scored requests alone looks for errors, slow answers and
growing memory. The clients are one process of their own, which shares the cores with the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import pandas as pd
import psutil

import automl

_ROWS = 500  # different rows that are asked for
_PHASES = 5
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


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, requests: Sequence[bytes], start: int, phase: Phase, until: float) -> None:
        self._requests, self._next, self._phase, self._until = requests, start, phase, until
        self._waiting = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._waiting = b""
        self._asked = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        head, mark, body = self._waiting.partition(b"\r\n\r\n")
        if not mark:
            return
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        if len(body) < length:
            return
        now = time.perf_counter()
        self._phase.seconds.append(now - self._asked)
        self._phase.errors += b" 200 " not in head[:16]
        found = re.search(rb"x-model-id: (\w+)", head)
        if found:
            self._phase.ids.add(found[1])
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None or self._waiting == b"":
            self._phase.errors += 1
        self.done.set_result(None)


@dataclass(frozen=True)
class Server:
    """A service that runs."""

    process: psutil.Process
    address: tuple[str, int]

    def cpu(self) -> float:
        """CPU seconds so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


async def load(server: Server, requests: Sequence[bytes], clients: int, seconds: float) -> Phase:
    """Let the clients ask for some seconds."""
    phase = Phase()
    before = server.cpu()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    made = [
        await loop.create_connection(
            lambda i=i: Client(requests, i * 31, phase, started + seconds), *server.address
        )
        for i in range(clients)
    ]
    await asyncio.gather(*(client.done for _, client in made))
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


def started(bundle: Path, *options: str) -> tuple[subprocess.Popen[str], tuple[str, int]]:
    """A service of the bundle in a process of its own, and where it listens."""
    command = [sys.executable, "-m", "automl", "serve", str(bundle), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stderr is not None
    for line in process.stderr:
        found = _ADDRESS.search(line)
        if found:
            return process, (found[1], int(found[2]))
    raise SystemExit("The service did not start.")


EMPTY = [b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]


async def measure(
    server: Server, requests: list[bytes], clients: int, seconds: float
) -> dict[str, Any]:
    """All figures of one service."""
    await load(server, requests, clients, 3.0)
    empty, scored = [], []
    for _ in range(_PHASES):
        empty.append(await load(server, EMPTY, clients, 2.0))
        scored.append(await load(server, requests, clients, 2.0))
    memory = [server.process.memory_info().rss]
    whole = asyncio.create_task(load(server, requests, clients, seconds))
    while not whole.done():
        await asyncio.sleep(min(5.0, seconds / 4))
        memory.append(server.process.memory_info().rss)
    phase = await whole
    single = await load(server, requests, 1, 3.0)
    middle = memory[len(memory) // 2]
    return {
        "clients": clients,
        "empty_per_s": round(median(phase.rate for phase in empty)),
        "scored_per_s": round(median(phase.rate for phase in scored)),
        "ratio": round(_over(scored, empty), 3),
        "empty_cpu_ms": round(median(phase.cost for phase in empty), 3),
        "scored_cpu_ms": round(median(phase.cost for phase in scored), 3),
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


def _over(scored: Sequence[Phase], empty: Sequence[Phase]) -> float:
    return median(phase.rate for phase in scored) / median(phase.rate for phase in empty)


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
        figures = asyncio.run(measure(server, requests, clients, seconds))
    finally:
        process.terminate()
        process.wait(60)
    text = json.dumps({"bundle": bundle.name, **figures}, indent=1)
    print(text)
    if output is not None:
        output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
