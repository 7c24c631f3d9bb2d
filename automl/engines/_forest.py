"""Margins of many rows from forests of trees, by bit vectors instead of walks down the trees.

A walk waits for one unpredictable comparison after another. Here every split of a column is
answered at once: the column's value falls between two thresholds, and for each such bin a table
holds, per tree, the leaves that are still possible. The `and` of these words over the columns
leaves one bit per tree, the leaf. Leaves are then added in the order of the trees, so that the
sums are those of the library, to the bit.

Source: the idea of QuickScorer (Lucchese et al., SIGIR 2015) and its vectorised form (RapidScorer,
Ye et al., KDD 2018), here with a table per bin, so that any numbering of the leaves will do; the
number of a single bit by multiplication, Leiserson, Prokop and Randall 1998.

Notation: n = rows, k = outputs, T = trees, w = words of all trees, b = bins of a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.engines._splits import Masks, Trees, Words, word_bits
from automl.features.matrix import FloatArray

Places = NDArray[np.intp]

_MAX_TABLE_BYTES = 1 << 26
_MAX_MASK_BYTES = 1 << 28  # needed while the tables are made; grows with the largest tree
# Words in the making: few enough for the second cache, and so many that threads seldom wait for
# each other between two calls.
_BLOCK_WORDS = 1 << 17
# Rows and bytes of tables that are joined: larger ones leave the second cache.
_JOINED_BINS, _JOINED_BYTES = 400, 1 << 20
# Nanoseconds on one core, measured: find a cell's bin and fetch its words, per byte of these,
# turn a word into a leaf and add it.
_PER_CELL, _PER_BYTE, _PER_WORD = 60.0, 0.1, 2.0
# By bits of a word: what a word with a single bit is multiplied with, and shifted right by, to
# get a number of its own; with 64 bits that is never 0, which a word without any bit becomes.
_NUMBERING = {16: (0x0CBD, 12), 32: (0x0472BE9B, 27), 64: (0x857DC676C47A9BC9, 57)}


@dataclass(frozen=True)
class Column:
    """The bins of one feature; the last is for NaN."""

    feature: int
    points: FloatArray | None  # None: a category, whose codes are the bins
    n: int  # bins, two more than points or codes

    @property
    def key(self) -> tuple[int, bool]:
        """Columns of one key can share their bins."""
        return self.feature, self.points is None


@dataclass(frozen=True)
class Table:
    """(b, w) leaves that are possible by the bin of one column, or by the bins of several.

    factors: by column, what its bin is multiplied with; the row is the sum over the columns.
    """

    factors: dict[int, int]
    words: Words

    def rows(self, places: Sequence[Places]) -> Places:
        """(n,) row of the table for each row of data."""
        rows: Places | None = None
        for i, factor in self.factors.items():
            mine = places[i] if factor == 1 else places[i] * factor
            rows = mine if rows is None else rows + mine
        assert rows is not None
        return rows


class Forest:
    """Tables of all splits of some trees."""

    def __init__(
        self,
        trees: Trees,
        base: NDArray[np.floating[Any]],
        *,
        below: bool,
        set_is_left: bool,
    ) -> None:
        """trees: with at least one split.  base: (k,) what the sums begin with; its dtype is that
        of cells and sums.

        below: rows go left where x < threshold (else where x <= threshold).
        set_is_left: codes in the set of a split go left, all others right (else the reverse).
        """
        self.below, self.dtype, self.n_outputs = below, base.dtype, len(base)
        self.trees, self.base, self.set_is_left = trees, base, set_is_left
        if base.any():
            trees = _with_constants(trees, base)
        masks = Masks.of(trees)
        whole = masks.whole.reshape(-1)
        outputs = np.repeat(trees.output, masks.whole.shape[1])
        used = np.flatnonzero(whole)  # large trees have more words than small ones
        used = used[np.argsort(outputs[used], kind="stable")]  # an output's words side by side
        self.whole = whole[used]
        columns, tables = [], []
        for feature in np.unique(trees.feature).tolist():
            points, table = _table(feature, trees, masks, base.dtype, set_is_left)
            columns.append(Column(feature, points, len(table)))
            # In rows: `take` would copy the whole of what lies otherwise in memory.
            tables.append(np.ascontiguousarray(table[:, used]) & self.whole)
        self.columns = tuple(columns)
        self.words, self.tables = _in_one(_joined(tables))
        self.ends = np.searchsorted(outputs[used], np.arange(len(base)), side="right")
        self.multiplier, self.shift = (self.whole.dtype.type(x) for x in _NUMBERING[masks.bits])
        bit = self.whole.dtype.type(1) << np.arange(masks.bits, dtype=self.whole.dtype)
        numbers = ((bit * self.multiplier) >> self.shift).astype(np.int64)
        self.leaves = masks.leaves(trees, numbers, self.dtype)[used]
        self._first = (np.arange(len(used)) * self.leaves.shape[1]).astype(np.int32)
        # Rows that are scored at a time.
        self.block_rows = min(max(_BLOCK_WORDS // len(used), 16), 1024)

    def margin_of(self, places: Sequence[Places], scratch: Scratch) -> NDArray[np.float64]:
        """(n, k) margins of rows by their bins in each of `columns`."""
        from scipy.sparse import csr_array

        n_rows, size, n_words = len(places[0]), self.block_rows, len(self.whole)
        found, fetched = scratch.words(self.whole.dtype, size, n_words)
        found[:] = self.whole  # any leaf will do in rows that are not there
        ends = (np.arange(size, dtype=np.int32)[:, None] * n_words + self.ends).reshape(-1)
        # A row per row and output, with a one at each leaf: the product with the leaves adds them
        # one by one, from the first tree to the last, as the libraries do.
        chosen = csr_array(
            (
                scratch.ones(self.dtype)[: size * n_words],
                scratch.leaf[: size * n_words],
                np.append(np.int32(0), ends),
            ),
            shape=(len(ends), self.leaves.size),
        )
        leaf = chosen.indices.reshape(size, n_words)
        rows_of = [table.rows(places) for table in self.tables]
        out = np.empty((n_rows, self.n_outputs))
        for start in range(0, n_rows, size):
            n = min(size, n_rows - start)
            for j, (table, rows) in enumerate(zip(self.tables, rows_of, strict=True)):
                words = fetched[:n] if j else found[:n]
                np.take(table.words, rows[start : start + n], axis=0, out=words, mode="clip")
                if j:
                    np.bitwise_and(found[:n], words, out=found[:n])
            np.multiply(found, self.multiplier, out=found)
            np.right_shift(found, self.shift, out=found)
            np.copyto(leaf, found, casting="unsafe")
            np.add(leaf, self._first, out=leaf)
            out[start : start + n] = (chosen @ self.leaves.reshape(-1)).reshape(size, -1)[:n]
        return out


def _joined(tables: Sequence[Words]) -> tuple[Table, ...]:
    """The tables, small ones joined: one with a row for each pair of bins saves a look-up."""
    found = [Table({i: 1}, words) for i, words in enumerate(tables)]
    while len(found) > 1:
        found.sort(key=lambda table: len(table.words))
        one, other = (table.words for table in found[:2])
        if len(one) * len(other) > _JOINED_BINS or len(one) * other.nbytes > _JOINED_BYTES:
            break
        words = (one[:, None] & other).reshape(-1, one.shape[1])
        factors = {i: factor * len(other) for i, factor in found[0].factors.items()}
        found[:2] = [Table({**factors, **found[1].factors}, words)]
    return tuple(found)


def _in_one(tables: Sequence[Table]) -> tuple[Words, tuple[Table, ...]]:
    """(rows of all tables, w) words, and the tables as parts of them."""
    words = np.concatenate([table.words for table in tables])
    ends = np.cumsum([len(table.words) for table in tables])
    parts = np.split(words, ends[:-1])
    return words, tuple(map(Table, (table.factors for table in tables), parts))


def _with_constants(trees: Trees, base: NDArray[np.floating[Any]]) -> Trees:
    """`trees` behind one leaf for each output: what its sum begins with."""
    k = len(base)
    return replace(
        trees,
        n_splits=np.append(np.zeros(k, dtype=np.int64), trees.n_splits),
        n_leaves=np.append(np.ones(k, dtype=np.int64), trees.n_leaves),
        output=np.append(np.arange(k), trees.output),
        values=np.append(base.astype(np.float64), trees.values),
    )


def _table(
    feature: int, trees: Trees, masks: Masks, dtype: np.dtype[Any], set_is_left: bool
) -> tuple[FloatArray | None, Words]:
    """(points, (b, T * W) words by bin): a row that goes left has lost the leaves on the right."""
    mine = np.flatnonzero(trees.feature == feature)
    tree, left, right = trees.tree[mine], ~masks.left[mine], ~masks.right[mine]
    points = None
    if trees.is_set[mine].any():  # one bin per code, then all other codes, then NaN
        inside, outside = (right, left) if set_is_left else (left, right)
        table = _table_of_sets(mine, trees, masks, inside, outside)
    else:
        thresholds = trees.threshold[mine].astype(dtype)
        points, place = np.unique(thresholds, return_inverse=True)
        table = _everything(masks, len(points) + 2)
        lower = _everything(masks, len(points) + 1)
        _clear(lower, place, tree, right)
        _clear(table, place + 1, tree, left)
        np.bitwise_and.accumulate(table[:-1], out=table[:-1])
        table[:-1] &= np.bitwise_and.accumulate(lower[::-1])[::-1]
    table[-1] = _everything(masks, 1)[0]
    for_nan = np.where(trees.nan_left[mine][:, None], right, left)
    _clear(table, np.full(len(mine), len(table) - 1), tree, for_nan)
    return points, table.reshape(len(table), -1)


def _table_of_sets(
    mine: NDArray[np.intp], trees: Trees, masks: Masks, inside: Words, outside: Words
) -> Words:
    of_mine = np.isin(trees.level_split, mine)
    codes = trees.level_code[of_mine]
    n_codes = int(codes.max(initial=-1)) + 1
    member = np.zeros((len(mine), n_codes + 1), dtype=bool)
    member[np.searchsorted(mine, trees.level_split[of_mine]), codes] = True
    table = _everything(masks, n_codes + 2)
    tree = trees.tree[mine]
    nth = np.arange(len(mine)) - np.searchsorted(tree, tree)  # which of its tree's
    for i in range(int(nth.max()) + 1):  # one split of each tree at a time
        those = nth == i
        words = np.where(member[those].T[:, :, None], inside[those], outside[those])
        table[:-1, tree[those]] &= words
    return table


def _everything(masks: Masks, n: int) -> Words:
    """(n, T, W) words with every bit set."""
    return np.full((n, *masks.whole.shape), np.iinfo(masks.whole.dtype).max, masks.whole.dtype)


def _clear(table: Words, place: NDArray[np.intp], tree: NDArray[Any], words: Words) -> None:
    """table[place, tree] &= words, one after another where places repeat."""
    n_words = table.shape[2]
    flat = (place * table.shape[1] + tree)[:, None] * n_words + np.arange(n_words)
    np.bitwise_and.at(table.reshape(-1), flat.reshape(-1), words.reshape(-1))


class Scratch:
    """Memory for the blocks of some forests; fresh memory would cost more than sums."""

    def __init__(self, forests: Sequence[Forest]) -> None:
        n = max(forest.block_rows * len(forest.whole) for forest in forests)
        self._n_words = n
        self._words = np.empty((2, n), np.uint64)
        self._ones: dict[np.dtype[Any], FloatArray] = {}
        self.leaf = np.empty(n, np.int32)

    def words(self, dtype: np.dtype[Any], n: int, n_words: int) -> tuple[Words, Words]:
        found, fetched = self._words.view(dtype)[:, : n * n_words].reshape(2, n, n_words)
        return found, fetched

    def ones(self, dtype: np.dtype[Any]) -> FloatArray:
        if dtype not in self._ones:
            self._ones[dtype] = np.ones(self._n_words, dtype)
        return self._ones[dtype]


def small(trees: Trees) -> bool:
    """Whether the tables are small, and what is needed to make them."""
    most = int(trees.n_leaves.max())
    bits = word_bits(most)
    n_bytes = int((-(-trees.n_leaves // bits)).sum()) * bits // 8
    # Three masks of one bit per leaf for each split, all trees having room for the largest.
    n_mask_bytes = 3 * len(trees.n_leaves) * most**2 // 8
    return trees.n_bins() * n_bytes <= _MAX_TABLE_BYTES and n_mask_bytes <= _MAX_MASK_BYTES


def pays(trees: Trees, *, level_nanoseconds: float) -> bool:
    """Whether the tables are small, and quicker than walking down the trees.

    level_nanoseconds: what one level of the library's own walk takes on one core.
    """
    if not len(trees.feature) or not small(trees):
        return False
    bits = word_bits(int(trees.n_leaves.max()))
    n_words = int((-(-trees.n_leaves // bits)).sum())
    n_bytes = n_words * bits // 8
    cells = len(np.unique(trees.feature)) * (_PER_CELL + _PER_BYTE * n_bytes)
    levels = float(np.log2(trees.n_leaves).sum())
    return cells + n_words * _PER_WORD < level_nanoseconds * levels
