"""Every engine keeps the contract of automl.engines.base, on plain and on awkward tables.

Notation: n = rows, p = features, k = outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl import plugins
from automl.engines.base import Choice, FitSetup, Float, Int, TableSize
from automl.errors import BundleError, ConfigError, DataError
from automl.features.matrix import Feature, Matrix
from automl.task import Objective, Task

ENGINES = plugins.names("automl.engines")
OBJECTIVES = tuple(Objective)
SHAPES = (
    "nulls",
    "float64",
    "weights",
    "one_column",
    "one_category",
    "constant_column",
    "few_rows",
    "rare_class",
    "large_targets",
)
TASKS = {Objective.LOGISTIC: Task.BINARY, Objective.SOFTMAX: Task.MULTICLASS}
N_CLASSES = {Task.BINARY: 2, Task.MULTICLASS: 3, Task.REGRESSION: 0}
ROUNDS = 12

each_engine = pytest.mark.parametrize("name", ENGINES)
each_objective = pytest.mark.parametrize("objective", OBJECTIVES)
each_pair = pytest.mark.parametrize(
    ("name", "objective"),
    [
        (name, objective)
        for name in ENGINES
        for objective in OBJECTIVES
        if objective in plugins.load("automl.engines", name, "ENGINE").objectives
    ],
)
with_trees = pytest.mark.parametrize("name", [name for name in ENGINES if name != "linear"])


@dataclass(frozen=True)
class Case:
    """A table, its split and how to train on it."""

    matrix: Matrix
    y: np.ndarray
    weight: np.ndarray | None
    train: np.ndarray
    valid: np.ndarray
    setup: FitSetup


def engine_of(name: str) -> Any:
    return plugins.load("automl.engines", name, "ENGINE")


def make_case(objective: Objective, shape: str) -> Case:
    rng = np.random.default_rng(3)
    n = 20 if shape == "few_rows" else 150
    task = TASKS.get(objective, Task.REGRESSION)
    number = rng.normal(size=n)
    count = rng.integers(0, 9, size=n).astype(float)
    level = rng.integers(0, 5, size=n).astype(float)
    signal = number + 0.3 * count + np.array([0.0, 1.5, -1.0, 0.5, -2.0])[level.astype(int)]
    train, valid = np.arange(n)[n // 4 :], np.arange(n)[: n // 4]
    # Level 6 exists in the table but in no training row of this split; level 5 in no row at all.
    level[valid[:2]] = 6
    if shape == "nulls":
        number[rng.random(n) < 0.3] = np.nan
        level[rng.random(n) < 0.2] = np.nan
    dtype = np.float64 if shape == "float64" else np.float32
    columns = {"number": number, "count": count, "level": level, "flat": np.full(n, 7.0)}
    kept = {
        "one_column": ("number",),
        "one_category": ("level",),
        "constant_column": ("flat", "number", "level"),
    }.get(shape, ("number", "level", "count"))
    features = tuple(Feature(c, (i,), 7 if c == "level" else 0) for i, c in enumerate(kept))
    values = np.asfortranarray(np.column_stack([columns[c] for c in kept]), dtype=dtype)
    return Case(
        matrix=Matrix(values, features),
        y=make_target(task, signal + rng.normal(scale=0.3, size=n), shape, train),
        weight=rng.uniform(0.2, 3.0, size=n) if shape == "weights" else None,
        train=train,
        valid=valid,
        setup=FitSetup(
            task, objective, N_CLASSES[task], seed=5, max_trees=ROUNDS, patience=0, quantile=0.8
        ),
    )


def make_target(task: Task, signal: np.ndarray, shape: str, train: np.ndarray) -> np.ndarray:
    if task is Task.REGRESSION:
        return 200_000 + 30_000 * signal if shape == "large_targets" else signal
    if shape != "rare_class":
        edges = [0.5] if task is Task.BINARY else [-0.3, 1.5]
        return np.digitize(signal, np.quantile(signal, [0.5]) if edges == [0.5] else edges) * 1.0
    y = (signal > 0).astype(float) if task is Task.MULTICLASS else np.zeros(len(signal))
    y[train[3]] = N_CLASSES[task] - 1  # the only row of its class
    return y


@cache
def fitted(name: str, objective: Objective, shape: str) -> tuple[Case, Any]:
    """A case and the booster trained on it, shared by the tests, which leave it as it is."""
    case = make_case(objective, shape)
    return case, train(engine_of(name), case)


def train(engine: Any, case: Case, valid: bool = True, **params: Any) -> Any:
    prepared = engine.prepare(case.matrix, case.y, case.weight, setup=case.setup)
    return engine.fit(
        prepared,
        case.train,
        case.valid if valid else None,
        params=params,
        setup=case.setup,
    )


def fresh_matrix(case: Case) -> Matrix:
    """New rows: values out of range, all missing, and missing where training had none."""
    values = np.asfortranarray(np.tile(case.matrix.values[:12], (2, 1)))
    values[3] = np.nan
    for i, feature in enumerate(case.matrix.features):
        values[i + 4, i] = np.nan
        if not feature.n_levels:
            values[8, i], values[9, i] = 1e6, -1e6
        else:
            values[10, i] = 5  # a level that no row of the table has
    return Matrix(values, case.matrix.features)


def loss_of(case: Case, margin: np.ndarray) -> float:
    """The objective's loss on the validation rows, computed here."""
    y, margin = case.y[case.valid], margin[case.valid]
    weight = np.ones(len(y)) if case.weight is None else case.weight[case.valid]
    error = y - margin[:, 0]
    match case.setup.objective:
        case Objective.LOGISTIC:
            losses = np.logaddexp(0, margin[:, 0]) - y * margin[:, 0]
        case Objective.SOFTMAX:
            top = margin.max(axis=1, keepdims=True)
            total = top[:, 0] + np.log(np.exp(margin - top).sum(axis=1))
            losses = total - margin[np.arange(len(y)), y.astype(int)]
        case Objective.SQUARED:
            return float(np.sqrt(np.average(error**2, weights=weight)))
        case Objective.ABSOLUTE:
            losses = np.abs(error)
        case Objective.QUANTILE:
            q = case.setup.quantile
            losses = np.maximum(q * error, (q - 1) * error)
    return float(np.average(losses, weights=weight))


@pytest.mark.parametrize("shape", SHAPES)
@each_pair
class TestEveryTable:
    def test_trains_the_rounds_it_was_told(
        self, name: str, objective: Objective, shape: str
    ) -> None:
        case, booster = fitted(name, objective, shape)
        assert booster.engine == name
        # A library may stop early where nothing can be split any more.
        assert 1 <= booster.n_trees <= ROUNDS
        assert booster.curve.shape == (booster.n_trees,)
        k = case.setup.task.n_outputs(case.setup.n_classes)
        margin = booster.margin(case.matrix)
        assert margin.shape == (case.matrix.n_rows, k)
        assert margin.dtype == np.float64
        assert np.isfinite(booster.margin(fresh_matrix(case))).all()

    def test_curve_is_the_loss_of_the_margin(
        self, name: str, objective: Objective, shape: str
    ) -> None:
        # Also holds that rows are routed alike in training's bins and in prediction's values,
        # absent levels included.
        case, booster = fitted(name, objective, shape)
        for n_trees in (1, booster.n_trees):
            expected = loss_of(case, booster.margin(case.matrix, n_trees))
            assert booster.curve[n_trees - 1] == pytest.approx(expected, rel=2e-5, abs=1e-6)

    def test_saved_and_loaded_margins_are_equal_to_the_bit(
        self, name: str, objective: Objective, shape: str, tmp_path: Path
    ) -> None:
        case, booster = fitted(name, objective, shape)
        engine = engine_of(name)
        fresh = fresh_matrix(case)
        k = booster.margin(fresh).shape[1]
        for n_trees in (None, 1, (booster.n_trees + 1) // 2):
            path = tmp_path / f"model{n_trees}{engine.suffix}"
            booster.save(path, n_trees)
            loaded = engine.load(path, n_outputs=k)
            assert loaded.n_trees == (n_trees or booster.n_trees)
            assert len(loaded.curve) == 0
            for matrix in (case.matrix, fresh):
                expected = booster.margin(matrix, n_trees)
                np.testing.assert_array_equal(loaded.margin(matrix), expected)
        whole = engine.load(tmp_path / f"modelNone{engine.suffix}", n_outputs=k)
        np.testing.assert_array_equal(whole.margin(fresh, 1), booster.margin(fresh, 1))

    def test_contributions_sum_to_the_margin_of_the_saved_model(
        self, name: str, objective: Objective, shape: str, tmp_path: Path
    ) -> None:
        case, booster = fitted(name, objective, shape)
        engine = engine_of(name)
        booster.save(tmp_path / "model", max(1, booster.n_trees - 2))
        k = booster.margin(case.matrix).shape[1]
        truncated = engine.load(tmp_path / "model", n_outputs=k)
        for model in (booster, truncated):
            for matrix in (case.matrix, fresh_matrix(case)):
                margin = model.margin(matrix)
                values = model.contributions(matrix)
                assert values.shape == (matrix.n_rows, k, matrix.n_features + 1)
                assert values.dtype == np.float64
                scale = np.maximum(1, np.maximum(np.abs(margin), np.abs(values).sum(axis=2)))
                assert (np.abs(values.sum(axis=2) - margin) <= 1e-5 * scale).all()

    def test_same_seed_gives_the_same_file(
        self, name: str, objective: Objective, shape: str, tmp_path: Path
    ) -> None:
        case, booster = fitted(name, objective, shape)
        train(engine_of(name), case).save(tmp_path / "again")
        booster.save(tmp_path / "first")
        assert (tmp_path / "again").read_bytes() == (tmp_path / "first").read_bytes()


SEVERAL = [name for name in ENGINES if getattr(engine_of(name), "several_quantiles", False)]
LEVELS = (0.1, 0.5, 0.9)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "rare_class"])
@pytest.mark.parametrize("name", SEVERAL)
def test_several_quantiles_keep_the_contract(name: str, shape: str, tmp_path: Path) -> None:
    case, engine = make_case(Objective.QUANTILE, shape), engine_of(name)
    case = replace(case, setup=replace(case.setup, quantiles=LEVELS))
    booster = train(engine, case)
    train(engine, case).save(tmp_path / "again")
    assert len(booster.curve) == booster.n_trees <= ROUNDS
    y, weight = case.y[case.valid], None if case.weight is None else case.weight[case.valid]
    for n_trees in (1, (booster.n_trees + 1) // 2, booster.n_trees):
        margin = booster.margin(case.matrix, n_trees)
        over = y[:, None] - margin[case.valid]
        loss = np.maximum(np.array(LEVELS) * over, (np.array(LEVELS) - 1.0) * over).mean(axis=1)
        assert booster.curve[n_trees - 1] == pytest.approx(
            np.average(loss, weights=weight), rel=2e-5, abs=1e-6
        )
        booster.save(tmp_path / "model", n_trees)
        loaded = engine.load(tmp_path / "model", n_outputs=3)
        assert loaded.n_trees == n_trees
        for matrix in (case.matrix, fresh_matrix(case)):
            expected = booster.margin(matrix, n_trees)
            np.testing.assert_array_equal(loaded.margin(matrix), expected)
            values = loaded.contributions(matrix)
            assert values.shape == (matrix.n_rows, 3, matrix.n_features + 1)
            scale = np.maximum(1, np.maximum(np.abs(expected), np.abs(values).sum(axis=2)))
            assert (np.abs(values.sum(axis=2) - expected) <= 1e-5 * scale).all()
    assert (tmp_path / "model").read_bytes() == (tmp_path / "again").read_bytes()
    with pytest.raises(BundleError, match=r"with 2 output\(s\)"):
        engine.load(tmp_path / "model", n_outputs=2)


@pytest.mark.parametrize("name", SEVERAL)
def test_several_quantiles_are_learned_from_any_base(name: str) -> None:
    case = make_case(Objective.QUANTILE, "large_targets")
    setup = replace(case.setup, quantiles=LEVELS, max_trees=150)
    booster = train(engine_of(name), replace(case, setup=setup))
    over = case.y[case.valid, None] - np.quantile(case.y[case.train], LEVELS)
    start = np.maximum(np.array(LEVELS) * over, (np.array(LEVELS) - 1.0) * over).mean()
    assert booster.curve.min() < 0.85 * start


def test_a_quantile_that_cannot_grow_adds_nothing(tmp_path: Path) -> None:
    """Half of the targets are the same, and so is their median everywhere."""
    engine, case = engine_of("lightgbm"), make_case(Objective.QUANTILE, "nulls")
    y = np.where(np.arange(len(case.y)) % 8 == 0, 5.0 + case.y, 1.0)
    setup = replace(case.setup, quantiles=(0.5, 0.95))
    case = replace(case, y=y, setup=setup)
    both, alone = train(engine, case), []
    for level in setup.quantiles:
        one = replace(case, setup=replace(setup, quantiles=(), quantile=level))
        alone.append(train(engine, one).margin(case.matrix))
    np.testing.assert_array_equal(both.margin(case.matrix), np.hstack(alone))
    both.save(tmp_path / "m", 2)
    again = engine.load(tmp_path / "m", n_outputs=2)
    again.save(tmp_path / "n", 1)
    short = engine.load(tmp_path / "n", n_outputs=2).margin(case.matrix)
    np.testing.assert_array_equal(short, both.margin(case.matrix, 1))


@each_pair
def test_learns_from_any_base(name: str, objective: Objective) -> None:
    """Targets of 200,000 need a sensible start; so the loss must fall well below a constant's."""
    case = make_case(objective, "large_targets")
    case = replace(case, setup=replace(case.setup, max_trees=150))
    booster = train(engine_of(name), case)
    task = case.setup.task
    if task is Task.REGRESSION:
        y = case.y[case.train]
        q = case.setup.quantile
        base = {Objective.SQUARED: y.mean(), Objective.ABSOLUTE: np.median(y)}
        constant = np.array([[base.get(objective, np.quantile(y, q))]])
    else:
        constant = np.log(np.bincount(case.y[case.train].astype(int)) / len(case.train))[None]
        constant = constant if task is Task.MULTICLASS else constant[:, 1:] - constant[:, :1]
    start = loss_of(case, np.tile(constant, (case.matrix.n_rows, 1)))
    assert booster.curve.min() < 0.85 * start


@each_objective
@with_trees
def test_categories_as_codes_keep_the_contract(
    name: str, objective: Objective, tmp_path: Path
) -> None:
    case = make_case(objective, "nulls")
    engine = engine_of(name)
    prepared = engine.prepare(case.matrix, case.y, case.weight, setup=case.setup)
    margins = []
    for mode in ("native", "codes"):
        booster = engine.fit(
            prepared, case.train, case.valid, params={"cat_mode": mode}, setup=case.setup
        )
        booster.save(tmp_path / mode)
        expected = booster.margin(case.matrix)
        loaded = engine.load(tmp_path / mode, n_outputs=expected.shape[1])
        np.testing.assert_array_equal(loaded.margin(case.matrix), expected)
        sums = loaded.contributions(case.matrix).sum(axis=2)
        np.testing.assert_allclose(sums, expected, atol=1e-5)
        assert booster.curve[-1] == pytest.approx(loss_of(case, expected), rel=2e-5)
        margins.append(expected)
    assert not np.array_equal(*margins)
    with pytest.raises(ConfigError, match="'cat_mode' .* is 'one_hot'"):
        engine.fit(prepared, case.train, None, params={"cat_mode": "one_hot"}, setup=case.setup)


@each_engine
def test_a_truncated_margin_is_a_prefix(name: str) -> None:
    case, booster = fitted(name, Objective.SOFTMAX, "nulls")
    short = train(engine_of(name), case, n_estimators=4)
    assert short.n_trees == 4
    np.testing.assert_array_equal(short.margin(case.matrix), booster.margin(case.matrix, 4))
    np.testing.assert_array_equal(booster.margin(case.matrix, ROUNDS), booster.margin(case.matrix))


@each_engine
def test_fixed_rounds_without_validation_rows(name: str) -> None:
    case, booster = fitted(name, Objective.LOGISTIC, "nulls")
    blind = train(engine_of(name), case, valid=False)
    assert len(blind.curve) == 0
    np.testing.assert_array_equal(blind.margin(case.matrix), booster.margin(case.matrix))


@each_engine
def test_patience_keeps_the_rounds_past_the_best(name: str) -> None:
    case = make_case(Objective.LOGISTIC, "nulls")
    noise = np.random.default_rng(0).integers(0, 2, size=len(case.y)).astype(float)
    case = replace(case, y=noise, setup=replace(case.setup, max_trees=400, patience=4))
    booster = train(engine_of(name), case)
    assert booster.n_trees == int(booster.curve.argmin()) + 1 + 4 < 400


@each_engine
def test_deadline_stops_after_the_round_under_way(name: str) -> None:
    case = make_case(Objective.SQUARED, "nulls")
    left = iter([3.0, 2.0, 1.0, 0.0])
    timed = replace(case, setup=replace(case.setup, seconds_left=lambda: next(left)))
    booster = train(engine_of(name), timed)
    assert booster.n_trees == len(booster.curve) == 4
    late = replace(case, setup=replace(case.setup, seconds_left=lambda: -1.0))
    assert train(engine_of(name), late).n_trees == 1
    assert train(engine_of(name), late, valid=False).n_trees == 1


@each_engine
def test_another_seed_and_other_params_differ(name: str, tmp_path: Path) -> None:
    engine = engine_of(name)
    case, booster = fitted(name, Objective.SQUARED, "nulls")
    subsample = "bagging_fraction" if name == "lightgbm" else "subsample"
    one = train(engine, case, **{subsample: 0.6})
    other = replace(case, setup=replace(case.setup, seed=6))
    two = train(engine, other, **{subsample: 0.6})
    margins = [b.margin(case.matrix) for b in (booster, one, two)]
    assert not np.array_equal(margins[0], margins[1])
    assert not np.array_equal(margins[1], margins[2])


@each_engine
def test_prepared_data_are_not_changed_by_training(name: str, tmp_path: Path) -> None:
    engine = engine_of(name)
    case = make_case(Objective.LOGISTIC, "nulls")
    prepared = engine.prepare(case.matrix, case.y, case.weight, setup=case.setup)
    drawn = {
        key: value.high if isinstance(value, Int | Float) else value.values[-1]
        for key, value in engine.space(Task.BINARY, TableSize(150, 3, 1, 2)).items()
    }
    files = []
    for i, params in enumerate(({}, drawn, {})):
        booster = engine.fit(prepared, case.train, case.valid, params=params, setup=case.setup)
        booster.save(tmp_path / str(i))
        files.append((tmp_path / str(i)).read_bytes())
    assert files[0] == files[2] != files[1]


@pytest.mark.parametrize("size", [TableSize(60, 1, 0, 3), TableSize(200_000, 90, 30, 3)])
@pytest.mark.parametrize("task", list(Task))
@each_engine
def test_every_corner_of_the_space_trains_and_ships(
    name: str, task: Task, size: TableSize, tmp_path: Path
) -> None:
    engine = engine_of(name)
    objective = next(o for o in OBJECTIVES if TASKS.get(o, Task.REGRESSION) is task)
    case = make_case(objective, "nulls")
    case = replace(case, setup=replace(case.setup, max_trees=12))
    space = engine.space(task, size)
    low = {k: v.values[0] if isinstance(v, Choice) else v.low for k, v in space.items()}
    high = {k: v.values[-1] if isinstance(v, Choice) else v.high for k, v in space.items()}
    for params in (low, high):
        booster = train(engine, case, **params)
        assert np.isfinite(booster.margin(case.matrix)).all()
        place = tmp_path / f"truncated{engine.suffix}"
        booster.save(place, 1)
        shipped = engine.load(place, n_outputs=booster.margin(case.matrix).shape[1])
        assert np.array_equal(shipped.margin(case.matrix), booster.margin(case.matrix, 1))
    numbers = [v for v in space.values() if not isinstance(v, Choice)]
    assert all(v.low < v.high and (v.low > 0 or not v.log) for v in numbers)


@each_engine
def test_weights_change_the_model_like_repeated_rows(name: str) -> None:
    case = make_case(Objective.SQUARED, "nulls")
    weight = np.where(np.arange(len(case.y)) % 2, 1.0, 30.0)
    heavy = train(engine_of(name), replace(case, weight=weight))
    plain = train(engine_of(name), case)
    even = case.train[case.train % 2 == 0]
    errors = [np.abs(b.margin(case.matrix)[even, 0] - case.y[even]).mean() for b in (heavy, plain)]
    assert errors[0] < errors[1]


@each_engine
def test_a_level_unseen_in_training_is_scored_like_an_average_row(name: str) -> None:
    """Also where training had no missing value, which is when libraries send it to an extreme."""
    n = 600
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(6.0), n // 6)
    effect = np.array([-5.0, -3.0, -1.0, 1.0, 3.0, 5.0])
    y = effect[level.astype(int)] + rng.normal(scale=0.2, size=n)
    values = np.asfortranarray(np.column_stack([level, rng.normal(size=n)]))
    matrix = Matrix(values, (Feature("level", (0,), 7), Feature("noise", (1,))))
    setup = FitSetup(Task.REGRESSION, Objective.SQUARED, max_trees=60, patience=0)
    rows = np.arange(n)
    engine = engine_of(name)
    booster = engine.fit(
        engine.prepare(matrix, y, None, setup=setup), rows, None, params={}, setup=setup
    )
    unseen = matrix.take(slice(0, n, 10))
    answers = []
    for code in (np.nan, 6.0):
        unseen.values[:, 0] = code
        answers.append(booster.margin(unseen))
        assert np.abs(answers[-1]).max() < 5.5
    np.testing.assert_array_equal(answers[0], answers[1])


@each_engine
def test_float64_values_that_float32_merges_are_scored_alike_everywhere(name: str) -> None:
    """A booster that compares in float32 must do so in training, scoring and explaining."""
    case = make_case(Objective.SQUARED, "float64")
    values = case.matrix.values.copy(order="F")
    values[:, 0] = 1e9 + values[:, 0] * 50
    case = replace(case, matrix=Matrix(values, case.matrix.features))
    booster = train(engine_of(name), case)
    expected = loss_of(case, booster.margin(case.matrix))
    assert booster.curve[-1] == pytest.approx(expected, rel=2e-5)


@each_engine
def test_follows_a_monotone_direction_or_refuses(name: str) -> None:
    case = make_case(Objective.SQUARED, "constant_column")
    features = tuple(
        replace(f, monotone=-1) if f.name == "number" else f for f in case.matrix.features
    )
    position = [f.name for f in features].index("number")
    matrix = Matrix(case.matrix.values, features)
    grid = matrix.take(np.zeros(200, dtype=int))
    grid.values[:, position] = np.linspace(-3, 3, 200)
    kept = 0
    regression = {Objective.SQUARED, Objective.ABSOLUTE, Objective.QUANTILE}
    for objective in sorted(regression & engine_of(name).objectives):
        setup = replace(case.setup, objective=objective, max_trees=60)
        booster = train_unless_refused(engine_of(name), replace(case, matrix=matrix, setup=setup))
        if booster is not None:
            assert (np.diff(booster.margin(grid)[:, 0]) <= 1e-9).all()
            kept += 1
    assert kept > 0


def train_unless_refused(engine: Any, case: Case) -> Any:
    try:
        return train(engine, case)
    except ConfigError as error:
        if "monotone" not in str(error):
            raise
        return None


@pytest.mark.parametrize("broken", ["flat target", "flat features", "absent class"])
@each_engine
def test_untrainable_rows_give_a_finite_model_or_a_clear_error(
    name: str, broken: str, capfd: pytest.CaptureFixture[str]
) -> None:
    case = make_case(Objective.SQUARED, "constant_column")
    if broken == "flat target":
        case = replace(case, y=np.full(len(case.y), 3.5))
    elif broken == "flat features":
        flat = case.matrix.values[:, :1].copy(order="F")
        case = replace(case, matrix=Matrix(flat, case.matrix.features[:1]))
    else:
        case = make_case(Objective.SOFTMAX, "nulls")
        case.y[case.train] = np.minimum(case.y[case.train], 1)
    try:
        booster = train(engine_of(name), case)
    except DataError as error:
        message, hint = error.message, error.hint
        booster = None
    if booster is None:
        assert "in the training rows" in message
        assert hint
    else:
        assert np.isfinite(booster.margin(case.matrix)).all()
        assert np.isfinite(booster.contributions(case.matrix)).all()
    assert capfd.readouterr() == ("", "")


@with_trees
def test_a_perfect_fit_trains_on(name: str) -> None:
    case = make_case(Objective.SQUARED, "one_column")
    y = (case.matrix.values[:, 0] > 0).astype(float)
    case = replace(case, y=y, setup=replace(case.setup, max_trees=300))
    rate = "eta" if name == "xgboost" else "learning_rate"
    booster = train(engine_of(name), case, **{rate: 0.9})
    assert booster.curve[-1] < 0.05


@each_engine
def test_an_unknown_parameter_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"Unknown parameter 'lerning_rate' .*'{name}'"):
        train(engine_of(name), make_case(Objective.SQUARED, "nulls"), lerning_rate=0.1)


@pytest.mark.parametrize(
    "content", [b"", b"tree\nversion=v4\n", b"CBM1\x00\x00garbage", b"{L\x00", b"\x80\x04pickle"]
)
@each_engine
def test_garbage_is_not_a_model(
    name: str, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="is not a"):
        engine_of(name).load(path, n_outputs=1)
    assert capfd.readouterr() == ("", "")


@each_engine
def test_a_truncated_file_or_a_wrong_number_of_outputs_is_refused(
    name: str, tmp_path: Path
) -> None:
    _, booster = fitted(name, Objective.SOFTMAX, "nulls")
    path = tmp_path / "model"
    booster.save(path)
    with pytest.raises(BundleError, match="with 1 output"):
        engine_of(name).load(path, n_outputs=1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(BundleError, match="is not a"):
        engine_of(name).load(path, n_outputs=3)


@each_engine
def test_training_and_scoring_are_silent_and_leave_no_file(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for objective in sorted(engine_of(name).objectives - {Objective.QUANTILE}):
        for shape in ("nulls", "few_rows", "constant_column"):
            case = make_case(objective, shape)
            booster = train(engine_of(name), case)
            booster.margin(case.matrix)
            booster.contributions(case.matrix)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


@each_engine
def test_two_threads_score_and_explain_like_one(name: str) -> None:
    case, booster = fitted(name, Objective.LOGISTIC, "nulls")
    one = booster.margin(case.matrix), booster.contributions(case.matrix)
    booster.threads = 2
    try:
        two = booster.margin(case.matrix), booster.contributions(case.matrix)
    finally:
        booster.threads = 1
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_allclose(one[1], two[1], rtol=1e-6, atol=1e-9)
