"""A connection whose writes of one moment leave together: an answer's head with its body."""

from __future__ import annotations

import asyncio
from typing import Any

_MOST_HELD = 1 << 16  # bytes


class Together:
    """An asyncio transport: what is written until the loop's next round goes out as one."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []
        self._n_held = 0

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._n_held += len(data)
        if self._n_held > _MOST_HELD:  # so that who sends a lot is told to wait
            self._send()

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._n_held = 0
            if not self._transport.is_closing():
                self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
