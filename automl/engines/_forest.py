"""Margins of many rows from a forest of trees, by bit vectors instead of walks down the trees.

A walk waits for one unpredictable comparison after another. Here every split of a column is
answered at once: the column's value falls between two thresholds, and for each such bin a table
holds, per tree, the leaves that are still possible. The `and` of these words over the columns
leaves one bit per tree, the leaf. Leaves are then added in the order of the trees, so that the
sums are those of the library, to the bit.

Source: the idea of QuickScorer (Lucchese et al., SIGIR 2015) and its vectorised form (RapidScorer,
Ye et al., KDD 2018), here with a table per bin, so that any numbering of the leaves will do.

Notation: n = rows, k = outputs, T = trees, S = most splits of a tree, W = words of a tree,
b = bins of a column.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.features.matrix import FloatArray, IntArray

Codes = NDArray[np.intp]
Words = NDArray[np.unsignedinteger[Any]]

# From so many rows at once on, the tables are made: they cost as much as some 5,000 rows.
MANY_ROWS = 8192
_MAX_TABLE_BYTES = 1 << 26
_MAX_MASK_BYTES = 1 << 28  # needed while the tables are made; grows with the largest tree
# Words in the making: few enough for the second cache, and so many that threads seldom wait for
# each other between two calls.
_BLOCK_WORDS = 1 << 17
_PROBED_ROWS = 256
# Nanoseconds on one core, measured: find a cell's bin and fetch its words, per byte of these,
# turn a word into a leaf, pick one output's leaves among those of several.
_PER_CELL, _PER_BYTE, _PER_WORD, _PER_PICK = 60.0, 0.1, 3.0, 2.0


@dataclass(frozen=True)
class Tree:
    """The splits of one tree, children after their parents, and its leaves.

    feature, threshold, nan_left: (n_splits,).  left, right: (n_splits,) a split, or ~leaf.
    levels: by split of a category, its set of codes.  values: (n_leaves,).
    output: the column of the margin that the leaves add to.
    """

    feature: IntArray
    threshold: NDArray[np.float64]
    nan_left: NDArray[np.bool_]
    left: IntArray
    right: IntArray
    values: NDArray[np.float64]
    output: int = 0
    levels: dict[int, IntArray] = field(default_factory=dict)


@dataclass(frozen=True)
class _Column:
    """The splits of one feature: (b, words) leaves that are possible per bin; the last is NaN."""

    feature: int
    points: FloatArray | None  # None: a category, whose codes are the bins
    table: Words


@dataclass(frozen=True)
class _Masks:
    """The leaves below each side of each split as bits of W words, for all trees.

    whole: (T, W) all leaves of a tree.  left, right: (T, S, W).  feature: (T, S), -1 = no split.
    """

    bits: int
    whole: Words
    left: Words
    right: Words
    feature: IntArray
    threshold: NDArray[np.float64]
    nan_left: NDArray[np.bool_]

    @classmethod
    def of(cls, trees: Sequence[Tree], bits: int) -> _Masks:
        n_trees = len(trees)
        n_splits = max(len(tree.feature) for tree in trees)
        n_words = -(-max(len(tree.values) for tree in trees) // bits)
        dtype = np.dtype(f"uint{bits}")
        children = np.full((2, n_trees, n_splits), -1)
        feature = np.full((n_trees, n_splits), -1)
        threshold = np.zeros((n_trees, n_splits))
        nan_left = np.zeros((n_trees, n_splits), dtype=bool)
        whole = np.zeros((n_trees, n_words), dtype=dtype)
        for t, tree in enumerate(trees):
            n = len(tree.feature)
            feature[t, :n], threshold[t, :n] = tree.feature, tree.threshold
            nan_left[t, :n] = tree.nan_left
            children[0, t, :n], children[1, t, :n] = tree.left, tree.right
            for w in range(-(-len(tree.values) // bits)):
                whole[t, w] = (1 << min(bits, len(tree.values) - w * bits)) - 1
        sides = np.zeros((2, n_trees, n_splits, n_words), dtype=dtype)
        below = np.zeros((n_trees, n_splits, n_words), dtype=dtype)
        every = np.arange(n_trees)
        for s in reversed(range(n_splits)):
            for side in (0, 1):
                child = children[side, :, s]
                leaf = np.where(child < 0, ~child, 0)
                alone = np.zeros((n_trees, n_words), dtype=dtype)
                alone[every, leaf // bits] = dtype.type(1) << (leaf % bits).astype(dtype)
                inner = below[every, np.maximum(child, 0)]
                sides[side, :, s] = np.where(child[:, None] < 0, alone, inner)
            below[:, s] = sides[0, :, s] | sides[1, :, s]
        return cls(bits, whole, sides[0], sides[1], feature, threshold, nan_left)

    def everything(self, n: int) -> Words:
        """(n, T, W) words with every bit set."""
        return np.full((n, *self.whole.shape), np.iinfo(self.whole.dtype).max, self.whole.dtype)

    def leaves(self, trees: Sequence[Tree], dtype: np.dtype[Any]) -> FloatArray:
        """(T * W, bits + 1) value of each leaf by word; the last is 0: a word without a bit."""
        n_words = self.whole.shape[1]
        values = np.zeros((len(trees), n_words * self.bits), dtype=dtype)
        for t, tree in enumerate(trees):
            values[t, : len(tree.values)] = tree.values
        table = np.zeros((len(trees) * n_words, self.bits + 1), dtype=dtype)
        table[:, :-1] = values.reshape(len(table), self.bits)
        return table


@dataclass(frozen=True)
class _Scratch:
    """Memory for one block of rows, each (words, size); fresh memory would cost more than sums."""

    words: Words
    bit: NDArray[np.uint8]
    leaf: Codes
    terms: FloatArray

    @classmethod
    def of(cls, shape: tuple[int, int], words: np.dtype[Any], sums: np.dtype[Any]) -> _Scratch:
        return cls(
            np.empty(shape, words),
            np.empty(shape, np.uint8),
            np.empty(shape, np.intp),
            np.empty(shape, sums),
        )


class Forest:
    """Tables of all splits of some trees."""

    def __init__(
        self,
        trees: Sequence[Tree],
        base: NDArray[np.floating[Any]],
        *,
        below: bool,
        set_is_left: bool,
    ) -> None:
        """base: (k,) what the sums begin with; its dtype is that of cells and sums.

        below: rows go left where x < threshold (else where x <= threshold).
        set_is_left: codes in the set of a split go left, all others right (else the reverse).
        """
        self._base, self._below = base, below
        self._dtype = base.dtype
        most = max(len(tree.values) for tree in trees)
        masks = _Masks.of(trees, _bits(most))
        whole = masks.whole.reshape(-1)
        outputs = np.repeat([tree.output for tree in trees], masks.whole.shape[1])
        used = np.flatnonzero(whole)  # large trees have more words than small ones
        used = used[np.argsort(outputs[used], kind="stable")]  # an output's words side by side
        self._whole = whole[used]
        self._columns = tuple(
            self._column(int(feature), trees, masks, used, set_is_left=set_is_left)
            for feature in np.unique(masks.feature[masks.feature >= 0])
        )
        ends = np.searchsorted(outputs[used], np.arange(len(base) + 1))
        self._words_of = [slice(*ends[j : j + 2]) for j in range(len(base))]
        leaves = masks.leaves(trees, self._dtype)[used]
        self._leaves = leaves.reshape(-1)
        self._first = (np.arange(len(used)) * leaves.shape[1])[:, None]

    def margin(self, values: FloatArray) -> NDArray[np.float64]:
        """(n, k) margins of (n, p) cells."""
        n_rows = len(values)
        places = [self._places(column, values[:, column.feature]) for column in self._columns]
        out = np.empty((n_rows, len(self._base)))
        size = int(np.clip(_BLOCK_WORDS // len(self._whole), 16, 1024))
        words = np.empty((2, size, len(self._whole)), self._whole.dtype)
        words[0] = self._whole  # any leaf will do in rows that are not there
        scratch = _Scratch.of((len(self._whole), size), self._whole.dtype, self._dtype)
        for start in range(0, n_rows, size):
            n = min(size, n_rows - start)
            found, fetched = words[0, :n], words[1, :n]
            found[:] = self._whole
            for column, place in zip(self._columns, places, strict=True):
                rows = place[start : start + n]
                np.take(column.table, rows, axis=0, out=fetched, mode="clip")
                np.bitwise_and(found, fetched, out=found)
            out[start : start + n] = self._sums(words[0], scratch).T[:n]
        return out

    def _places(self, column: _Column, cells: FloatArray) -> Codes:
        """(n,) bin of each cell; the last is for NaN."""
        last = len(column.table) - 1
        if column.points is None:
            codes = np.minimum(cells, last - 1)  # codes in no set share a bin; NaN stays NaN
            return np.nan_to_num(codes, nan=last).astype(np.intp)
        cells = cells.astype(self._dtype, copy=False)
        places = np.searchsorted(column.points, cells, "right" if self._below else "left")
        places[np.isnan(cells)] = last
        return places

    def _sums(self, found: Words, scratch: _Scratch) -> FloatArray:
        """(k, size) sums of the leaves that the single bits of `found` (size, words) stand for.

        A sum over the first axis of an array with several columns runs from the first tree to
        the last, as those of the libraries do; the words of a large tree that hold no bit stand
        for zero, which changes no sum.
        """
        # All bits below the single one are set in its word less one: as many as its number. A
        # word without a bit wraps around, and is told by the number of all bits.
        np.subtract(found.T, found.dtype.type(1), out=scratch.words)
        np.bitwise_count(scratch.words, out=scratch.bit)
        np.add(scratch.bit, self._first, out=scratch.leaf)
        np.take(self._leaves, scratch.leaf, out=scratch.terms, mode="clip")
        sums = np.empty((len(self._base), len(found)), self._dtype)
        for j, (base, mine) in enumerate(zip(self._base, self._words_of, strict=True)):
            np.add.reduce(scratch.terms[mine], axis=0, out=sums[j], initial=base)
        return sums

    def _column(
        self, feature: int, trees: Sequence[Tree], masks: _Masks, used: Codes, *, set_is_left: bool
    ) -> _Column:
        """What is possible per bin: a row that goes left has lost the leaves on the right."""
        t, s = np.nonzero(masks.feature == feature)
        no_left, no_right = ~masks.left[t, s], ~masks.right[t, s]
        sets = [trees[int(i)].levels.get(int(k)) for i, k in zip(t, s, strict=True)]
        levels = [codes for codes in sets if codes is not None]
        points = None
        if levels:  # one bin per code, then all other codes, then NaN
            n_codes = max(int(codes.max(initial=-1)) for codes in levels) + 1
            table = masks.everything(n_codes + 2)
            inside, outside = (no_right, no_left) if set_is_left else (no_left, no_right)
            for i, codes in enumerate(levels):
                words = np.repeat(outside[i][None], n_codes + 1, axis=0)
                words[codes] = inside[i]
                table[:-1, t[i]] &= words
        else:
            thresholds = masks.threshold[t, s].astype(self._dtype)
            points, place = np.unique(thresholds, return_inverse=True)
            table = masks.everything(len(points) + 2)
            lower = masks.everything(len(points) + 1)
            np.bitwise_and.at(lower, (place, t), no_right)
            np.bitwise_and.at(table, (place + 1, t), no_left)
            np.bitwise_and.accumulate(table[:-1], out=table[:-1])
            table[:-1] &= np.bitwise_and.accumulate(lower[::-1])[::-1]
        table[-1] = masks.everything(1)[0]
        for_nan = np.where(masks.nan_left[t, s][:, None], no_right, no_left)
        np.bitwise_and.at(table[-1], t, for_nan)
        flat = table.reshape(len(table), -1)
        return _Column(feature, points, np.ascontiguousarray(flat[:, used]))


def pays(trees: Sequence[Tree], *, level_nanoseconds: float) -> bool:
    """Whether the tables are small, and quicker than walking down the trees.

    level_nanoseconds: what one level of the library's own walk takes on one core.
    """
    n_leaves = np.array([len(tree.values) for tree in trees])
    bits = _bits(int(n_leaves.max()))
    n_words = int((-(-n_leaves // bits)).sum())
    feature = np.concatenate([tree.feature for tree in trees])
    n_bytes = n_words * bits // 8
    if not len(feature) or _bins(trees) * n_bytes > _MAX_TABLE_BYTES:
        return False
    # Three masks of one bit per leaf for each split, all trees having room for the largest.
    if 3 * len(trees) * int(n_leaves.max()) ** 2 // 8 > _MAX_MASK_BYTES:
        return False
    several = len({tree.output for tree in trees}) > 1
    cells = len(np.unique(feature)) * (_PER_CELL + _PER_BYTE * n_bytes)
    words = n_words * (_PER_WORD + _PER_PICK * several)
    return cells + words < level_nanoseconds * float(np.log2(n_leaves).sum())


def _bins(trees: Sequence[Tree]) -> int:
    """Bins of all columns, but for the few that each has at its ends."""
    codes: dict[int, int] = {}  # of a category, which has a bin for each code, split on or not
    for tree in trees:
        for split, level in tree.levels.items():
            feature = int(tree.feature[split])
            codes[feature] = max(codes.get(feature, 0), int(level.max(initial=-1)) + 1)
    splits = np.column_stack(
        [
            np.concatenate([tree.feature for tree in trees]),
            np.concatenate([tree.threshold for tree in trees]),
        ]
    )
    numbers = splits[~np.isin(splits[:, 0], list(codes))]
    return len(np.unique(numbers, axis=0)) + sum(codes.values())


def _bits(most_leaves: int) -> int:
    return 16 if most_leaves <= 16 else 32 if most_leaves <= 32 else 64


class FastMargin:
    """A library's margin, and the tables that give the same numbers for many rows.

    make: the trees as a Forest, or None where tables do not pay or cannot say what they do.
    """

    def __init__(self, make: Callable[[], Forest | None]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made = False
        self._forest: Forest | None = None

    def __call__(
        self, values: FloatArray, walk: Callable[[FloatArray], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """(n, k) margins, bit for bit those of `walk`."""
        if len(values) < MANY_ROWS and not self._made:
            return walk(values)
        with self._lock:
            if not self._made:
                self._forest = self._proved(self._make(), values[:_PROBED_ROWS], walk)
                self._made = True
        return walk(values) if self._forest is None else self._forest.margin(values)

    @staticmethod
    def _proved(
        forest: Forest | None,
        values: FloatArray,
        walk: Callable[[FloatArray], NDArray[np.float64]],
    ) -> Forest | None:
        """`forest` if it repeats the library's numbers: another release may count otherwise."""
        if forest is None or not np.array_equal(forest.margin(values), walk(values)):
            return None
        return forest
