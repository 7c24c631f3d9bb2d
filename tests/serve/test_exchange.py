"""A bundle takes another's place while requests come in, and none of them notices."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from service import Live, living

from automl.errors import ConfigError
from automl.model.bundle import install_bundle
from automl.serve.models import named_places
from automl.serve.server import ServeOptions, serve


class Load(threading.Thread):
    """A client that asks until it is stopped. ids: answers by id.  failed: what else came."""

    def __init__(self, live: Live, row: dict[str, Any]) -> None:
        super().__init__()
        self._live, self._row = live, row
        self._enough = threading.Event()
        self.ids: Counter[str] = Counter()
        self.failed: list[str] = []

    def run(self) -> None:
        while not self._enough.is_set():
            try:
                found = self._live.post("/predict", {"records": [self._row]})
                if found.status != 200 or found.json["model"] != found.headers["x-model-id"]:
                    self.failed.append(f"{found.status} {found.body!r}")
                self.ids[found.headers["x-model-id"]] += 1
            except OSError as error:
                self.failed.append(repr(error))

    def stop(self) -> None:
        self._enough.set()
        self.join()


def exchanged(
    n: int, pause: float, stored: Path, others: list[Path], tmp_path: Path, row: dict[str, Any]
) -> list[Load]:
    """The clients of a service whose bundle was exchanged `n` times."""
    place = tmp_path / "live"
    shutil.copytree(stored, place)
    with living(str(place)) as live:
        loads = [Load(live, row) for _ in range(4)]
        for load in loads:
            load.start()
        try:
            for i in range(n):
                time.sleep(pause)
                staging = tmp_path / f"staging-{i}"
                shutil.copytree(others[i % len(others)], staging)
                install_bundle(staging, place, force=True)
                wanted = json.loads((place / "manifest.json").read_bytes())["digest"]
                until = time.monotonic() + 60
                while live.get("/schema").json["model"] != wanted:
                    assert time.monotonic() < until, live.said
                    time.sleep(0.05)
            time.sleep(pause)  # so that somebody asks the last one, too
        finally:
            for load in loads:
                load.stop()
        text = live.get("/metrics").body.decode()
        assert f'automl_swaps_total{{model="live"}} {n}\n' in text
    return loads


def test_an_exchange(
    stored: Path, rewritten: Callable[[str], Path], tmp_path: Path, row: dict[str, Any]
) -> None:
    loads = exchanged(2, 0.2, stored, [rewritten("a"), rewritten("b")], tmp_path, row)
    assert [load.failed for load in loads] == [[]] * len(loads)
    assert len({seen for load in loads for seen in load.ids}) == 3


@pytest.mark.slow
def test_ten_exchanges_in_a_minute(
    stored: Path, rewritten: Callable[[str], Path], tmp_path: Path, row: dict[str, Any]
) -> None:
    others = [rewritten(str(i)) for i in range(10)]
    loads = exchanged(10, 6.0, stored, others, tmp_path, row)
    assert [load.failed for load in loads] == [[]] * len(loads)
    assert len(loads[0].ids) == 11


def test_a_broken_bundle_does_not_take_the_place(
    stored: Path, tmp_path: Path, row: dict[str, Any]
) -> None:
    place = tmp_path / "live"
    shutil.copytree(stored, place)
    with living(str(place)) as live:
        before = live.get("/schema").json["model"]
        text = (place / "manifest.json").read_text()
        (place / "manifest.json").write_text(text.replace('"automl"', '"automl "', 1))
        until = time.monotonic() + 30
        while not any("is not taken" in text for text in live.said):
            assert time.monotonic() < until
            time.sleep(0.05)
        shutil.rmtree(place)
        time.sleep(1.2)
        found = live.post("/predict", {"records": [row]})
        assert (found.status, found.json["model"]) == (200, before)
        assert "automl_swap_failures_total" in live.get("/metrics").body.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
def test_the_command_ends_when_what_has_begun_is_answered(
    stored: Path, row: dict[str, Any]
) -> None:
    command = [sys.executable, "-m", "automl", "serve", f"m={stored}", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "Serving on" not in said:
            said = process.stderr.readline()
            assert said
        address = said.split()[2]
        body = json.dumps({"records": [row] * 2000}).encode()
        request = urllib.request.Request(
            f"{address}/predict", body, {"Content-Type": "application/json"}
        )
        answers: list[Any] = []
        asking = threading.Thread(
            target=lambda: answers.append(json.load(urllib.request.urlopen(request, timeout=60)))
        )
        asking.start()
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        asking.join()
        rest = process.communicate(timeout=60)[1]
    assert (process.returncode, rest) == (0, "")
    assert len(answers[0]["predictions"]) == 2000


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal")
def test_tokens_are_read_again(stored: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("an-old-token-of-many-letters")
    command = [sys.executable, "-m", "automl", "serve", str(stored), "--port", "0"]
    command += ["--token-file", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = ""
            while "Serving on" not in said:
                said = process.stderr.readline()
                assert said
            live = Live(int(said.split()[2].rpartition(":")[2]))
            new = {"Authorization": "Bearer a-new-token-of-many-letters"}
            assert live.get("/schema", **new).status == 401
            file.write_text("a-new-token-of-many-letters")
            process.send_signal(signal.SIGHUP)
            until = time.monotonic() + 30
            while live.get("/schema", **new).status == 401:
                assert time.monotonic() < until
                time.sleep(0.1)
        finally:
            process.terminate()
            process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("bundles", "says"),
    [
        (["a/model", "b/model"], "Two models are called 'model'"),
        (["models/my model"], "cannot be the name"),
        ([], "no bundle"),
    ],
)
def test_names_that_cannot_be(bundles: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        named_places(bundles)


def test_names() -> None:
    assert named_places(["a/model", "new=b/model"]) == {
        "model": Path("a/model"),
        "new": Path("b/model"),
    }


def test_without_uvicorn_the_extra_is_named(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match="needs uvicorn") as error:
        serve([str(stored)])
    assert error.value.hint == "Run `pip install 'automl[serve]'`."


def test_a_port_that_is_taken_is_said(live: Live, stored: Path) -> None:
    with pytest.raises(ConfigError, match="Nothing can listen"):
        serve([str(stored)], ServeOptions(port=live.port))
