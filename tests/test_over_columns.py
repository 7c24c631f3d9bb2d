"""Work of columns in threads."""

from __future__ import annotations

import threading

import pytest

from automl import cores


@pytest.mark.parametrize(
    ("n_cores", "n_rows", "threads"), [(1, 10**6, 1), (4, 10, 1), (4, 10**6, 4)]
)
def test_columns_keep_their_order(
    n_cores: int, n_rows: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: n_cores)
    together = threading.Barrier(threads)
    seen = set()

    def work(column: int) -> int:
        together.wait(10.0)
        seen.add(threading.get_ident())
        return -column

    assert list(cores.over_columns(work, range(8), n_rows=n_rows)) == [-i for i in range(8)]
    assert len(seen) == threads


def test_an_error_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: 2)

    def work(column: str) -> float:
        return float(column)

    with pytest.raises(ValueError, match="'x'"):
        list(cores.over_columns(work, ["1", "x", "2"], n_rows=10**6))
