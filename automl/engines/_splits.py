"""The splits of many trees as arrays, and the leaves below each side of a split as bits.

Notation: T = trees, S = splits of all trees, L = leaves of all trees, D = most splits of a tree,
W = words of a tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.features.matrix import FloatArray, IntArray

Words = NDArray[np.unsignedinteger[Any]]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Tree:
    """The splits of one tree, children after their parents, and its leaves.

    feature, threshold, nan_left: (n_splits,).  left, right: (n_splits,) a split, or ~leaf.
    levels: by split of a category, its set of codes.  values: (n_leaves,).
    output: the column of the margin that the leaves add to.
    """

    feature: IntArray
    threshold: NDArray[np.float64]
    nan_left: Bools
    left: IntArray
    right: IntArray
    values: NDArray[np.float64]
    output: int = 0
    levels: dict[int, IntArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Trees:
    """The splits and leaves of T trees, tree by tree, each array in one piece.

    n_splits, n_leaves, output: (T,).  feature, threshold, nan_left, left, right: (S,); children
    are numbered within their tree, see `Tree`.  is_set: (S,) True for splits of a category.
    level_split, level_code: (any,) split by split, each code of each set.  values: (L,).
    """

    n_splits: IntArray
    n_leaves: IntArray
    output: IntArray
    feature: IntArray
    threshold: NDArray[np.float64]
    nan_left: Bools
    left: IntArray
    right: IntArray
    is_set: Bools
    level_split: IntArray
    level_code: IntArray
    values: NDArray[np.float64]

    @classmethod
    def of(cls, trees: Sequence[Tree]) -> Trees:
        """`trees` one behind the other."""
        n_splits = np.array([len(tree.feature) for tree in trees])
        first = np.cumsum(n_splits) - n_splits
        sets = {
            int(start) + split: codes
            for start, tree in zip(first, trees, strict=True)
            for split, codes in sorted(tree.levels.items())
        }
        is_set = np.zeros(int(n_splits.sum()), dtype=bool)
        is_set[list(sets)] = True
        n_codes = [len(codes) for codes in sets.values()]
        none = [np.empty(0, dtype=np.int64)]
        return cls(
            n_splits=n_splits,
            n_leaves=np.array([len(tree.values) for tree in trees]),
            output=np.array([tree.output for tree in trees]),
            feature=np.concatenate([tree.feature for tree in trees]).astype(np.int64),
            threshold=np.concatenate([tree.threshold for tree in trees]),
            nan_left=np.concatenate([tree.nan_left for tree in trees]),
            left=np.concatenate([tree.left for tree in trees]).astype(np.int64),
            right=np.concatenate([tree.right for tree in trees]).astype(np.int64),
            is_set=is_set,
            level_split=np.repeat(np.array(list(sets), dtype=np.int64), n_codes),
            level_code=np.concatenate([*none, *sets.values()]),
            values=np.concatenate([tree.values for tree in trees]),
        )

    @classmethod
    def side_by_side(cls, several: Sequence[Trees], n_outputs: int) -> Trees:
        """All trees of `several`, each of which has outputs of its own, `n_outputs` of them."""
        shift = np.cumsum([0, *(len(trees.feature) for trees in several[:-1])])
        joined = {
            one.name: np.concatenate([getattr(trees, one.name) for trees in several])
            for one in fields(cls)
        }
        joined["output"] = np.concatenate(
            [trees.output + i * n_outputs for i, trees in enumerate(several)]
        )
        joined["level_split"] = np.concatenate(
            [trees.level_split + first for trees, first in zip(several, shift, strict=True)]
        )
        return cls(**joined)

    def with_sets_behind(self, n_features: int) -> Trees:
        """The same trees, where features that any split takes for a category come `n_features`
        later, so that other trees may take them for numbers."""
        as_set = np.isin(self.feature, self.feature[self.is_set])
        return replace(self, feature=np.where(as_set, self.feature + n_features, self.feature))

    @cached_property
    def tree(self) -> IntArray:
        """(S,) tree of each split."""
        return np.repeat(np.arange(len(self.n_splits)), self.n_splits)

    @cached_property
    def place(self) -> IntArray:
        """(S,) number of each split within its tree."""
        first = np.cumsum(self.n_splits) - self.n_splits
        return np.arange(len(self.feature)) - np.repeat(first, self.n_splits)

    def n_bins(self) -> int:
        """Bins of all features, but for the few that each has at its ends.

        A category has a bin for each code up to the last one, split on or not.
        """
        of_code = self.feature[self.level_split]
        n_codes = np.zeros(int(self.feature.max(initial=-1)) + 1, dtype=np.int64)
        np.maximum.at(n_codes, of_code, self.level_code + 1)
        numbers = ~self.is_set
        feature, threshold = self.feature[numbers], self.threshold[numbers]
        order = np.lexsort((threshold, feature))
        feature, threshold = feature[order], threshold[order]
        fresh = (feature[1:] != feature[:-1]) | (threshold[1:] != threshold[:-1])
        return int(n_codes.sum()) + int(fresh.sum()) + bool(len(feature))


def word_bits(most_leaves: int) -> int:
    """Bits of the words for trees of so many leaves."""
    return 16 if most_leaves <= 16 else 32 if most_leaves <= 32 else 64


@dataclass(frozen=True)
class Masks:
    """The leaves of each tree as bits of W words.

    whole: (T, W) all leaves of a tree.  left, right: (S, W) those below each side of a split.
    """

    bits: int
    whole: Words
    left: Words
    right: Words

    @classmethod
    def of(cls, trees: Trees) -> Masks:
        bits = word_bits(int(trees.n_leaves.max()))
        dtype = np.dtype(f"uint{bits}")
        n_trees, depth = len(trees.n_splits), int(trees.n_splits.max())
        n_words = -(-int(trees.n_leaves.max()) // bits)
        n_mine = trees.n_leaves[:, None] - bits * np.arange(n_words)
        full = np.full(n_mine.shape, np.iinfo(dtype).max, dtype=dtype)
        spare = np.clip(bits - n_mine, 0, bits - 1).astype(dtype)
        whole = np.where(n_mine > 0, full >> spare, 0).astype(dtype)
        children = np.full((2, depth, n_trees), -1)
        children[:, trees.place, trees.tree] = trees.left, trees.right
        leaf = np.where(children < 0, ~children, 0)
        sides = np.zeros((2, depth, n_trees, n_words), dtype=dtype)
        here = np.ogrid[:2, :depth, :n_trees]
        sides[*here, leaf // bits] = dtype.type(1) << (leaf % bits).astype(dtype)
        below = np.zeros((depth, n_trees, n_words), dtype=dtype)
        every = np.arange(n_trees)
        for s in reversed(range(depth)):  # children come after their parents
            for side in (0, 1):
                child = children[side, s]
                inner = below[np.maximum(child, 0), every]
                sides[side, s] = np.where(child[:, None] < 0, sides[side, s], inner)
            below[s] = sides[0, s] | sides[1, s]
        left, right = sides[:, trees.place, trees.tree]
        return cls(bits, whole, left, right)

    def leaves(self, trees: Trees, codes: IntArray, dtype: np.dtype[Any]) -> FloatArray:
        """(T * W, codes) value of each leaf by word; codes: (bits,) place of each bit's leaf."""
        n_trees, n_words = self.whole.shape
        tree = np.repeat(np.arange(n_trees), trees.n_leaves)
        first = np.cumsum(trees.n_leaves) - trees.n_leaves
        leaf = np.arange(len(trees.values)) - first[tree]
        table = np.zeros((n_trees * n_words, int(codes.max()) + 1), dtype=dtype)
        table[tree * n_words + leaf // self.bits, codes[leaf % self.bits]] = trees.values
        return table
