"""The laboratory of the portfolio: many configurations over many data sets, once, on disk.

python -m benchmarks.portfolio FOLDER STORE [--only NAME] [--rows 10000] [--match TEXT]

Cross-validates every configuration of `benchmarks.configurations` on every set as a run does, and
keeps out-of-fold and test margins and CPU seconds. A second call goes on where the first stopped.
`benchmarks.portfolio_order` chooses the order from what is kept.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from automl.config import FitConfig
from automl.data.parse import parse_table
from automl.data.read import read_table
from automl.features.preprocess import Preprocessor
from automl.features.recipes import load_recipe, plan_recipes
from automl.ledger import Ledger, Silent
from automl.metrics._lookup import get_metric
from automl.search.crossval import FoldTrainer, choose_tree_counts, load_engine
from automl.search.portfolio import Candidate, sized
from automl.search.setup import pursue
from automl.search.store import RunData
from automl.workflows.training_table import load_training_table
from automl.workflows.validation import split_rows
from benchmarks.configurations import CONFIGURATIONS, Configuration, suits
from benchmarks.sets import DataSet, find_sets, truth

N_FOLDS = 5
MAX_TREES = 2000
PATIENCE = 40
SEED = 0
FOLD_SECONDS = 60.0  # wall; training stops there


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="NAME", help="This data set only; repeatable")
@click.option("--rows", type=int, default=10_000, help="Train on at most so many rows  [10000]")
@click.option("--match", default="", help="Configurations whose name holds this text")
def main(folder: Path, store: Path, only: tuple[str, ...], rows: int, match: str) -> None:
    """Cross-validate the configurations on the sets of FOLDER into STORE."""
    sets = [Table(one, rows) for one in find_sets(folder, only)]
    for table in sets:
        table.keep(store / table.name)
    for name, configuration in CONFIGURATIONS.items():
        for table in sets:
            path = store / table.name / f"{name}.npz"
            if match in name and not path.exists() and table.can(name, configuration):
                started = time.process_time()
                table.measure(configuration, path)
                seconds = time.process_time() - started
                click.echo(f"{table.name}: {name} {seconds:.1f} CPU s", err=True)


class Table:
    """One data set, read, preprocessed and split as a run does it."""

    def __init__(self, one: DataSet, rows: int) -> None:
        self.name, self._source = one.name, one
        config = FitConfig(target=one.target, trials=1, folds=N_FOLDS, seed=SEED, sample=rows)
        table = load_training_table(str(one.train), config, Ledger(Silent()))
        self._target = table.target
        preprocessor, matrix = Preprocessor.fit(table.parsed, table.schema)
        metric = get_metric(one.metric)
        goal = pursue(metric, table.target.task, table.target.y, None, class_weight="none")
        folds = split_rows(
            table, config, n_features=matrix.n_features, n_folds=N_FOLDS, holdout=None
        )
        self._data = RunData(
            matrix=matrix,
            y=goal.y,
            weight=None,
            groups=table.duplicates,
            times=None,
            splits=folds.splits,
            task=table.target.task,
            n_classes=len(table.target.classes),
            objective=goal.objective,
            quantile=0.5,
            plans=plan_recipes(matrix, seed=SEED),
            seed=SEED,
            threads=1,
        )
        self._test = preprocessor.transform(parse_table(read_table(str(one.test)), table.schema))
        self._size = self._data.size
        self._trainer = FoldTrainer(self._data)

    def can(self, name: str, configuration: Configuration) -> bool:
        """Whether the configuration makes sense here."""
        engine = load_engine(configuration.engine)
        return (
            suits(name, self._size)
            and configuration.recipe in self._data.plans
            and self._data.objective in engine.objectives
        )

    def keep(self, folder: Path) -> None:
        """Write what the margins are compared with."""
        folder.mkdir(parents=True, exist_ok=True)
        y_test = truth(self._source)
        classes = list(self._target.classes)
        codes = y_test if not classes else [classes.index(label) for label in y_test]
        np.savez(
            folder / "truth.npz",
            y=self._data.y,
            y_test=np.asarray(codes, dtype=np.float64),
            task=str(self._data.task.value),
            fold=self._folds(),
        )

    def _folds(self) -> np.ndarray:
        """(n,) the split in which each row is validated."""
        folds = np.full(self._data.matrix.n_rows, -1)
        for k, split in enumerate(self._data.splits):
            folds[split.valid] = k
        return folds

    def measure(self, configuration: Configuration, path: Path) -> None:
        """Cross-validate and write margins and CPU seconds; temporary name first."""
        started = time.process_time()
        with tempfile.TemporaryDirectory() as place:
            oof, test = self._margins(configuration, Path(place))
        seconds = time.process_time() - started
        part = path.with_suffix(".part.npz")
        np.savez_compressed(
            part, oof=oof.astype(np.float32), test=test.astype(np.float32), seconds=seconds
        )
        os.replace(part, path)

    def _margins(self, configuration: Configuration, place: Path) -> tuple[Any, Any]:
        """Out-of-fold margins, and those of the bag of folds on the test rows."""
        candidate = sized(
            Candidate(configuration.engine, configuration.recipe, configuration.params), self._size
        )
        engine = load_engine(configuration.engine)
        tasks = [self._task(candidate, k, place) for k in range(len(self._data.splits))]
        curves = [self._trainer.run(task)["curve"] for task in tasks]
        counts = choose_tree_counts(curves, [0] * len(curves), inner_stop=False)
        oof = np.zeros((self._data.matrix.n_rows, self._data.n_outputs))
        test = np.zeros((self._test.n_rows, self._data.n_outputs))
        for task, split, count in zip(tasks, self._data.splits, counts, strict=True):
            out = str(place / f"oof_{task['split']}.npy")
            self._trainer.run({**task, "kind": "finish", "n_trees": count, "oof": out})
            oof[split.valid] = np.load(out)[: len(split.valid)]
            booster = engine.load(Path(task["model"]), n_outputs=self._data.n_outputs)
            matrix = self._test
            if task["recipe_file"] is not None:
                recipe = load_recipe(json.loads(Path(task["recipe_file"]).read_text("utf-8")))
                matrix = recipe.transform(matrix)
            test += booster.margin(matrix) / len(tasks)
        return oof, test

    def _task(self, candidate: Candidate, split: int, place: Path) -> dict[str, Any]:
        suffix = load_engine(candidate.engine).suffix
        plain = candidate.recipe == "plain"
        return {
            "kind": "fold",
            "split": split,
            "engine": candidate.engine,
            "recipe": candidate.recipe,
            "params": dict(candidate.params),
            "seed": SEED + split,
            "max_trees": MAX_TREES,
            "patience": PATIENCE,
            "time_limit": FOLD_SECONDS,
            "model": str(place / f"fold_{split}{suffix}"),
            "recipe_file": None if plain else str(place / f"recipe_{split}.json"),
        }


if __name__ == "__main__":
    main()
