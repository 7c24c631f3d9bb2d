"""Trees of a scoring program, walked for all rows and all trees at once.

Notation: n = rows, k = outputs (classes for several, else 1), T = trees, A = axes: a number's
place among the thresholds of some trees, or whether a category's code is in a set.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from automl.export.scorer_cells import Array, Facts


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
        """(n, A) places of the cells of a (columns, n) table."""
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
        return np.ascontiguousarray(codes.T)


class Forest:
    """Trees level by level: the children of the s-th split of all are nodes T + 2s and T + 2s + 1.

    A leaf is its own child, so that a walk may go on there.
    """

    def __init__(self, facts: Facts, arrays: Mapping[str, Array]) -> None:
        n, self.n_trees = facts["n_nodes"], facts["n_trees"]
        self._split = np.unpackbits(arrays[facts["split"]], count=n).astype(bool)
        rank = np.cumsum(self._split) - self._split
        self._first = np.where(self._split, self.n_trees + 2 * rank, np.arange(n)).astype(np.int32)
        self._axis = np.zeros(n, dtype=np.int32)
        self._axis[self._split] = arrays[facts["axis"]]
        self._limit = np.full(n, np.iinfo(np.int32).max, dtype=np.int32)
        self._limit[self._split] = arrays[facts["limit"]]
        leaves = arrays[facts["leaves"]].astype(np.float64)
        self._leaves = np.zeros((n, *leaves.shape[1:]))
        self._leaves[~self._split] = leaves
        self._outputs = None
        if facts["output"] is not None:  # a tree scores one output; else each leaf scores all
            self._outputs = np.zeros((self.n_trees, facts["n_outputs"]))
            self._outputs[np.arange(self.n_trees), arrays[facts["output"]]] = 1.0

    def scores(self, codes: Array) -> Array:
        """(n, k) sums of the leaves that rows with these codes end in."""
        n, n_axes = codes.shape
        flat = codes.reshape(-1)
        found = np.tile(np.arange(self.n_trees, dtype=np.int32), n)
        node, slot = found.copy(), np.arange(len(found), dtype=np.int32)
        row = np.repeat(np.arange(n, dtype=np.int32) * n_axes, self.n_trees)
        while True:
            going = self._split.take(node)
            n_going = int(np.count_nonzero(going))
            if n_going < 0.7 * len(node):
                found[slot] = node
                node, slot, row = node[going], slot[going], row[going]
            if not n_going:
                break
            code = flat.take(row + self._axis.take(node))
            node = self._first.take(node) + (code > self._limit.take(node))
        leaves = self._leaves.take(found, axis=0).reshape(n, self.n_trees, -1)
        if self._outputs is None:
            return leaves.sum(axis=1)
        return leaves[:, :, 0] @ self._outputs
