"""The configurations that compete for a place in the portfolio: data, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl.engines.base import TableSize

# Sources: td = the tuned defaults of Holzmüller et al., Better by Default (2024), rounded.


@dataclass(frozen=True)
class Configuration:
    """An engine, a recipe and native params."""

    engine: str
    params: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = "plain"


def _lgb(leaves: int, rate: float, **more: Any) -> Configuration:
    recipe = more.pop("recipe", "plain")
    return Configuration("lightgbm", {"num_leaves": leaves, "learning_rate": rate, **more}, recipe)


def _xgb(depth: int, rate: float, **more: Any) -> Configuration:
    recipe = more.pop("recipe", "plain")
    return Configuration("xgboost", {"max_depth": depth, "eta": rate, **more}, recipe)


def _cat(depth: int, rate: float, **more: Any) -> Configuration:
    recipe = more.pop("recipe", "plain")
    return Configuration("catboost", {"depth": depth, "learning_rate": rate, **more}, recipe)


_CODES = {"cat_mode": "codes"}
_CTR = {"one_hot_max_size": 10, "max_ctr_complexity": 1}

CONFIGURATIONS: Mapping[str, Configuration] = {
    # The present portfolio first.
    "lgb_15": _lgb(15, 0.08, feature_fraction=0.6),
    "xgb_d2": _xgb(2, 0.12, subsample=0.8, colsample_bytree=0.7),
    "xgb_d8": _xgb(8, 0.05, min_child_weight=2.0, subsample=0.8, colsample_bylevel=0.7),
    "cat_d4": _cat(4, 0.12, l2_leaf_reg=3.0, **_CODES),
    "lgb_63": _lgb(
        63,
        0.05,
        feature_fraction=0.7,
        bagging_fraction=0.8,
        min_data_in_leaf=20,
        cat_l2=10.0,
    ),
    "xgb_d8_codes": _xgb(
        8, 0.05, min_child_weight=2.0, subsample=0.8, colsample_bylevel=0.7, **_CODES
    ),
    "lgb_xt": _lgb(31, 0.06, feature_fraction=0.6, extra_trees=True, min_data_in_leaf=10),
    "xgb_d4": _xgb(4, 0.08, subsample=0.8, colsample_bylevel=0.7),
    "cat_d6": _cat(6, 0.08, l2_leaf_reg=3.0, **_CODES),
    # Shallow and strongly regularised.
    "lgb_4": _lgb(4, 0.12, feature_fraction=0.6, bagging_fraction=0.8),
    "lgb_7_reg": _lgb(7, 0.06, feature_fraction=0.4, lambda_l2=10.0, min_data_in_leaf=50),
    "xgb_d1": _xgb(1, 0.3, subsample=0.8, colsample_bytree=0.7),
    "xgb_d3": _xgb(3, 0.1, subsample=0.8, colsample_bytree=0.6, reg_lambda=3.0),
    "cat_d3": _cat(3, 0.15, l2_leaf_reg=5.0, **_CODES),
    # Middle.
    "lgb_31": _lgb(31, 0.05, feature_fraction=0.7, bagging_fraction=0.8),
    "lgb_15_slow": _lgb(15, 0.03, feature_fraction=0.5, bagging_fraction=0.8),
    "lgb_15_codes": _lgb(15, 0.08, feature_fraction=0.6, **_CODES),
    "lgb_31_reg": _lgb(31, 0.05, feature_fraction=0.4, lambda_l2=20.0, min_data_in_leaf=40),
    "xgb_d6": _xgb(6, 0.06, subsample=0.8, colsample_bylevel=0.7),
    "xgb_d6_reg": _xgb(
        6, 0.06, min_child_weight=10.0, subsample=0.7, colsample_bytree=0.4, reg_lambda=20.0
    ),
    # Deep.
    "lgb_td": _lgb(
        100,
        0.04,
        feature_fraction=0.75,
        bagging_fraction=0.75,
        min_data_in_leaf=10,
        cat_smooth=20.0,
    ),
    "xgb_td": _xgb(
        9, 0.05, min_child_weight=0.5, subsample=0.7, colsample_bylevel=0.9, reg_lambda=0.0
    ),
    "xgb_d12": _xgb(12, 0.05, min_child_weight=4.0, subsample=0.8, colsample_bynode=0.5),
    "xgb_leaves": _xgb(
        0, 0.06, max_leaves=64, grow_policy="lossguide", subsample=0.8, colsample_bynode=0.6
    ),
    "cat_d8": _cat(8, 0.1, l2_leaf_reg=5.0, rsm=0.6, **_CODES),
    # Random trees.
    "lgb_xt_deep": _lgb(
        128, 0.08, feature_fraction=0.5, extra_trees=True, min_data_in_leaf=4, bagging_fraction=0.8
    ),
    "xgb_forest": _xgb(
        10, 0.2, num_parallel_tree=10, subsample=0.6, colsample_bynode=0.4, min_child_weight=1.0
    ),
    # Categories by CatBoost's own statistics.
    "cat_d5_ctr": _cat(5, 0.1, l2_leaf_reg=3.0, **_CTR),
    "cat_d6_ctr2": _cat(6, 0.08, l2_leaf_reg=3.0, max_ctr_complexity=2),
    # Linear effects.
    "lin_line": Configuration("linear", {"basis": "line", "l1_share": 0.5}),
    "lin_bends": Configuration("linear", {"basis": "bends", "l1_share": 0.5}),
    # Recipes.
    "lgb_15_derived": _lgb(15, 0.08, feature_fraction=0.6, recipe="derived"),
    "lgb_63_derived": _lgb(63, 0.05, feature_fraction=0.6, bagging_fraction=0.8, recipe="derived"),
    "lgb_xt_derived": _lgb(
        31, 0.06, feature_fraction=0.6, extra_trees=True, min_data_in_leaf=10, recipe="derived"
    ),
    "xgb_d4_derived": _xgb(4, 0.08, subsample=0.8, colsample_bylevel=0.7, recipe="derived"),
    "xgb_d8_derived": _xgb(
        8, 0.05, min_child_weight=2.0, subsample=0.8, colsample_bylevel=0.7, recipe="derived"
    ),
    "cat_d6_derived": _cat(6, 0.1, l2_leaf_reg=3.0, recipe="derived", **_CODES),
    "lgb_15_encoded": _lgb(15, 0.08, feature_fraction=0.6, recipe="encoded"),
    "xgb_d4_encoded": _xgb(4, 0.08, subsample=0.8, colsample_bylevel=0.7, recipe="encoded"),
    "xgb_d8_encoded": _xgb(
        8, 0.05, min_child_weight=2.0, subsample=0.8, colsample_bylevel=0.7, recipe="encoded"
    ),
    "lgb_15_selected": _lgb(15, 0.08, feature_fraction=0.6, recipe="selected"),
    "xgb_d4_selected": _xgb(4, 0.08, subsample=0.8, colsample_bylevel=0.7, recipe="selected"),
    "lin_line_derived": Configuration(
        "linear", {"basis": "line", "l1_share": 0.5}, recipe="derived"
    ),
}
_NEEDS_CATEGORIES = ("_codes", "_ctr")


def suits(name: str, size: TableSize) -> bool:
    """Whether the configuration is another than its plain twin on a table of this size."""
    return bool(size.n_categorical) or not any(word in name for word in _NEEDS_CATEGORIES)
