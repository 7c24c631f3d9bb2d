"""The fixed portfolio: strong, diverse configurations that are tried first, in this order.

Each is data: an engine, a recipe, native params and its cost relative to the first one (measured
seconds of a fold; the race corrects it by what it sees). The order follows what a configuration
adds to the blend of those before it per second of training: `benchmarks.portfolio_order`, over ten
public and some generated tables. Around the tuned defaults of Holzmüller et al. (Better by
Default, 2024).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automl.engines.base import TableSize
from automl.features.recipes import MOST_LEVELS


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
RATES = ("learning_rate", "eta")  # what the libraries call the learning rate

_LGB = {"num_leaves": 15, "learning_rate": 0.08, "feature_fraction": 0.6}
_LGB_DEEP = {
    "num_leaves": 63,
    "learning_rate": 0.05,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
}
_LGB_EXTRA = {
    "num_leaves": 31,
    "learning_rate": 0.06,
    "feature_fraction": 0.6,
    "extra_trees": True,
    "min_data_in_leaf": 10,
}
_LGB_SHALLOW = {
    "num_leaves": 4,
    "learning_rate": 0.12,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
}
_XGB = {"max_depth": 4, "eta": 0.08, "subsample": 0.8, "colsample_bylevel": 0.7}
_XGB_STUMPS = {"max_depth": 1, "eta": 0.3, "subsample": 0.8, "colsample_bytree": 0.7}
_XGB_DEEP = {
    "max_depth": 9,
    "eta": 0.05,
    "min_child_weight": 0.5,
    "subsample": 0.7,
    "colsample_bylevel": 0.9,
    "reg_lambda": 0.0,
}
_XGB_REGULARISED = {
    "max_depth": 6,
    "eta": 0.06,
    "min_child_weight": 10.0,
    "subsample": 0.7,
    "colsample_bytree": 0.4,
    "reg_lambda": 20.0,
}
_CAT = {"depth": 6, "learning_rate": 0.1, "l2_leaf_reg": 3.0, "cat_mode": "codes"}
# CatBoost's own statistics of categories cost several times more than codes; of few levels
# one-hot splits are nearly as good.
_CAT_STATISTICS = {
    "depth": 5,
    "learning_rate": 0.1,
    "l2_leaf_reg": 3.0,
    "one_hot_max_size": 10,
    "max_ctr_complexity": 1,
}
_LINE = {"basis": "line", "l1_share": 0.5}
_BENDS = {"basis": "bends", "l1_share": 0.5}

_ORDER: tuple[Candidate, ...] = (
    Candidate("lightgbm", "plain", _LGB, 1.0),
    Candidate("linear", "plain", _LINE, 0.4),
    Candidate("xgboost", "derived", _XGB, 1.4),
    Candidate("lightgbm", "derived", _LGB_DEEP, 1.5),
    Candidate("xgboost", "encoded", _XGB, 1.3),
    Candidate("catboost", "derived", _CAT, 2.5),
    Candidate("lightgbm", "plain", _LGB_SHALLOW, 0.8),
    Candidate("lightgbm", "derived", _LGB_EXTRA, 2.0),
    Candidate("lightgbm", "selected", _LGB, 1.0),
    Candidate("linear", "derived", _LINE, 0.5),
    Candidate("xgboost", "plain", _XGB_STUMPS, 0.7),
    Candidate("xgboost", "plain", _XGB_DEEP, 2.7),
    Candidate("lightgbm", "plain", {**_LGB, "cat_mode": "codes"}, 0.9),
    Candidate("linear", "plain", _BENDS, 0.8),
    Candidate("lightgbm", "encoded", _LGB, 1.3),
    Candidate("catboost", "plain", _CAT, 2.3),
    Candidate("xgboost", "plain", _XGB_REGULARISED, 2.3),
    Candidate("catboost", "plain", _CAT_STATISTICS, 2.2),
)
# With a category of many levels, boosters overfit every matrix in which it is not encoded: five
# folds of 4,000 rows with 600 levels, LightGBM 8 % and XGBoost 4 % less loss; a million rows with
# 3,000 levels, ROC AUC of LightGBM .742 and .768. One candidate without remains, as the last.
_MANY_LEVELS = {"plain": "encoded", "derived": "combined"}
_UNENCODED = Candidate("lightgbm", "plain", _LGB, 1.0)
_ENCODING = ("lightgbm", "xgboost", "catboost")
# CatBoost's symmetric trees of many classes cost more beside the other engines' than of one.
_CAT_CLASSES = 2.5
_WIDE = 500  # features from which the linear engine's bends cost more than they buy
_MANY_CLASSES = 10
_STRANGERS_AT = 4  # place of engines without an entry: early enough for short budgets
# (rows of the table, leaves of the first candidate): it may be the only one
_LARGE = ((300_000, 63), (100_000, 31))


def portfolio(
    engines: Sequence[str], recipes: Sequence[str], size: TableSize
) -> tuple[Candidate, ...]:
    """The configurations for these engines and recipes, in the order to try them.

    One whose recipe has nothing to offer on this table is tried on the plain matrix instead. An
    engine without an entry of its own (a plug-in) is tried once with its library's defaults.
    """
    known = {candidate.engine for candidate in _ORDER}
    chosen: list[Candidate] = []
    for candidate in _suited(size, recipes):
        if candidate.recipe not in recipes and candidate.recipe != "selected":
            candidate = replace(candidate, recipe="plain")
        if candidate.engine in engines and candidate.recipe in recipes and _suits(candidate, size):
            found = sized(candidate, size)
            if not any(_same(found, other) for other in chosen):
                chosen.append(found)
    strangers = [Candidate(name, "plain", {}) for name in engines if name not in known]
    chosen[_STRANGERS_AT:_STRANGERS_AT] = strangers
    return tuple(chosen)


def _suited(size: TableSize, recipes: Sequence[str]) -> Iterable[Candidate]:
    """The order for such a table."""
    if size.most_levels <= MOST_LEVELS or "encoded" not in recipes:
        return _ORDER
    return (*(_beside_encodings(candidate, recipes) for candidate in _ORDER), _UNENCODED)


def _beside_encodings(candidate: Candidate, recipes: Sequence[str]) -> Candidate:
    """`candidate` for a table with a category of many levels."""
    if candidate.engine not in _ENCODING or "max_ctr_complexity" in candidate.params:
        return candidate
    recipe = _MANY_LEVELS.get(candidate.recipe, candidate.recipe)
    return replace(candidate, recipe=recipe if recipe in recipes else "encoded")


def _suits(candidate: Candidate, size: TableSize) -> bool:
    """Whether a candidate is another than its neighbours, and worth its time, on this table."""
    if candidate.params.get("basis") == "bends":
        return size.n_features < _WIDE and size.n_classes <= _MANY_CLASSES
    if candidate.params.get("cat_mode") == "codes" and candidate.engine == "lightgbm":
        return size.n_categorical > 0
    return size.n_categorical > 0 or "max_ctr_complexity" not in candidate.params


def _same(one: Candidate, other: Candidate) -> bool:
    first, second = ((c.engine, c.recipe, dict(c.params)) for c in (one, other))
    return first == second


def sized(candidate: Candidate, size: TableSize) -> Candidate:
    """Smaller leaves for small tables, more for large: defaults suit some thousand rows."""
    params, cost = dict(candidate.params), candidate.cost
    if candidate.engine == "lightgbm":
        if size.n_rows < 2000:
            params.setdefault("min_data_in_leaf", 5 if size.n_rows < 500 else 10)
        if size.n_categorical and size.n_rows < 5000:
            # By default LightGBM wants 100 rows of a level before it splits on it.
            params.setdefault("max_cat_to_onehot", 16)
            params.setdefault("min_data_per_group", 10)
        if candidate.params == _LGB:
            params["num_leaves"] = next((n for rows, n in _LARGE if size.n_rows >= rows), 15)
    if candidate.engine == "catboost" and size.n_classes > 2:
        cost *= _CAT_CLASSES
    return replace(candidate, params=params, cost=cost)


def hastened(candidate: Candidate, factor: float) -> Candidate:
    """`candidate` with a learning rate up to `factor` times higher, so that it needs fewer trees.

    Twice the rate needs about half the trees for nearly the same loss.
    """
    for name in RATES:
        rate = candidate.params.get(name)
        if rate is not None and rate < _FASTEST_RATE:
            faster = min(rate * min(factor, MOST_HASTE), _FASTEST_RATE)
            params = {**candidate.params, name: faster}
            cost = candidate.cost * rate / faster
            return replace(candidate, params=params, cost=cost, origin=HASTENED)
    return replace(candidate, origin=HASTENED)
