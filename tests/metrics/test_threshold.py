"""The decision threshold against trying every cut one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.metrics._lookup import get_metric
from automl.metrics._threshold import best_threshold, labels_of, score_probabilities
from automl.metrics.base import Floats

TUNED = ["f1", "f1_macro", "f1_weighted", "accuracy", "balanced_accuracy", "mcc"]


def _sample(seed: int, n: int, *, coarse: bool) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    y = np.append([0.0, 1.0], rng.integers(0, 2, n - 2))
    proba = np.clip(rng.uniform(size=n) * 0.7 + y * 0.3, 0.0, 1.0)
    if coarse:
        proba = np.round(proba * 6) / 6
    return y, proba, rng.uniform(0.2, 3.0, n)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 40),
    coarse=st.booleans(),
    weighted=st.booleans(),
    name=st.sampled_from(TUNED),
)
def test_no_other_threshold_scores_better(
    seed: int, n: int, coarse: bool, weighted: bool, name: str
) -> None:
    y, proba, weight = _sample(seed, n, coarse=coarse)
    metric, weights = get_metric(name), weight if weighted else None
    threshold, score = best_threshold(metric, y, proba, weights)
    every = [*np.unique(proba), 2.0]
    best = max(metric.score(y, labels_of(proba, cut), weights) for cut in every)
    assert score == pytest.approx(best, abs=1e-12)
    assert score == metric.score(y, labels_of(proba, threshold), weights)
    assert 0.0 <= threshold <= np.nextafter(1.0, 2.0)


def test_the_threshold_lies_midway_and_near_one_half_among_equals() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    assert best_threshold(get_metric("f1"), y, np.array([0.1, 0.2, 0.3, 0.9])) == (0.25, 1.0)
    # Cuts at 0.25 and 0.65 are equally accurate.
    y, proba = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.4, 0.5, 0.8])
    threshold, score = best_threshold(get_metric("accuracy"), y, proba)
    assert (threshold, score) == (pytest.approx(0.65), 0.75)


def test_neighbours_without_room_between_them() -> None:
    low = 0.3
    high = np.nextafter(low, 1.0)
    y, proba = np.array([0.0, 1.0]), np.array([low, high])
    assert best_threshold(get_metric("accuracy"), y, proba) == (high, 1.0)


def test_certain_rows_can_still_be_called_negative() -> None:
    y, proba = np.array([0.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0])
    threshold, score = best_threshold(get_metric("accuracy"), y, proba)
    assert threshold > 1.0
    assert score == pytest.approx(2.0 / 3.0)


@pytest.mark.parametrize("name", ["precision", "recall", "precision_macro", "roc_auc", "log_loss"])
def test_metrics_without_a_meaningful_cut_keep_one_half(name: str) -> None:
    y, proba, weight = _sample(5, 40, coarse=False)
    metric = get_metric(name)
    expected = score_probabilities(metric, y, proba, weight, 0.5)
    assert best_threshold(metric, y, proba, weight) == (0.5, expected)


@pytest.mark.parametrize("higher", [True, False])
def test_a_label_metric_of_a_plug_in_is_tuned_on_a_grid(higher: bool) -> None:
    y, proba, weight = _sample(7, 300, coarse=False)
    accuracy = get_metric("accuracy")
    sign = 1.0 if higher else -1.0
    metric = replace(
        accuracy,
        name="mine",
        higher_is_better=higher,
        fn=lambda y, labels, weight: sign * accuracy.score(y, labels, weight),
    )
    threshold, score = best_threshold(metric, y, proba, weight)
    assert sign * score > accuracy.score(y, labels_of(proba, 0.2), weight)
    assert sign * score >= best_threshold(accuracy, y, proba, weight)[1] - 0.02
    assert 0.0 < threshold < 1.0


def test_labels_of_many_classes_are_the_likeliest() -> None:
    proba = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])
    assert labels_of(proba).tolist() == [1.0, 0.0]
    accuracy = get_metric("accuracy")
    assert score_probabilities(accuracy, np.array([1.0, 2.0]), proba) == 0.5
