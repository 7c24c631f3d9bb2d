"""Plots drawn with shap: the files, and that the caller's state is left alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from automl.data.schema import Kind
from automl.errors import ConfigError
from automl.task import Task

pytest.importorskip("shap")
from automl.model.shapplots import _plain_texts, draw_plots

PNG = b"\x89PNG"


def test_plots_of_two_classes(make_predictor, people, tmp_path):
    explanation = make_predictor().explain(people)
    written = draw_plots(explanation, tmp_path / "plots", rows=(0, 5), dependence=3)
    assert [path.name for path in written] == [
        "beeswarm.png", "waterfall_0.png", "waterfall_5.png",
        "dependence_1.png", "dependence_2.png", "dependence_3.png",
    ]  # fmt: skip
    for path in written:
        assert path.read_bytes().startswith(PNG)


def test_plots_of_several_classes(make_predictor, people, tmp_path):
    explanation = make_predictor(Task.MULTICLASS).explain(people)
    names = [path.name for path in draw_plots(explanation, tmp_path, dependence=1)]
    assert names == [
        "beeswarm_0.png", "beeswarm_1.png", "beeswarm_2.png",
        "waterfall_0.png", "dependence_1.png",
    ]  # fmt: skip


def test_odd_column_names_and_empty_columns(make_predictor, people, tmp_path):
    explanation = make_predictor().explain(people)
    odd = type(explanation)(
        **{
            **vars(explanation),
            "columns": ("a$b$ \\frac{", "日本", "x" * 300),
            "numbers": np.full((40, 3), np.nan),
            "kinds": (Kind.NUMERIC, Kind.BOOLEAN, Kind.TEXT),
        }
    )
    assert len(draw_plots(odd, tmp_path, dependence=3)) == 5


def test_callers_state_is_left_alone(make_predictor, people, tmp_path):
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("svg")
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    figures = plt.get_fignums()
    draw_plots(make_predictor().explain(people), tmp_path, dependence=1)
    assert mpl.get_backend().lower() == "svg"
    assert np.array_equal(np.random.get_state()[1], before)
    assert plt.get_fignums() == figures


def test_a_row_that_is_not_there(make_predictor, people, tmp_path):
    explanation = make_predictor().explain(people)
    with pytest.raises(ConfigError, match="no row 40 to plot"):
        draw_plots(explanation, tmp_path, rows=(40,))
    with pytest.raises(ConfigError, match="no rows to plot"):
        draw_plots(make_predictor().explain(people.iloc[:0]), tmp_path, rows=())


def test_long_texts_do_not_make_large_pictures(make_predictor, people, tmp_path):
    import matplotlib.image

    explanation = make_predictor().explain(people)
    first = explanation.columns[0]
    long = dataclasses.replace(
        explanation,
        columns=(first + "x" * 10_000, *explanation.columns[1:]),
        classes=("no", "y" * 10_000),
    )
    for path in draw_plots(long, tmp_path, kinds=("importance", "waterfall"), dependence=1):
        height, width, _ = matplotlib.image.imread(path).shape
        assert max(height, width) < 2_000


def test_levels_that_are_alike_where_they_are_cut_stay_apart():
    texts = np.array(["a" * 99, "a" * 98, "a" * 99, "$b"], dtype=object)
    first, second, again, short = _plain_texts(texts)
    assert first == again != second
    assert short == r"\$b"
    assert len(second) < 70
