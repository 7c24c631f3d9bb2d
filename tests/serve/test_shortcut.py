"""Requests whose head is known take a shorter way: to the same bytes, however they come."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service import ROW, Live, living, wait_for_scorer

from automl.serve.limits import Limits
from automl.serve.shortcut import Connection, Plan, Shortcut

Taken = list[bool]
_END = b"\r\n\r\n"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    """Whether each request with a known head could take the shortcut."""
    found: Taken = []
    ask = Shortcut.ask

    def told(self: Shortcut, plan: Plan, body: bytes, take: Callable[..., None]) -> bool:
        found.append(ask(self, plan, body, take))
        return found[-1]

    monkeypatch.setattr(Shortcut, "ask", told)
    return found


@contextmanager
def scored_beside(*bundles: str, **options: Any) -> Iterator[Live]:
    with living(*bundles, scorers=1, **options) as live:
        wait_for_scorer(live)
        yield live


@pytest.fixture(scope="module")
def beside(stored: Path) -> Iterator[Live]:
    with scored_beside(str(stored)) as live:
        yield live


@pytest.fixture(scope="module")
def alone(stored: Path) -> Iterator[Live]:
    with living(str(stored), scorers=0) as live:
        yield live


def request(body: Any = None, *more: str, path: str = "/predict", end: bytes = b"\r\n") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body or {"records": [ROW]}).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        *more,
        f"Content-Length: {len(content)}",
    ]
    return end.join([*(line.encode() for line in lines), b"", content])


@contextmanager
def connected(live: Live) -> Iterator[tuple[socket.socket, BinaryIO]]:
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as file:
            yield connection, file


def answer(file: BinaryIO, *, head_only: bool = False) -> bytes:
    """The bytes of the next answer, without what differs from second to second."""
    lines = []
    while (line := file.readline()) not in (b"\r\n", b""):
        if not line.startswith(b"date: "):
            lines.append(line)
    lengths = [int(line[16:]) for line in lines if line.startswith(b"content-length: ")]
    return b"".join(lines) + (file.read(lengths[0]) if lengths and not head_only else b"")


def answers(live: Live, *asked: bytes) -> list[bytes]:
    """One after the other, over one connection."""
    found = []
    with connected(live) as (connection, file):
        for one in asked:
            connection.sendall(one)
            found.append(answer(file))
    return found


def test_the_second_request_of_a_head_takes_it_to_the_same_bytes(
    beside: Live, alone: Live, taken: Taken
) -> None:
    asked = request(None, "X-Test: same bytes")
    first, second, third = answers(beside, asked, asked, asked)
    assert taken == [True, True]
    assert first == second == third
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answers(alone, asked) == [first]
    other = {"records": [{**ROW, "length": 12.04}]}
    assert answers(beside, request(other, "X-Test: same bytes")) == answers(alone, request(other))
    assert taken == [True, True, True]


def test_requests_are_counted(beside: Live, taken: Taken) -> None:
    def counted() -> tuple[int, int]:
        lines = beside.get("/metrics").body.decode().splitlines()
        name = 'automl_requests_total{model="sizes",path="predict",status="200"} '
        n = [int(line.removeprefix(name)) for line in lines if line.startswith(name)]
        now = [line for line in lines if line.startswith("automl_requests_in_progress ")]
        return sum(n), int(now[0].split()[1])

    before = counted()
    answers(beside, *[request(None, "X-Test: counted")] * 5)
    assert taken == [True] * 4
    assert counted() == (before[0] + 5, 0) == (before[0] + 5, before[1])


@pytest.mark.parametrize(
    "asked",
    [
        request(None, "X-Test: folded", " and more"),
        request(None, "X-Test: bare ends", end=b"\n"),
        request(None, "X-Test: bare end\nX-More: 1"),
        request(None, "X-Test: version").replace(b"HTTP/1.1", b"HTTP/1.0"),
        request(None, "X-Test: expects", "Expect: 100-continue"),
        request(None, "X-Test: upgrades", "Upgrade: h2c"),
        request(None, "X-Test: twice", f"Content-Length: {len(json.dumps({'records': [ROW]}))}"),
        request(None, "X-Test: asks for more", path="/predict?sets=0.9"),
        request(None, "X-Test: mode", path="/predict?mode=lenient"),
        request(None, "X-Test: CSV", "Accept: text/csv"),
        request(None, "X-Test: ends", "Connection: close"),
        request(b'{"records": []}', "X-Test: refused"),
        request(None, "X-Test: explained", path="/explain"),
        b"\r\n\r\n" + request(None, "X-Test: begins late"),
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_only_plain_heads_are_remembered(beside: Live, taken: Taken, asked: bytes) -> None:
    for _ in range(3):
        answers(beside, asked)
    assert not taken


def test_a_body_that_is_refused_is_refused_as_ever(
    beside: Live, alone: Live, taken: Taken
) -> None:
    fine = json.dumps({"records": [ROW]}).encode()
    for wrong in (
        fine.replace(b'"length"', b'"lengtz"'),
        fine.replace(b"{", b"[", 1),
        b" " * len(fine),
        b"\xff" * len(fine),
    ):
        asked = [request(fine, "X-Test: refused"), request(wrong, "X-Test: refused")] * 2
        assert answers(beside, *asked) == answers(alone, *asked)
        assert b" 200 " not in answers(beside, asked[1])[0][:20]
    assert all(taken)
    assert taken


def test_bodies_that_come_late(beside: Live, alone: Live, taken: Taken) -> None:
    asked = request(None, "X-Test: late")
    (wanted,) = answers(alone, asked)
    head = asked.index(_END) + 4
    assert answers(beside, asked) == [wanted]
    for cut, wait in ((head, 0.0), (head, 0.2), (head + 9, 0.2), (head - 3, 0.1), (head + 5, 0.0)):
        with connected(beside) as (connection, file):
            connection.sendall(asked[:cut])
            time.sleep(wait)
            connection.sendall(asked[cut:])
            assert answer(file) == wanted
            connection.sendall(asked)
            assert answer(file) == wanted
    with connected(beside) as (connection, file):  # gone before all was sent
        connection.sendall(asked[: head + 1])
    assert answers(beside, asked) == [wanted]
    assert all(taken)
    assert len(taken) > 6


KNOWN = request(None, "X-Test: mixed")
POOL: Sequence[bytes] = (
    KNOWN,
    KNOWN,
    request({"records": [{**ROW, "length": 13.04}]}, "X-Test: mixed"),
    request(json.dumps({"records": [ROW]}).replace("length", "lengtz").encode(), "X-Test: mixed"),
    request({"records": [{**ROW, "city": "?"}]}, "X-Test: mixed"),
    request({"records": [ROW] * 3}, path="/models/sizes/predict"),
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    asked=st.lists(st.sampled_from(POOL), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 3000), max_size=5),
    wait=st.sampled_from([0.0, 0.0, 0.003, 0.03]),
)
def test_however_requests_are_cut_and_joined(
    beside: Live, asked: list[bytes], cuts: list[int], wait: float, wanted: dict[bytes, bytes]
) -> None:
    data = b"".join(asked)
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    with connected(beside) as (connection, file):
        for start, end in zip(places, places[1:], strict=False):
            connection.sendall(data[start:end])
            time.sleep(wait)
        for one in asked:
            assert answer(file) == wanted[one]


@pytest.fixture(scope="module")
def wanted(alone: Live, beside: Live) -> dict[bytes, bytes]:
    answers(beside, *POOL)
    return dict(zip(POOL, answers(alone, *POOL), strict=True))


def test_a_head_is_looked_at_again_once_tokens_are_read_again(
    stored: Path, tmp_path: Path, taken: Taken
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("the-first-token-of-all\n")
    known, wrong = (
        request(None, f"Authorization: Bearer the-{one}-token-of-all")
        for one in ("first", "other")
    )
    with scored_beside_guarded(stored, tokens) as (live, read_again):
        assert [one[:13] for one in answers(live, known, known)] == [b"HTTP/1.1 200 "] * 2
        assert [one[:13] for one in answers(live, wrong)] == [b"HTTP/1.1 401 "]
        assert taken == [True]
        with connected(live) as (connection, file):  # asked before, answered after
            held = request(None, "Authorization: Bearer the-first-token-of-all", "X-Test: held")
            connection.sendall(held[:-5])
            time.sleep(0.2)
            tokens.write_text("the-other-token-of-all\n")
            read_again()
            connection.sendall(held[-5:])
            assert answer(file)[:13] == b"HTTP/1.1 200 "
        assert [one[:13] for one in answers(live, held)] == [b"HTTP/1.1 401 "]
        assert [one[:13] for one in answers(live, known)] == [b"HTTP/1.1 401 "]
        assert [one[:13] for one in answers(live, wrong, wrong)] == [b"HTTP/1.1 200 "] * 2
        assert taken == [True, True]


@contextmanager
def scored_beside_guarded(stored: Path, tokens: Path) -> Iterator[tuple[Live, Callable[[], None]]]:
    """A service with tokens, and what lets it read them again, as SIGHUP does."""
    from automl.serve import server

    runs: list[Any] = []
    made = server._Running.__init__

    def kept(self: Any, *arguments: Any, **options: Any) -> None:
        runs.append(self)
        made(self, *arguments, **options)

    server._Running.__init__ = kept  # type: ignore[method-assign]
    try:
        with living(str(stored), scorers=1, token_file=tokens) as live:
            until = time.monotonic() + 120
            while runs[0]._models.processes != {"sizes": 1}:
                assert time.monotonic() < until
                time.sleep(0.05)

            def read_again() -> None:
                loop, done = runs[0]._tasks[0].get_loop(), threading.Event()
                loop.call_soon_threadsafe(lambda: (runs[0]._asked_to_look(), done.set()))
                assert done.wait(30)

            yield live, read_again
    finally:
        server._Running.__init__ = made  # type: ignore[method-assign]


def test_a_head_that_a_parser_ends_elsewhere(beside: Live, taken: Taken) -> None:
    """What is left of it in the parser is the begin of the next request, whose body holds one."""
    known = request(None, "X-Test: hidden")
    answers(beside, known)
    left = request(known)[: -len(known)]
    row = json.dumps({"records": [ROW]}).encode()
    body = b" " * (len(left) - 4) + _END + row
    first = request(body, end=b"\n")
    assert first.index(_END) + 4 + len(body) == len(first) + len(left)
    with connected(beside) as (connection, file):
        connection.sendall(first + left)
        if answer(file).startswith(b"HTTP/1.1 200 "):  # else the parser is a strict one
            connection.sendall(known)
            assert answer(file).startswith(b"HTTP/1.1 4")
    assert not taken


def test_what_waits_behind_an_answer_is_bounded(
    beside: Live, taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks without a pause is read as fast as it is answered."""
    most, data_received = [0], Connection.data_received

    def watched(self: Connection, data: bytes) -> None:
        most[0] = max(most[0], len(self._behind) + len(data))
        data_received(self, data)

    monkeypatch.setattr(Connection, "data_received", watched)
    asked, n = request(None, "X-Test: flood"), 2000
    answers(beside, asked)
    with connected(beside) as (connection, file):
        sender = threading.Thread(target=connection.sendall, args=(asked * n,))
        sender.start()
        first = answer(file)
        assert all(answer(file) == first for _ in range(n - 1))
        sender.join(30)
    assert sum(taken) > n / 2
    assert most[0] < 340_000 < len(asked) * n


@pytest.mark.skipif(os.name == "nt", reason="has no such signals")
def test_what_a_hung_process_has_is_answered_by_the_service(
    stored: Path, alone: Live, taken: Taken
) -> None:
    import psutil

    others = set(psutil.Process().children(recursive=True))
    asked = request(None, "X-Test: hung")
    with scored_beside(str(stored), limits=Limits(timeout=4.0)) as live:
        (wanted,) = answers(alone, asked)
        assert answers(live, asked, asked) == [wanted] * 2
        (process,) = set(psutil.Process().children(recursive=True)) - others
        process.send_signal(signal.SIGSTOP)
        with connected(live) as (connection, file):
            connection.sendall(asked + asked[:40])  # the next one waits behind it
            assert answer(file) == wanted
            connection.sendall(asked[40:])
            assert answer(file) == wanted
    assert taken[:2] == [True, True]


@pytest.mark.skipif(os.name == "nt", reason="has no such signals")
def test_the_deadline_counts_from_the_first_byte(
    stored: Path, taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a hung process had comes back too late for the usual way."""
    import psutil

    def stuck(self: Any, seconds: float) -> bool:
        return bool(self._sent) and self._loop.time() - self._since > 3.0 * seconds

    monkeypatch.setattr("automl.serve.scorers._Process.stuck", stuck)
    others = set(psutil.Process().children(recursive=True))
    asked = request(None, "X-Test: deadline")
    with scored_beside(str(stored), limits=Limits(timeout=1.0)) as live:
        assert answers(live, asked)[0].startswith(b"HTTP/1.1 200 ")
        (process,) = set(psutil.Process().children(recursive=True)) - others
        process.send_signal(signal.SIGSTOP)
        assert answers(live, asked)[0].startswith(b"HTTP/1.1 503 ")
    assert taken == [True]


def test_the_service_ends_once_what_was_asked_is_answered(stored: Path, taken: Taken) -> None:
    import psutil

    others = set(psutil.Process().children(recursive=True))
    asked = request(None, "X-Test: ends")
    with scored_beside(str(stored)) as live:
        answers(live, asked)
        (process,) = set(psutil.Process().children(recursive=True)) - others
        process.suspend()
        with connected(live) as (connection, file), connected(live) as (_, idle):
            connection.sendall(asked)
            until = time.monotonic() + 20
            while not taken:
                assert time.monotonic() < until
                time.sleep(0.01)
            live.stop.set()
            time.sleep(0.5)
            process.resume()
            found = answer(file)
            assert found.startswith(b"HTTP/1.1 200 OK\r\nconnection: close\r\n")
            assert file.read() == idle.read() == b""
    assert taken == [True]
