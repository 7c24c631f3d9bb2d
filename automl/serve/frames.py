"""What the service and its scoring processes send each other: a JSON head and some bytes.

A frame is four bytes, the length of its head, then the head, a JSON object, then the parts whose
sizes the head names; a size of null is a part that is not there.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_LENGTH = struct.Struct("<I")

Parts = list[bytes | None]


def packed(head: Mapping[str, Any], parts: Sequence[bytes | None]) -> bytes:
    """A frame. `head` has no key `sizes`."""
    sizes = [None if part is None else len(part) for part in parts]
    text = json.dumps({**head, "sizes": sizes}).encode("ascii")
    return b"".join([_LENGTH.pack(len(text)), text, *(part for part in parts if part)])


class Frames:
    """Takes bytes as they come, and gives whole frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], Parts]]:
        """The frames, head and parts, that are whole with `data`."""
        self._held += data
        while (found := self._first()) is not None:
            yield found

    def _first(self) -> tuple[dict[str, Any], Parts] | None:
        held = self._held
        if len(held) < _LENGTH.size:
            return None
        start = _LENGTH.size + _LENGTH.unpack_from(held)[0]
        if len(held) < start:
            return None
        head = json.loads(held[_LENGTH.size : start])
        sizes: list[int | None] = head.pop("sizes")
        end = start + sum(size or 0 for size in sizes)
        if len(held) < end:
            return None
        parts: Parts = []
        with memoryview(held) as view:
            for size in sizes:
                parts.append(None if size is None else bytes(view[start : start + size]))
                start += size or 0
        del held[:end]
        return head, parts
