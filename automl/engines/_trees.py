"""The trees of a LightGBM or XGBoost model, read from its own format as a `Forest`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.engines._forest import Forest, pays
from automl.engines._splits import Tree, Trees
from automl.features.matrix import IntArray

_CATEGORY, _DEFAULT_LEFT = 1, 2  # bits of LightGBM's decision_type; the next two are below
_ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2
# Nanoseconds of one level of the library's own walk, measured with 4 to 150 leaves.
_LIGHTGBM_LEVEL, _XGBOOST_LEVEL = 8.0, 5.5


def lightgbm_forest(text: str, n_outputs: int) -> Forest | None:
    """The trees of LightGBM's text format; None if they cannot be tables, or need not be."""
    trees = lightgbm_trees(text, n_outputs)
    if trees is None or not pays(trees, level_nanoseconds=_LIGHTGBM_LEVEL):
        return None
    return Forest(trees, np.zeros(n_outputs), below=False, set_is_left=True)


def lightgbm_trees(text: str, n_outputs: int) -> Trees | None:
    """The trees as they are: x <= threshold and codes in a set go left.

    None without trees, where leaves are linear, and where zero counts as missing."""
    fields: defaultdict[str, list[str]] = defaultdict(list)
    start, end = text.find("\nTree="), text.find("\nend of trees")
    for line in text[start:end].splitlines():
        name, _, value = line.partition("=")
        fields[name].append(value)

    def numbers(name: str, dtype: type) -> NDArray[Any]:
        return np.fromstring(" ".join(fields[name]), dtype=dtype, sep=" ")

    n_leaves = numbers("num_leaves", np.int64)
    n_splits = n_leaves - 1
    kind = numbers("decision_type", np.int64)
    missing = kind >> 2
    is_set = (kind & _CATEGORY) > 0
    linear = numbers("is_linear", np.int64)
    if not len(n_leaves) or linear.any() or (missing[~is_set] == _ZERO_IS_MISSING).any():
        return None
    threshold = numbers("threshold", np.float64)
    # Where training had no missing cell, one counts as 0; in a category it is in no set.
    as_zero = threshold >= 0.0
    by_default = (kind & _DEFAULT_LEFT) > 0
    level_split, level_code = _lightgbm_levels(
        np.repeat(np.arange(len(n_splits)), n_splits)[is_set],
        threshold[is_set].astype(np.int64),
        numbers("num_cat", np.int64),
        numbers("cat_boundaries", np.int64),
        numbers("cat_threshold", np.uint32),
    )
    return Trees(
        n_splits=n_splits,
        n_leaves=n_leaves,
        output=np.arange(len(n_leaves)) % n_outputs,
        feature=numbers("split_feature", np.int64),
        threshold=threshold,
        nan_left=np.where(missing == _NAN_IS_MISSING, by_default, as_zero) & ~is_set,
        left=numbers("left_child", np.int64),
        right=numbers("right_child", np.int64),
        is_set=is_set,
        level_split=np.flatnonzero(is_set)[level_split],
        level_code=level_code,
        values=numbers("leaf_value", np.float64),
    )


def _lightgbm_levels(
    tree: IntArray, which: IntArray, n_sets: IntArray, bounds: IntArray, words: NDArray[np.uint32]
) -> tuple[IntArray, IntArray]:
    """(split, code) for each code of each set.

    tree, which: (any,) of each split of a category, its tree and which of its tree's sets it has.
    n_sets: (T,) sets of each tree.  bounds: by tree that has sets, where the words of each set
    begin, and where the last ends.  words: 32 codes each, tree by tree.
    """
    n_bounds = n_sets + (n_sets > 0)
    first_bound = np.cumsum(n_bounds) - n_bounds
    n_words = np.zeros(len(n_sets), dtype=np.int64)
    n_words[n_sets > 0] = bounds[(first_bound + n_sets)[n_sets > 0]]
    first_word = (np.cumsum(n_words) - n_words)[tree]
    begin = bounds[first_bound[tree] + which]
    size = bounds[first_bound[tree] + which + 1] - begin
    split = np.repeat(np.arange(len(tree)), size)
    nth = np.arange(len(split)) - np.repeat(np.cumsum(size) - size, size)
    mine = words[(first_word + begin)[split] + nth].astype("<u4")
    bits = np.unpackbits(mine[:, None].view(np.uint8), axis=1, bitorder="little")
    word, bit = np.nonzero(bits)
    return split[word], 32 * nth[word] + bit


def xgboost_forest(model: bytes) -> Forest | None:
    """The trees of XGBoost's JSON format; None if they cannot be tables, or need not be."""
    read = xgboost_trees(model)
    if read is None or not pays(read[0], level_nanoseconds=_XGBOOST_LEVEL):
        return None
    return Forest(*read, below=True, set_is_left=False)


def xgboost_trees(model: bytes) -> tuple[Trees, NDArray[np.float32]] | None:
    """The trees as they are, and (k,) what their sums begin with; None if there are none.

    x < threshold goes left in float32, codes in a set go right.
    """
    learner = json.loads(model)["learner"]
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        return None
    outputs = booster["model"]["tree_info"]
    trees = [
        _xgboost_tree(fields, output)
        for fields, output in zip(booster["model"]["trees"], outputs, strict=True)
    ]
    return (Trees.of(trees), _base(learner)) if trees else None


def _base(learner: Mapping[str, Any]) -> NDArray[np.float32]:
    """(k,) what XGBoost's sums begin with."""
    facts = learner["learner_model_param"]
    text, n_outputs = facts["base_score"].strip("[]"), _n_outputs(facts)
    score = np.array(text.split(","), dtype=np.float32)
    if learner["objective"]["name"] == "binary:logistic":  # kept as a probability
        one = np.float32(1.0)
        # C's logf is right to the last bit, which NumPy's is not in float32.
        score = -np.log((one / score - one).astype(np.float64))
    return np.broadcast_to(score, (n_outputs,)).astype(np.float32)


def _n_outputs(facts: Mapping[str, str]) -> int:
    """Classes, or targets, which several quantiles are to XGBoost."""
    return max(1, int(facts["num_class"]), int(facts.get("num_target", 1)))


def _xgboost_tree(fields: Mapping[str, Any], output: int) -> Tree:
    left = np.array(fields["left_children"])
    right = np.array(fields["right_children"])
    value = np.array(fields["split_conditions"], dtype=np.float64)
    splits, leaves = np.flatnonzero(left >= 0), np.flatnonzero(left < 0)
    number = np.empty(len(left), dtype=np.int64)  # node -> split, or ~leaf
    number[splits] = np.arange(len(splits))
    number[leaves] = ~np.arange(len(leaves))
    categories = np.array(fields["categories"], dtype=np.int64)
    levels: dict[int, IntArray] = {}
    for node, start, size in zip(
        fields["categories_nodes"],
        fields["categories_segments"],
        fields["categories_sizes"],
        strict=True,
    ):
        levels[int(number[node])] = categories[start : start + size]
    return Tree(
        feature=np.array(fields["split_indices"])[splits],
        threshold=value[splits],
        nan_left=np.array(fields["default_left"], dtype=bool)[splits],
        left=number[left[splits]],
        right=number[right[splits]],
        values=value[leaves],
        output=output,
        levels=levels,
    )
