"""Margins of few rows from a forest's tables, where each call of a library counts.

One search finds the bins of all cells, one look-up per table their words; the sums are those of
`Forest.margin_of`, to the bit.

Notation: n = rows, k = outputs, w = words of all trees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from automl.engines._splits import Words
from automl.features.matrix import FloatArray, IntArray

if TYPE_CHECKING:
    from automl.engines._forest import Column, Forest

# Room for the words of outputs with fewer of them, so that all are added at once: at most this
# times the words that there are.
_MOST_ROOM = 1.5
_AT_ONCE_BYTES = 1 << 19  # of words that are looked up in one call: more leave the second cache


class FewRows:
    """The tables of one forest, laid out for few rows."""

    def __init__(self, forest: Forest, n_features: int | None = None) -> None:
        """n_features: p, if the forest has features from p on, which are the first ones again."""
        self.n_outputs, self._dtype = forest.n_outputs, forest.dtype
        self._multiplier, self._shift = forest.multiplier, forest.shift
        columns = forest.columns
        numbers = [i for i, column in enumerate(columns) if column.points is not None]
        codes = [i for i, column in enumerate(columns) if column.points is None]
        self._lay_out_bins([columns[i] for i in numbers], forest.below, n_features)
        self._code_features = _features([columns[i] for i in codes], n_features)
        self._last_codes = np.array([columns[i].n - 1.0 for i in codes])
        self._factors = np.zeros((len(columns), len(forest.tables)), np.intp)
        place = {i: row for row, i in enumerate([*numbers, *codes])}
        for t, table in enumerate(forest.tables):
            for i, factor in table.factors.items():
                self._factors[place[i], t] = factor
        n_rows = [len(table.words) for table in forest.tables]
        self._starts = np.cumsum(n_rows) - n_rows
        self._lay_out_words(forest)

    def _lay_out_bins(self, columns: list[Column], below: bool, p: int | None) -> None:
        """Thresholds of all columns in one order: by column, then by value."""
        points = [column.points for column in columns if column.points is not None]
        n_points = np.array([len(one) for one in points], dtype=np.intp)
        self._number_features = _features(columns, p)
        self._points = np.empty(int(n_points.sum()), np.complex128)
        self._points.real = np.repeat(np.arange(len(points)), n_points)
        self._points.imag = np.concatenate([np.empty(0), *points])
        self._first_points = np.cumsum(n_points) - n_points
        self._absent_bins = n_points + 1
        self._side: str = "right" if below else "left"

    def _lay_out_words(self, forest: Forest) -> None:
        """The words, with the same number of them for each output if that takes little room."""
        self._ends = [int(end) for end in forest.ends]
        sizes = np.diff([0, *self._ends])
        most, n_words = int(sizes.max()), len(forest.whole)
        self._even = self.n_outputs * most <= _MOST_ROOM * n_words
        words, leaves = forest.words, forest.leaves
        if self._even and self.n_outputs * most > n_words:
            into = np.concatenate([k * most + np.arange(size) for k, size in enumerate(sizes)])
            words = np.zeros((len(forest.words), self.n_outputs * most), forest.words.dtype)
            words[:, into] = forest.words
            leaves = np.zeros((words.shape[1], forest.leaves.shape[1]), forest.leaves.dtype)
            leaves[into] = forest.leaves
        self._words: Words = words
        self._leaves = leaves.reshape(-1)
        self._first_leaves = np.arange(words.shape[1]) * leaves.shape[1]

    def margins(self, values: FloatArray) -> NDArray[np.float64]:
        """(n, k) margins of (n, p) cells."""
        rows = np.asarray(self._bins(values) @ self._factors + self._starts, np.intp)
        if rows.size * self._words.strides[0] <= _AT_ONCE_BYTES:
            found = np.bitwise_and.reduce(self._words[rows], axis=1)
        else:
            found = self._words.take(rows[:, 0], axis=0)
            for one in rows.T[1:]:
                np.bitwise_and(found, self._words.take(one, axis=0), out=found)
        np.multiply(found, self._multiplier, out=found)
        np.right_shift(found, self._shift, out=found)
        places = found.astype(np.intp)
        places += self._first_leaves
        return self._sums(self._leaves.take(places)).astype(np.float64, copy=False)

    def _bins(self, values: FloatArray) -> IntArray:
        """(n, columns) bin of each cell, numbers before codes, as the columns of a forest say."""
        cells = np.empty((len(values), len(self._number_features)), np.complex128)
        cells.real = np.arange(len(self._number_features))
        # In the precision of the trees, in which a cell may be a threshold.
        cells.imag = values[:, self._number_features].astype(self._dtype, copy=False)
        bins = self._points.searchsorted(cells, self._side)  # type: ignore[call-overload]
        bins -= self._first_points
        absent = np.isnan(cells.imag)
        if absent.any():
            bins = np.where(absent, self._absent_bins, bins)
        if not len(self._code_features):
            return np.asarray(bins)
        # Codes in no set share a bin; NaN stays NaN, and has the last one.
        codes = np.minimum(values[:, self._code_features], self._last_codes - 1.0)
        return np.hstack([bins, np.fmin(codes, self._last_codes).astype(np.intp)])

    def _sums(self, values: FloatArray) -> FloatArray:
        """(n, k) sums of (n, w) leaves, one by one, from the first tree to the last; no -0.0."""
        if self._even:
            each = values.reshape(len(values), self.n_outputs, values.shape[1] // self.n_outputs)
            return np.asarray(np.add.accumulate(each, axis=2)[:, :, -1] + self._dtype.type(0.0))
        out = np.zeros((len(values), self.n_outputs), self._dtype)
        for k, (start, end) in enumerate(zip([0, *self._ends[:-1]], self._ends, strict=True)):
            if end > start:
                out[:, k] += np.add.accumulate(values[:, start:end], axis=1)[:, -1]
        return out


def _features(columns: list[Column], n_features: int | None) -> IntArray:
    features = np.array([column.feature for column in columns], dtype=np.intp)
    return features if n_features is None else features % n_features
