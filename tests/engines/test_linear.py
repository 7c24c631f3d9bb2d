"""The linear engine: the path, robust columns, exact effects, a model file that is checked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.engines import linear
from automl.engines.base import FitSetup
from automl.engines.linear import ENGINE, PENALTIES
from automl.errors import BundleError, ConfigError
from automl.features.matrix import Feature, Matrix
from automl.task import Objective, Task

SQUARED = FitSetup(Task.REGRESSION, Objective.SQUARED, max_trees=len(PENALTIES), patience=0)


def columns(*values: np.ndarray, levels: dict[int, int] | None = None) -> Matrix:
    features = tuple(Feature(f"c{i}", (i,), (levels or {}).get(i, 0)) for i in range(len(values)))
    return Matrix(np.asfortranarray(np.column_stack(values)), features)


def fit(matrix: Matrix, y: np.ndarray, setup: FitSetup = SQUARED, **params: Any) -> Any:
    rows = np.arange(matrix.n_rows)
    prepared = ENGINE.prepare(matrix, y, None, setup=setup)
    return ENGINE.fit(prepared, rows, None, params=params, setup=setup)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def test_the_end_of_the_path_is_least_squares():
    a, b = noise(400), noise(400, 1)
    matrix = columns(a, 0.5 * a + b)
    y = 3.0 + 2.0 * a - b + noise(400, 2)
    booster = fit(matrix, y)
    exact = np.column_stack([np.ones(400), matrix.values])
    expected = exact @ np.linalg.lstsq(exact, y, rcond=None)[0]
    assert np.abs(booster.margin(matrix)[:, 0] - expected).max() < 0.05 * y.std()
    assert booster.n_trees == len(PENALTIES)


def test_a_strong_penalty_leaves_the_mean_and_a_lasso_drops_what_does_not_help():
    a, b = noise(300), noise(300, 1)
    matrix, y = columns(a, b), a + 0.5 * noise(300, 2) + 7.0
    first = fit(matrix, y, l1_share=1.0).margin(matrix, 1)
    np.testing.assert_allclose(first, y.mean(), rtol=1e-6)
    contributions = fit(matrix, y, FitSetup(Task.REGRESSION, Objective.SQUARED, max_trees=3),
                        l1_share=1.0).contributions(matrix)  # fmt: skip
    assert np.ptp(contributions[:, 0, 0]) > 1
    assert (contributions[:, 0, 1] == 0).all()


def test_bends_follow_what_a_line_cannot():
    a = noise(500)
    matrix, y = columns(a, noise(500, 1)), np.abs(a)
    errors = [np.std(y - fit(matrix, y, basis=b).margin(matrix)[:, 0]) for b in ("line", "bends")]
    assert errors[1] < 0.25 * errors[0]


def test_one_wild_cell_does_not_flatten_a_column():
    a = noise(300)
    y = a.copy()
    a[7] = 1e30
    matrix = columns(a, noise(300, 1))
    margin = fit(matrix, y).margin(matrix)[:, 0]
    assert np.corrcoef(np.delete(margin, 7), np.delete(y, 7))[0, 1] > 0.99
    assert abs(margin[7]) < 20


def test_missing_numbers_have_an_effect_of_their_own_if_training_had_some():
    a = noise(400)
    a[:100] = np.nan
    y = np.where(np.isnan(a), 5.0, np.nan_to_num(a))
    fresh = columns(np.array([np.nan, 0.0]))
    assert fit(columns(a), y).margin(fresh)[0, 0] == pytest.approx(5.0, abs=0.2)
    seen = a[100:]
    answer = fit(columns(seen), seen + 3.0).margin(fresh)[0, 0]
    assert answer == pytest.approx(np.mean(seen + 3.0), abs=1e-4)


def test_rare_levels_are_pulled_to_the_mean_more_than_frequent_ones():
    level = np.repeat([0.0, 1.0, 2.0], [500, 490, 10])
    y = np.array([0.0, 2.0, 2.0])[level.astype(int)]
    matrix = columns(level, levels={0: 3})
    setup = FitSetup(Task.REGRESSION, Objective.SQUARED, max_trees=4, patience=0)
    effect = fit(matrix, y, setup, l1_share=0.0).contributions(matrix.take(np.array([600, 995])))[
        :, 0, 0
    ]
    assert 0 < effect[1] < 0.5 * effect[0]


def test_effects_average_zero_in_training_and_the_base_is_the_mean_margin():
    level = np.random.default_rng(0).integers(0, 4, 300).astype(float)
    matrix = columns(noise(300), level, levels={1: 4})
    y = (matrix.values[:, 0] + level > 1.5).astype(float)
    setup = FitSetup(Task.BINARY, Objective.LOGISTIC, n_classes=2, max_trees=9, patience=0)
    values = fit(matrix, y, setup, basis="bends").contributions(matrix)
    np.testing.assert_allclose(values[:, 0, :-1].mean(axis=0), 0, atol=1e-5)
    assert np.ptp(values[:, 0, -1]) == 0


def test_chunks_of_rows_and_a_new_process_give_the_same_bits(tmp_path: Path):
    level = np.random.default_rng(0).integers(0, 4, 200).astype(float)
    matrix = columns(noise(200), level, levels={1: 4})
    y = np.random.default_rng(1).integers(0, 3, 200).astype(float)
    setup = FitSetup(Task.MULTICLASS, Objective.SOFTMAX, n_classes=3, max_trees=9, patience=0)
    booster = fit(matrix, y, setup, basis="bends")
    whole = booster.margin(matrix)
    for size in (1, 3, 64):
        parts = [booster.margin(matrix.take(slice(i, i + size))) for i in range(0, 200, size)]
        assert np.array_equal(np.vstack(parts), whole)
    booster.save(tmp_path / "model.json")
    np.save(tmp_path / "values.npy", matrix.values)
    script = (
        "import sys, numpy as np\nfrom pathlib import Path\n"
        "from automl.engines.linear import ENGINE\n"
        "from automl.features.matrix import Feature, Matrix\n"
        "folder = Path(sys.argv[1])\n"
        "features = (Feature('a', (0,)), Feature('b', (1,), 4))\n"
        "matrix = Matrix(np.load(folder / 'values.npy'), features)\n"
        "model = ENGINE.load(folder / 'model.json', n_outputs=3)\n"
        "np.save(folder / 'margin.npy', model.margin(matrix))\n"
        "assert 'xgboost' not in sys.modules and 'scipy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert np.array_equal(np.load(tmp_path / "margin.npy"), whole)


def test_large_tables_are_trained_on_drawn_rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(linear, "_MAX_CELLS", 600)
    monkeypatch.setattr(linear, "_LEAST_ROWS", 50)
    matrix = columns(noise(2000), noise(2000, 1))
    y = matrix.values[:, 0] + noise(2000, 2)
    one = fit(matrix, y).margin(matrix)
    other = fit(matrix, y, FitSetup(Task.REGRESSION, Objective.SQUARED, seed=1, patience=0))
    assert not np.array_equal(one, other.margin(matrix))
    assert np.corrcoef(one[:, 0], matrix.values[:, 0])[0, 1] > 0.95


def test_unknown_words_are_refused():
    matrix, y = columns(noise(50)), noise(50, 1)
    with pytest.raises(ConfigError, match="'basis' of the engine 'linear' is 'splines'"):
        fit(matrix, y, basis="splines")
    setup = FitSetup(Task.REGRESSION, Objective.ABSOLUTE)
    with pytest.raises(ConfigError, match="cannot train for the objective"):
        ENGINE.prepare(matrix, y, None, setup=setup)


def change(data: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("kind",), "pickle", "one of additive"),
        (("steps",), [], "not a linear model"),
        (("steps", -1, "base"), [0.0, 1.0], "not a linear model with 1"),
        (("steps", -1, "base"), ["0"], "must be a finite number"),
        (("steps", -1, "n_steps"), 0, "at least 1"),
        (("steps", -1, "effects", 0, "feature"), 2, "at most 1"),
        (("steps", -1, "effects", 1, "feature"), 0, "not a linear model"),
        (("steps", -1, "effects", 0, "knots"), [1.0, 1.0], "do not fit together"),
        (("steps", -1, "effects", 0, "knots"), [1.0], "do not fit together"),
        (("steps", -1, "effects", 0, "missing"), [], "do not fit together"),
        (("steps", -1, "effects", 0, "values", 1), [1e999], "finite numbers"),
        (("steps", -1, "effects", 1, "levels"), [[0.0]], "do not fit together"),
        (("steps", -1, "effects"), {}, "must be a list"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, path: tuple[Any, ...], value: Any, told: str):
    level = np.random.default_rng(0).integers(0, 3, 80).astype(float)
    booster = fit(columns(noise(80), level, levels={1: 3}), noise(80, 3))
    place = tmp_path / "model.json"
    booster.save(place)
    data = json.loads(place.read_text(encoding="utf-8"))
    change(data, path, value)
    place.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BundleError, match=told):
        ENGINE.load(place, n_outputs=1)


def test_a_matrix_of_another_width_is_refused():
    booster = fit(columns(noise(80), noise(80, 1)), noise(80, 3))
    with pytest.raises(BundleError, match="2 features was given 1"):
        booster.margin(columns(noise(80)))
