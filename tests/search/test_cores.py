"""How many workers with how many threads."""

from __future__ import annotations

import pytest

from automl.search import cores

GIB = 1 << 30


@pytest.mark.parametrize(
    ("n_cores", "memory", "bytes_", "budget", "expected"),
    [
        (2, 16 * GIB, 4_000_000, 60.0, (2, 1)),  # one thread per worker
        (64, 256 * GIB, 4_000_000, 60.0, (64, 1)),
        (64, 8 * GIB, GIB // 2, 3600.0, (3, 21)),  # the memory holds three
        (8, 256 * GIB, 50_000_000, 5.0, (2, 4)),  # a fold takes seconds on one core
        (8, 256 * GIB, 50_000_000, 60.0, (8, 1)),
        (2, 256 * GIB, 200_000_000, 3600.0, (1, 2)),  # a large table is not held twice
        (64, 256 * GIB, 200_000_000, None, (16, 4)),
    ],
)
def test_workers_and_threads_fill_the_cores(
    n_cores: int,
    memory: int,
    bytes_: int,
    budget: float | None,
    expected: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: n_cores)
    facts = {"matrix_bytes": bytes_, "memory": memory, "budget": budget}
    assert cores.plan_workers(None, None, **facts) == expected
    assert cores.plan_workers(3, 5, **facts) == (3, 5)
