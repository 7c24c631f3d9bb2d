"""Trees as operators of ONNX: one `TreeEnsemble` for all boosters that see the same features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.engines._splits import Trees
from automl.export._onnx_graph import Graph

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_AT_MOST, _MEMBER = 0, 6  # ways to split: BRANCH_LEQ, BRANCH_MEMBER
_SUM, _AS_IT_IS = 1, 0


@dataclass(frozen=True)
class Weighted:
    """The trees of one booster, their leaves times what the booster weighs in the blend.

    below: rows go left where x < threshold, float32 compared with float32 (else where
    x <= threshold).  set_is_left: codes in the set of a split go left.
    """

    trees: Trees
    weight: float
    below: bool
    set_is_left: bool


def ensemble(graph: Graph, features: str, boosters: list[Weighted], n_outputs: int) -> str:
    """(rows, k) sum of the trees' weighted leaves, of those trees that have a split.

    features: (rows, p) float64; where `below`, of values that float32 holds. Everything is
    compared in float64, in which the thresholds of all libraries are exact.
    """
    parts = [_Nodes.of(each) for each in boosters]
    nodes = _Nodes.joined(parts)
    order, is_leaf = nodes.children()
    return graph.op(
        "TreeEnsemble",
        features,
        aggregate_function=_SUM,
        post_transform=_AS_IT_IS,
        n_targets=n_outputs,
        tree_roots=nodes.root.tolist(),
        nodes_featureids=nodes.feature.tolist(),
        nodes_splits=nodes.threshold,
        nodes_modes=np.where(nodes.is_set, _MEMBER, _AT_MOST).astype(np.uint8),
        nodes_truenodeids=order[0].tolist(),
        nodes_falsenodeids=order[1].tolist(),
        nodes_trueleafs=is_leaf[0].astype(np.int64).tolist(),
        nodes_falseleafs=is_leaf[1].astype(np.int64).tolist(),
        nodes_missing_value_tracks_true=nodes.nan_true.astype(np.int64).tolist(),
        leaf_targetids=nodes.output.tolist(),
        leaf_weights=nodes.leaf,
        **({"membership_values": nodes.members} if len(nodes.members) else {}),
    )


def constants(boosters: list[Weighted], n_outputs: int) -> Floats:
    """(k,) weighted leaves of the trees without a split, which no ensemble has."""
    total = np.zeros(n_outputs)
    for each in boosters:
        bare = each.trees.n_splits == 0
        first = np.cumsum(each.trees.n_leaves) - each.trees.n_leaves
        np.add.at(total, each.trees.output[bare], each.weight * each.trees.values[first[bare]])
    return total


@dataclass(frozen=True)
class _Nodes:
    """Splits as ONNX has them: the first child is where the question is answered with yes.

    root: (T,).  feature, threshold, is_set, nan_true: (S,).  yes, no: (S,) a split, or ~leaf.
    leaf, output: (L,).  members: the codes of each set, NaN after each.
    """

    root: Ints
    feature: Ints
    threshold: Floats
    is_set: NDArray[np.bool_]
    nan_true: NDArray[np.bool_]
    yes: Ints
    no: Ints
    leaf: Floats
    output: Ints
    members: Floats

    @classmethod
    def of(cls, booster: Weighted) -> _Nodes:
        trees = booster.trees
        threshold = np.where(trees.is_set, 0.0, trees.threshold)
        if booster.below:
            # x < t of float32 numbers is x <= any number between t and the one before it.
            single = threshold.astype(np.float32)
            before = np.nextafter(single, np.float32(-np.inf)).astype(np.float64)
            threshold = np.where(trees.is_set, 0.0, (single.astype(np.float64) + before) / 2)
        swapped = trees.is_set & (not booster.set_is_left)
        first_split = np.cumsum(trees.n_splits) - trees.n_splits
        split, grown = trees.n_splits > 0, np.repeat(trees.n_splits > 0, trees.n_leaves)
        n_leaves = np.where(split, trees.n_leaves, 0)
        first_leaf = (np.cumsum(n_leaves) - n_leaves)[trees.tree]
        left, right = (
            np.where(side >= 0, first_split[trees.tree] + side, side - first_leaf)
            for side in (trees.left, trees.right)
        )
        ends = np.searchsorted(trees.level_split, np.flatnonzero(trees.is_set), side="right")
        return cls(
            root=first_split[split],
            feature=trees.feature.astype(np.int64),
            threshold=threshold,
            is_set=trees.is_set,
            nan_true=trees.nan_left ^ swapped,
            yes=np.where(swapped, right, left),
            no=np.where(swapped, left, right),
            leaf=booster.weight * trees.values[grown],
            output=np.repeat(trees.output, trees.n_leaves)[grown].astype(np.int64),
            members=np.insert(trees.level_code.astype(np.float64), ends, np.nan),
        )

    @classmethod
    def joined(cls, parts: list[_Nodes]) -> _Nodes:
        """All parts as one, their splits and leaves numbered through."""
        n_splits = np.cumsum([0, *(len(part.feature) for part in parts)])
        n_leaves = np.cumsum([0, *(len(part.leaf) for part in parts)])

        def moved(side: Ints, i: int) -> Ints:
            found: Ints = np.where(side >= 0, side + n_splits[i], side - n_leaves[i])
            return found

        def all_of(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in parts])

        names = ("feature", "threshold", "is_set", "nan_true", "leaf", "output", "members")
        return cls(
            root=np.concatenate([part.root + n_splits[i] for i, part in enumerate(parts)]),
            yes=np.concatenate([moved(part.yes, i) for i, part in enumerate(parts)]),
            no=np.concatenate([moved(part.no, i) for i, part in enumerate(parts)]),
            **{name: all_of(name) for name in names},
        )

    def children(self) -> tuple[tuple[Ints, Ints], tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """((yes, no), (yes is a leaf, no is a leaf)), with leaves numbered from 0."""
        leaves = self.yes < 0, self.no < 0
        places = tuple(
            np.where(is_leaf, ~side, side)
            for side, is_leaf in zip((self.yes, self.no), leaves, strict=True)
        )
        return (places[0], places[1]), leaves
