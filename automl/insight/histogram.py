"""Rows in bins of equal width, also where the bins are finer than numbers of that size tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def binned(
    values: Floats, low: float, high: float, n_bins: int, weight: Floats | None = None
) -> Floats:
    """(n_bins,) rows, or their weights, of values from `low` to `high`; others are left out.

    A nanosecond clock's numbers are 256 apart, so that no edge fits between two of them; numpy
    refuses such bins, and ranges that are wider than the largest number.
    """
    inside = (values >= low) & (values <= high)
    span = high / 2 - low / 2
    share = (values[inside] / 2 - low / 2) / span if span > 0 else np.zeros(int(inside.sum()))
    places = np.minimum((share * n_bins).astype(np.intp), n_bins - 1)
    weights = None if weight is None else weight[inside]
    return np.bincount(places, weights=weights, minlength=n_bins).astype(np.float64)
