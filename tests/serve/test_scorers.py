"""Small requests are scored beside the service: the same answers, whatever becomes of it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from service import Live, living, wait_for_scorer

from automl.serve.frames import Frames, packed
from automl.serve.lane import Lane
from automl.serve.limits import Limits


@given(
    frames=st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(["rows", "asked", "error"]), st.text(max_size=3)),
            st.lists(st.none() | st.binary(max_size=20), max_size=4),
        ),
        max_size=4,
    ),
    step=st.integers(1, 30),
)
def test_frames_come_back_however_they_are_cut(
    frames: list[tuple[dict[str, Any], list[bytes | None]]], step: int
) -> None:
    data = b"".join(packed(head, parts) for head, parts in frames)
    taken = Frames()
    found = [frame for i in range(0, len(data), step) for frame in taken.feed(data[i : i + step])]
    assert found == frames


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


@pytest.fixture(scope="module")
def beside(stored: Path) -> Iterator[Live]:
    """A service with a scoring process that is ready."""
    with living(str(stored), scorers=1) as live:
        wait_for_scorer(live)
        yield live


@pytest.fixture(scope="module")
def alone(stored: Path) -> Iterator[Live]:
    with living(str(stored), scorers=0) as live:
        yield live


def asked(row: dict[str, Any]) -> dict[str, tuple[str, Any, int]]:
    """Address, body, and how many calls of the service's own scoring it takes."""
    missing = {name: cell for name, cell in row.items() if name != "city"}
    strange = [row, {**row, "length": -999.0}, {**row, "city": "?"}]
    return {
        "a row": ("/predict", {"records": [row]}, 0),
        "rows": ("/predict", {"records": strange}, 0),
        "columns": ("/predict", {"columns": {name: [cell] for name, cell in row.items()}}, 0),
        "many rows": ("/predict", {"records": [row] * 200}, 1),
        "interval": ("/predict?interval=0.8", {"records": [row]}, 0),
        "reasons": ("/predict?reasons=2", {"records": [row]}, 1),
        "strict": ("/predict?mode=strict", {"records": [{**row, "city": "Nowhere"}]}, 0),
        "lenient": ("/predict?mode=lenient", {"records": [missing]}, 0),
        "missing": ("/predict", {"records": [missing]}, 0),
        "wrong": ("/predict", {"records": [{**row, "length": "long"}]}, 0),
        "twice": ("/predict", b'{"records": [{"a": 1, "a": 2}]}', 0),
        "no JSON": ("/predict", b'{"records": [', 0),
        "nothing": ("/predict", {"records": []}, 0),
    }


def test_answers_are_those_of_the_service_itself(
    beside: Live, alone: Live, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    answer = Lane.answer

    async def counted(self: Lane, *arguments: Any) -> Any:
        calls.append(self)
        return await answer(self, *arguments)

    monkeypatch.setattr(Lane, "answer", counted)
    for what, (path, body, n_calls) in asked(row).items():
        calls.clear()
        one = beside.post(path, body)
        assert len(calls) == n_calls, what
        other = alone.post(path, body)
        assert (one.status, one.body) == (other.status, other.body), what
        assert one.headers["x-model-id"] == other.headers["x-model-id"]
    assert beside.said[-1].startswith("Serving on")  # no process died, nothing was a fault


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
def test_a_process_that_dies_or_hangs_is_replaced(stored: Path, row: dict[str, Any]) -> None:
    body = {"records": [row]}
    others = children()
    with living(str(stored), scorers=1, limits=Limits(timeout=8.0)) as live:
        wait_for_scorer(live)
        wanted = live.post("/predict", body).json
        for sent in (signal.SIGKILL, signal.SIGSTOP):
            (process,) = children() - others
            process.send_signal(sent)
            until = time.monotonic() + 30
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                answer = live.post("/predict", body)
                assert answer.status == 200
                assert time.monotonic() < until
            assert live.post("/predict", body).json == wanted
            wait_for_scorer(live)
            assert live.post("/predict", body).json == wanted
        ended = [text for text in live.said if "scoring process ended" in text]
        assert ["SIGKILL" in text for text in ended] == [True, True]
    assert children() == others


def test_a_bundle_that_cannot_be_read_there_is_said(stored: Path, row: dict[str, Any]) -> None:
    others = children()
    with living(str(stored), scorers=1) as live:
        wait_for_scorer(live)
        (process,) = children() - others
        manifest = stored / "manifest.json"
        text = manifest.read_text()
        try:
            manifest.write_text("{}")
            process.kill()
            until = time.monotonic() + 60
            while sum("scoring process ended" in text for text in live.said) < 2:
                assert time.monotonic() < until
                assert live.post("/predict", {"records": [row]}).status == 200
                time.sleep(0.05)
        finally:
            manifest.write_text(text)
        wait_for_scorer(live)
    assert children() == others
