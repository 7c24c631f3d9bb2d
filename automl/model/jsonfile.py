"""JSON of a bundle: written the same for equal data, read with bounds on size and depth."""

from __future__ import annotations

import json
import os
import re
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np

from automl.errors import BundleError

MAX_JSON: Final = 1 << 29  # bytes; the largest seen preprocess.json (100 text columns) is 30 MB
MAX_DEPTH: Final = 40  # brackets within each other; what we write has 9 at most

_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)
_STRING: Final = re.compile(rb'"[^"]*"')
_NOT_STRUCTURE: Final = bytes(sorted(set(range(256)) - set(b'"[]{}')))
_STEPS: Final = [1 if byte in b"[{" else -1 for byte in range(256)]


def json_bytes(data: Any, *, indent: int | None = None) -> bytes:
    """`data` as UTF-8 JSON: the same bytes for equal data, floats exact.

    NaN and infinities are written as Python's tokens `NaN` and `Infinity`. Text is escaped to
    ASCII, so that text which is not valid Unicode survives too. Numpy numbers become plain ones.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(
        data, sort_keys=True, indent=indent, separators=separators, default=_plain_number
    )
    return (text + "\n").encode("ascii")


def _plain_number(value: object) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"A bundle cannot hold a {type(value).__name__}: {value!r:.80}")


def read_json(path: Path, *, most: int = MAX_JSON) -> Any:
    """The parsed JSON of `path`; BundleError if it is too large, too deep or no JSON."""
    return parse_json(read_bounded(path, most), path)


def read_bounded(path: Path, most: int) -> bytes:
    """The bytes of `path`; BundleError if there are more than `most`, or if it cannot be read."""
    try:
        with path.open("rb") as file:
            # No more room is asked for than the file takes, whatever it may take.
            raw = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    except OSError as error:
        raise BundleError(f"Cannot read '{path}': {error.strerror}.") from error
    if len(raw) > most:
        raise BundleError(f"'{path}' is larger than {most >> 20} MB.")
    return raw


def parse_json(raw: bytes, path: Path) -> Any:
    """The value of the JSON text `raw`, which was read from `path`."""
    # Before the parser: what is nested too deep for our own code must not come into being.
    if _depth(raw) > MAX_DEPTH:
        raise BundleError(
            f"'{path}' is JSON that is nested more than {MAX_DEPTH} deep.",
            hint="No version of automl writes that; use an intact copy.",
        )
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"'{path}' is not complete JSON ({error}).",
            hint="The file was cut off or changed; copy the bundle again.",
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; what a key means that is there twice, no two programs agree on."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice in one object")
    return found


def _depth(raw: bytes) -> int:
    """Brackets within each other; of a text that is no JSON, some number."""
    if max(raw.count(b"["), raw.count(b"{")) * 2 <= MAX_DEPTH:
        return 0  # cannot be deep; the usual case of small files
    if b"\\" in raw:
        raw = _ESCAPE.sub(b"", raw)
    brackets = _STRING.sub(b"", raw.translate(None, _NOT_STRUCTURE)).replace(b'"', b"")
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)
