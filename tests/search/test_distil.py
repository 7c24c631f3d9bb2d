"""Students: what they are taught, by whom, and what becomes of them without time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import candidates, make_data, make_scorer, trainer

from automl import plugins
from automl.features.matrix import Feature, Matrix
from automl.features.recipes import load_recipe, plan_recipes
from automl.search.distil import Distilled, NoStudent, School, able, distil_seconds
from automl.search.lesson import TRUTH, lesson_target
from automl.search.race import Race
from automl.search.store import RunData
from automl.task import Objective

Arena = Callable[..., Race]
TEACHERS = candidates({"slope": 0.3, "trees": 1}, {"slope": 0.1, "trees": 1})
WEIGHTS = {"fake-1": 0.75, "fake-2": 0.25}


def raced(arena: Arena, data: RunData) -> Race:
    race = arena(data=data, trials=2, portfolio=TEACHERS)
    race.run()
    return race


def school(race: Race, data: RunData, **changes: Any) -> School:
    parts: dict[str, Any] = {
        "rules": race.rules,
        "folder": race.record.folder / "student",
        "max_trees": 20,
        "last_only": False,
        "seconds_left": lambda: float("inf"),
        **changes,
    }
    return School(data=data, executor=race.executor, **parts)


def taught(arena: Arena, data: RunData, **changes: Any) -> Distilled:
    race = raced(arena, data)
    return school(race, data, **changes).distil(race.done, WEIGHTS, make_scorer(data))


def base_of(student: Distilled) -> float:
    """What the fake student learned: the mean of its lesson."""
    engine = plugins.load("automl.engines", "fake", "ENGINE")
    return float(engine.load(student.member.boosters[0][0], n_outputs=1).base[0])


def blend_margins(data: RunData, split: int) -> np.ndarray:
    """(n,) of the fake blend whose boosters saw the training rows of `split`."""
    x = data.matrix.values[:, 0].astype(float)
    return np.asarray(data.y[data.splits[split].train].mean() + (0.75 * 0.3 + 0.25 * 0.1) * x)


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 0.5, 3.0])])
def test_a_log_loss_is_taught_by_its_newton_step(weight: Any) -> None:
    margin, y = np.array([[-1.0], [2.0], [-9.0], [9.0]]), np.array([0.0, 1.0, 1.0, 1.0])
    target, slopes = lesson_target(margin, y, weight, Objective.LOGISTIC)
    assert slopes is not None
    share = 1.0 / (1.0 + np.exp(-margin[:, 0]))
    # The gradient at the blend is that of the log loss against TRUTH truth + the rest blend.
    gradient = TRUTH * (y - share) * (1.0 if weight is None else weight)
    assert slopes * (target - margin[:, 0]) == pytest.approx(gradient)
    curvature = slopes if weight is None else slopes / weight
    assert curvature == pytest.approx([0.1966, 0.1050, 0.05, 0.05], abs=1e-4)
    assert np.abs(target - margin[:, 0]).max() <= 4.0


@pytest.mark.parametrize("objective", [Objective.ABSOLUTE, Objective.QUANTILE])
def test_medians_and_quantiles_are_the_blends_alone(objective: Objective) -> None:
    target, weight = lesson_target(np.array([[3.0], [5.0]]), np.zeros(2), None, objective)
    assert (target.tolist(), weight) == ([3.0, 5.0], None)


def test_a_fold_student_learns_from_its_own_folds_boosters(arena: Arena) -> None:
    data = make_data(Objective.SQUARED)
    student = taught(arena, data)
    start = 0
    for k, split in enumerate(data.splits):
        lesson = (1 - TRUTH) * blend_margins(data, k) + TRUTH * data.y
        x = data.matrix.values[split.valid, 0].astype(float)
        found = student.margins[start : start + len(split.valid), 0]
        slope = student.trial.candidate.params["slope"]
        assert found == pytest.approx(lesson[split.train].mean() + slope * x, abs=1e-5)
        start += len(split.valid)
    assert student.trial.score == pytest.approx(np.mean(student.trial.fold_scores))
    assert student.trial.name == "fake-student"


def test_rows_that_a_fold_student_is_scored_on_teach_it_nothing(arena: Arena) -> None:
    data = make_data(Objective.LOGISTIC)
    held = data.splits[0].valid
    flipped = data.y.copy()
    flipped[held] = 1.0 - flipped[held]
    one, other = (taught(arena, replace(data, y=y)) for y in (data.y, flipped))
    assert np.array_equal(one.margins[: len(held)], other.margins[: len(held)])
    assert not np.array_equal(one.margins[len(held) :], other.margins[len(held) :])


@pytest.mark.parametrize("last_only", [False, True])
def test_the_student_that_ships_learns_from_the_bag_or_the_last(
    last_only: bool, arena: Arena
) -> None:
    data = make_data(Objective.SQUARED)
    student = taught(arena, data, last_only=last_only)
    teachers = [blend_margins(data, k) for k in ([2] if last_only else [0, 1, 2])]
    lesson = (1 - TRUTH) * np.mean(teachers, axis=0) + TRUTH * data.y
    assert base_of(student) == pytest.approx(lesson.mean())
    assert (student.member.weight, len(student.member.boosters)) == (1.0, 1)


def test_held_back_rows_stop_a_student_too(arena: Arena) -> None:
    data = make_data(Objective.SQUARED, folds=3, inner_stop=0.2)
    data = replace(data, splits=data.splits[:1])
    student = taught(arena, data, last_only=True)
    assert len(student.trial.folds) == 1
    assert len(student.margins) == len(data.splits[0].valid)


def test_no_time_and_a_failure_say_why(arena: Arena, orders: Callable[..., None]) -> None:
    data = make_data(Objective.SQUARED)
    race = raced(arena, data)
    late = school(race, data, seconds_left=lambda: -1.0)
    with pytest.raises(NoStudent, match="no time was left"):
        late.distil(race.done, WEIGHTS, make_scorer(data))
    orders(fail="out of ideas")
    with pytest.raises(NoStudent, match="RuntimeError: out of ideas"):
        school(race, data).distil(race.done, WEIGHTS, make_scorer(data))


def test_the_best_trial_of_an_engine_that_regresses_is_able(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(Objective.LOGISTIC)
    race = raced(arena, data)
    best = min(race.done, key=lambda trial: trial.loss or 0.0)
    assert able(race.done) is best
    assert distil_seconds(race.done, data, n_workers=1, members=8) > 3 * best.folds[0].seconds
    engine = plugins.load("automl.engines", "fake", "ENGINE")
    monkeypatch.setattr(type(engine), "objectives", frozenset({Objective.LOGISTIC}))
    assert able(race.done) is None
    with pytest.raises(NoStudent, match="no engine"):
        school(race, data).distil(race.done, WEIGHTS, make_scorer(data))


class Encoding:
    """A booster whose margin is the last feature: the target encoding of a recipe."""

    def margin(self, matrix: Matrix) -> np.ndarray:
        return np.asarray(matrix.values[:, -1:], dtype=np.float64)


def test_a_lesson_reads_encodings_as_training_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Levels of four rows each: fitted on all training rows, they hold every row's own target.
    data = _with_levels(make_data(Objective.SQUARED, n=240))
    train, valid = data.splits[0].train, data.splits[0].valid
    runs = trainer(data)
    monkeypatch.setattr(runs, "_load", lambda engine, path: Encoding())
    item = {"engine": "fake", "recipe": "encoded", "model": "", "weight": 1.0}
    output = tmp_path / "lesson.npy"
    runs.run({"kind": "lesson", "split": 0, "boosters": [item], "output": str(output)})
    lesson = np.load(output, allow_pickle=False)[:, 0]
    fitted = load_recipe(runs._recipe("encoded", 0, train)[0].to_json()).transform(data.matrix)
    read = Encoding().margin(fitted)[:, 0]
    assert lesson[valid] == pytest.approx(read[valid])
    told = [abs(np.corrcoef(margin[train], data.y[train])[0, 1]) for margin in (lesson, read)]
    assert told[0] < 0.5 < told[1]


def _with_levels(data: RunData) -> RunData:
    n = data.matrix.n_rows
    codes = np.random.default_rng(3).permutation(np.arange(n) // 4)
    values = np.asfortranarray(np.column_stack([data.matrix.values, codes]), dtype=np.float32)
    features = (*data.matrix.features, Feature("c", (2,), n_levels=n // 4))
    matrix = Matrix(values, features)
    return replace(data, matrix=matrix, plans=plan_recipes(matrix, seed=0))
