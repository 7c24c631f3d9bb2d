"""The only place that fits anything that is scored later: one fold, its honest tree count, oof.

Honest folds: a fold is trained past its best tree and then scored, blended and shipped at the
tree count that the *other* folds of its repeat choose, so that no row ever helps to choose the
size of the model that is scored on it. A split without siblings stops on rows held back from its
training rows.

Tasks and their results are JSON-able mappings, because they cross a process boundary; arrays go
through files.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl import plugins
from automl.engines.base import Booster, Engine, FitSetup, Prepared
from automl.features.matrix import IntArray, Matrix, origin_weights
from automl.features.recipes import FittedRecipe, Fold, fit_recipe, load_recipe
from automl.search.baseline import constant_margin, objective_loss
from automl.search.clock import Clock, clock_of
from automl.search.disk import whole_file
from automl.search.lesson import lesson_target
from automl.search.parts import part_rows
from automl.search.stopping import stopping_rows
from automl.search.store import RunData, save_array
from automl.task import Objective, Task

Floats = NDArray[np.float64]
PLAIN = "plain"
# Of recipes' matrices and of binned data that a worker keeps, each.
_CACHE_BYTES = 200_000_000
_LEAST_CACHED, _MOST_CACHED = 1, 64
_KNOWN_ROWS = 2000  # that a model of all rows is tried on


def load_engine(name: str) -> Engine:
    """The engine called `name`."""
    engine: Engine = plugins.load("automl.engines", name, "ENGINE")
    return engine


class FoldTrainer:
    """Runs tasks on one `RunData`; keeps recipes and binned data of the last (recipe, split).

    One per worker process. `run` maps a task to its result and is the whole interface; a result's
    "seconds" are wall time, its "cpu_seconds" CPU time, its "native_seconds" the part of them
    inside the libraries' own training.
    """

    def __init__(self, data: RunData) -> None:
        self.data = data
        # Small tables keep every split of every recipe: binning and fitting recipes again cost
        # more than half of the time of a fold there.
        kept = _CACHE_BYTES // max(data.matrix.values.nbytes, 1)
        self._cache_size = min(max(kept, _LEAST_CACHED), _MOST_CACHED)
        self._prepared: OrderedDict[tuple[str, str, int], tuple[Prepared, FittedRecipe | None]] = (
            OrderedDict()
        )
        self._recipes: OrderedDict[tuple[str, int], tuple[FittedRecipe, Matrix]] = OrderedDict()
        # Boosters of folds that wait to be finished, by file: most need not be loaded again.
        self._trained: OrderedDict[str, Booster] = OrderedDict()
        self._shipped: dict[str, Booster] = {}
        self._native_seconds = 0.0

    def run(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a task; its "kind" names the method."""
        tasks: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "fold": self.fit_fold,
            "finish": self.finish_fold,
            "refit": self.refit,
            "lesson": self.lesson,
            "student": self.student,
            "contributions": self.contributions,
            "margins": self.margins,
            "part": self.fit_part,
        }
        started, cpu, self._native_seconds = time.perf_counter(), time.process_time(), 0.0
        result = tasks[task["kind"]](task)
        return {
            **result,
            "seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu,
            "native_seconds": self._native_seconds,
        }

    # -- tasks ----------------------------------------------------------------------------------

    def fit_fold(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Train one split and save all trees: {"curve", "n_trained", "by_clock"}.

        The race may drop the trial, and its folder, while its folds train: they stop then.
        """
        split = int(task["split"])
        train, stop = stopping_rows(self.data, split)
        clock = clock_of(task, folder=Path(task["model"]).parent)
        setup = self._setup(task, clock, patience=int(task["patience"]))
        prepared, recipe = self._prepare(task, split, train, setup)
        booster = load_engine(task["engine"]).fit(
            prepared, train, stop, params=task["params"], setup=setup
        )
        if clock.given_up:
            return {}  # the race reads no result of a closed trial
        booster.threads = self.data.threads
        self._trained[task["model"]] = booster
        while len(self._trained) > 2 * len(self.data.splits):
            self._trained.popitem(last=False)
        return _saved(task, booster, recipe, clock)

    def finish_fold(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Predict a split's scored rows at its honest tree count, and keep only those trees.

        Writes task["oof"]: (n_valid + n_echo, k) float32 margins.
        """
        split, path, n_trees = int(task["split"]), Path(task["model"]), int(task["n_trees"])
        booster = self._trained.pop(str(path), None) or self._load(task["engine"], path)
        matrix = self.data.matrix.take(self.data.splits[split].scored)
        if task["recipe_file"] is not None:
            matrix = _read_recipe(Path(task["recipe_file"])).transform(matrix)
        started = time.perf_counter()
        margin = booster.margin(matrix, n_trees)
        predict_seconds = time.perf_counter() - started
        if n_trees < booster.n_trees:
            with whole_file(path) as part:
                booster.save(part, n_trees)
        with whole_file(Path(task["oof"])) as part:
            save_array(part, margin.astype(np.float32))
        return {"predict_seconds": predict_seconds, "model_bytes": path.stat().st_size}

    def refit(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Train on all rows for a fixed number of trees, without validation rows.

        The result also has "known_loss", of some of these rows, and theirs of a constant.
        """
        rows = np.arange(self.data.matrix.n_rows)
        clock = clock_of(task)
        setup = self._setup(task, clock, patience=0)
        prepared, recipe = self._prepare(task, -1, rows, setup)
        booster = load_engine(task["engine"]).fit(
            prepared, rows, None, params=task["params"], setup=setup
        )
        return {**_saved(task, booster, recipe, clock), **self._known(booster, recipe)}

    def _known(self, booster: Booster, recipe: FittedRecipe | None) -> dict[str, float]:
        n_rows = self.data.matrix.n_rows
        some = np.random.default_rng(0).permutation(n_rows)[:_KNOWN_ROWS]
        matrix = self.data.matrix.take(some)
        margin = booster.margin(matrix if recipe is None else recipe.transform(matrix))
        constant = np.tile(constant_margin(self.data, some), (len(some), 1))
        return {
            "known_loss": objective_loss(self.data, some, margin),
            "constant_loss": objective_loss(self.data, some, constant),
        }

    def fit_part(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Train on a share of a split's training rows and predict its valid rows.

        The tree count comes from rows that neither train nor are predicted. Nothing is kept but
        the margins: task["output"], (n_valid, k) float32.
        """
        split = int(task["split"])
        train, stop = part_rows(self.data, split, float(task["share"]))
        clock = clock_of(task)
        setup = self._setup(task, clock, patience=int(task["patience"]))
        engine = load_engine(task["engine"])
        matrix = self.data.matrix.take(self.data.splits[split].valid)
        if task["recipe"] == PLAIN:
            prepared, _ = self._prepare(task, split, train, setup)
        else:
            recipe, features = self._fit_recipe(task["recipe"], train)
            prepared = engine.prepare(features, self.data.y, self.data.weight, setup=setup)
            matrix = recipe.transform(matrix)
        booster = engine.fit(prepared, train, stop, params=task["params"], setup=setup)
        booster.threads = self.data.threads
        n_trees = int(np.argmin(booster.curve)) + 1
        save_array(Path(task["output"]), booster.margin(matrix, n_trees).astype(np.float32))
        return {"n_rows": len(train), "n_trees": n_trees, "by_clock": clock.rang}

    def lesson(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """The weighted margins of a split's boosters for all rows, as they saw them in training.

        Writes task["output"]: (n, k) float64.
        """
        split = int(task["split"])
        train, _ = stopping_rows(self.data, split)
        total = np.zeros((self.data.matrix.n_rows, self.data.n_outputs))
        for item in task["boosters"]:
            matrix = self.data.matrix
            if item["recipe"] != PLAIN:
                # Read back from its file, a recipe would tell every training row its own target.
                matrix = self._recipe(item["recipe"], split, train)[1]
            booster = self._load(item["engine"], Path(item["model"]))
            total += item["weight"] * booster.margin(matrix)
        save_array(Path(task["output"]), total)
        return {}

    def student(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Train one split (-1 = all rows) to regress the mean margin of task["lessons"].

        The result is that of `fit_fold`; the curve is against the lessons of unseen rows.
        """
        split = int(task["split"])
        train: IntArray = np.arange(self.data.matrix.n_rows)
        stop: IntArray | None = None
        if split >= 0:
            train, stop = stopping_rows(self.data, split)
        clock = clock_of(task)
        setup = replace(
            self._setup(task, clock, patience=int(task["patience"])),
            task=Task.REGRESSION,
            objective=Objective.SQUARED,
            n_classes=0,
        )
        lessons = [np.load(path, allow_pickle=False) for path in task["lessons"]]
        y, weight = lesson_target(
            np.mean(lessons, axis=0), self.data.y, self.data.weight, self.data.objective
        )
        recipe, matrix = None, self.data.matrix
        if task["recipe"] != PLAIN:
            recipe, matrix = self._recipe(task["recipe"], split, train)
        engine = load_engine(task["engine"])
        prepared = engine.prepare(matrix, y, weight, setup=setup)
        booster = engine.fit(prepared, train, stop, params=task["params"], setup=setup)
        return _saved(task, booster, recipe, clock)

    def contributions(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Weighted SHAP values of some boosters in original columns for task["rows"].

        Each booster explains the rows of its own split, as task["splits"] has it. Writes
        task["output"]: (n_rows, k, n_columns + 1) float64, last = base value. The result's
        "row_seconds" leave the loading of the models out.
        """
        rows = np.load(task["rows"], allow_pickle=False)[: task["limit"]]
        splits = np.load(task["splits"], allow_pickle=False)[: task["limit"]]
        n_columns = int(task["n_columns"])
        total = np.zeros((len(rows), self.data.n_outputs, n_columns + 1))
        seconds = 0.0
        for item in task["boosters"]:
            own = np.flatnonzero(splits == item["split"])
            if not len(own):
                continue
            matrix = self.data.matrix.take(rows[own])
            if item["recipe_file"] is not None:
                matrix = _read_recipe(Path(item["recipe_file"])).transform(matrix)
            booster = self._explained(item["engine"], item["model"])
            started = time.perf_counter()
            shap = booster.contributions(matrix)
            seconds += time.perf_counter() - started
            total[own, :, :-1] += item["weight"] * (
                shap[..., :-1] @ origin_weights(matrix.features, n_columns)
            )
            total[own, :, -1] += item["weight"] * shap[..., -1]
        save_array(Path(task["output"]), total)
        return {"row_seconds": seconds / max(len(rows), 1)}

    def margins(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Weighted margins of some boosters for task["rows"]; task["output"]: (n_rows, k)."""
        plain = self.data.matrix.take(np.load(task["rows"], allow_pickle=False))
        total = np.zeros((plain.n_rows, self.data.n_outputs))
        for item in task["boosters"]:
            matrix = plain
            if item["recipe_file"] is not None:
                matrix = _read_recipe(Path(item["recipe_file"])).transform(plain)
            total += item["weight"] * self._explained(item["engine"], item["model"]).margin(matrix)
        save_array(Path(task["output"]), total)
        return {}

    def _explained(self, engine: str, path: str) -> Booster:
        """The booster of a file; loaded once, though it is asked for twice."""
        if path not in self._shipped:
            self._shipped[path] = self._load(engine, Path(path))
        return self._shipped[path]

    # -- parts ----------------------------------------------------------------------------------

    def _setup(self, task: Mapping[str, Any], clock: Clock, *, patience: int) -> FitSetup:
        return FitSetup(
            task=self.data.task,
            objective=self.data.objective,
            n_classes=self.data.n_classes,
            seed=int(task["seed"]),
            threads=self.data.threads,
            max_trees=int(task["max_trees"]),
            patience=patience,
            quantile=self.data.quantile,
            quantiles=self.data.quantiles,
            seconds_left=clock.left,
            trained=self._trained_for,
        )

    def _trained_for(self, seconds: float) -> None:
        self._native_seconds += seconds

    def _prepare(
        self, task: Mapping[str, Any], split: int, train: IntArray, setup: FitSetup
    ) -> tuple[Prepared, FittedRecipe | None]:
        """Binned data: one for all splits of the plain recipe, one per split of the others."""
        recipe = task["recipe"]
        key = (task["engine"], recipe, -2 if recipe == PLAIN else split)
        if key not in self._prepared:
            self._make_room(self._prepared)
            fitted, matrix = None, self.data.matrix
            if recipe != PLAIN:
                fitted, matrix = self._recipe(recipe, split, train)
            engine = load_engine(task["engine"])
            prepared = engine.prepare(matrix, self.data.y, self.data.weight, setup=setup)
            self._prepared[key] = (prepared, fitted)
            if matrix.values.nbytes > _CACHE_BYTES:
                self._recipes.clear()  # training needs the bins only
        self._prepared.move_to_end(key)
        return self._prepared[key]

    def _make_room(self, cache: OrderedDict[Any, Any]) -> None:
        """Forget the oldest before another is made, so that a large table is never held twice."""
        while len(cache) >= self._cache_size:
            cache.popitem(last=False)

    def _recipe(self, name: str, split: int, train: IntArray) -> tuple[FittedRecipe, Matrix]:
        """The recipe fitted on the training rows of `split` (-1 = all rows), and its matrix."""
        key = (name, split)
        if key not in self._recipes:
            self._make_room(self._recipes)
            self._recipes[key] = self._fit_recipe(name, train)
        self._recipes.move_to_end(key)
        return self._recipes[key]

    def _fit_recipe(self, name: str, train: IntArray) -> tuple[FittedRecipe, Matrix]:
        return fit_recipe(
            name,
            self.data.plans[name],
            Fold(
                self.data.matrix,
                self.data.y,
                self.data.weight,
                train,
                task=self.data.task,
                n_classes=self.data.n_classes,
                seed=self.data.seed,
                groups=self.data.groups,
                trained=self._trained_for,
            ),
        )

    def _load(self, engine: str, path: Path) -> Booster:
        booster: Booster = load_engine(engine).load(path, n_outputs=self.data.n_outputs)
        booster.threads = self.data.threads
        return booster


def _saved(
    task: Mapping[str, Any], booster: Booster, recipe: FittedRecipe | None, clock: Clock
) -> dict[str, Any]:
    """Write a trained booster and its recipe to the task's files; what the task's result says."""
    path = Path(task["model"])
    with whole_file(path) as part:
        booster.save(part)
    if recipe is not None:
        with whole_file(Path(task["recipe_file"])) as part:
            part.write_text(json.dumps(recipe.to_json()), encoding="utf-8")
    return {
        "model_bytes": path.stat().st_size,
        "curve": [float(loss) for loss in booster.curve],
        "n_trained": int(booster.n_trees),
        "by_clock": clock.rang,
    }


def _read_recipe(path: Path) -> FittedRecipe:
    fitted: FittedRecipe = load_recipe(json.loads(path.read_text(encoding="utf-8")))
    return fitted


def choose_tree_counts(
    curves: Sequence[Sequence[float]], repeats: Sequence[int], *, inner_stop: bool
) -> list[int]:
    """The tree count of each split, counted from 1, chosen without its own curve.

    curves: validation loss after each tree, one per split. Split k takes the count with the
    least mean loss over the other splits of the same repeat (a curve that ended early keeps its
    last value), at most the trees it has. With `inner_stop`, or without siblings, curves come
    from rows that are not scored, and a split uses its own.
    """
    counts = []
    for k, own in enumerate(curves):
        siblings = [
            np.asarray(curve)
            for j, curve in enumerate(curves)
            if j != k and repeats[j] == repeats[k]
        ]
        if inner_stop or not siblings:
            siblings = [np.asarray(own)]
        length = max(len(curve) for curve in siblings)
        mean = np.mean(
            [np.pad(curve, (0, length - len(curve)), mode="edge") for curve in siblings], axis=0
        )
        counts.append(min(int(np.argmin(mean)) + 1, len(own)))
    return counts
