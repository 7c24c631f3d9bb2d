"""Margins of many rows by tables, once they are proved to be the library's own numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automl.engines._forest import Forest
from automl.engines._forests import Forests
from automl.features.matrix import FloatArray

Walk = Callable[[FloatArray], NDArray[np.float64]]

# From so many rows at once on, the tables are made: they cost as much as some 2,000 rows.
MANY_ROWS = 8192
_PROBED_ROWS = 256


class FastMargin:
    """A library's margin, and the tables that give the same numbers for many rows.

    make: the trees as a Forest, or None where tables do not pay or cannot say what they do.
    """

    def __init__(self, make: Callable[[], Forest | None]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made = False
        self._forest: Forest | None = None

    def __call__(self, values: FloatArray, walk: Walk) -> NDArray[np.float64]:
        """(n, k) margins, bit for bit those of `walk`."""
        forest = self.forest(values, walk)
        return walk(values) if forest is None else self._alone.margins(values)[0]

    def wanted(self, n_rows: int) -> bool:
        """Whether there are tables for so many rows, or may be."""
        return self._forest is not None if self._made else n_rows >= MANY_ROWS

    def forest(self, values: FloatArray, walk: Walk) -> Forest | None:
        """The tables for `values`; None: `walk` is right for them."""
        if self._made:
            return self._forest
        if len(values) < MANY_ROWS:
            return None
        self.prepare(values, walk)
        return self._forest

    def prepare(self, values: FloatArray, walk: Walk) -> None:
        """Make the tables now, for any number of rows to come; (n, p) values like theirs."""
        with self._lock:
            if not self._made:
                self._forest = self._proved(self._make(), values[:_PROBED_ROWS], walk)
                self._made = True

    @cached_property
    def _alone(self) -> Forests:
        assert self._forest is not None
        return Forests([self._forest])

    @staticmethod
    def _proved(forest: Forest | None, values: FloatArray, walk: Walk) -> Forest | None:
        """`forest` if it repeats the library's numbers: another release may count otherwise."""
        if forest is None:
            return None
        same = np.array_equal(Forests([forest]).margins(values)[0], walk(values))
        return forest if same else None
