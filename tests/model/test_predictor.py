"""Blending, chunks, labels and the tables that a predictor takes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from automl.errors import ConfigError, DataError
from automl.features.matrix import Feature, Matrix
from automl.model import contributions
from automl.model import predictor as module
from automl.model.predictor import FoldBooster, Predictor, as_frame
from automl.task import Task

TASKS = list(Task)


class Doubled:
    """A recipe that adds twice the first feature, made from the columns of the first two."""

    def transform(self, matrix: Matrix) -> Matrix:
        origins = matrix.features[0].origins + matrix.features[1].origins
        return matrix.with_columns(matrix.values[:, :1] * 2, (Feature("twice", origins),))

    def to_json(self) -> dict:
        return {"recipe": "doubled"}


@pytest.fixture
def with_recipe(make_predictor):
    """The first booster of each member uses one shared recipe."""
    predictor: Predictor = make_predictor()
    recipe = Doubled()
    members = []
    for member in predictor.members:
        first = member.boosters[0].booster
        first.slopes = np.column_stack([first.slopes, [[0.02]]])
        boosters = (FoldBooster(first, recipe), *member.boosters[1:])
        members.append(module.Member(**{**vars(member), "boosters": boosters}))
    predictor.members = tuple(members)
    return predictor


@pytest.mark.parametrize("task", TASKS)
def test_margin_is_the_weighted_sum_of_member_means(make_predictor, people, task):
    predictor = make_predictor(task)
    matrix = predictor.matrix(people)
    assert matrix.values.dtype == np.float64
    single = [[b.booster.margin(matrix) for b in m.boosters] for m in predictor.members]
    wanted = 0.75 * (single[0][0] + single[0][1]) / 2 + 0.25 * single[1][0]
    np.testing.assert_allclose(predictor.margin(people), wanted, rtol=1e-12)
    assert predictor.margin(people).shape == (40, predictor.n_outputs)


@pytest.mark.parametrize("size", [1, 7, 39, 40, 1000])
def test_chunks_give_the_same_bits(make_predictor, people, monkeypatch, size):
    predictor = make_predictor(Task.MULTICLASS)
    whole, explained = predictor.margin(people), predictor.explain(people)
    for place in (module, contributions):
        monkeypatch.setattr(place, "CHUNK", size)
    assert np.array_equal(predictor.margin(people), whole)
    assert np.array_equal(predictor.explain(people).values, explained.values)
    parts = [predictor.margin(people.iloc[i : i + size]) for i in range(0, 40, size)]
    assert np.array_equal(np.vstack(parts), whole)


def test_recipe_is_applied_once_and_its_features_are_explained(with_recipe, people, monkeypatch):
    calls = []
    monkeypatch.setattr(
        Doubled, "transform", lambda s, m, f=Doubled.transform: calls.append(1) or f(s, m)
    )
    explanation = with_recipe.explain(people)
    assert explanation.additivity_error < 1e-12
    calls.clear()
    with_recipe.margin(people)
    assert len(calls) == 1


def test_a_feature_of_two_columns_is_split_equally(with_recipe, people):
    matrix = with_recipe.matrix(people)
    plain, _ = with_recipe.contributions_of(matrix)
    for member in with_recipe.members:
        member.boosters[0].booster.slopes[0, -1] += 1.0
    moved, _ = with_recipe.contributions_of(matrix)
    share = 0.75 / 2 + 0.25  # of the boosters that use the recipe
    added = np.nan_to_num(matrix.values[:, 0]) * 2 * share
    origins = {*matrix.features[0].origins, *matrix.features[1].origins}
    assert len(origins) == 2
    wanted = np.zeros((40, 3))
    for origin in origins:
        wanted[:, with_recipe.schema.used.index(origin)] = added / 2
    np.testing.assert_allclose((moved - plain)[:, :, 0], wanted, atol=1e-9)


def test_labels_use_the_threshold_and_it_is_inclusive(make_predictor):
    proba = np.array([[0.7, 0.3], [0.5, 0.5], [0.2, 0.8]])
    assert list(make_predictor().labels(proba)) == ["no", "yes", "yes"]
    assert list(make_predictor(threshold=0.3).labels(proba)) == ["yes", "yes", "yes"]
    assert list(make_predictor(threshold=0.6).labels(proba)) == ["no", "no", "yes"]


def test_labels_of_several_classes_take_the_first_of_equals(make_predictor):
    proba = np.array([[0.2, 0.4, 0.4], [0.5, 0.3, 0.2]])
    labels = make_predictor(Task.MULTICLASS).labels(proba)
    assert list(labels) == ["mid", "low"]
    assert labels.dtype == object


def test_predictions_by_task(make_predictor, people):
    binary, multi = make_predictor(), make_predictor(Task.MULTICLASS)
    regression = make_predictor(Task.REGRESSION)
    for predictor in (binary, multi):
        proba = predictor.predict_proba(people)
        assert proba.shape == (40, len(predictor.classes))
        np.testing.assert_allclose(proba.sum(axis=1), 1.0)
        assert list(predictor.predict(people)) == list(predictor.labels(proba))
    assert np.array_equal(regression.predict(people), regression.margin(people)[:, 0])
    assert (binary.positive, multi.positive, regression.positive) == ("yes", None, None)
    with pytest.raises(ConfigError, match="regression and has no probabilities"):
        regression.predict_proba(people)


def test_rows_as_dicts_in_any_order_with_other_columns(make_predictor, people):
    predictor = make_predictor()
    rows = [
        {"more": 1, **{name: row[name] for name in reversed(people.columns)}}
        for row in people.to_dict("records")
    ]
    assert np.array_equal(predictor.margin(rows), predictor.margin(people))
    assert predictor.columns == ("age", "city", "income [€]")


def test_no_rows_give_no_predictions(make_predictor, people):
    for task in TASKS:
        predictor = make_predictor(task)
        none = people.iloc[:0]
        assert predictor.margin(none).shape == (0, predictor.n_outputs)
        assert len(predictor.predict(none)) == 0
        assert predictor.explain(none).values.shape[:2] == (0, 3)


def test_what_is_no_table_is_named(make_predictor, people):
    predictor = make_predictor()
    with pytest.raises(DataError, match="ndarray is not a table"):
        predictor.margin(np.zeros((2, 3)))
    with pytest.raises(DataError, match="str is not a table"):
        predictor.margin("data.csv")
    with pytest.raises(DataError, match="Row 2 is a list"):
        predictor.margin([{"age": 1}, [1, 2]])
    with pytest.raises(DataError, match="income"):
        predictor.margin(people[["age", "city"]])
    with pytest.raises(DataError, match="original cells"):
        predictor.explain(predictor.parse(people))


def test_lenient_and_strict_modes_reach_the_parser(make_predictor, people):
    predictor = make_predictor()
    parsed = predictor.parse(people[["age", "city"]], mode="lenient")
    assert predictor.margin(parsed).shape == (40, 1)
    with pytest.raises(DataError, match="Zz"):
        predictor.parse(people, mode="strict")


def test_column_names_that_are_numbers_become_text():
    frame = as_frame(pd.DataFrame({1: [1.0], "b": [2.0]}))
    assert list(frame.columns) == ["1", "b"]
