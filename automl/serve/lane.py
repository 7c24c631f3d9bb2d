"""Micro-batches: rows of requests that wait at the same time are scored in one call.

Scoring runs in threads of its own. One thread takes the small requests of a model: whatever came
while it was busy is its next batch, so that batches grow with the load and a single client waits
for nobody. Where the last batch served several, it waits a moment for as many. Large requests go
to a pool, so that nobody waits behind them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from automl.serve.rows import Rows
from automl.serve.scoring import Asked

SMALL_ROWS = 64  # of a request that shares a call with others
_BATCH_ROWS = 1024
_SLICE = 8192  # rows of a large request, between which is seen whether it was given up
_EXPLAINED_SLICE = 16
_LONGEST_WAIT = 0.002  # seconds for others to join
_WAIT_SHARE = 0.25  # of the seconds that the last batch took

Score = Callable[[Sequence[Rows], Asked], list[dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class _Job:
    rows: Rows
    asked: Asked
    finish: Callable[[list[dict[str, Any]]], Any]
    future: asyncio.Future[Any]


class Lane:
    """The scoring of one model.

    score: answers for the rows of several requests, in their order.
    seen: called with (requests, rows, seconds) after each batch, in the thread of the lane.
    """

    def __init__(
        self, score: Score, pool: ThreadPoolExecutor, seen: Callable[[int, int, float], None]
    ) -> None:
        self._score = score
        self._pool = pool
        self._seen = seen
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="score", daemon=True)
        self._thread.start()

    async def answer(
        self, rows: Rows, asked: Asked, finish: Callable[[list[dict[str, Any]]], Any]
    ) -> Any:
        """What `finish` makes of the answers for `rows`; it runs in a scoring thread, too."""
        if rows.n > SMALL_ROWS or asked.explains or rows.parsed is not None:
            return await self._answer_large(rows, asked, finish)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put(_Job(rows, asked, finish, future))
        return await future

    def close(self) -> None:
        """End the thread once all that waits is done."""
        self._queue.put(None)

    async def _answer_large(
        self, rows: Rows, asked: Asked, finish: Callable[[list[dict[str, Any]]], Any]
    ) -> Any:
        given_up = threading.Event()
        try:
            return await self._loop.run_in_executor(
                self._pool, self._large, rows, asked, finish, given_up
            )
        except asyncio.CancelledError:  # nobody waits for the rest of it
            given_up.set()
            raise

    def _large(
        self,
        rows: Rows,
        asked: Asked,
        finish: Callable[[list[dict[str, Any]]], Any],
        given_up: threading.Event,
    ) -> Any:
        started = time.perf_counter()
        answers: list[dict[str, Any]] = []
        size = _EXPLAINED_SLICE if asked.explains else _SLICE
        for start in range(0, rows.n, size):
            if given_up.is_set():
                return None
            answers += self._score([rows.part(start, start + size)], asked)
        made = finish(answers)
        self._seen(1, rows.n, time.perf_counter() - started)
        return made

    def _run(self) -> None:
        expected, wait = 1, 0.0
        while True:
            first = self._queue.get()
            if first is None:
                return
            jobs, ended = self._gather(first, expected, wait)
            started = time.perf_counter()
            outcomes = self._outcomes(jobs)
            seconds = time.perf_counter() - started
            self._seen(len(jobs), sum(job.rows.n for job in jobs), seconds)
            self._loop.call_soon_threadsafe(_deliver, outcomes)
            expected, wait = len(jobs), min(_LONGEST_WAIT, _WAIT_SHARE * seconds)
            if ended:
                return

    def _gather(self, first: _Job, expected: int, wait: float) -> tuple[list[_Job], bool]:
        """The jobs of the next batch, and whether the lane ends behind it."""
        jobs, n_rows = [first], first.rows.n
        until = time.perf_counter() + wait
        while n_rows < _BATCH_ROWS:
            try:
                left = until - time.perf_counter() if len(jobs) < expected else 0.0
                job = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
            n_rows += job.rows.n
        return jobs, False

    def _outcomes(self, jobs: list[_Job]) -> list[tuple[_Job, Any, Exception | None]]:
        groups: dict[Asked, list[_Job]] = {}
        for job in jobs:
            if not job.future.cancelled():  # its client has left, or waited too long
                groups.setdefault(job.asked, []).append(job)
        outcomes: list[tuple[_Job, Any, Exception | None]] = []
        for asked, group in groups.items():
            outcomes += self._together(group, asked)
        return outcomes

    def _together(
        self, jobs: list[_Job], asked: Asked
    ) -> list[tuple[_Job, Any, Exception | None]]:
        try:
            answers = self._score([job.rows for job in jobs], asked)
            made, start = [], 0
            for job in jobs:
                made.append((job, job.finish(answers[start : start + job.rows.n]), None))
                start += job.rows.n
        except Exception as error:  # noqa: BLE001 - becomes the answer of the request it belongs to
            if len(jobs) == 1:
                return [(jobs[0], None, error)]
            return [outcome for job in jobs for outcome in self._together([job], asked)]
        return list(made)


def _deliver(outcomes: list[tuple[_Job, Any, Exception | None]]) -> None:
    for job, made, error in outcomes:
        if job.future.done():  # cancelled meanwhile
            continue
        if error is None:
            job.future.set_result(made)
        else:
            job.future.set_exception(error)
