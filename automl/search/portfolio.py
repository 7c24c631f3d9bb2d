"""The fixed portfolio: strong, diverse configurations that are tried first, in this order.

Each is data: an engine, a recipe, native params and its cost relative to the first one (measured
seconds of a fold; the race corrects it by what it sees). The order follows what a configuration
adds to the blend of those before it per second of training, in experiments on ten public tables,
around the tuned defaults of Holzmüller et al. (Better by Default, 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automl.engines.base import TableSize


@dataclass(frozen=True)
class Candidate:
    """A configuration to be cross-validated.

    cost: relative core-seconds of a fold; 1 = the first of the portfolio.
    seed: 0, or another number for the same configuration with other random draws.
    """

    engine: str
    recipe: str
    params: Mapping[str, Any]
    cost: float = 1.0
    origin: str = "portfolio"
    study_trial: int | None = None  # Optuna's number, for tell
    seed: int = 0


HASTENED = "hastened"  # origin of a portfolio entry whose learning rate was raised to fit
MOST_HASTE = 4.0
_FASTEST_RATE = 0.3
_RATES = ("learning_rate", "eta")  # what the libraries call the learning rate

_LGB_SMALL = {"num_leaves": 15, "learning_rate": 0.08, "feature_fraction": 0.6}
_LGB_DEEP = {
    "num_leaves": 63,
    "learning_rate": 0.05,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "min_data_in_leaf": 20,
    "cat_l2": 10.0,
}
_LGB_EXTRA = {
    "num_leaves": 31,
    "learning_rate": 0.06,
    "feature_fraction": 0.6,
    "extra_trees": True,
    "min_data_in_leaf": 10,
}
_XGB_DEEP = {
    "max_depth": 8,
    "eta": 0.05,
    "min_child_weight": 2.0,
    "subsample": 0.8,
    "colsample_bylevel": 0.7,
}
_XGB_SHALLOW = {"max_depth": 2, "eta": 0.12, "subsample": 0.8, "colsample_bytree": 0.7}
_XGB_MIDDLE = {"max_depth": 4, "eta": 0.08, "subsample": 0.8, "colsample_bylevel": 0.7}
_XGB_DEEP_CODES = {**_XGB_DEEP, "cat_mode": "codes"}
_CAT_SHALLOW = {"depth": 4, "learning_rate": 0.12, "l2_leaf_reg": 3.0, "cat_mode": "codes"}
_CAT_MIDDLE = {"depth": 6, "learning_rate": 0.08, "l2_leaf_reg": 3.0, "cat_mode": "codes"}
# CatBoost's own statistics of categories cost several times more than codes; of levels up to
# 255 one-hot splits are nearly as good.
_CAT_NATIVE = {
    "depth": 5,
    "learning_rate": 0.1,
    "l2_leaf_reg": 3.0,
    "one_hot_max_size": 10,
    "max_ctr_complexity": 1,
}
_LGB_ENCODED = {"num_leaves": 15, "learning_rate": 0.06, "feature_fraction": 0.4}
_XGB_ENCODED = {"max_depth": 4, "eta": 0.07, "subsample": 0.8, "colsample_bylevel": 0.4}

_ORDER: tuple[Candidate, ...] = (
    Candidate("lightgbm", "plain", _LGB_SMALL, 1.0),
    Candidate("xgboost", "plain", _XGB_SHALLOW, 1.5),
    Candidate("xgboost", "plain", _XGB_DEEP, 1.5),
    Candidate("catboost", "plain", _CAT_SHALLOW, 2.0),
    Candidate("lightgbm", "plain", _LGB_DEEP, 2.0),
    Candidate("xgboost", "plain", _XGB_DEEP_CODES, 1.5),
    Candidate("lightgbm", "plain", _LGB_EXTRA, 1.2),
    Candidate("xgboost", "plain", _XGB_MIDDLE, 1.2),
    Candidate("lightgbm", "encoded", _LGB_ENCODED, 2.0),
    Candidate("catboost", "plain", _CAT_MIDDLE, 4.0),
    Candidate("catboost", "plain", _CAT_NATIVE, 6.0),
    Candidate("xgboost", "encoded", _XGB_ENCODED, 2.5),
)
_NEEDS_CATEGORIES = (_XGB_DEEP_CODES, _CAT_NATIVE)  # without any, another entry is the same


def portfolio(
    engines: Sequence[str], recipes: Sequence[str], size: TableSize
) -> tuple[Candidate, ...]:
    """The configurations for these engines and recipes, in the order to try them.

    An engine without an entry of its own (a plug-in) is tried once with its library's defaults.
    """
    known = {candidate.engine for candidate in _ORDER}
    chosen = [
        candidate
        for candidate in _ORDER
        if candidate.engine in engines
        and candidate.recipe in recipes
        and (size.n_categorical or candidate.params not in _NEEDS_CATEGORIES)
    ]
    chosen += [Candidate(name, "plain", {}) for name in engines if name not in known]
    return tuple(sized(candidate, size) for candidate in chosen)


def sized(candidate: Candidate, size: TableSize) -> Candidate:
    """Smaller leaves for small tables: the libraries' defaults suit some thousand rows."""
    params = dict(candidate.params)
    if candidate.engine == "lightgbm" and size.n_rows < 2000:
        params.setdefault("min_data_in_leaf", 5 if size.n_rows < 500 else 10)
    if candidate.engine == "lightgbm" and size.n_categorical and size.n_rows < 5000:
        # By default LightGBM wants 100 rows of a level before it splits on it.
        params.setdefault("max_cat_to_onehot", 16)
        params.setdefault("min_data_per_group", 10)
    return replace(candidate, params=params)


def hastened(candidate: Candidate, factor: float) -> Candidate:
    """`candidate` with a learning rate up to `factor` times higher, so that it needs fewer trees.

    Twice the rate needs about half the trees for nearly the same loss.
    """
    for name in _RATES:
        rate = candidate.params.get(name)
        if rate is not None and rate < _FASTEST_RATE:
            faster = min(rate * min(factor, MOST_HASTE), _FASTEST_RATE)
            params = {**candidate.params, name: faster}
            cost = candidate.cost * rate / faster
            return replace(candidate, params=params, cost=cost, origin=HASTENED)
    return replace(candidate, origin=HASTENED)
