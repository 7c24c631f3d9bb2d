"""A pickle that shows when it is read: it makes a file, the canary."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def pickled(canary: Path) -> bytes:
    """A pickle that makes `canary` when it is read; tried once, so that it is known to work."""
    bomb = pickle.dumps(Bomb(canary))
    pickle.loads(bomb)
    canary.unlink()  # raises if it was not made
    return bomb


def as_array(canary: Path) -> bytes:
    """The same inside of a .npy file, which numpy reads where pickles are allowed."""
    file = io.BytesIO()
    np.save(file, np.array([Bomb(canary)], dtype=object), allow_pickle=True)
    np.load(io.BytesIO(file.getvalue()), allow_pickle=True)
    canary.unlink()
    return file.getvalue()
