"""Tests of automl.data.target."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.target import infer_target
from automl.errors import ConfigError, DataError
from automl.task import Task

CLASSES = frozenset((Task.BINARY, Task.MULTICLASS))
VALUES = frozenset((Task.REGRESSION,))


def infer(values, **options):
    return infer_target(pd.Series(values), name="y", **options)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([0, 1] * 10, ("0", "1")),
        ([1.0, -1.0] * 10, ("-1", "1")),
        (["1.0", "2.0"] * 10, ("1.0", "2.0")),
        (["no", "yes"] * 10, ("no", "yes")),
        (["Yes", "no"] * 10, ("no", "Yes")),
        (["true", "unknown"] * 10, ("unknown", "true")),
        (["good", "bad"] * 10, ("bad", "good")),
        ([True, False] * 10, ("False", "True")),
        (pd.Series([True, None, False] * 5, dtype="boolean"), ("False", "True")),
        (pd.Categorical(["b", "a"] * 10), ("a", "b")),
        ([" a", "a ", "b"] * 5, ("a", "b")),
    ],
)
def test_binary(values, classes):
    target = infer(values)
    assert target.task is Task.BINARY
    assert target.classes == classes
    assert target.positive == classes[1]
    assert repr(classes[1]) in target.reason


def test_y_holds_class_indices_of_the_kept_rows():
    target = infer(["b", None, "a", "c"] * 5)
    assert target.classes == ("a", "b", "c")
    assert target.n_missing == 5
    assert target.kept.tolist() == [True, False, True, True] * 5
    assert target.y.tolist() == [1, 0, 2] * 5
    assert target.y.dtype == np.float64


def test_two_spellings_of_a_number_are_one_label():
    target = infer(["1", "0", "1.0"] * 9)
    assert target.classes == ("0", "1")
    assert target.y.tolist() == [1, 0, 1] * 9


def test_numbers_as_labels_are_ordered_as_numbers():
    target = infer([2, 10, 9] * 10)
    assert target.task is Task.MULTICLASS
    assert target.classes == ("2", "9", "10")
    assert target.y.tolist() == [0, 2, 1] * 10


@pytest.mark.parametrize(
    "values",
    [
        [0, 1, 2] * 20,
        np.repeat(range(3, 10), [20, 163, 1457, 2198, 880, 175, 5]),
        [-1, 0, 1] * 30,
        np.tile(range(1, 11), 50),
        [200, 404, 500] * 50,
        ["007", "008", "009"] * 9,
        ["small", "medium", "large"] * 9,
    ],
)
def test_multiclass(values):
    assert infer(values).task is Task.MULTICLASS


@pytest.mark.parametrize(
    "values",
    [
        np.arange(100),
        [0.5, 1.0, 2.5] * 20,
        np.repeat(range(9), [5000, 2500, 1200, 600, 300, 150, 70, 30, 9]),
        np.repeat(range(5), [9000, 900, 90, 9, 1]),
        ["$1,200", "$300", "$450"] * 20,
        ["1,5", "2,5", "3,25"] * 20,
        [100, 250, 990, 1999, 2999, 4999, 9999] * 20,
    ],
)
def test_regression(values):
    target = infer(values)
    assert target.task is Task.REGRESSION
    assert target.classes == ()
    assert target.positive is None


def test_text_numbers_become_values_and_markers_missing():
    target = infer(["1.234,5", "7,25", "0,5", "-"] * 10)
    assert target.y.tolist() == [1234.5, 7.25, 0.5] * 10
    assert target.n_missing == 10
    assert "'-'" in target.notes[0]


def test_labels_that_differ_in_case_are_noted():
    assert "differ only in case" in infer(["A", "a", "b"] * 5).notes[0]


def test_metric_narrows_the_task():
    counts = np.arange(30).repeat(4)
    assert infer(counts).task is Task.REGRESSION
    assert infer(counts, metric_tasks=CLASSES, metric_name="log_loss").task is Task.MULTICLASS
    assert infer([0, 1] * 9, metric_tasks=VALUES, metric_name="rmse").task is Task.REGRESSION
    assert infer([0, 1] * 9, metric_tasks=CLASSES).task is Task.BINARY
    assert infer([1, 2, 3] * 9, metric_tasks=VALUES).y.tolist() == [1, 2, 3] * 9


@pytest.mark.parametrize(
    ("values", "options", "match"),
    [
        (["a", "b"] * 9, {"metric_tasks": VALUES, "metric_name": "rmse"}, "'rmse' is for regr"),
        (["a", "b", "c"] * 9, {"metric_tasks": {Task.BINARY}}, "3 text labels"),
        (np.linspace(0, 1, 50), {"metric_tasks": CLASSES}, "50 distinct numbers"),
        ([0, 1] * 9, {"metric_tasks": VALUES, "task": Task.BINARY}, "task asked for is binary"),
    ],
)
def test_conflicts(values, options, match):
    with pytest.raises(ConfigError, match=match):
        infer(values, **options)


@pytest.mark.parametrize(
    ("values", "options", "match"),
    [
        ([None] * 20, {}, "missing in every row"),
        (["x"] * 20, {}, "constant: 'x'"),
        (["1", "1.0"] * 20, {}, "constant"),
        ([0, 1, 0, 1, 1], {}, "Only 5 rows"),
        (["a"] * 19 + ["b"], {}, "Fewer than two classes"),
        ([f"name {i}" for i in range(1200)], {}, "1,200 classes"),
        ([1.5, np.inf] + [2.5] * 20, {}, "infinite in row 2"),
        (["1.5", "-inf", "2.5", *map(str, range(20))], {}, "infinite in row 2"),
        ([*map(str, range(90)), "abc"], {}, "'abc' in row 91"),
        (["a", "b"] * 9, {"task": Task.REGRESSION}, "'a' in row 1, but regression"),
        (["1", "2", "x"] * 9, {"task": Task.REGRESSION}, "'x' in row 3"),
        ([1, 2, 3] * 9, {"task": Task.BINARY}, "has 3"),
        (pd.date_range("2020-01-01", periods=20), {}, "holds dates"),
    ],
)
def test_unusable_targets(values, options, match):
    with pytest.raises(DataError, match=match):
        infer(values, **options)


def test_forced_task_wins():
    assert infer([1, 2, 3] * 9, task=Task.REGRESSION).task is Task.REGRESSION
    assert infer([0.5, 1.5] * 9, task=Task.MULTICLASS).classes == ("0.5", "1.5")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(st.none(), st.sampled_from(["a", "b", "c ", "d"])), min_size=10, max_size=40
    )
)
def test_labels_come_back(labels):
    try:
        target = infer(pd.Series(labels, dtype="str"), task=Task.MULTICLASS)
    except DataError:
        present = [label for label in labels if label is not None]
        counts = pd.Series(present, dtype="str").value_counts()
        assert len(present) < 10 or (counts >= 2).sum() < 2
        return
    back = [target.classes[int(i)] for i in target.y]
    assert back == [label.strip() for label in labels if label is not None]
    assert target.n_missing == labels.count(None)
