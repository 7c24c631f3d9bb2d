"""Levels of personal data as keyed hashes (HMAC-SHA256, RFC 2104), so that no file spells them.

The key of a column lies in the schema, since new cells are hashed with it: who has the bundle and
guesses a value can test the guess. It hides values from a casual reader, no more.
"""

from __future__ import annotations

import hashlib
import hmac
import re

import numpy as np

from automl.data.cells import Cells, Texts, text_array

KEY = re.compile(r"[0-9a-f]{64}")
_PREFIX = "h"  # no hash may look like a number
_DIGITS = 20  # 80 bits: no two of a million levels meet


def column_key(cells: Cells, seed: int) -> str:
    """The key of a column: 64 hexadecimal digits out of all its distinct cells and the seed.

    The same table and seed give the same key, so that a run can be repeated and resumed; only who
    has the whole column can make it, and equal columns have equal keys.
    """
    found = hashlib.sha256(f"automl levels {seed}".encode())
    for text in sorted(str(text) for text in cells.distinct()[1]):
        raw = text.encode("utf-8", "surrogatepass")
        found.update(len(raw).to_bytes(8, "big") + raw)
    return found.hexdigest()


def hashed(texts: Texts, key: str) -> Texts:
    """(n,) what stands for each text."""
    secret = bytes.fromhex(key)
    return text_array(_hash(str(text), secret) for text in np.asarray(texts, dtype=object))


def _hash(text: str, secret: bytes) -> str:
    raw = text.encode("utf-8", "surrogatepass")
    return _PREFIX + hmac.new(secret, raw, "sha256").hexdigest()[:_DIGITS]
