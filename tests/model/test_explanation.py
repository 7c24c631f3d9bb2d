"""Explanations: additivity, reasons, global importance, and shap's own object."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.model.explain import Explanation, cell_texts, rank_correlation
from automl.task import Task


@pytest.mark.parametrize("task", list(Task))
def test_contributions_add_up_to_the_margin(make_predictor, people, task):
    predictor = make_predictor(task)
    explanation = predictor.explain(people)
    shape = (40, 3, 3) if task is Task.MULTICLASS else (40, 3)
    assert explanation.values.shape == shape
    assert explanation.base_values.shape == explanation.margin.shape
    assert explanation.additivity_error < 1e-12
    assert np.array_equal(explanation.margin.reshape(40, -1), predictor.margin(people))
    assert explanation.columns == ("age", "city", "income [€]")
    assert list(explanation.data.columns) == list(explanation.columns)


def test_additivity_error_sees_a_gap(make_predictor, people):
    good = make_predictor().explain(people)
    bad = Explanation(**{**vars(good), "base_values": good.base_values + 0.5})
    assert bad.additivity_error > 0.001


def test_reasons_are_sorted_by_size_and_name_the_cell(make_predictor, people):
    explanation = make_predictor().explain(people)
    reasons = explanation.top(2)
    sizes = np.abs(reasons.contributions)
    assert (sizes[:, 0] >= sizes[:, 1]).all()
    for row in range(40):
        column = reasons.columns[row, 0]
        j = explanation.columns.index(column)
        assert reasons.contributions[row, 0] == explanation.values[row, j]
        assert reasons.values[row, 0] == explanation.texts[row, j]
    assert list(reasons.to_frame().columns) == [
        "reason_1", "reason_1_value", "reason_1_contribution",
        "reason_2", "reason_2_value", "reason_2_contribution",
    ]  # fmt: skip


def test_more_reasons_than_columns_are_cut(make_predictor, people):
    explanation = make_predictor().explain(people)
    assert explanation.top(99).columns.shape == (40, 3)
    assert explanation.top(0).to_frame().shape == (40, 0)


def test_reasons_of_several_classes_are_for_the_predicted_one(make_predictor, people):
    predictor = make_predictor(Task.MULTICLASS)
    explanation = predictor.explain(people)
    labels = predictor.predict(people)
    reasons = explanation.top(1)
    for row in range(40):
        k = predictor.classes.index(labels[row])
        assert abs(reasons.contributions[row, 0]) == np.abs(explanation.values[row, :, k]).max()


def test_importance_knows_size_and_direction(make_predictor, people):
    predictor = make_predictor(Task.REGRESSION)
    booster_of = [b.booster for m in predictor.members for b in m.boosters]
    names = [f.origins for f in predictor.preprocessor.features]
    for booster in booster_of:
        booster.slopes[:] = 0.0
        booster.slopes[0, names.index((1,))] = -2.0  # age lowers
        booster.slopes[0, names.index((3,))] = 1.0  # income raises
    explanation = predictor.explain(people)
    importance = explanation.global_importance()
    table = importance.table().set_index("column")
    assert list(table.index) == ["income [€]", "age", "city"]
    assert table.loc["age", "direction"] == -1.0
    assert table.loc["income [€]", "direction"] == 1.0
    assert np.isnan(table.loc["city", "direction"])
    assert table.loc["income [€]", "importance"] == pytest.approx(people["income [€]"].mean())
    assert table["share"].sum() == pytest.approx(1.0)
    data = json.loads(json.dumps(importance.to_json(), allow_nan=False))
    assert data["columns"][0]["column"] == "income [€]"
    assert data["columns"][2]["by_output"][0]["direction"] is None


def test_importance_of_several_classes_adds_up(make_predictor, people):
    explanation = make_predictor(Task.MULTICLASS).explain(people)
    importance = explanation.global_importance()
    assert importance.mean_abs.shape == (3, 3)
    np.testing.assert_allclose(importance.total, np.abs(explanation.values).mean(0).sum(1))
    assert importance.outputs == ("low", "mid", "high")
    assert "importance_mid" in importance.table().columns


@given(
    st.lists(
        st.tuples(st.one_of(st.integers(-5, 5), st.just(np.nan)), st.integers(-5, 5)),
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None)
def test_rank_correlation_is_that_of_pandas(pairs):
    x = np.array([float(a) for a, _ in pairs])
    y = np.array([float(b) for _, b in pairs]).reshape(-1, 1)
    present = ~np.isnan(x)
    found = rank_correlation(x, y)[0]
    a, b = pd.Series(x[present]).rank(), pd.Series(y[present, 0]).rank()
    if len(a) < 2 or a.nunique() < 2 or b.nunique() < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(a.corr(b), abs=1e-9)


def test_cells_as_text():
    days = pd.to_datetime(pd.Series(["2024-02-29", "2024-02-29 10:30", None]), format="ISO8601")
    assert list(cell_texts(days)) == ["2024-02-29", "2024-02-29T10:30:00", ""]
    mixed = pd.Series([3.0, 2.5, None, 1e300, "007", True, float("inf")], dtype=object)
    assert list(cell_texts(mixed)) == ["3", "2.5", "", "1e+300", "007", "True", "inf"]


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS])
def test_the_same_as_an_object_of_shap(make_predictor, people, task):
    pytest.importorskip("shap")
    explanation = make_predictor(task).explain(people)
    theirs = explanation.to_shap()
    assert np.array_equal(theirs.values, explanation.values)
    assert np.array_equal(theirs.base_values, explanation.base_values)
    assert list(theirs.feature_names) == list(explanation.columns)
    assert theirs.data[5, 1] == "(missing)"
    assert theirs.data[0, 0] == people["age"][0]
