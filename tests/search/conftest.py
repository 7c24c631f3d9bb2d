"""Races that are cleared away at the end of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_run import make_race

from automl.search.race import Race

Arena = Callable[..., Race]


@pytest.fixture
def arena(fake: str, tmp_path: Path) -> Iterator[Arena]:
    """Makes races with the fake engine, each in a folder of its own."""
    races: list[Race] = []

    def make(**parts: Any) -> Race:
        folder = tmp_path / f"race_{len(races)}"
        races.append(make_race(folder, **parts))
        return races[-1]

    yield make
    for race in races:
        race.record.journal.close()
        race.executor.close()
