"""Requests and answers: an ASGI scope as something to ask, and bodies read within their bounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from automl.serve.limits import Limits
from automl.serve.refusal import Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

JSON_TYPE: Final = "application/json"
_LINGER_SECONDS = 1.0  # to take what a client still sends, so that it reads why it was refused
_LINGER_BYTES = 64 << 20
_LONGEST_QUERY = 8192


class ClientLeft(Exception):
    """The client closed the connection before its request was whole."""


@dataclass
class Answer:
    """A whole answer. headers: further ones.

    plain: a scoring process made it of the body alone, in the usual form.
    """

    body: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Answer:
        return cls(json.dumps(value).encode("ascii"), status)


class Request:
    """One request.

    complete: its body was read to the end.  deadline: when it is given up; a stream moves it.
    """

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        self.scope = scope
        self._receive = receive
        self._limits = limits
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.complete = self.method in ("GET", "HEAD") and not self.sends_body
        self.deadline: asyncio.Timeout | None = None
        self.unsent = self.headers.get(b"expect", b"").lower() == b"100-continue"

    @property
    def sends_body(self) -> bool:
        length = self.headers.get(b"content-length", b"0")
        return length != b"0" or b"transfer-encoding" in self.headers

    def header(self, name: bytes) -> str:
        """The value of a header, "" without."""
        return self.headers.get(name, b"").decode("latin-1")

    def query(self) -> dict[str, str]:
        """The parameters of the address. Raises Refusal for repeated ones, or far too many."""
        raw: bytes = self.scope["query_string"]
        if not raw:
            return {}
        if len(raw) > _LONGEST_QUERY:
            raise Refusal(414, "The query of the address is too long.")
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict"
            )
        except ValueError:
            raise Refusal(400, "The query of the address cannot be read.") from None
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refusal(400, "A parameter is given twice.")
        return found

    def check_length(self) -> None:
        """Raise Refusal (413) if the head of the request says that its body is too large."""
        if self.headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
            raise Refusal(415, "Compressed bodies are not taken.", close=True)
        try:
            length = int(self.headers.get(b"content-length", b"0"))
        except ValueError:
            raise Refusal(400, "The Content-Length is no number.", close=True) from None
        if length > self._limits.max_bytes:
            raise self.too_large()

    def too_large(self) -> Refusal:
        most = self._limits.max_bytes
        size = f"{most >> 20:,} MB" if most >= 1 << 20 else f"{most:,} bytes"
        return Refusal(
            413, f"The body is larger than {size}.", hint="Send the rows in parts.", close=True
        )

    async def parts(self) -> Any:
        """The parts of the body as they come. Raises Refusal (413), ClientLeft."""
        self.check_length()
        n_bytes = 0
        while not self.complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            part: bytes = message.get("body", b"")
            self.complete = not message.get("more_body", False)
            n_bytes += len(part)
            if n_bytes > self._limits.max_bytes:
                raise self.too_large()
            if part:
                yield part

    async def body(self) -> bytes:
        """The whole body. Raises as `parts` does."""
        self.check_length()
        message = await self._receive()  # most bodies come in one part
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part: bytes = message.get("body", b"")
        n_bytes = len(part)
        self.complete = not message.get("more_body", False)
        if self.complete and n_bytes <= self._limits.max_bytes:
            return part
        parts = [part]
        async for part in self.parts():
            parts.append(part)
            n_bytes += len(part)
            if n_bytes > self._limits.max_bytes:
                raise self.too_large()
        if n_bytes > self._limits.max_bytes:
            raise self.too_large()
        return b"".join(parts)

    def go_on(self, seconds: float) -> None:
        """Give the request `seconds` from now: it is a stream, and something came."""
        if self.deadline is not None:
            self.deadline.reschedule(asyncio.get_running_loop().time() + seconds)

    async def linger(self) -> None:
        """Let the rest of the body come in for a moment, and forget it."""
        if self.complete or self.unsent:
            return
        n_bytes = 0
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while n_bytes < _LINGER_BYTES:
                    message = await self._receive()
                    n_bytes += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        return
        except TimeoutError:
            return


_ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


def head_of(
    status: int, content_type: str, headers: Mapping[str, str], length: int | None
) -> dict[str, Any]:
    """The ASGI message that begins an answer. length: of its body; None = not known yet."""
    found = [(b"content-type", content_type.encode("latin-1"))]
    if length is not None:
        found.append((b"content-length", b"%d" % length))
    own = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
    names = {name for name, _ in own}
    found += own
    found += [pair for pair in _ALWAYS if pair[0] not in names]
    return {"type": "http.response.start", "status": status, "headers": found}


async def send_answer(send: Send, answer: Answer, request: Request | None = None) -> None:
    """Send a whole answer; the connection ends if the request was not read to its end."""
    headers = dict(answer.headers)
    unread = request is not None and not request.complete
    if unread:
        headers["connection"] = "close"
    await send(head_of(answer.status, answer.content_type, headers, len(answer.body)))
    if unread and request is not None:
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        await request.linger()
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": answer.body})
