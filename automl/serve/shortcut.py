"""A shorter way for what a service is asked most: POST predict, again from the same client.

Between two such requests nothing changes but the body. So the head of a request that was answered
by a scoring process is remembered, byte by byte. Where a whole request with that very head comes,
all that the head decides is decided: who asks, for what, in which form. Its body goes to the
scoring process, and the answer back, without taking the head apart or a task for it. Whatever is
not as usual takes the usual way, from its first byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from automl.serve.http import JSON_TYPE, Scope, head_of
from automl.serve.limits import Limits, Load
from automl.serve.metrics import Metrics
from automl.serve.models import Model, Models
from automl.serve.transport import Together

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Protocol
else:
    _Protocol = object

# In a scope: the name of the model, see `Shortcut.learn`; and when a request was asked that comes
# from the shortcut, in seconds of the loop.
MARK: Final = "automl.shortcut"
SINCE: Final = "automl.since"
_END: Final = b"\r\n\r\n"
_LONGEST_HEAD = 4096
_MOST_HEADS = 4096  # lengths of bodies times clients
_MOST_BEHIND = 65_536  # bytes of further requests that wait for an answer
_PART_SECONDS = 0.02  # for the body, where the head came alone; then it takes the usual way
# Headers that make a request more than a head and a body.
_SPECIAL: Final = {b"expect", b"upgrade", b"transfer-encoding", b"trailer"}

Take = Callable[[bytes | None], None]


@dataclass(frozen=True)
class Plan:
    """What a head asks for. name: of the model, None = the first one.  n_head, n_body: bytes,
    the head with the empty line behind it."""

    name: str | None
    n_head: int
    n_body: int

    @property
    def n(self) -> int:
        return self.n_head + self.n_body


class Shortcut:
    """The heads that are known, and the way of their requests."""

    def __init__(self, models: Models, metrics: Metrics, load: Load, limits: Limits) -> None:
        self._models, self._metrics, self._load, self._limits = models, metrics, load, limits
        self._plans: dict[bytes, Plan] = {}
        self.n_forgotten = 0  # times

    def forget(self) -> None:
        """Let each head be looked at again: other tokens may be right now."""
        self._plans.clear()
        self.n_forgotten += 1

    def plan(self, data: bytes) -> Plan | None:
        """What a request that begins so asks for; None if its head is not known, or not whole."""
        end = data.find(_END, 0, _LONGEST_HEAD)
        return None if end < 0 else self._plans.get(data[:end])

    def learn(self, head: bytes, scope: Scope) -> None:
        """Remember the head of a request that was answered, if it was a plain one.

        head: its bytes, without the empty line.  scope: what was read in it.
        """
        if MARK not in scope or scope["http_version"] != "1.1" or not head.startswith(b"POST /"):
            return
        names = [name for name, _ in scope["headers"]]
        lines = head.split(b"\r\n")
        # Some parsers also end lines otherwise, or join some: there the end is not so sure.
        plain = len(lines) == len(names) + 1 and not any(b"\n" in x or b"\r" in x for x in lines)
        if not plain or names.count(b"content-length") != 1 or _SPECIAL & set(names):
            return
        if len(self._plans) >= _MOST_HEADS:
            self._plans.clear()
        n_body = int(dict(scope["headers"])[b"content-length"])
        self._plans[head] = Plan(scope[MARK], len(head) + len(_END), n_body)

    def ask(self, plan: Plan, body: bytes, take: Callable[[Model, bytes | None], None]) -> bool:
        """Whether the body could be handed over; then `take` gets the answer, or None where the
        request has to take the usual way, in a later call."""
        model = self._models.get(plan.name)
        if model is None or model.scorers is None or self._load.refuses(self._limits):
            return False
        started = time.perf_counter()
        mine = model

        def taken(answer: bytes | None) -> None:
            self._load.end(plan.n_body)
            if answer is not None:
                seconds = time.perf_counter() - started
                self._metrics.request(mine.name, "predict", 200, seconds)
            try:
                take(mine, answer)
            finally:
                mine.release()

        if not model.scorers.ask(body, taken):
            return False
        model.users += 1
        self._load.begin(plan.n_body)
        return True


@lru_cache(maxsize=1024)
def _lines(model_id: str, n_body: int) -> bytes:
    """The headers of an answer, but for those that the server adds to all."""
    made = head_of(200, JSON_TYPE, {"X-Model-Id": model_id}, n_body)
    return _joined(made["headers"]) + b"\r\n"


def _joined(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


class Connection(_Protocol):
    """One connection. It knows the shortcut as long as each request is whole in itself."""

    shortcut: Shortcut
    _parser_is_idle = True  # all that the parser was given is answered
    _head: bytes | None = None  # of what the parser was given since it was idle
    _n_given = 0  # bytes of that
    _n_forgotten = 0  # when that came
    _begun = b""  # of a known request that is not whole yet
    _timer: asyncio.TimerHandle | None = None  # for the rest of it
    _asked: bytes | None = None  # the request that is on the shortcut
    _asked_at = 0.0
    _behind = b""  # what came behind it
    _ending = False  # the connection ends with the next answer
    _answered_at = 0.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast("asyncio.Transport", Together(transport)))

    def connection_lost(self, error: Exception | None) -> None:
        self._end_wait()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self._asked is not None:
            self._behind += data
            if len(self._behind) > _MOST_BEHIND:
                self.flow.pause_reading()
            return
        if not self._parser_is_idle:
            self._parse(data)
            return
        data = self._begun + data
        plan = self.shortcut.plan(data)
        if plan is not None and len(data) < plan.n:
            self._begun = data
            if self._timer is None:  # who sends in drops gets no longer
                self._timer = self.loop.call_later(_PART_SECONDS, self._go_usual_way)
            return
        self._end_wait()
        if plan is None or not self._take_shortcut(plan, data):
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """The usual way."""
        if self._parser_is_idle:
            end = data.find(_END, 0, _LONGEST_HEAD)
            self._head = None if end < 0 else data[:end]
            self._n_given, self._parser_is_idle = 0, False
            self._n_forgotten = self.shortcut.n_forgotten
        self._n_given += len(data)
        super().data_received(data)

    def on_response_complete(self) -> None:
        head, self._head = self._head, None
        if head is not None and self._was_whole(head) and not self.transport.is_closing():
            self._parser_is_idle = True
            if self._n_forgotten == self.shortcut.n_forgotten:  # else its token may be an old one
                self.shortcut.learn(head, cast("Scope", self.scope))
        super().on_response_complete()

    def _was_whole(self, head: bytes) -> bool:
        """Whether the parser was given the answered request, all of it, and nothing else."""
        if self.cycle.scope is not self.scope or not self.cycle.response_complete:
            return False  # another request has begun behind it
        if b"\n" in head.replace(b"\r\n", b""):
            return False  # a parser may take that for the end of a head
        headers: Mapping[bytes, bytes] = dict(self.scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or b"transfer-encoding" in headers:
            return False
        return self._n_given == len(head) + len(_END) + int(length)

    def _take_shortcut(self, plan: Plan, data: bytes) -> bool:
        full = self.limit_concurrency and len(self.connections) >= self.limit_concurrency
        if full or self.flow.write_paused or self._ending:
            return False
        if not self.shortcut.ask(plan, data[plan.n_head : plan.n], self._answer):
            return False
        self._asked, self._behind = data[: plan.n], data[plan.n :]
        self._asked_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch_idle(self.timeout_keep_alive)
        return True

    def _answer(self, model: Model, answer: bytes | None) -> None:
        data, self._asked = self._asked, None
        if self.transport.is_closing():
            return
        if answer is None:
            assert data is not None
            self._parse(data)
            self.scope[SINCE] = self._asked_at  # type: ignore[typeddict-unknown-key]
            if self._ending:
                super().shutdown()
        else:
            self.server_state.total_requests += 1
            close = b"connection: close\r\n" if self._ending else b""
            added = _joined(self.server_state.default_headers)
            lines = _lines(model.id, len(answer))
            self.transport.write(b"HTTP/1.1 200 OK\r\n" + close + added + lines + answer)
            self._answered_at = self.loop.time()
            if self._ending:
                self.transport.close()
                return
        if self._behind:
            behind, self._behind = self._behind, b""
            if len(behind) <= _MOST_BEHIND:
                self.flow.resume_reading()
            self.data_received(behind)

    def _go_usual_way(self) -> None:
        begun = self._begun
        self._end_wait()
        if begun:
            self._parse(begun)

    def _end_wait(self) -> None:
        self._begun = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch_idle(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if self._asked is not None or left > 0.0:
            self._watch_idle(max(left, 1.0))
        else:
            super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        self._go_usual_way()
        if self._asked is None:
            super().shutdown()
        else:
            self._ending = True  # after the answer


def with_shortcut(protocol: type[Any], shortcut: Shortcut) -> type[Any]:
    """uvicorn's protocol class, with connections that know the shortcut."""
    return type("Protocol", (Connection, protocol), {"shortcut": shortcut})
