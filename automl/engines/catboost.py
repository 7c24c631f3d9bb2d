"""CatBoost behind the engine contract, by its native `Pool` and `CatBoost`.

Notation: n = rows, p = features, k = outputs.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from automl.engines._imports import import_lean
from automl.engines._training import (
    Rounds,
    check_names,
    library_params,
    monotone_signs,
    native_categories,
    outputs,
    round_limit,
    words,
)
from automl.engines.base import Choice, FitSetup, Float, Int, Params, Prepared, Space, TableSize
from automl.errors import BundleError, DataError
from automl.features.matrix import IntArray, Matrix
from automl.task import Objective, Task

# Objective -> CatBoost's loss function, which is the metric too. `alpha` is filled in.
_LOSSES: Final = {
    Objective.LOGISTIC: "Logloss",
    Objective.SOFTMAX: "MultiClass",
    Objective.SQUARED: "RMSE",
    Objective.ABSOLUTE: "MAE",
    Objective.QUANTILE: "Quantile:alpha={alpha!r}",
}

# No grow_policy: CatBoost cannot truncate trees other than symmetric ones, and every fold is
# shipped truncated.
_PARAMS: Final = words(
    "bagging_temperature boost_from_average boosting_type bootstrap_type border_count "
    "cat_mode depth fold_permutation_block l2_leaf_reg leaf_estimation_iterations "
    "leaf_estimation_method learning_rate max_ctr_complexity model_size_reg n_estimators "
    "one_hot_max_size random_strength rsm score_function subsample"
)

# What a model file keeps of its training record; the rest holds the date, a random id and the
# curves, so that equal models would differ in bytes.
_KEPT_METADATA: Final = frozenset({"params", "class_params"})


@dataclass
class _Data:
    """A matrix with target and weights as up to two Pools of all rows.

    native: category codes as categories, for CatBoost's own target statistics.  codes: as
    numbers, 3-7 times faster to train. Slices of a Pool cost milliseconds, so none are kept; nor
    are Pools quantised here: measured, it saves nothing and would tie all trials to one
    border_count.
    """

    matrix: Matrix
    y: NDArray[Any]
    weight: NDArray[np.float64] | None
    threads: int
    pools: dict[bool, Any] = field(default_factory=dict)

    def pool(self, native: bool) -> Any:
        if native not in self.pools:
            self.pools[native] = _pool(
                self.matrix, native, label=self.y, weight=self.weight, thread_count=self.threads
            )
        return self.pools[native]


class _Watch:
    """CatBoost's callback: asks `Rounds` after each round."""

    def __init__(self, rounds: Rounds) -> None:
        self._rounds = rounds

    def after_iteration(self, info: Any) -> bool:
        validation = info.metrics.get("validation") if info.metrics else None
        loss = None
        if validation:
            (history,) = validation.values()
            loss = float(history[-1])
        return self._rounds.go_on(loss)


class CatBoostBooster:
    """A trained CatBoost model."""

    engine = "catboost"

    def __init__(self, model: Any, curve: NDArray[np.float64] | None = None) -> None:
        self._model = model
        self._native = bool(model.get_cat_feature_indices())
        self.n_trees: int = model.tree_count_
        self.curve = np.empty(0) if curve is None else curve
        self.threads = 1

    def margin(self, matrix: Matrix, n_trees: int | None = None) -> NDArray[np.float64]:
        """(n, k) raw scores from the first `n_trees` rounds (default all)."""
        return self.pool_margin(self.pool(matrix), n_trees)

    def pool_margin(self, pool: Any, n_trees: int | None = None) -> NDArray[np.float64]:
        """(n, k) raw scores of the rows in `pool`."""
        margin = self._model.predict(
            pool,
            prediction_type="RawFormulaVal",
            ntree_end=self.n_trees if n_trees is None else min(n_trees, self.n_trees),
            thread_count=self.threads,
        )
        return np.asarray(margin, dtype=np.float64).reshape(pool.num_row(), -1)

    def contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        """(n, k, p + 1) SHAP values (TreeSHAP, Lundberg et al. 2018), base value last."""
        values = self._model.get_feature_importance(
            self.pool(matrix), type="ShapValues", thread_count=self.threads
        )
        shape = (matrix.n_rows, -1, matrix.n_features + 1)
        return np.asarray(values, dtype=np.float64).reshape(shape)

    def save(self, path: Path, n_trees: int | None = None) -> None:
        """Write the first `n_trees` rounds (default all) as CatBoost's binary format."""
        model = self._model
        if n_trees is not None and n_trees < self.n_trees:
            model = model.copy()
            model.shrink(n_trees)
        _strip(model)
        model.save_model(str(path), format="cbm")

    def pool_kind(self) -> object:
        """Boosters of one kind make equal pools of a matrix."""
        return self.engine, self._native, self.threads

    def pool(self, matrix: Matrix) -> Any:
        """The rows as CatBoost takes them."""
        return _pool(matrix, self._native, thread_count=self.threads)


class CatBoostEngine:
    """CatBoost (Prokhorenkova et al. 2018): symmetric trees, target statistics of categories."""

    name = "catboost"
    suffix = ".cbm"
    objectives = frozenset(_LOSSES)
    tree_seconds = 1.5e-9
    cell_bytes = 3.0
    category_bytes = 40.0  # of a category's cell, where it is taken as such

    def warm_up(self) -> None:
        """Import the library now, for example while the table is being read."""
        import_lean(self.name)

    def space(self, task: Task, size: TableSize) -> Space:
        """Ranges around the tuned defaults of Holzmüller et al. (2024), shallow trees included.

        Learning rates start high: a round costs several times one of the other engines.
        """
        space: dict[str, Float | Int | Choice] = {
            "learning_rate": Float(0.04, 0.3, log=True, default=0.1),
            "depth": Int(2, 8 if size.n_rows >= 3000 else 6, default=6),
            "l2_leaf_reg": Float(0.1, 30.0, log=True, default=3.0),
            "random_strength": Float(0.1, 10.0, log=True, default=1.0),
            "rsm": Float(0.4, 1.0, default=1.0),
            "subsample": Float(0.5, 1.0, default=0.8),
        }
        if task is Task.BINARY:
            space["leaf_estimation_iterations"] = Int(1, 10, log=True, default=10)
        if size.n_categorical:
            space["cat_mode"] = Choice(("codes", "native"), default="native")
            space["one_hot_max_size"] = Int(2, 255, log=True, default=2)
            space["max_ctr_complexity"] = Int(1, 2, default=2)
        return space

    def prepare(
        self,
        matrix: Matrix,
        y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        *,
        setup: FitSetup,
    ) -> Prepared:
        """The matrix with target and weights; a Pool is made on its first use."""
        labels = y.astype(np.int32) if setup.task.is_classification else y
        return _Data(matrix, labels, weight, setup.threads)

    def fit(
        self,
        prepared: Prepared,
        train_rows: IntArray,
        valid_rows: IntArray | None,
        *,
        params: Params,
        setup: FitSetup,
    ) -> CatBoostBooster:
        """A booster with all rounds that were trained.

        The parameter `cat_mode` is "native" (categories as such, default) or "codes" (their
        codes as numbers). Raises ConfigError for an unknown parameter, DataError if the target
        or every feature is constant in the training rows, a class has no row there, or no tree
        found a split: CatBoost cannot train then.
        """
        check_names(self.name, params, _PARAMS)
        data = cast(_Data, prepared)
        native = _native_params(params, setup, data.matrix)
        _check_target(data.y[train_rows], setup)
        catboost = import_lean(self.name)
        pool = data.pool(native_categories(self.name, params, data.matrix))
        rounds = Rounds(setup)
        model = catboost.CatBoost(native)
        silence = io.StringIO()  # some notes ignore logging_level
        try:
            model.fit(
                pool.slice(train_rows),
                eval_set=None if valid_rows is None else pool.slice(valid_rows),
                use_best_model=False,
                # Costs nothing at 500 rounds but a quarter of the time at 2,000 (CatBoost copies
                # the whole history each round); there is no other way to watch the clock.
                callbacks=[_Watch(rounds)],
                log_cout=silence,
                log_cerr=silence,
            )
        except catboost.CatBoostError as error:
            if "All features are either constant or ignored" in str(error):
                raise _untrainable("every feature is constant") from error
            raise
        if max(model.get_tree_leaf_counts()) == 1:
            # Such a model cannot be truncated, and says no more than a constant.
            raise _untrainable("no split lowers the loss")
        _strip(model)
        return CatBoostBooster(model, rounds.curve)

    def load(self, path: Path, *, n_outputs: int) -> CatBoostBooster:
        """A saved booster. Raises BundleError if the file is not a CatBoost model of k outputs."""
        damaged = BundleError(
            f"{path} is not a CatBoost model with {n_outputs} output(s).",
            hint="The bundle is damaged; make it again or copy it anew.",
        )
        catboost = import_lean(self.name)
        model = catboost.CatBoost()
        try:
            model.load_model(blob=path.read_bytes(), format="cbm")
        except catboost.CatBoostError as error:
            raise damaged from error
        n_leaves = int(model.get_tree_leaf_counts().sum()) if model.tree_count_ else 0
        if n_leaves == 0 or len(model.get_leaf_values()) != n_leaves * n_outputs:
            raise damaged
        return CatBoostBooster(model)


def _check_target(y: NDArray[Any], setup: FitSetup) -> None:
    if setup.task is Task.MULTICLASS:
        present = np.unique(y)
        # CatBoost would leave the class out of the model and predict minus infinity for it.
        if len(present) < outputs(setup):
            absent = np.setdiff1d(np.arange(outputs(setup)), present)
            raise _untrainable(f"there is no row of class number {absent[0]}")
    elif np.ptp(y) == 0:
        raise _untrainable("the target is constant")


def _untrainable(why: str) -> DataError:
    return DataError(
        f"CatBoost cannot train: {why} in the training rows of this fold.",
        hint="Leave this engine out with --engines, or use fewer folds.",
    )


def _native_params(params: Params, setup: FitSetup, matrix: Matrix) -> dict[str, Any]:
    native = library_params(params)
    loss = _LOSSES[setup.objective].format(alpha=setup.quantile)
    native |= {
        "loss_function": loss,
        # The loss on the training rows is never read; not computing it saves time.
        "eval_metric": loss + (";hints=" if ":" in loss else ":hints=") + "skip_train~true",
        "iterations": round_limit(params, setup),
        "random_seed": setup.seed,
        "thread_count": setup.threads,
        "logging_level": "Silent",
        "allow_writing_files": False,
    }
    if setup.task is Task.MULTICLASS:
        native["classes_count"] = outputs(setup)
    signs = monotone_signs(matrix)
    if signs is not None:
        native["monotone_constraints"] = signs
    if "bagging_temperature" in native:
        native.setdefault("bootstrap_type", "Bayesian")
    elif "bootstrap_type" not in native:
        # One default for all losses. MVS, CatBoost's for most, ends in an error ("too few
        # sampling units") once the gradients vanish; Bayesian knows no subsample.
        native |= {"bootstrap_type": "Bernoulli", "subsample": native.get("subsample", 0.8)}
    return native


def _pool(matrix: Matrix, native: bool, **fields: Any) -> Any:
    """A Pool of `matrix`; NaN in a category is a level of its own if `native`."""
    catboost = import_lean("catboost")
    if not native:
        # CatBoost compares in float32 in any case.
        return catboost.Pool(np.asfortranarray(matrix.values, dtype=np.float32), **fields)
    import pandas as pd

    columns: dict[str, Any] = {}
    for i, feature in enumerate(matrix.features):
        column = matrix.values[:, i]
        if feature.n_levels:
            codes = np.nan_to_num(column, nan=feature.n_levels).astype(np.int32)
            levels = pd.RangeIndex(feature.n_levels + 1)
            columns[f"f{i}"] = pd.Categorical.from_codes(codes, categories=levels)
        else:
            columns[f"f{i}"] = column.astype(np.float32)
    frame = pd.DataFrame(columns)
    return catboost.Pool(frame, cat_features=list(matrix.categorical), **fields)


def _strip(model: Any) -> None:
    """Delete what depends on the moment of training from the model's metadata."""
    metadata = model.get_metadata()
    for key in set(metadata.keys()) - _KEPT_METADATA:
        del metadata[key]


ENGINE = CatBoostEngine()
