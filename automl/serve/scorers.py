"""The scoring processes of one model: small requests are scored beside the service, not in it.

One interpreter does one thing at a time: while it scores, it takes no request. So the service
hands the bodies of small requests, some at a time, to a process that has the model, too. Without
one, while it starts, after it has died, or for what it gives back, the service scores itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

import automl
from automl.serve.frames import Frames, packed
from automl.serve.limits import Limits
from automl.serve.scoring import PLAIN, Asked

# -P: not the current folder, where a stranger's files may lie.
_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from automl.serve.scoring_process import main; main()"
)
_POOLS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_LONGEST_BODY = 65_536  # larger ones are no small requests
_MOST_SENT = 64  # requests that a process has at a time; the others wait here
_START_SECONDS = 120.0
_LOOK_SECONDS = 1.0
_END_SECONDS = 5.0
_AGAIN_SECONDS = (1.0, 5.0, 30.0, 60.0)  # after which one that ended is started again


@dataclass(eq=False, slots=True)
class _Job:
    """asked: interval, sets and mode; None for a plain prediction.

    take: called with the answer, or None if the service has to make it.  gone: whether nobody
    waits for it any more.
    """

    body: bytes
    asked: tuple[float | None, float | None, str] | None
    take: Callable[[bytes | None], None]
    gone: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class ScoredModel:
    """What a scoring process loads. place: of the bundle.  digest: what it must be."""

    name: str
    place: Path
    digest: str


class _Process(asyncio.SubprocessProtocol):
    """One process: what was sent to it, and what waits.

    ended: set when it has, and all it wrote was read, to why.
    """

    def __init__(self, seen: Callable[[int, int, float], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seen = seen
        self._frames = Frames()
        self._waiting: deque[_Job] = deque()
        self._sent: deque[_Job] = deque()  # answered in this order
        self._since = self._loop.time()  # it owes an answer
        self._flushing = False
        self._closing = False
        self._said: str | None = None
        self.ready = self.exited = False
        self.ended: asyncio.Future[str] = self._loop.create_future()

    def load(self) -> int:
        """Requests that it has, or that wait for it."""
        return len(self._waiting) + len(self._sent)

    def ask(self, job: _Job) -> None:
        self._waiting.append(job)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)  # what comes in this round joins

    def close(self) -> None:
        """Let it end once all is answered."""
        self._closing = True
        if not self.ready:  # it owes nobody anything
            self.kill()
        elif not self.load():
            self._input.close()

    def kill(self) -> None:
        if self._transport.get_returncode() is None:
            self._transport.kill()

    def drop(self) -> None:
        """Read nothing more of it."""
        self._transport.close()

    def stuck(self, seconds: float) -> bool:
        """Whether it has owed an answer, or its start, for so long."""
        owes = bool(self._sent) or not (self.ready or self.exited)
        limit = seconds if self.ready else _START_SECONDS
        return owes and self._loop.time() - self._since > limit

    @property
    def _input(self) -> asyncio.WriteTransport:
        return cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    def _flush(self) -> None:
        self._flushing = False
        if self.exited:
            self._give_back()
            return
        jobs: list[_Job] = []
        while self._waiting and len(self._sent) + len(jobs) < _MOST_SENT:
            job = self._waiting.popleft()
            if not job.gone():  # its client has left, or waited too long
                jobs.append(job)
        if not jobs:
            return
        if not self._sent:
            self._since = self._loop.time()
        self._sent += jobs
        asked = [job.asked for job in jobs]
        head = {} if all(one is None for one in asked) else {"asked": asked}
        self._input.write(packed(head, [job.body for job in jobs]))

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        for head, answers in self._frames.feed(data):
            if "error" in head:
                self._said = str(head["error"])
            elif self.exited:  # what was asked was given back
                continue
            elif "ready" in head:
                self.ready = True
            else:
                self._take(head, answers)

    def _take(self, head: dict[str, Any], answers: list[bytes | None]) -> None:
        self._since = self._loop.time()
        self._seen(len(answers), head["rows"], head["seconds"])
        for answer in answers:  # each by itself: what one does with it is not the others' matter
            self._loop.call_soon(self._sent.popleft().take, answer)
        if self._waiting and not self._flushing:
            self._flush()
        if self._closing and not self.load():
            self._input.close()

    def process_exited(self) -> None:
        self.ready, self.exited = False, True
        self._give_back()

    def _give_back(self) -> None:
        """Let the service answer what this cannot any more."""
        jobs = (*self._sent, *self._waiting)
        self._waiting.clear()
        self._sent.clear()
        for job in jobs:
            self._loop.call_soon(job.take, None)

    def connection_lost(self, error: Exception | None) -> None:
        """All that it wrote has been read, and it has ended."""
        status = self._transport.get_returncode() or 0
        self._transport.close()
        if self._said is None:
            signals = {-number: number.name for number in signal.Signals}
            self._said = signals.get(status, f"exit status {status}")
        if not self.ended.done():
            self.ended.set_result(self._said)


class Scorers:
    """Some scoring processes of one model, each started again when it ends.

    seen: called with (requests, rows, seconds) after each batch.  said: told when one ends.
    """

    def __init__(
        self,
        model: ScoredModel,
        limits: Limits,
        seen: Callable[[int, int, float], None],
        said: Callable[[str], None],
    ) -> None:
        self._model, self._limits, self._seen, self._said = model, limits, seen, said
        self._processes: list[_Process] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = False

    def start(self, n: int) -> None:
        """Keep `n` processes running from now on; they take requests as soon as they can."""
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(n)]

    async def answer(self, body: bytes, asked: Asked, mode: str) -> bytes | None:
        """The answer to POST predict; None if the service has to make it."""
        process = None if asked.explains else self._for(body)
        if process is None:
            return None
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

        def take(content: bytes | None) -> None:
            if not answer.done():
                answer.set_result(content)

        plain = asked is PLAIN and mode == "default"
        wanted = None if plain else (asked.interval, asked.sets, mode)
        process.ask(_Job(body, wanted, take, answer.done))
        return await answer

    def ask(self, body: bytes, take: Callable[[bytes | None], None]) -> bool:
        """Whether a process has the body of a plain request now; `take` is called in a later
        round of the loop, with the answer, or None if the service has to make it."""
        process = self._for(body)
        if process is None or process.load() >= _MOST_SENT:
            return False
        process.ask(_Job(body, None, take))
        return True

    def _for(self, body: bytes) -> _Process | None:
        """The process for a small body; None if there is none, or none is ready."""
        if len(body) > _LONGEST_BODY:
            return None
        ready = [process for process in self._processes if process.ready]
        return min(ready, key=_Process.load) if ready else None

    @property
    def n_ready(self) -> int:
        """Processes that can take requests."""
        return sum(process.ready for process in self._processes)

    @property
    def ended(self) -> bool:
        """Whether all processes have ended, for good."""
        return all(keeper.done() for keeper in self._keepers)

    def close(self) -> None:
        """Let the processes end once all is answered."""
        self._closing = True
        for process in self._processes:
            process.close()

    async def closed(self) -> None:
        """Wait until the processes have ended, for a while; then end them."""
        self.close()
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=_END_SECONDS)
            for process in self._processes if late else ():
                process.kill()
            await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _keep(self) -> None:
        """Run a process, and again when it ends."""
        n_failed = 0
        while not self._closing:
            served, why = await self._run()
            if self._closing:
                return
            n_failed = 0 if served else n_failed + 1
            wait = _AGAIN_SECONDS[min(n_failed, len(_AGAIN_SECONDS) - 1)]
            self._said(
                f"{self._model.name}: the scoring process ended ({why}); the service scores "
                f"itself, and starts another one in {wait:g} s."
            )
            await self._pause(wait)

    async def _run(self) -> tuple[bool, str]:
        """Start a process and wait for its end: whether it became ready, and why it ended."""
        try:
            process = await self._started()
        except (OSError, NotImplementedError) as error:
            return False, f"it could not be started: {error}"
        self._processes.append(process)
        if self._closing:
            process.close()
        was_ready = False
        while not process.ended.done():
            if process.exited:  # and something holds its pipes open
                process.drop()
            await asyncio.wait([process.ended], timeout=_LOOK_SECONDS)
            was_ready = was_ready or process.ready
            if process.stuck(self._limits.timeout / 2):  # in time to answer what waits
                process.kill()
        self._processes.remove(process)
        return was_ready, process.ended.result()

    async def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self._closing and loop.time() < until:
            await asyncio.sleep(_LOOK_SECONDS / 4)

    async def _started(self) -> _Process:
        orders = {
            "name": self._model.name,
            "place": str(self._model.place.resolve()),
            "digest": self._model.digest,
            "limits": asdict(self._limits),
        }
        root = str(Path(automl.__file__).parent.parent)
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Process(self._seen),
            *(sys.executable, "-P", "-c", _START, root, json.dumps(orders)),
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(_POOLS, "1"), "PYTHONUTF8": "1"},
            # Ctrl-C reaches the service alone.
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        return process
