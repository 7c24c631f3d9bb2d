"""Honest tree counts, and the tasks of a fold trainer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeBooster, FakeEngine
from small_run import fold_task, make_data, trainer

from automl.search.crossval import choose_tree_counts
from automl.search.stopping import stopping_rows
from automl.search.store import RunData
from automl.task import Objective


def test_tree_count_is_where_the_other_curves_are_least() -> None:
    curves = [[9, 1, 9, 9], [9, 9, 2, 9], [9, 9, 3, 8]]
    # Fold 0: mean of the others is least at tree 3; folds 1 and 2 see fold 0's dip at tree 2.
    assert choose_tree_counts(curves, [0, 0, 0], inner_stop=False) == [3, 2, 2]


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_own_curve_never_chooses_the_tree_count(fold: int) -> None:
    rng = np.random.default_rng(fold)
    curves = rng.random((3, 12))
    honest = choose_tree_counts(curves.tolist(), [0, 0, 0], inner_stop=False)[fold]
    for _ in range(20):
        curves[fold] = rng.random(12)
        assert choose_tree_counts(curves.tolist(), [0, 0, 0], inner_stop=False)[fold] == honest


def test_shorter_curve_keeps_its_last_value_and_bounds_its_own_count() -> None:
    # Without its last value repeated, the short curve would drop out of the mean at tree 4.
    curves = [[5.0, 1.0], [5.0, 4.0, 3.0, 2.9, 9.0], [5.0, 4.0, 3.5, 3.6, 3.7]]
    counts = choose_tree_counts(curves, [0, 0, 0], inner_stop=False)
    assert counts[1] == 3  # mean of [5, 1, 1, 1, 1] and the third curve
    assert counts[0] == 2  # the others want 4 trees, but only 2 were trained


def test_single_split_and_inner_stop_use_the_own_curve() -> None:
    assert choose_tree_counts([[3, 2, 1, 2]], [0], inner_stop=False) == [3]
    curves = [[3, 1, 2], [1, 2, 3]]
    assert choose_tree_counts(curves, [0, 0], inner_stop=True) == [2, 1]


def test_siblings_are_of_the_same_repeat() -> None:
    curves = [[9, 1, 9], [9, 9, 1], [1, 9, 9], [1, 9, 9]]
    assert choose_tree_counts(curves, [0, 0, 1, 1], inner_stop=False) == [3, 2, 1, 1]


def test_fold_keeps_all_trees_and_finish_cuts_them(fake: str, tmp_path: Path) -> None:
    data = make_data()
    runs = trainer(data)
    results = [runs.run(fold_task(tmp_path, k, slope=0.1, trees=6)) for k in range(3)]
    assert [result["n_trained"] for result in results] == [6, 6, 6]
    assert [len(result["curve"]) for result in results] == [6, 6, 6]
    assert all(result["seconds"] > 0 and not result["by_clock"] for result in results)
    # A second trainer has no booster in memory and must read the file.
    for k, either in enumerate((runs, trainer(data), runs)):
        split, oof = data.splits[k], tmp_path / f"oof_{k}.npy"
        task = {**fold_task(tmp_path, k), "kind": "finish", "n_trees": k + 1, "oof": str(oof)}
        assert either.run(task)["predict_seconds"] >= 0
        margin = np.load(oof, allow_pickle=False)
        assert (margin.shape, margin.dtype) == ((20, 1), np.float32)
        x = data.matrix.values[split.valid, 0].astype(float)
        prior = np.log(data.y[split.train].mean() / (1 - data.y[split.train].mean()))
        assert margin[:, 0] == pytest.approx(prior + 0.1 * (k + 1) * x, abs=1e-5)
        assert f'"n_trees": {k + 1}' in (tmp_path / f"fold_{k:02d}.json").read_text()


def test_fold_whose_trial_was_dropped_stops_at_its_next_round(
    fake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[FakeBooster] = []
    fit = FakeEngine.fit

    def spy(*args: Any, **options: Any) -> FakeBooster:
        trained.append(fit(*args, **options))
        return trained[-1]

    monkeypatch.setattr(FakeEngine, "fit", spy)
    task = fold_task(tmp_path / "trial", trees=6)
    assert "curve" not in trainer(make_data()).run(task)
    assert not (tmp_path / "trial").exists()
    (tmp_path / "trial").mkdir()
    assert len(trainer(make_data()).run(task)["curve"]) == 6
    assert [booster.n_trees for booster in trained] == [1, 6]


def test_inner_stop_holds_back_training_rows(tmp_path: Path, fake: str) -> None:
    data = make_data(folds=3, inner_stop=0.25)
    split = data.splits[0]
    train, stop = stopping_rows(data, 0)
    assert sorted([*train, *stop]) == split.train.tolist()
    assert len(stop) == 10
    # The curve must not see the rows that are scored: other targets there change nothing.
    before = trainer(data).run(fold_task(tmp_path, slope=0.3))["curve"]
    flipped = data.y.copy()
    flipped[split.valid] = 1 - flipped[split.valid]
    assert trainer(data, y=flipped).run(fold_task(tmp_path, slope=0.3))["curve"] == before


def test_refit_trains_on_all_rows(fake: str, tmp_path: Path) -> None:
    data = make_data(Objective.SQUARED)
    task = {**fold_task(tmp_path, trees=4), "kind": "refit", "max_trees": 2}
    assert trainer(data).run(task)["n_trained"] == 2
    assert f'"base": [{float(data.y.mean())}]' in (tmp_path / "fold_00.json").read_text()


def test_time_limit_ends_a_fold_and_is_told(fake: str, tmp_path: Path) -> None:
    task = {**fold_task(tmp_path, trees=20, sleep=0.02), "time_limit": 0.03}
    result = trainer(make_data()).run(task)
    assert result["by_clock"]
    assert 1 <= result["n_trained"] <= 3
    assert len(result["curve"]) == result["n_trained"]


def test_contributions_of_a_row_are_those_of_its_own_split(fake: str, tmp_path: Path) -> None:
    data = make_data()
    runs = trainer(data)
    for k in range(2):
        runs.run(fold_task(tmp_path, k, slope=0.2 * (k + 1)))
    rows, splits = np.array([5, 17, 3, 40]), np.array([0, 1, 0, 1])
    np.save(tmp_path / "rows.npy", rows, allow_pickle=False)
    np.save(tmp_path / "splits.npy", splits, allow_pickle=False)
    models = [tmp_path / f"fold_{k:02d}.json" for k in range(2)]
    task = {
        "kind": "contributions",
        "rows": str(tmp_path / "rows.npy"),
        "splits": str(tmp_path / "splits.npy"),
        "limit": 3,
        "n_columns": 4,
        "output": str(tmp_path / "shap.npy"),
        "boosters": [
            {"engine": fake, "model": str(model), "recipe_file": None, "weight": 0.5, "split": k}
            for k, model in enumerate(models)
        ],
    }
    runs.run(task)
    shap = np.load(tmp_path / "shap.npy", allow_pickle=False)
    assert shap.shape == (3, 1, 5)
    margins = [runs._load(fake, model).margin(data.matrix.take(rows[:3])) for model in models]
    own = np.array([0.5 * margins[k][i, 0] for i, k in enumerate(splits[:3])])
    assert shap[:, 0].sum(axis=1) == pytest.approx(own, rel=1e-12)
    assert margins[0] != pytest.approx(margins[1])
    assert not shap[:, :, 1:4].any()  # only the first column is used


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("objective", [Objective.LOGISTIC, Objective.SOFTMAX, Objective.QUANTILE])
def test_run_data_survive_the_disk(objective: Objective, weighted: bool, tmp_path: Path) -> None:
    data = make_data(objective, weighted=weighted, repeats=2, inner_stop=0.15)
    data.write(tmp_path / "store")
    read = RunData.read(tmp_path / "store")
    assert np.array_equal(read.matrix.values, data.matrix.values)
    assert read.matrix.values.dtype == np.float32
    assert np.isfortran(np.asarray(read.matrix.values))
    assert read.matrix.features == data.matrix.features
    for name in ("y", "groups", "weight"):
        assert np.array_equal(getattr(read, name), getattr(data, name))
    assert [s.repeat for s in read.splits] == [0, 0, 0, 1, 1, 1]
    for mine, theirs in zip(data.splits, read.splits, strict=True):
        assert np.array_equal(mine.train, theirs.train)
        assert np.array_equal(mine.valid, theirs.valid)
    for name in ("task", "n_classes", "objective", "quantile", "plans", "seed", "threads"):
        assert getattr(read, name) == getattr(data, name)
    assert (read.inner_stop, read.n_outputs) == (data.inner_stop, data.n_outputs)
    assert isinstance(read.objective, Objective)
    with pytest.raises(ValueError, match="read-only"):
        read.matrix.values[0, 0] = 1.0  # mapped, shared by the workers


# -- rows that stop training --------------------------------------------------------------------


def test_rows_that_stop_training_are_whole_groups() -> None:
    data = make_data(folds=3, inner_stop=0.25)
    data = replace(data, groups=np.arange(len(data.y)) // 4)
    train, stop = stopping_rows(data, 0)
    assert not set(data.groups[train]) & set(data.groups[stop])
    assert 0 < len(stop) <= 0.25 * (len(train) + len(stop))


def test_rows_that_stop_training_are_the_latest() -> None:
    data = make_data(Objective.SQUARED, folds=3, inner_stop=0.25)
    data = replace(data, times=np.random.default_rng(0).normal(size=len(data.y)))
    assert data.times is not None
    train, stop = stopping_rows(data, 0)
    assert data.times[train].max() < data.times[stop].min()


def test_no_class_is_held_back_altogether() -> None:
    data = make_data(folds=3, inner_stop=0.25)
    y = np.zeros_like(data.y)
    y[data.splits[0].train[3]] = 1.0
    for seed in range(20):
        train, _ = stopping_rows(replace(data, y=y, seed=seed), 0)
        assert set(y[train]) == {0.0, 1.0}
