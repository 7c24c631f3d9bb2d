"""Linear models behind the engine contract: XGBoost's `gblinear` down a path of penalties.

A step of the path takes the place of a tree: step i is the model of the i-th penalty, trained on
from the one before, so `n_trees` and `curve` mean what they mean for trees, and the honest tree
count chosen from other folds is an honest penalty.

Notation: n = rows, k = outputs, D = columns of the design.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from automl.engines._additive import AdditiveModel, load_additive, save_additive
from automl.engines._design import Design
from automl.engines._imports import import_lean
from automl.engines._training import Rounds, Splits, check_names, outputs, round_limit, words
from automl.engines.base import Choice, FitSetup, Float, Params, Prepared, Space, TableSize
from automl.errors import ConfigError
from automl.features.matrix import IntArray, Matrix
from automl.task import Objective, Task

Floats = NDArray[np.float64]

_LOSSES: Final = {
    Objective.LOGISTIC: "binary:logistic",
    Objective.SOFTMAX: "multi:softprob",
    Objective.SQUARED: "reg:squarederror",
}
_PARAMS: Final = words("basis l1_share n_estimators subsample")
_BASES: Final = ("line", "bends")

# On the mean loss over rows, columns having deviation one: from "nearly constant" down to hardly
# any. Half decades: neighbours differ by less than the noise of the folds that choose among them.
PENALTIES: Final = tuple(10.0 ** (0.5 - 0.5 * i) for i in range(14))
# Of the penalty that is absolute: with hundreds of columns far better than a squared one, and no
# worse with few.
_L1_SHARE: Final = 0.5
# Passes over the columns at one penalty, at most, and the relative change that ends them.
_PASSES: Final = 10
_LOOK_EVERY: Final = 3
_CLOSE: Final = 1e-3
# The loss along a path has one valley, so a few steps uphill are enough to see it.
_PATIENCE: Final = 4
# Non-zero cells times outputs, at most; more rows are drawn. A fold then takes about two seconds,
# and a few thousand rows per column say all that a linear model can use.
_MAX_CELLS: Final = 4_000_000
_LEAST_ROWS: Final = 1000


@dataclass(frozen=True)
class _Split:
    """Training rows as gblinear takes them.

    means: (D,) weighted means of the columns.  start: (k,) margin before any training.
    scale: what one unit of the library's margin is worth.  seen: (k,) classes with rows.
    """

    design: Design
    native: Any
    means: Floats
    start: Floats
    scale: float
    seen: NDArray[np.bool_]


@dataclass
class _Data:
    """A matrix with target and weights, and the designs and splits made from it."""

    matrix: Matrix
    y: Floats
    weight: Floats | None
    designs: dict[str, Design] = field(default_factory=dict)
    splits: Splits[_Split] = field(default_factory=Splits)

    def design(self, basis: str) -> Design:
        if basis not in self.designs:
            self.designs[basis] = Design.of(self.matrix, bends=basis == "bends")
        return self.designs[basis]

    def split(self, basis: str, rows: IntArray, setup: FitSetup) -> _Split:
        """The training rows of one fold; kept for further trials."""
        design = self.design(basis)
        return self.splits.get(
            rows,
            None,
            form=basis,
            n_bytes=16 * len(rows) * design.cells,  # by row and by column
            make=lambda: self._make(design, rows, setup),
        )

    def weights(self, rows: IntArray) -> Floats:
        return np.ones(len(rows)) if self.weight is None else self.weight[rows]

    def _make(self, design: Design, rows: IntArray, setup: FitSetup) -> _Split:
        weight, y = self.weights(rows), self.y[rows]
        columns = design.columns(self.matrix.take(rows))
        start, scale, seen = _start(y, weight, setup)
        squared = setup.objective is Objective.SQUARED
        native = import_lean("xgboost").DMatrix(
            columns, label=(y - start[0]) / scale if squared else y, weight=weight, nthread=1
        )
        native.set_base_margin(np.tile(0.0 * start if squared else start, (len(rows), 1)))
        means = np.asarray(columns.T @ weight, dtype=np.float64) / weight.sum()
        return _Split(design, native, means, start, scale, seen)

    def loss(self, rows: IntArray, objective: Objective) -> Callable[[AdditiveModel], float]:
        """The objective's loss of a model on `rows`."""
        matrix, y, weight = self.matrix.take(rows), self.y[rows], self.weights(rows)
        return lambda model: _loss(model.margin(matrix), y, weight, objective)


class LinearBooster:
    """A linear model at the last step of its path, or at an earlier one."""

    engine = "linear"

    def __init__(
        self, steps: dict[int, AdditiveModel], curve: NDArray[np.float64] | None = None
    ) -> None:
        self._steps = steps
        self.n_trees: int = max(steps)
        self.curve = np.empty(0) if curve is None else curve
        self.threads = 1  # scoring is a few NumPy calls per feature, always on one

    @property
    def model(self) -> AdditiveModel:
        """The model of the last step."""
        return self._steps[self.n_trees]

    def margin(self, matrix: Matrix, n_trees: int | None = None) -> Floats:
        """(n, k) raw scores at step `n_trees` (default the last)."""
        return self._steps[self._step(n_trees)].margin(matrix)

    def contributions(self, matrix: Matrix) -> Floats:
        """(n, k, p + 1) exact SHAP values: effects less their mean in training, base last."""
        return self._steps[self.n_trees].contributions(matrix)

    def save(self, path: Path, n_trees: int | None = None) -> None:
        """Write the models of all steps as JSON, or that of step `n_trees` and no other."""
        step = self._step(n_trees)
        save_additive(path, self._steps if n_trees is None else {step: self._steps[step]})

    def _step(self, n_trees: int | None) -> int:
        return self.n_trees if n_trees is None else min(n_trees, self.n_trees)


class LinearEngine:
    """Coordinate descent for generalised linear models with an elastic net, as XGBoost has it.

    Friedman, Hastie and Tibshirani, 2010 ("Regularization Paths for Generalized Linear Models
    via Coordinate Descent").
    """

    name = "linear"
    suffix = ".json"
    objectives = frozenset(_LOSSES)
    # About ten steps stand for a model that takes 10 ns per feature and row.
    tree_seconds = 2e-8
    cell_bytes = 3.5
    # A round is a penalty on the mean loss, which hardly depends on the number of rows.
    more_rounds_for_more_rows = False

    def warm_up(self) -> None:
        """Import the library now, for example while the table is being read."""
        import_lean("xgboost")

    def space(self, task: Task, size: TableSize) -> Space:
        """basis: whether a number's effect is a straight line or may bend at six quantiles.
        l1_share: the part of the penalty that is absolute (1 = lasso) instead of squared."""
        return {
            "basis": Choice(_BASES, default="line"),
            "l1_share": Float(0.0, 1.0, default=_L1_SHARE),
            "subsample": Float(0.5, 1.0, default=1.0),
        }

    def prepare(
        self,
        matrix: Matrix,
        y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        *,
        setup: FitSetup,
    ) -> Prepared:
        """The matrix with target and weights; designs and splits are made on their first use.

        Raises ConfigError for an objective that gblinear lacks.
        """
        if setup.objective not in _LOSSES:
            raise ConfigError(
                f"The engine {self.name!r} cannot train for the objective {setup.objective!r}.",
                hint="Choose another metric, or leave this engine out of --engines.",
            )
        return _Data(matrix, y, weight)

    def fit(
        self,
        prepared: Prepared,
        train_rows: IntArray,
        valid_rows: IntArray | None,
        *,
        params: Params,
        setup: FitSetup,
    ) -> LinearBooster:
        """A booster with a model for every penalty that was reached.

        Tables of more than _MAX_CELLS cells are trained on rows drawn by the seed. Raises
        ConfigError for an unknown parameter or basis.
        """
        check_names(self.name, params, _PARAMS)
        data = cast(_Data, prepared)
        basis = params.get("basis", "line")
        if basis not in _BASES:
            raise ConfigError(
                f"The parameter 'basis' of the engine {self.name!r} is {basis!r}.",
                hint=f"It is one of: {', '.join(_BASES)}.",
            )
        share = float(params.get("subsample", 1.0))
        split = data.split(basis, _drawn(train_rows, data.design(basis), share, setup), setup)
        loss = None if valid_rows is None else data.loss(valid_rows, setup.objective)
        path = _Path(split, float(params.get("l1_share", _L1_SHARE)), setup)
        rounds = Rounds(replace(setup, patience=min(setup.patience, _PATIENCE)))
        steps: dict[int, AdditiveModel] = {}
        for penalty in PENALTIES[: round_limit(params, setup)]:
            model = steps[len(steps) + 1] = path.step(penalty)
            if not rounds.go_on(None if loss is None else loss(model)):
                break
        return LinearBooster(steps, rounds.curve)

    def load(self, path: Path, *, n_outputs: int) -> LinearBooster:
        """A saved booster. Raises BundleError if the file is not a linear model of k outputs."""
        return LinearBooster(load_additive(path, n_outputs=n_outputs))


class _Path:
    """A gblinear model that goes from one penalty to the next."""

    def __init__(self, split: _Split, l1_share: float, setup: FitSetup) -> None:
        self._split, self._l1_share = split, l1_share
        self._k = outputs(setup)
        self._passes = 0
        native: dict[str, Any] = {
            "booster": "gblinear",
            "updater": "coord_descent",
            "feature_selector": "cyclic",
            "objective": _LOSSES[setup.objective],
            "disable_default_eval_metric": 1,
            "base_score": 0.5,  # not read beside a base margin; else it would be estimated
            # Sums over rows depend on the number of threads.
            "nthread": 1,
            "verbosity": 0,
        }
        if setup.objective is Objective.SOFTMAX:
            native["num_class"] = self._k
        self._model = import_lean("xgboost").Booster(native, [split.native])

    def step(self, penalty: float) -> AdditiveModel:
        """The model of the next penalty, trained until its weights hardly move."""
        # A changed parameter resets the others of the updater, hence eta here.
        native = {"alpha": penalty * self._l1_share, "lambda": penalty * (1.0 - self._l1_share)}
        self._model.set_param({**native, "eta": 1.0})
        before = None
        for done in range(1, _PASSES + 1):
            self._model.update(self._split.native, self._passes)
            self._passes += 1
            if done % _LOOK_EVERY == 0 or done == _PASSES:
                weights = self._weights()
                if before is not None and _is_close(before[:-1], weights[:-1]):
                    break
                before = weights
        weights *= self._split.scale
        bias = self._split.start + weights[-1]
        return self._split.design.model(weights[:-1], bias, self._split.means)

    def _weights(self) -> Floats:
        """(D + 1, k) weights, the bias last; those of classes without rows are zero."""
        model = json.loads(self._model.save_raw("json"))["learner"]["gradient_booster"]["model"]
        weights: Floats = np.array(model["weights"], dtype=np.float64).reshape(-1, self._k)
        # Nothing holds such a class back: its bias would fall with every pass.
        return np.where(self._split.seen, weights, 0.0)


def _is_close(before: Floats, now: Floats) -> bool:
    return bool(np.abs(now - before).max() <= _CLOSE * np.abs(now).max())


def _drawn(rows: IntArray, design: Design, share: float, setup: FitSetup) -> IntArray:
    """`rows`, or in large tables and for a `share` below one some of them, drawn by the seed."""
    most = max(_MAX_CELLS // (design.cells * outputs(setup)), _LEAST_ROWS)
    n = max(1, min(round(share * len(rows)), most))
    if n == len(rows):
        return rows
    drawn = np.random.default_rng(setup.seed).permutation(len(rows))[:n]
    return rows[np.sort(drawn)]


def _start(y: Floats, weight: Floats, setup: FitSetup) -> tuple[Floats, float, NDArray[np.bool_]]:
    """(start, scale, seen) of a `_Split`: the margin of the best constant, or nearly."""
    if setup.objective is Objective.SQUARED:
        mean = float(np.average(y, weights=weight))
        spread = float(np.sqrt(np.average((y - mean) ** 2, weights=weight)))
        return np.array([mean]), spread or 1.0, np.array([True])
    n_classes = max(outputs(setup), 2)
    mass = np.bincount(y.astype(np.int64), weights=weight, minlength=n_classes)
    logs = np.log(mass / weight.mean() + 0.5)  # half a row more: no class is impossible
    if setup.objective is Objective.LOGISTIC:
        return logs[1:] - logs[:1], 1.0, np.array([bool((mass > 0).all())])
    return logs - np.log(np.exp(logs).sum()), 1.0, mass > 0


def _loss(margin: Floats, y: Floats, weight: Floats, objective: Objective) -> float:
    """The mean loss, or for squared error its root."""
    score = margin[:, 0]
    if objective is Objective.SQUARED:
        return float(np.sqrt(np.average((y - score) ** 2, weights=weight)))
    if objective is Objective.LOGISTIC:
        return float(np.average(np.logaddexp(0.0, score) - y * score, weights=weight))
    own = margin[np.arange(len(y)), y.astype(np.int64)]
    return float(np.average(np.logaddexp.reduce(margin, axis=1) - own, weights=weight))


ENGINE = LinearEngine()
