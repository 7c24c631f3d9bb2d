"""Hostile and mistaken requests: a clear answer of 4xx, soon, and the service goes on."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service import Live, living

from automl.serve.limits import Limits

REFUSED: dict[str, tuple[bytes, str, int, str]] = {
    "no JSON": (b"{records", "application/json", 400, "no JSON"),
    "NaN": (b'{"records": [{"length": NaN}]}', "application/json", 400, "NaN"),
    "infinity": (b'{"records": [{"length": -Infinity}]}', "application/json", 400, "Infinity"),
    "a key twice": (b'{"records": [], "records": []}', "application/json", 400, "twice"),
    "deep nesting": (b"[" * 90_000, "application/json", 400, "nested too deeply"),
    "deep objects": (b'{"a":' * 20_000, "application/json", 400, "nested too deeply"),
    "a long number": (b"[" + b"9" * 10_000 + b"]", "application/json", 400, "too long"),
    "half a pair": (rb'{"records": [{"note": "\ud800"}]}', "application/json", 400, "surrogate"),
    "no UTF-8": (b'{"a": "\xff"}', "application/json", 400, "UTF-8"),
    "a list": (b"[]", "application/json", 422, "records"),
    "no record": (b'{"records": []}', "application/json", 422, "records"),
    "both": (b'{"records": [], "columns": {}}', "application/json", 422, "either"),
    "no object": (b'{"records": [1]}', "application/json", 422, "Row 1"),
    "other lengths": (b'{"columns": {"a": [1], "b": [1, 2]}}', "application/json", 422, "'b'"),
    "wrong type": (b"<a/>", "application/xml", 415, "application/xml"),
    "no type": (b"{}", "", 415, "Content-Type"),
    "other letters": (b"{}", "application/json; charset=latin-1", 415, "latin-1"),
    "empty CSV": (b"", "text/csv", 400, "empty"),
    "binary CSV": (b"PK\x03\x04\0\0\0", "text/csv", 400, "no text"),
    "wide CSV": (b"," * 1000 + b"\n" + b"," * 1000, "text/csv", 413, "columns"),
    "long CSV": (b"a\n" * 5000, "text/csv", 413, "rows"),
    "other columns": (b"a,b\n1,2\n", "text/csv", 422, "missing"),
    "empty lines": (b"\n\n", "application/x-ndjson", 400, "empty"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(live: Live, what: str) -> None:
    body, kind, status, says = REFUSED[what]
    started = time.perf_counter()
    found = live.post("/predict", body, kind)
    assert (found.status, says in found.error["message"]) == (status, True), found.body[:300]
    assert time.perf_counter() - started < 10
    assert found.headers["x-model-id"]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ({"length": "long"}, "'long' is not a finite number"),
        ({"length": True}, "true is a truth value"),
        ({"length": 10**400}, "beyond the range"),
        ({"length": [1]}, "a list is no cell"),
        ({"city": {"a": 1}}, "an object is no cell"),
        ({"paid": "perhaps"}, "is neither 'no' nor 'yes'"),
        ({"day": "31.02.2025"}, "is not a date"),
        ({"day": False}, "false is a truth value"),
    ],
)
def test_a_wrong_cell_is_named(
    live: Live, row: dict[str, Any], cell: dict[str, Any], says: str
) -> None:
    found = live.post("/predict", {"records": [row, {**row, **cell}]})
    violation = found.error["violations"][0]
    assert found.status == 422
    assert (violation["row"], violation["column"]) == (2, next(iter(cell)))
    assert says in violation["message"]
    lenient = live.post("/predict?mode=lenient", {"records": [row, {**row, **cell}]})
    nothing = live.post("/predict", {"records": [{**row, next(iter(cell)): None}]})
    assert lenient.json["predictions"][1] == nothing.json["predictions"][0]
    assert lenient.json["warnings"][0]["kind"] == "wrong_type"


def test_missing_columns_unseen_levels_and_ranges(live: Live, row: dict[str, Any]) -> None:
    short = {name: cell for name, cell in row.items() if name != "width"}
    found = live.post("/predict", {"records": [row, {**short, "With": 1}]})
    assert found.error["violations"] == [
        {"row": 2, "column": "width", "message": "the column is missing"}
    ]
    near = live.post("/predict", {"records": [{**short, "widht": 1}]})
    assert "did you mean 'widht'" in near.error["violations"][0]["message"]
    strange = {**row, "city": "Atlantis", "length": 99, "extra": 1}
    told = {
        one["kind"]: one for one in live.post("/predict", {"records": [strange]}).json["warnings"]
    }
    assert told["unseen_level"]["example"] == "Atlantis"
    assert told["out_of_range"]["trained"] == [2.81, 16.01]
    assert told["extra_columns"]["columns"] == ["extra"]
    strict = live.post("/predict?mode=strict", {"records": [strange]})
    assert strict.error["violations"][0]["column"] == "city"


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/predict?interval=0.9", 422, "--sets"),
        ("/predict?sets=0.9", 422, "wrote it without"),
        ("/predict?sets=nan", 422, "no number"),
        ("/predict?reasons=-1", 422, "whole number"),
        ("/predict?mode=loose", 422, "mode"),
        ("/predict?depth=3", 422, "'depth' is not known"),
        ("/predict?mode=default&mode=strict", 400, "twice"),
        ("/predict?" + "a" * 9000, 414, "too long"),
        ("/models/nobody/predict", 404, "no model 'nobody'"),
        ("/predicts", 404, "nothing at"),
    ],
)
def test_refused_addresses(
    live: Live, row: dict[str, Any], path: str, status: int, says: str
) -> None:
    found = live.post(path, {"records": [row]})
    told = f"{found.error['message']} {found.error['hint']}"
    assert (found.status, says in told) == (status, True), told


def test_other_methods(live: Live) -> None:
    found = live.get("/predict")
    assert (found.status, found.headers["allow"]) == (405, "POST")
    assert live.ask("DELETE", "/schema").headers["allow"] == "GET, HEAD"
    assert live.ask("HEAD", "/schema").body == b""
    assert "access-control-allow-origin" not in live.get("/schema", Origin="http://a.b").headers


def test_a_gigabyte_is_not_read(live: Live) -> None:
    """Announced, it is refused at once; in pieces, as soon as it is too much."""
    with socket.create_connection(("127.0.0.1", live.port), timeout=20) as connection:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Content-Length: 1000000000\r\n\r\n")
        assert b" 413 " in connection.recv(100)
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    n_sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal n_sent
        while n_sent < 1_000_000_000:
            n_sent += 100_000
            yield b" " * 100_000

    try:
        connection.request(
            "POST", "/predict", pieces(), {"Content-Type": "application/json"}, encode_chunked=True
        )
    except (BrokenPipeError, ConnectionResetError):
        assert n_sent < 200_000_000
    else:
        raise AssertionError("all of it was taken")
    finally:
        connection.close()
    assert live.get("/health").status == 200


def test_many_rows_columns_and_compressed_bodies(live: Live, row: dict[str, Any]) -> None:
    few = {"columns": {name: [cell] * 2001 for name, cell in row.items()}}
    assert live.post("/predict", few).status == 413
    wide = {**row, **{f"c{i}": 1 for i in range(100)}}
    assert live.post("/predict", {"records": [wide]}).status == 413
    packed = live.post("/predict", {"records": [row]}, **{"Content-Encoding": "gzip"})
    assert packed.status == 415
    explained = live.post("/explain", {"columns": {n: [c] * 201 for n, c in row.items()}})
    assert explained.status == 413


def test_a_million_columns(stored: Path, row: dict[str, Any]) -> None:
    names = [f"c{i}" for i in range(1_000_000)]
    with living(str(stored)) as usual:
        for body in (
            {"records": [dict.fromkeys(names, 1)]},
            {"columns": dict.fromkeys(names, [1])},
        ):
            found = usual.post("/predict", body)
            assert (found.status, "columns" in found.error["message"]) == (413, True)
        line = ",".join(names).encode()
        found = usual.post("/predict", line + b"\n" + line, "text/csv")
        assert (found.status, "columns" in found.error["message"]) == (413, True)
        assert usual.post("/predict", {"records": [row]}).status == 200


def test_slow_clients_are_given_up(stored: Path, row: dict[str, Any]) -> None:
    with living(str(stored), limits=Limits(timeout=0.5)) as slow:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", slow.port), timeout=20) as connection:
            connection.sendall(head + b"Content-Length: 1000\r\n\r\n{")
            started = time.perf_counter()
            answer = b""
            while part := connection.recv(65536):
                answer += part
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert time.perf_counter() - started < 10
        assert slow.post("/predict", {"records": [row]}).status == 200
        for begun in (b"", b"POST /predict HTTP/1.1\r\nHo"):  # and those without a whole head
            with socket.create_connection(("127.0.0.1", slow.port), timeout=20) as connection:
                connection.sendall(begun)
                assert ended(connection)


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def test_who_does_not_read_is_cut_off(stored: Path) -> None:
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
    with (
        living(str(stored), limits=Limits(timeout=1.0)) as live,
        socket.socket() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", live.port))
        cut_off = False
        while not cut_off:
            try:
                connection.sendall(asked)
            except ConnectionError:  # a time-out would be another error
                cut_off = True
        assert live.get("/health").status == 200


def test_too_many_at_a_time(stored: Path, row: dict[str, Any]) -> None:
    with living(str(stored), limits=Limits(max_requests=1)) as small:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        body = json.dumps({"records": [row]}).encode()
        with socket.create_connection(("127.0.0.1", small.port), timeout=20) as connection:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
            time.sleep(0.3)
            refused = small.post("/predict", {"records": [row]})
            assert (refused.status, refused.headers["retry-after"]) == (429, "1")
            assert small.get("/health").status == 200
            connection.sendall(body)
            assert b" 200 " in connection.recv(100)
        assert small.post("/predict", {"records": [row]}).status == 200


def test_tokens(stored: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    file = tmp_path / "tokens"
    file.write_text("first-token-of-many-letters\nsecond-token-of-many-letters\n")
    with living(str(stored), token_file=file) as guarded:
        asked = {"records": [row]}
        assert guarded.post("/predict", asked).status == 401
        wrong = guarded.post("/predict", asked, Authorization="Bearer first-token")
        assert (wrong.status, wrong.headers["www-authenticate"]) == (401, 'Bearer realm="automl"')
        for word in ("first", "second"):
            token = {"Authorization": f"Bearer {word}-token-of-many-letters"}
            assert guarded.post("/predict", asked, **token).status == 200
        assert {guarded.get(path).status for path in ("/schema", "/metrics", "/openapi.json")} == {
            401
        }
        assert {guarded.get(path).status for path in ("/", "/health", "/ready")} == {200}


def test_a_strange_name_for_this_machine_is_refused(live: Live) -> None:
    """A page of somebody else could make its own name point here."""
    assert live.get("/schema", Host="evil.example").status == 421
    assert live.get("/schema", Host=f"localhost:{live.port}").status == 200
