"""Fixtures of the tests of the service."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from service import ROW, STORED, Live, living

from automl.model.known import remember
from automl.model.manifest import read_manifest, write_manifest
from automl.serve.limits import Limits


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stored bundle, under a name that can stand in an address."""
    place = tmp_path_factory.mktemp("served") / "sizes"
    shutil.copytree(STORED, place)
    remember(read_manifest(place).digest, "checked")
    return place


@pytest.fixture(scope="session")
def live(stored: Path) -> Iterator[Live]:
    """A service with small limits."""
    limits = Limits(max_bytes=200_000, max_rows=2000, max_columns=50, timeout=20.0)
    with living(str(stored), f"again={stored}", limits=limits) as found:
        yield found


@pytest.fixture
def rewritten(stored: Path, tmp_path: Path) -> Callable[[str], Path]:
    """The stored bundle with another model card, and so with another id."""

    def write(card: str) -> Path:
        place = tmp_path / f"other-{card}"
        shutil.copytree(stored, place)
        data = dict(read_manifest(place).data)
        for name in ("files", "digest", "format"):
            del data[name]
        (place / "manifest.json").unlink()
        (place / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        write_manifest(place, data)
        remember(read_manifest(place).digest, "checked")
        return place

    return write


@pytest.fixture
def row() -> dict[str, Any]:
    return dict(ROW)
