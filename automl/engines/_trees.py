"""The trees of a LightGBM or XGBoost model, read from its own format as a `Forest`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.engines._forest import Forest, Tree, pays
from automl.features.matrix import IntArray

_CATEGORY, _DEFAULT_LEFT = 1, 2  # bits of LightGBM's decision_type; the next two are below
_ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2
# Nanoseconds of one level of the library's own walk, measured with 4 to 150 leaves.
_LIGHTGBM_LEVEL, _XGBOOST_LEVEL = 8.0, 5.5


def lightgbm_forest(text: str, n_outputs: int) -> Forest | None:
    """The trees of LightGBM's text format; None if they cannot be tables, or need not be."""
    trees = []
    for i, fields in enumerate(_lightgbm_trees(text)):
        tree = _lightgbm_tree(fields, i % n_outputs)
        if tree is None:
            return None
        trees.append(tree)
    if not trees or not pays(trees, level_nanoseconds=_LIGHTGBM_LEVEL):
        return None
    return Forest(trees, np.zeros(n_outputs), below=False, set_is_left=True)


def _lightgbm_trees(text: str) -> Iterator[Mapping[str, str]]:
    for part in text.partition("end of trees")[0].split("\nTree=")[1:]:
        lines = (line.partition("=") for line in part.splitlines())
        yield {name: value for name, _, value in lines}


def _lightgbm_tree(fields: Mapping[str, str], output: int) -> Tree | None:
    """None where leaves are linear or zero counts as missing."""

    def numbers(name: str, dtype: type) -> NDArray[Any]:
        return np.array(fields.get(name, "").split(), dtype=dtype)

    kind = numbers("decision_type", np.int64)
    missing = kind >> 2
    category = (kind & _CATEGORY) > 0
    if fields.get("is_linear", "0") != "0" or (missing[~category] == _ZERO_IS_MISSING).any():
        return None
    threshold = numbers("threshold", np.float64)
    # Where training had no missing cell, one counts as 0; in a category it is in no set.
    as_zero = threshold >= 0.0
    by_default = (kind & _DEFAULT_LEFT) > 0
    nan_left = np.where(missing == _NAN_IS_MISSING, by_default, as_zero) & ~category
    bounds, words = numbers("cat_boundaries", np.int64), numbers("cat_threshold", np.uint32)
    levels: dict[int, IntArray] = {}
    for split in np.flatnonzero(category):
        which = int(threshold[split])
        bits = words[bounds[which] : bounds[which + 1]].astype("<u4").view(np.uint8)
        levels[int(split)] = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
    return Tree(
        feature=numbers("split_feature", np.int64),
        threshold=threshold,
        nan_left=nan_left,
        left=numbers("left_child", np.int64),
        right=numbers("right_child", np.int64),
        values=numbers("leaf_value", np.float64),
        output=output,
        levels=levels,
    )


def xgboost_forest(model: bytes) -> Forest | None:
    """The trees of XGBoost's JSON format; None if they cannot be tables, or need not be."""
    learner = json.loads(model)["learner"]
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        return None
    outputs = booster["model"]["tree_info"]
    trees = [
        _xgboost_tree(fields, output)
        for fields, output in zip(booster["model"]["trees"], outputs, strict=True)
    ]
    if not trees or not pays(trees, level_nanoseconds=_XGBOOST_LEVEL):
        return None
    return Forest(trees, _base(learner), below=True, set_is_left=False)


def _base(learner: Mapping[str, Any]) -> NDArray[np.float32]:
    """(k,) what XGBoost's sums begin with."""
    facts = learner["learner_model_param"]
    text, n_outputs = facts["base_score"].strip("[]"), max(1, int(facts["num_class"]))
    score = np.array(text.split(","), dtype=np.float32)
    if learner["objective"]["name"] == "binary:logistic":  # kept as a probability
        one = np.float32(1.0)
        # C's logf is right to the last bit, which NumPy's is not in float32.
        score = -np.log((one / score - one).astype(np.float64))
    return np.broadcast_to(score, (n_outputs,)).astype(np.float32)


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
