"""Pieces that the columns of generated tables are drawn from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Generator = np.random.Generator


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def flags(rng: Generator, logits: Floats) -> NDArray[np.str_]:
    """(n,) "yes" with the probability of the logit."""
    return np.where(rng.uniform(size=len(logits)) < sigmoid(logits), "yes", "no")


def with_gaps(rng: Generator, values: Floats, share: float) -> Floats:
    """`values` with a share of them missing at random."""
    return np.where(rng.uniform(size=len(values)) < share, np.nan, values)


def numbered(values: Floats, prefix: str = "x") -> pd.DataFrame:
    """A frame of the columns, called x000, x001, …, with five decimals."""
    names = [f"{prefix}{i:03d}" for i in range(values.shape[1])]
    return pd.DataFrame(values.round(5), columns=names)


def levels(names: str, size: int) -> NDArray[np.str_]:
    """(size,) names of levels: a00, a01, …"""
    return np.array([f"{names}{i:0{len(str(size - 1))}d}" for i in range(size)])


def typo(rng: Generator, word: str) -> str:
    """`word` with one letter dropped, doubled, swapped with the next or replaced."""
    if len(word) < 3:
        return word
    i = int(rng.integers(0, len(word) - 1))
    other = chr(97 + int(rng.integers(26)))
    edits = (
        word[:i] + word[i + 1 :],
        word[: i + 1] + word[i:],
        word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        word[:i] + other + word[i + 1 :],
    )
    return edits[int(rng.integers(len(edits)))]
