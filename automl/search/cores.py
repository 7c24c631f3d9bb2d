"""How many workers a run has, and how many threads each."""

from __future__ import annotations

from automl.cores import usable_cores
from automl.engines.base import TableSize
from automl.search.setup import fold_seconds

_CELL_BYTES = 6  # of text, about
# So many cells more make a worker take a thread more instead of having another beside it, which
# would hold the table once more.
_THREAD_CELLS = 10_000_000
# A fold of a small model may take this share of the budget: a few trials fit then.
_FOLD_SHARE = 0.25


def plan_workers(
    workers: int | None,
    threads: int | None,
    *,
    matrix_bytes: int,
    memory: int,
    budget: float | None = None,
) -> tuple[int, int]:
    """(worker processes, threads of each) for a table of about that many bytes.

    memory: bytes that all processes may use.  budget: seconds of the whole run, or None.

    One thread per worker keeps every core busy even when others use the machine: two threads
    that wait for each other lose 4-10x then. A table too large to be held by that many workers
    gets fewer, with more threads each; so does one of which a single fold would take too much of
    the budget on one core.
    """
    cores = usable_cores()
    if workers is None:
        # A worker holds the rows it takes and their bins, on top of the libraries themselves.
        per_worker = 3 * matrix_bytes + 150_000_000
        in_memory = max(1, int(0.7 * memory / per_worker))
        workers = max(
            1, min(cores // (threads or _least_threads(matrix_bytes, budget)), in_memory)
        )
    return workers, threads or max(1, cores // workers)


def _least_threads(matrix_bytes: int, budget: float | None) -> int:
    """Threads with which a fold takes no more than its share of the budget, about."""
    cells = matrix_bytes // _CELL_BYTES
    threads = 1 + cells // _THREAD_CELLS
    if budget is None:
        return threads
    return max(threads, round(fold_seconds(TableSize(cells, 1, 0, 0), 1) / (_FOLD_SHARE * budget)))
