from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from small_run import fold_task, make_data

from automl.search.crossval import FoldTrainer
from automl.search.executors.inline import InlineExecutor
from automl.search.ship import FoldModel, NotDone, blend_shap, first_splits
from automl.search.store import RunData


def fold_models(data: RunData, folder: Path, engine: str) -> list[FoldModel]:
    """Two members with a model per split, those of the second steeper."""
    models = []
    for member, weight in enumerate((0.75, 0.25)):
        home = folder / f"member_{member}"
        home.mkdir(parents=True)
        runs = FoldTrainer(data)
        for k in range(len(data.splits)):
            task = fold_task(home, k, slope=0.1 * (k + 1) + member)
            runs.run(task)
            models.append(FoldModel(k, engine, Path(task["model"]), None, weight))
    return models


def opened(data: RunData, folder: Path) -> InlineExecutor:
    data.write(folder / "store")
    executor = InlineExecutor()
    executor.open(folder / "store")
    return executor


def test_a_row_is_explained_by_the_split_that_validated_it(fake: str, tmp_path: Path) -> None:
    data = make_data(folds=3, repeats=2)
    models = fold_models(data, tmp_path, fake)
    rows = np.array([7, 3, 41, 0, 12, 59])
    shap = blend_shap(
        models,
        rows,
        data,
        opened(data, tmp_path),
        n_columns=2,
        folder=tmp_path / "shap",
        probe=False,
        seconds_left=lambda: math.inf,
    )
    first = first_splits(data.splits, 60)
    assert set(first) == {0, 1, 2}  # the first repeat has every row
    load = FoldTrainer(data)._load
    for i, row in enumerate(rows):
        margin = sum(
            one.weight * load(fake, one.model).margin(data.matrix.take(np.array([row])))[0, 0]
            for one in models
            if one.split == first[row]
        )
        total = shap.values[i].sum() + shap.base_values[i, 0]
        assert total == pytest.approx(margin, rel=1e-12)


def test_without_time_the_probe_is_what_is_explained(fake: str, tmp_path: Path) -> None:
    data = make_data(folds=3)
    left = iter([100.0] * 13 + [1e-9] * 100)
    shap = blend_shap(
        fold_models(data, tmp_path, fake),
        np.arange(60),
        data,
        opened(data, tmp_path),
        n_columns=2,
        folder=tmp_path / "shap",
        probe=True,
        seconds_left=lambda: next(left),
    )
    assert shap.rows.tolist() == list(range(24))  # eight for each split


def test_rows_that_no_split_validates_are_refused(fake: str, tmp_path: Path) -> None:
    data = make_data(folds=3)
    only = RunData(**{**vars(data), "splits": data.splits[:1]})
    with pytest.raises(NotDone, match="no row was validated"):
        blend_shap(
            [],
            data.splits[0].train[:3],
            only,
            InlineExecutor(),
            n_columns=2,
            folder=tmp_path,
            probe=False,
            seconds_left=lambda: math.inf,
        )
