"""XGBoost behind the engine contract, by its native `QuantileDMatrix` and `Booster`.

Notation: n = rows, p = features, k = outputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from automl.engines._forest import FastMargin, Forest
from automl.engines._imports import import_lean
from automl.engines._training import (
    Rounds,
    Splits,
    check_names,
    library_params,
    monotone_signs,
    native_categories,
    outputs,
    round_limit,
    words,
)
from automl.engines._trees import xgboost_forest
from automl.engines.base import Choice, FitSetup, Float, Int, Params, Prepared, Space, TableSize
from automl.errors import BundleError, ConfigError
from automl.features.matrix import Feature, FloatArray, IntArray, Matrix
from automl.task import Objective, Task

# Objective -> (XGBoost's objective, its metric).
_LOSSES: Final = {
    Objective.LOGISTIC: ("binary:logistic", "logloss"),
    Objective.SOFTMAX: ("multi:softprob", "mlogloss"),
    Objective.SQUARED: ("reg:squarederror", "rmse"),
    Objective.ABSOLUTE: ("reg:absoluteerror", "mae"),
    Objective.QUANTILE: ("reg:quantileerror", "quantile"),
}

_MAX_BIN: Final = 256  # the same for every trial, so that one QuantileDMatrix serves all

_PARAMS: Final = words(
    "cat_mode colsample_bylevel colsample_bynode colsample_bytree eta gamma grow_policy "
    "max_cat_threshold max_cat_to_onehot max_delta_step max_depth max_leaves min_child_weight "
    "n_estimators num_parallel_tree reg_alpha reg_lambda subsample"
)

# Levels per categorical feature that no training row had, kept in the model file.
_ABSENT_LEVELS: Final = "absent_levels"
Absent = Mapping[int, NDArray[np.bool_]]  # feature -> (n_levels,) True = absent


@dataclass(frozen=True)
class _Split:
    train: Any
    valid: Any | None
    absent: Absent


@dataclass
class _Data:
    """A matrix with target and weights, and the quantised splits made from it."""

    matrix: Matrix
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    threads: int
    splits: Splits[_Split] = field(default_factory=Splits)

    def split(self, native: bool, train: IntArray, valid: IntArray | None) -> _Split:
        """The quantised split with categories as such, or as numbers."""
        n_valid = 0 if valid is None else len(valid)
        return self.splits.get(
            train,
            valid,
            form=f"{native}",
            # A cell takes one or two bytes of bins, whose source is transient; or it is watched.
            n_bytes=(2 * len(train) + 8 * n_valid) * self.matrix.n_features,
            make=lambda: self._make(native, train, valid),
        )

    def _make(self, native: bool, train: IntArray, valid: IntArray | None) -> _Split:
        matrix = self.matrix.take(train)
        types = ["c" if native and f.n_levels else "q" for f in matrix.features]
        absent = _absent_levels(matrix) if native else {}
        binned = self._quantised(train, matrix.values, types)
        if valid is None:
            return _Split(binned, None, absent)
        values = _without_levels(self.matrix.take(valid), absent)
        # Binned, these rows would take about twice as long to score after each round.
        watched = import_lean("xgboost").DMatrix(values, **self._facts(valid, types))
        return _Split(binned, watched, absent)

    def _quantised(self, rows: IntArray, values: FloatArray, types: list[str]) -> Any:
        facts = self._facts(rows, types)
        return import_lean("xgboost").QuantileDMatrix(values, max_bin=_MAX_BIN, **facts)

    def _facts(self, rows: IntArray, types: list[str]) -> dict[str, Any]:
        return {
            "label": self.y[rows],
            "weight": None if self.weight is None else self.weight[rows],
            "feature_types": types,
            "enable_categorical": True,
            "nthread": self.threads,
        }


class XGBoostBooster:
    """A trained XGBoost model."""

    engine = "xgboost"

    def __init__(
        self, model: Any, curve: NDArray[np.float64] | None = None, *, raw: bytes | None = None
    ) -> None:
        self._model, self._raw = model, raw
        self._absent_json: str = model.attr(_ABSENT_LEVELS) or "{}"
        # Numbers of levels that it was read for, and what it says of them.
        self._absent: tuple[tuple[int, ...], Absent] = ((), {})
        self.n_trees: int = model.num_boosted_rounds()
        self.curve = np.empty(0) if curve is None else curve
        self.threads = 1
        self._told_threads = 0
        self._fast = FastMargin(self._forest)

    def margin(self, matrix: Matrix, n_trees: int | None = None) -> NDArray[np.float64]:
        """(n, k) raw scores from the first `n_trees` rounds (default all)."""
        values = self._known_levels(matrix)
        if n_trees is not None and n_trees < self.n_trees:
            return self._walk(values, n_trees)
        return self._fast(values, lambda rows: self._walk(rows, self.n_trees))

    def _walk(self, values: FloatArray, n_trees: int) -> NDArray[np.float64]:
        """(n, k) raw scores by the library itself."""
        self._use_threads()
        margin = self._model.inplace_predict(
            values,
            iteration_range=(0, n_trees),
            predict_type="margin",
            validate_features=False,
            strict_shape=True,
        )
        return np.asarray(margin, dtype=np.float64)

    def _use_threads(self) -> None:
        """Tell the library once: it takes a while, and several threads may be scoring."""
        if self._told_threads != self.threads:
            self._model.set_param({"nthread": self.threads})
            self._told_threads = self.threads

    def tables(self, matrix: Matrix) -> tuple[FloatArray, Forest] | None:
        """The cells of `matrix` and the tables that they may be looked up in; None: `margin`."""
        if not self._fast.wanted(matrix.n_rows):
            return None
        values = self._known_levels(matrix)
        forest = self._fast.forest(values, lambda rows: self._walk(rows, self.n_trees))
        return None if forest is None else (values, forest)

    def prepare(self, matrix: Matrix) -> None:
        """Make the tables now, where they are quicker; `matrix`: rows like those to come."""
        values = self._known_levels(matrix)
        self._fast.prepare(values, lambda rows: self._walk(rows, self.n_trees))

    def _forest(self) -> Forest | None:
        return xgboost_forest(bytes(self._model.save_raw("json")))

    def contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        """(n, k, p + 1) SHAP values (TreeSHAP, Lundberg et al. 2018), base value last.

        XGBoost adds them up in float32.
        """
        self._use_threads()
        data = import_lean("xgboost").DMatrix(
            self._known_levels(matrix),
            feature_types=self._model.feature_types,
            enable_categorical=True,
            nthread=self.threads,
        )
        values = self._model.predict(
            data, pred_contribs=True, validate_features=False, strict_shape=True
        )
        return np.asarray(values, dtype=np.float64)

    def save(self, path: Path, n_trees: int | None = None) -> None:
        """Write the first `n_trees` rounds (default all) as UBJSON."""
        model, raw = self._model, self._raw
        if n_trees is not None and n_trees < self.n_trees:
            model, raw = model[:n_trees], None
            model.set_attr(**{_ABSENT_LEVELS: self._absent_json})
        path.write_bytes(bytes(model.save_raw("ubj")) if raw is None else raw)

    def _known_levels(self, matrix: Matrix) -> FloatArray:
        known, absent = self._absent
        n_levels = tuple(feature.n_levels for feature in matrix.features)
        if known != n_levels:
            absent = _absent_from_json(self._absent_json, matrix.features)
            self._absent = (n_levels, absent)
        return _without_levels(matrix, absent)


class XGBoostEngine:
    """XGBoost (Chen & Guestrin 2016): depth-wise or leaf-wise trees on histograms."""

    name = "xgboost"
    suffix = ".ubj"
    objectives = frozenset(_LOSSES)
    tree_seconds = 2.5e-8
    cell_bytes = 7.0

    def warm_up(self) -> None:
        """Import the library now, for example while the table is being read."""
        import_lean(self.name)

    def space(self, task: Task, size: TableSize) -> Space:
        """Ranges around the tuned defaults of Holzmüller et al. (2024), shallow trees included."""
        space: dict[str, Float | Int | Choice] = {
            "eta": Float(0.02, 0.3, log=True, default=0.3),
            "max_depth": Int(1, 9 if size.n_rows >= 3000 else 7, default=6),
            "min_child_weight": Float(1e-2, 50.0, log=True, default=1.0),
            "subsample": Float(0.5, 1.0, default=1.0),
            "colsample_bytree": Float(0.4, 1.0, default=1.0),
            "colsample_bylevel": Float(0.4, 1.0, default=1.0),
            "reg_lambda": Float(1e-2, 30.0, log=True, default=1.0),
            "reg_alpha": Float(1e-3, 10.0, log=True, default=0.0),
        }
        if size.n_categorical:
            space["cat_mode"] = Choice(("native", "codes"), default="native")
            space["max_cat_to_onehot"] = Int(2, 64, log=True, default=4)
            space["max_cat_threshold"] = Int(8, 256, log=True, default=64)
        return space

    def prepare(
        self,
        matrix: Matrix,
        y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        *,
        setup: FitSetup,
    ) -> Prepared:
        """The matrix with target and weights; each split is quantised once, on its first use."""
        return _Data(matrix, y, weight, setup.threads)

    def fit(
        self,
        prepared: Prepared,
        train_rows: IntArray,
        valid_rows: IntArray | None,
        *,
        params: Params,
        setup: FitSetup,
    ) -> XGBoostBooster:
        """A booster with all rounds that were trained.

        `cat_mode` is "native" (default) or "codes", see `native_categories`.
        Raises ConfigError for an unknown parameter, and for a monotone direction with an
        objective whose leaves are refitted (XGBoost breaks it there without a word).
        """
        check_names(self.name, params, _PARAMS)
        data = cast(_Data, prepared)
        native = _native_params(params, setup, data.matrix)
        xgboost = import_lean(self.name)
        categories = native_categories(self.name, params, data.matrix)
        split = data.split(categories, train_rows, valid_rows)
        watched = [] if split.valid is None else [split.valid]
        model = xgboost.Booster(native, [split.train, *watched])
        rounds = Rounds(setup)
        for i in range(round_limit(params, setup)):
            model.update(split.train, i)
            loss = None
            if split.valid is not None:
                # "[7]\tvalid-logloss:0.41..." with 17 digits.
                report: str = model.eval_set([(split.valid, "valid")], i)
                loss = float(report.rpartition(":")[2])
            if not rounds.go_on(loss):
                break
        model.set_attr(**{_ABSENT_LEVELS: _absent_to_json(split.absent)})
        # Reading it back drops the training buffers.
        raw = model.save_raw("ubj")
        trained = xgboost.Booster()
        trained.load_model(raw)
        return XGBoostBooster(trained, rounds.curve, raw=bytes(raw))

    def load(self, path: Path, *, n_outputs: int) -> XGBoostBooster:
        """A saved booster. Raises BundleError if the file is not an XGBoost model of k outputs."""
        damaged = BundleError(
            f"{path} is not an XGBoost model with {n_outputs} output(s).",
            hint="The bundle is damaged; make it again or copy it anew.",
        )
        xgboost = import_lean(self.name)
        raw = path.read_bytes()
        if not raw.startswith(b"{"):  # XGBoost warns on stderr before it raises
            raise damaged
        try:
            model = xgboost.Booster()
            model.load_model(bytearray(raw))
            booster = XGBoostBooster(model)
            booster._use_threads()  # before the probe, which sets the model up for good
            probe = np.zeros((1, model.num_features()), dtype=np.float32)
            found = model.inplace_predict(probe, validate_features=False, strict_shape=True)
            _absent_from_json(booster._absent_json, ())
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise damaged from error
        if found.shape[1] != n_outputs or booster.n_trees < 1:
            raise damaged
        return booster


def _native_params(params: Params, setup: FitSetup, matrix: Matrix) -> dict[str, Any]:
    objective, metric = _LOSSES[setup.objective]
    native = library_params(params)
    native |= {
        "objective": objective,
        "eval_metric": metric,
        "tree_method": "hist",
        "max_bin": _MAX_BIN,
        "seed": setup.seed,
        "nthread": setup.threads,
        "verbosity": 0,
    }
    if setup.objective is Objective.SOFTMAX:
        native["num_class"] = outputs(setup)
    if setup.objective is Objective.QUANTILE:
        native["quantile_alpha"] = setup.quantile
    signs = monotone_signs(matrix)
    if signs is not None:
        if setup.objective in (Objective.ABSOLUTE, Objective.QUANTILE):
            raise ConfigError(
                f"XGBoost cannot keep a monotone direction with the objective {objective!r}.",
                hint="Choose --metric rmse, or leave --monotone or this engine out.",
            )
        native["monotone_constraints"] = tuple(signs)
    return native


def _absent_levels(matrix: Matrix) -> Absent:
    """Per categorical feature the levels that no row of `matrix` has, if there are any.

    XGBoost sends such a level to the left of every split, as if it were all the levels that were
    not chosen for the right; as a missing value it takes the learned default direction.
    """
    absent: dict[int, NDArray[np.bool_]] = {}
    for i in matrix.categorical:
        codes = matrix.values[:, i]
        gone = np.ones(matrix.features[i].n_levels, dtype=bool)
        gone[codes[~np.isnan(codes)].astype(np.intp)] = False
        if gone.any():
            absent[i] = gone
    return absent


def _without_levels(matrix: Matrix, absent: Absent) -> FloatArray:
    """The values of `matrix` with NaN for absent levels; a copy only if there are absent ones."""
    if not absent or matrix.n_rows == 0:
        return matrix.values
    values = matrix.values.copy(order="F")
    for i, gone in absent.items():
        # The last entry stands for NaN, which stays NaN.
        codes = np.nan_to_num(values[:, i], nan=len(gone)).astype(np.intp)
        values[np.append(gone, True)[codes], i] = np.nan
    return values


def _absent_to_json(absent: Absent) -> str:
    return json.dumps({str(i): np.flatnonzero(gone).tolist() for i, gone in absent.items()})


def _absent_from_json(text: str, features: tuple[Feature, ...]) -> Absent:
    """The inverse of `_absent_to_json` for these features; ValueError if it is something else."""
    levels: dict[str, list[int]] = json.loads(text)
    absent: dict[int, NDArray[np.bool_]] = {}
    for key, codes in levels.items():
        i = int(key)
        if i < len(features):
            absent[i] = np.isin(np.arange(features[i].n_levels), codes)
    return absent


ENGINE = XGBoostEngine()
