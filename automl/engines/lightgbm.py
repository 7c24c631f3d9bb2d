"""LightGBM behind the engine contract, by its native `Dataset` and `Booster`.

Notation: n = rows, p = features, k = outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from automl.engines._fast_margin import FastMargin
from automl.engines._forest import Forest
from automl.engines._imports import import_lean
from automl.engines._lightgbm_few import FEW_ROWS, few_margins, has_direct_call
from automl.engines._lightgbm_text import merged, truncated
from automl.engines._splits import Trees
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
from automl.engines._trees import lightgbm_forest, lightgbm_trees
from automl.engines.base import Choice, FitSetup, Float, Int, Params, Prepared, Space, TableSize
from automl.errors import BundleError, ConfigError
from automl.features.matrix import FloatArray, IntArray, Matrix
from automl.task import Objective, Task

# Objective -> (LightGBM's objective, its metric).
_LOSSES: Final = {
    Objective.LOGISTIC: ("binary", "binary_logloss"),
    Objective.SOFTMAX: ("multiclass", "multi_logloss"),
    Objective.SQUARED: ("regression", "rmse"),
    Objective.ABSOLUTE: ("regression_l1", "l1"),
    Objective.QUANTILE: ("quantile", "quantile"),
}

# Newton steps of many classes run away where a class that is all but excluded turns out to be the
# right one: at higher rates than this they are bounded, to classes / _STEPS before the rate. At
# 0.2 and 0.3 the log loss of 30 classes became less than half, and that of 7 a fifth less.
_CALM_RATE, _STEPS = 0.1, 3.0

# Microseconds of few rows in one call: of the call, and per row of each tree; measured.
_CALL_MICROSECONDS, _TREE_MICROSECONDS = 13.0, 0.028

# Parameters that shape the bins. They are the same for every trial, so that one Dataset serves
# all; feature_pre_filter would tie the Dataset to one min_data_in_leaf.
_BINNING: Final = {
    "max_bin": 255,
    "min_data_in_bin": 3,
    "bin_construct_sample_cnt": 200_000,
    "data_random_seed": 1,
    "feature_pre_filter": False,
}

_PARAMS: Final = words(
    "bagging_fraction bagging_freq cat_mode cat_l2 cat_smooth colsample_bynode extra_trees "
    "feature_fraction feature_fraction_bynode lambda_l1 lambda_l2 learning_rate "
    "max_cat_threshold max_cat_to_onehot max_delta_step max_depth min_data_in_leaf "
    "min_data_per_group min_gain_to_split min_sum_hessian_in_leaf monotone_constraints_method "
    "monotone_penalty n_estimators num_leaves path_smooth"
)


@dataclass
class _Data:
    """A matrix as up to two Datasets of all rows, and the subsets made from them.

    Subsets share the bins of their Dataset. The two take categories as such, or as numbers.
    """

    matrix: Matrix
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    threads: int
    datasets: dict[bool, Any] = field(default_factory=dict)
    splits: Splits[tuple[Any, Any]] = field(default_factory=Splits)

    def dataset(self, native: bool) -> Any:
        if native not in self.datasets:
            dataset = import_lean("lightgbm").Dataset(
                self.matrix.values,
                label=self.y,
                weight=self.weight,
                feature_name=[f"f{i}" for i in range(self.matrix.n_features)],
                categorical_feature=list(self.matrix.categorical) if native else [],
                params={**_BINNING, "num_threads": self.threads, "verbosity": -1},
            )
            self.datasets[native] = dataset.construct()
        return self.datasets[native]

    def split(self, native: bool, train: IntArray, valid: IntArray | None) -> tuple[Any, Any]:
        """(training Dataset, validation Dataset or None)."""
        whole = self.dataset(native)

        def subset(rows: IntArray) -> Any:
            # LightGBM wants sorted rows; their order does not matter to a margin.
            return whole.subset(np.sort(rows)).construct()

        n_rows = len(train) + (0 if valid is None else len(valid))
        return self.splits.get(
            train,
            valid,
            form=f"{native}",
            n_bytes=n_rows * self.matrix.n_features,  # at most 255 bins: a byte per cell
            make=lambda: (subset(train), None if valid is None else subset(valid)),
        )


class LightGBMBooster:
    """A trained LightGBM model."""

    engine = "lightgbm"

    def __init__(
        self, model: Any, curve: NDArray[np.float64] | None = None, *, text: str | None = None
    ) -> None:
        self._model, self._text = model, text
        self._n_outputs: int = model.num_model_per_iteration()
        self.n_trees: int = model.current_iteration()
        self.curve = np.empty(0) if curve is None else curve
        self.threads = 1
        self._fast = FastMargin(self._forest)
        self._direct = has_direct_call(model)

    def margin(self, matrix: Matrix, n_trees: int | None = None) -> NDArray[np.float64]:
        """(n, k) raw scores from the first `n_trees` rounds (default all)."""
        if n_trees is not None and n_trees < self.n_trees:
            return self._walk(matrix.values, n_trees)
        return self._fast(matrix.values, lambda values: self._walk(values, self.n_trees))

    def walk_microseconds(self, n_rows: int) -> float:
        """About what the library itself takes for few rows, on one core."""
        if n_rows > FEW_ROWS or not self._direct:
            return inf
        return _CALL_MICROSECONDS + _TREE_MICROSECONDS * self.n_trees * self._n_outputs * n_rows

    def walk(self, matrix: Matrix) -> NDArray[np.float64]:
        """(n, k) raw scores by the library itself, even if there are tables."""
        return self._walk(matrix.values, self.n_trees)

    def _walk(self, values: FloatArray, n_trees: int) -> NDArray[np.float64]:
        """(n, k) raw scores by the library itself."""
        if self._direct and len(values) <= FEW_ROWS:
            return few_margins(self._model, values, n_trees, self._n_outputs)
        margin = self._model.predict(
            values,
            raw_score=True,
            start_iteration=0,
            num_iteration=n_trees,
            num_threads=self.threads,
        )
        return np.asarray(margin, dtype=np.float64).reshape(len(values), self._n_outputs)

    def tables(self, matrix: Matrix) -> tuple[FloatArray, Forest] | None:
        """The cells of `matrix` and the tables that they may be looked up in; None: `margin`."""
        forest = self._fast.forest(matrix.values, lambda values: self._walk(values, self.n_trees))
        return None if forest is None else (matrix.values, forest)

    def prepare(self, matrix: Matrix) -> None:
        """Make the tables now, where they are quicker; `matrix`: rows like those to come."""
        self._fast.prepare(matrix.values, lambda values: self._walk(values, self.n_trees))

    def _forest(self) -> Forest | None:
        return lightgbm_forest(self._written(), self._n_outputs)

    def trees(self) -> Trees | None:
        """Its trees, see `lightgbm_trees`; None for kinds of trees that these cannot be."""
        return lightgbm_trees(self._written(), self._n_outputs)

    def _written(self) -> str:
        if self._text is not None:
            return self._text
        return str(self._model.model_to_string(num_iteration=self.n_trees, start_iteration=0))

    def contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        """(n, k, p + 1) SHAP values (TreeSHAP, Lundberg et al. 2018), base value last."""
        flat = self._model.predict(
            matrix.values,
            pred_contrib=True,
            start_iteration=0,
            num_iteration=self.n_trees,
            num_threads=self.threads,
        )
        shape = (matrix.n_rows, self._n_outputs, matrix.n_features + 1)
        return np.asarray(flat, dtype=np.float64).reshape(shape)

    def save(self, path: Path, n_trees: int | None = None) -> None:
        """Write the first `n_trees` rounds (default all) as LightGBM's text format."""
        text = self._text
        if text is None:
            text = self._model.model_to_string(num_iteration=-1)
        if n_trees is not None and n_trees < self.n_trees:
            text = truncated(text, n_trees * self._n_outputs)
        # Not save_model: its C++ side cannot open every path on Windows.
        path.write_text(text, encoding="utf-8", newline="\n")


class LightGBMEngine:
    """LightGBM (Ke et al. 2017): leaf-wise trees on histograms."""

    name = "lightgbm"
    suffix = ".txt"
    objectives = frozenset(_LOSSES)
    several_quantiles = True
    tree_seconds = 5e-8
    cell_bytes = 2.5

    def warm_up(self) -> None:
        """Import the library now, for example while the table is being read."""
        import_lean(self.name)

    def space(self, task: Task, size: TableSize) -> Space:
        """Ranges around the tuned defaults of Holzmüller et al. (2024), shallow trees included."""
        most_leaves = int(np.clip(size.n_rows // 40, 8, 255))
        space: dict[str, Float | Int | Choice] = {
            "learning_rate": Float(0.02, 0.2, log=True, default=0.1),
            "num_leaves": Int(4, most_leaves, log=True, default=31),
            "min_data_in_leaf": Int(
                2, int(np.clip(size.n_rows // 20, 10, 100)), log=True, default=20
            ),
            "feature_fraction": Float(0.3, 1.0, default=1.0),
            "bagging_fraction": Float(0.5, 1.0, default=1.0),
            "lambda_l1": Float(1e-3, 10.0, log=True, default=0.0),
            "lambda_l2": Float(1e-3, 30.0, log=True, default=0.0),
            "path_smooth": Float(1e-2, 20.0, log=True, default=0.0),
            "extra_trees": Choice((False, True), default=False),
        }
        if size.n_categorical:
            space["cat_mode"] = Choice(("native", "codes"), default="native")
            space["cat_smooth"] = Float(1.0, 100.0, log=True, default=10.0)
            space["cat_l2"] = Float(0.1, 100.0, log=True, default=10.0)
            space["min_data_per_group"] = Int(2, 100, log=True, default=100)
            space["max_cat_threshold"] = Int(8, 128, log=True, default=32)
        return space

    def prepare(
        self,
        matrix: Matrix,
        y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        *,
        setup: FitSetup,
    ) -> Prepared:
        """The matrix as one Dataset: every row is binned once, on the first fit."""
        return _Data(matrix, y, weight, setup.threads)

    def fit(
        self,
        prepared: Prepared,
        train_rows: IntArray,
        valid_rows: IntArray | None,
        *,
        params: Params,
        setup: FitSetup,
    ) -> LightGBMBooster:
        """A booster with all rounds that were trained.

        `cat_mode` is "native" (default) or "codes", see `native_categories`.
        Raises ConfigError for an unknown parameter, and for a monotone direction with an
        objective whose leaves are refitted (LightGBM cannot keep it there).
        """
        check_names(self.name, params, _PARAMS)
        data = cast(_Data, prepared)
        natives = self._native_params(params, setup, data.matrix)
        lightgbm = import_lean(self.name)
        categories = native_categories(self.name, params, data.matrix)
        train, valid = data.split(categories, train_rows, valid_rows)
        models = [lightgbm.Booster(native, train) for native in natives]
        if valid is not None:
            for model in models:
                model.add_valid(valid, "valid")
        rounds, growing = Rounds(setup), models
        for done in range(round_limit(params, setup)):
            # True: no leaf can be split any more. LightGBM has taken the round back then, except
            # for the first one, whose constant trees stay.
            growing = [model for model in growing if not model.update()]
            if not growing and done > 0:
                break
            loss = None if valid is None else _mean_loss(models)
            if not rounds.go_on(loss) or not growing:
                break
        # The text holds every number in full; reading it back drops the training buffers.
        texts = [model.model_to_string(num_iteration=-1) for model in models]
        text = texts[0] if len(texts) == 1 else merged(texts)
        trained = lightgbm.Booster(model_str=text)
        return LightGBMBooster(trained, rounds.curve, text=text)

    def load(self, path: Path, *, n_outputs: int) -> LightGBMBooster:
        """A saved booster. Raises BundleError if the file is not a LightGBM model of k outputs."""
        damaged = BundleError(
            f"{path} is not a LightGBM model with {n_outputs} output(s).",
            hint="The bundle is damaged; make it again or copy it anew.",
        )
        raw = path.read_bytes()
        # LightGBM prints before it raises, so that what is plainly no model is not shown to it.
        if not raw.startswith(b"tree\n") or b"end of trees" not in raw:
            raise damaged
        lightgbm = import_lean(self.name)
        try:
            text = raw.decode("utf-8")
            # Threads that wait for their part of so little cost three times what it takes alone.
            with _thread_pools().limit(limits=1, user_api="openmp"):
                model = lightgbm.Booster(model_str=text)
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise damaged from error
        if model.num_model_per_iteration() != n_outputs or model.current_iteration() < 1:
            raise damaged
        return LightGBMBooster(model, text=text)

    def _native_params(
        self, params: Params, setup: FitSetup, matrix: Matrix
    ) -> list[dict[str, Any]]:
        """The library's own parameters: of one model, or of one for each of several quantiles."""
        objective, metric = _LOSSES[setup.objective]
        native = library_params(params)
        if native.get("bagging_fraction", 1.0) < 1.0:
            native.setdefault("bagging_freq", 1)  # 0, the default, would switch bagging off
        native |= {
            "objective": objective,
            "metric": metric,
            "seed": setup.seed,
            "num_threads": setup.threads,
            "verbosity": -1,
            # Without a fixed layout LightGBM chooses by timing, which changes sums. By column
            # was 0-12 % faster on one thread for 7 to 27 columns and takes less memory.
            "deterministic": True,
            "force_col_wise": True,
        }
        if setup.objective is Objective.SOFTMAX:
            native["num_class"] = outputs(setup)
            if native.get("learning_rate", _CALM_RATE) > _CALM_RATE:
                native.setdefault("max_delta_step", max(1.0, outputs(setup) / _STEPS))
        signs = monotone_signs(matrix)
        if signs is not None:
            if setup.objective in (Objective.ABSOLUTE, Objective.QUANTILE):
                raise ConfigError(
                    f"LightGBM cannot keep a monotone direction with the objective {objective!r}.",
                    hint="Choose --metric rmse, or leave --monotone or this engine out.",
                )
            native["monotone_constraints"] = signs
        if setup.objective is not Objective.QUANTILE:
            return [native]
        return [{**native, "alpha": level} for level in setup.quantiles or (setup.quantile,)]


def _mean_loss(models: Sequence[Any]) -> float:
    """The validation loss, averaged over the models."""
    losses = [float(model.eval_valid()[0][2]) for model in models]
    return losses[0] if len(losses) == 1 else float(np.mean(losses))


@cache
def _thread_pools() -> Any:
    """The pools of the libraries that are loaded; asked for when LightGBM is."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


ENGINE = LightGBMEngine()
