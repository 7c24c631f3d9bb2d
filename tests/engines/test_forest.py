"""Tables of splits give the libraries' own margins, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from automl import plugins
from automl.engines import _fast_margin
from automl.engines._fast_margin import FastMargin
from automl.engines._forest import Forest, pays
from automl.engines._forests import Forests
from automl.engines._joint import Joint
from automl.engines._splits import Tree, Trees
from automl.engines.base import Booster, FitSetup
from automl.engines.catboost import _pool as pool
from automl.features.matrix import Feature, Matrix
from automl.task import Objective, Task

N = 1200
OBJECTIVES = {
    Task.BINARY: Objective.LOGISTIC,
    Task.MULTICLASS: Objective.SOFTMAX,
    Task.REGRESSION: Objective.SQUARED,
}
SHAPES = {
    "lightgbm": [{"num_leaves": n, "min_data_in_leaf": 2} for n in (2, 12, 40, 100)],
    "xgboost": [{"max_depth": d, "min_child_weight": 0.1} for d in (1, 4, 5, 8)],
}


def table(seed: int) -> Matrix:
    rng = np.random.default_rng(seed)
    values = np.asfortranarray(rng.normal(size=(N, 6)))
    values[:, 1] = values[:, 1].round(1)  # cells that are thresholds
    values[:, 2] = rng.integers(0, 7, N)
    values[:, 3] = rng.integers(0, 80, N)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 4] = np.nan_to_num(values[:, 4])
    levels = (0, 0, 7, 80, 0, 0)
    return Matrix(values, tuple(Feature(f"c{i}", (i,), n) for i, n in enumerate(levels)))


def train(engine: str, task: Task, params: dict[str, object]) -> Booster:
    matrix = table(0)
    cells = np.nan_to_num(matrix.values)
    y = cells[:, 0] + np.sin(cells[:, 3]) + cells[:, 1] * (cells[:, 2] > 3)
    if task is not Task.REGRESSION:
        y = np.digitize(y, [0.0] if task is Task.BINARY else [-0.5, 0.5]).astype(float)
    setup = FitSetup(
        task, OBJECTIVES[task], n_classes=(3, 2)[task is Task.BINARY], max_trees=12, patience=0
    )
    made = plugins.load("automl.engines", engine, "ENGINE")
    prepared = made.prepare(matrix, y, None, setup=setup)
    return made.fit(prepared, np.arange(N), None, params=params, setup=setup)


def looked_up(forest: Forest, values: np.ndarray) -> np.ndarray:
    return Forests([forest]).margins(values)[0]


@pytest.mark.parametrize("task", list(OBJECTIVES))
@pytest.mark.parametrize("shape", range(4))
@pytest.mark.parametrize("engine", list(SHAPES))
def test_tables_repeat_the_walk_to_the_bit(engine, shape, task, monkeypatch):
    monkeypatch.setattr("automl.engines._trees.pays", lambda trees, **_: True)
    booster = train(engine, task, SHAPES[engine][shape])
    new = table(1)
    new.values[::5, 4] = np.nan  # missing where training had no missing cell
    walked = booster.margin(new)
    forest = booster._forest()
    assert isinstance(forest, Forest)
    values = booster._known_levels(new) if engine == "xgboost" else new.values
    assert np.array_equal(looked_up(forest, values), walked)
    for few in (1, 2, 15):  # no block is filled
        assert np.array_equal(looked_up(forest, values[:few]), walked[:few])


@pytest.mark.parametrize("shape", range(4))
@pytest.mark.parametrize("name", list(SHAPES))
def test_tables_of_several_quantiles_repeat_the_walk_to_the_bit(name, shape, monkeypatch):
    monkeypatch.setattr("automl.engines._trees.pays", lambda trees, **_: True)
    matrix, engine = table(0), plugins.load("automl.engines", name, "ENGINE")
    y = np.nan_to_num(matrix.values)[:, 0] * 1000.0
    levels = (0.1, 0.5, 0.9)
    setup = FitSetup(
        Task.REGRESSION, Objective.QUANTILE, max_trees=12, patience=0, quantiles=levels
    )
    prepared = engine.prepare(matrix, y, None, setup=setup)
    params = SHAPES[name][shape]
    booster = engine.fit(prepared, np.arange(N), None, params=params, setup=setup)
    new = table(1)
    walked = booster.margin(new)
    assert walked.shape == (N, 3)
    values = booster._known_levels(new) if name == "xgboost" else new.values
    assert np.array_equal(looked_up(booster._forest(), values), walked)


def test_many_rows_take_the_tables_and_few_rows_give_the_same_numbers(monkeypatch):
    monkeypatch.setattr(_fast_margin, "MANY_ROWS", 1000)
    monkeypatch.setattr("automl.engines._trees.pays", lambda trees, **_: True)
    booster = train("lightgbm", Task.BINARY, {"num_leaves": 12})
    few = booster.margin(table(1).take(slice(0, 100)))
    many = booster.margin(table(1))
    assert booster._fast._forest is not None
    assert np.array_equal(many[:100], few)
    assert np.array_equal(booster.margin(table(1).take(slice(0, 100))), few)


@pytest.mark.parametrize("engine", list(SHAPES))
def test_tables_that_are_prepared_serve_single_rows(engine, monkeypatch):
    monkeypatch.setattr("automl.engines._trees.pays", lambda trees, **_: True)
    booster = train(engine, Task.MULTICLASS, SHAPES[engine][1])
    rows = [table(1).take(slice(i, i + 1)) for i in range(20)]
    walked = [booster.margin(row) for row in rows]
    Joint([booster]).prepare(table(2).take(slice(0, 50)))
    assert booster._fast._forest is not None
    monkeypatch.setattr(booster, "_walk", None)
    assert all(map(np.array_equal, [booster.margin(row) for row in rows], walked))


def test_a_forest_that_does_not_repeat_the_library_is_not_used():
    tree = Tree(
        feature=np.array([0]),
        threshold=np.array([0.5]),
        nan_left=np.array([True]),
        left=np.array([~0]),
        right=np.array([~1]),
        values=np.array([1.0, 2.0]),
    )
    forest = Forest(Trees.of([tree]), np.zeros(1), below=True, set_is_left=True)
    values = np.random.default_rng(0).random((_fast_margin.MANY_ROWS, 1))
    assert set(looked_up(forest, values)[:, 0]) == {1.0, 2.0}
    assert looked_up(forest, np.array([[0.5], [np.nan]])).tolist() == [[2.0], [1.0]]
    walk = lambda rows: np.full((len(rows), 1), 7.0)  # noqa: E731
    assert (FastMargin(lambda: forest)(values, walk) == 7.0).all()


def split_by_codes(*codes: int) -> Tree:
    return Tree(
        feature=np.array([0]),
        threshold=np.array([0.0]),
        nan_left=np.array([False]),
        left=np.array([~0]),
        right=np.array([~1]),
        values=np.array([1.0, 2.0]),
        levels={0: np.array(codes)},
    )


def test_codes_beyond_every_set_are_not_missing():
    forest = Forest(Trees.of([split_by_codes(0)]), np.zeros(1), below=True, set_is_left=False)
    codes = np.array([[0.0], [1.0], [2.0], [50.0], [np.nan]])
    assert looked_up(forest, codes)[:, 0].tolist() == [2.0, 1.0, 1.0, 1.0, 2.0]


def test_a_table_has_a_bin_for_each_code_of_a_category():
    assert pays(Trees.of([split_by_codes(99)] * 5000), level_nanoseconds=8.0)
    assert not pays(Trees.of([split_by_codes(9_999)] * 5000), level_nanoseconds=8.0)  # 100 MB


def test_tables_do_not_pay_for_one_shallow_tree_over_many_columns():
    tree = Tree(
        feature=np.arange(3),
        threshold=np.zeros(3),
        nan_left=np.zeros(3, dtype=bool),
        left=np.array([1, ~0, ~1]),
        right=np.array([2, ~2, ~3]),
        values=np.zeros(4),
    )
    assert not pays(Trees.of([tree]), level_nanoseconds=8.0)
    assert pays(Trees.of([tree] * 200), level_nanoseconds=8.0)


@pytest.mark.parametrize("task", list(OBJECTIVES))
@pytest.mark.parametrize("engine", list(SHAPES))
@pytest.mark.parametrize("mixed", [False, True])
def test_few_rows_through_prepared_boosters_are_those_of_each(engine, task, mixed, monkeypatch):
    monkeypatch.setattr("automl.engines._trees.pays", lambda trees, **_: True)
    modes = ["codes" if mixed and i == 1 else "native" for i in range(3)]
    shapes = zip(SHAPES[engine][:3], modes, strict=True)
    boosters = [train(engine, task, {**shape, "cat_mode": mode}) for shape, mode in shapes]
    new = table(1)
    parts = [new.take(slice(i, i + n)) for i, n in ((0, 1), (1, 7), (8, 60), (68, 900))]
    alone = [[booster.margin(part) for booster in boosters] for part in parts]
    joint = Joint(boosters)
    joint.prepare(table(2).take(slice(0, 50)))
    (forests,) = joint._shared.values()
    assert forests._few is not None
    for part, margins in zip(parts, alone, strict=True):
        assert all(map(np.array_equal, joint.margins(part), margins))


def test_boosters_together_give_what_each_gives_alone(monkeypatch):
    """Other borders, sums, words and views of a category; two engines, one without tables."""
    monkeypatch.setattr("automl.engines._trees.pays", lambda trees, **_: True)
    boosters = [
        train("lightgbm", Task.BINARY, {"num_leaves": 12}),
        train("xgboost", Task.BINARY, {"max_depth": 3}),
        train("catboost", Task.BINARY, {}),
        train(
            "lightgbm", Task.BINARY, {"num_leaves": 40, "cat_mode": "codes", "extra_trees": True}
        ),
        train("xgboost", Task.BINARY, {"max_depth": 6, "cat_mode": "codes"}),
        train("lightgbm", Task.BINARY, {"num_leaves": 90, "feature_fraction": 0.5}),
    ]
    new = table(1)
    alone = [booster.margin(new) for booster in boosters]
    monkeypatch.setattr(_fast_margin, "MANY_ROWS", 1000)
    joint = Joint(boosters)
    for _ in range(2):  # the second time the last booster is asked first
        together = joint.margins(new)
        assert all(map(np.array_equal, together, alone))
    assert [len(key) for key in joint._shared] == [3, 2]
    assert all(map(np.array_equal, joint.margins(new.take(slice(0, 5))), [m[:5] for m in alone]))


def test_catboost_boosters_share_one_pool_of_a_matrix(monkeypatch):
    boosters = [train("catboost", Task.BINARY, {"depth": depth}) for depth in (2, 3, 4)]
    new = table(1).take(slice(0, 9))
    alone = [booster.margin(new) for booster in boosters]
    made = []
    monkeypatch.setattr(
        "automl.engines.catboost._pool", lambda *a, **k: made.append(pool(*a, **k)) or made[-1]
    )
    assert all(map(np.array_equal, Joint(boosters).margins(new), alone))
    assert len(made) == 1


def test_what_sums_begin_with_comes_first():
    big = np.float32(2**25)  # a leaf of 1.0 is lost when it is added to it, and not before
    trees = Trees.of([split_by_codes(0)] * 4)
    forest = Forest(trees, np.array([big]), below=True, set_is_left=False)
    assert looked_up(forest, np.array([[1.0]]))[0, 0] == big
