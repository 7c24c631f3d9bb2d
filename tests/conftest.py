"""Fixtures of all tests: an engine that obeys orders, and what it is told."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import automl
from automl import plugins

HERE = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests keep their list of known bundles to themselves, also in the processes they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOML_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_contained() -> Iterator[None]:
    """A section of a report that cannot be made fails its test, where users get a warning."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("automl.workflows.facts.CONTAINED", ())
        yield


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    """A Chromium that opens pages; see `browser.py`."""
    from browser import browser, chromium

    program = chromium()
    if program is None:
        pytest.skip("no Chromium is installed")
    with browser(program) as one:
        yield one


@pytest.fixture(scope="session")
def fake_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that Python takes for the installed plug-in of `fake_engine.py`."""
    folder = tmp_path_factory.mktemp("installed")
    source = (HERE / "fake_engine.py").read_text(encoding="utf-8")
    (folder / "fake_engine.py").write_text(source, encoding="utf-8")
    facts = folder / "fake_engine-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-engine\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[automl.engines]\nfake = fake_engine\n")
    return folder


@pytest.fixture
def fake(fake_package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the fake engine, found here and by worker processes as a plug-in is."""
    monkeypatch.syspath_prepend(fake_package)
    # The processes that tests start must find the automl that the tests have imported.
    paths = [str(fake_package), str(Path(automl.__file__).parents[1])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths), prepend=os.pathsep)
    importlib.invalidate_caches()
    plugins.names.cache_clear()
    yield "fake"
    plugins.names.cache_clear()


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Tells the fake engine what to do in runs that choose its params themselves."""

    def give(**commands: Any) -> None:
        monkeypatch.setenv("AUTOML_FAKE", json.dumps(commands))

    return give
