"""Trees of a scoring program, walked for all rows and all trees at once.

Notation: n = rows, k = outputs (classes for several, else 1), T = trees, A = axes: a number's
place among the thresholds of some trees, or whether a category's code is in a set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from automl.export.scorer_cells import Array, Facts

_BLOCK = 1 << 16  # (tree, row) pairs that are walked at a time


class Axes:
    """What the splits compare: whole numbers, made so that a row goes left up to a limit."""

    def __init__(self, facts: Facts, arrays: Mapping[str, Array]) -> None:
        points, self._numbers, start = arrays["points"], [], 0
        for column, size, narrow, below, nan_left in arrays["number_axes"].tolist():
            own = points[start : start + size]
            start += size
            own = own.astype(np.float32) if narrow else own
            nan = -1 if nan_left else size
            self._numbers.append((column, own, narrow, bool(below), nan))
        self._sets = []
        for column, n_sets, n_codes, name in facts["sets"]:
            bits = np.unpackbits(arrays[name], count=n_sets * n_codes)
            self._sets.append((column, bits.reshape(n_sets, n_codes)))
        self.n = len(self._numbers) + sum(len(bits) for _, bits in self._sets)

    def codes(self, table: Array) -> Array:
        """(A, n) places of the cells of a (columns, n) table."""
        codes = np.empty((self.n, table.shape[1]), dtype=np.int32)
        for i, (column, points, narrow, below, nan) in enumerate(self._numbers):
            cells = table[column]
            with np.errstate(over="ignore"):
                cells = cells.astype(np.float32) if narrow else cells
            codes[i] = np.searchsorted(points, cells, "right" if below else "left")
            codes[i, np.isnan(cells)] = nan
        first = len(self._numbers)
        for column, right in self._sets:  # the last two codes: any other, and NaN
            last = right.shape[1] - 1
            place = np.nan_to_num(np.minimum(table[column], last - 1), nan=last).astype(np.intp)
            codes[first : first + len(right)] = right[:, place]
            first += len(right)
        return codes


class Forest:
    """Trees level by level: the children of the s-th split of all are nodes T + 2s and T + 2s + 1.

    A leaf is its own child, so that a walk may go on there.
    """

    def __init__(self, facts: Facts, arrays: Mapping[str, Array]) -> None:
        n, self._n_trees = facts["n_nodes"], facts["n_trees"]
        self._split = np.unpackbits(arrays[facts["split"]], count=n).astype(bool)
        rank = np.cumsum(self._split) - self._split
        self._first = np.where(self._split, self._n_trees + 2 * rank, np.arange(n))
        self._axis = np.zeros(n, dtype=np.intp)
        self._axis[self._split] = arrays[facts["axis"]]
        self._limit = np.full(n, np.iinfo(np.int32).max, dtype=np.int32)
        self._limit[self._split] = arrays[facts["limit"]]
        leaves = arrays[facts["leaves"]]
        self._segments = facts["segments"]
        leaves = leaves if self._segments else leaves.astype(np.float64)
        self._leaves = np.zeros((n, *leaves.shape[1:]), dtype=leaves.dtype)
        self._leaves[~self._split] = leaves
        # Of each tree; None: each leaf scores all outputs.
        self._output: Array = None if facts["output"] is None else arrays[facts["output"]]
        self._n_outputs = facts["n_outputs"]

    def scores(self, codes: Array) -> Array:
        """(n, k) sums of the leaves that rows with these (A, n) codes end in."""
        total = np.zeros((self._n_outputs, codes.shape[1]))
        if self._segments is None:
            for which, leaves in self._walked(codes, 0, self._n_trees):
                if self._output is None:
                    total += leaves.sum(axis=0).T
                else:
                    total += (self._output[which] == np.arange(len(total))[:, None]) @ leaves
            return total.T
        start = 0
        for n_trees, weight, base in self._segments:  # as its library does: one by one in float32
            sums = np.repeat(np.array(base, dtype=np.float32)[:, None], codes.shape[1], axis=1)
            for which, leaves in self._walked(codes, start, start + n_trees):
                for j in range(len(sums)):
                    mine = leaves[self._output[which] == j]
                    sums[j] = np.add.accumulate(np.vstack([sums[j], mine]), axis=0)[-1]
            total += weight * sums.astype(np.float64)
            start += n_trees
        return total.T

    def _walked(self, codes: Array, start: int, stop: int) -> Iterator[tuple[slice, Array]]:
        """(trees, (trees, n) leaves) of some trees after the other: so few nodes stay at hand."""
        n, flat = codes.shape[1], codes.reshape(-1)
        size = max(1, _BLOCK // n)
        for first in range(start, stop, size):
            which = slice(first, min(first + size, stop))
            found = np.repeat(np.arange(which.start, which.stop), n)
            row = np.tile(np.arange(n), which.stop - which.start)
            node, slot = found.copy(), np.arange(len(found))
            while True:
                going = self._split.take(node)
                n_going = int(np.count_nonzero(going))
                if n_going < 0.7 * len(node):
                    found[slot] = node
                    node, slot, row = node[going], slot[going], row[going]
                if not n_going:
                    break
                code = flat.take(self._axis.take(node) * n + row)
                node = self._first.take(node) + (code > self._limit.take(node))
            leaves = self._leaves.take(found, axis=0)
            yield which, leaves.reshape(which.stop - which.start, n, *leaves.shape[1:])
