"""Every metric against scikit-learn, and the names by which metrics are found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import ConfigError, DataError
from automl.metrics._confusion import confusion_matrix, per_class
from automl.metrics._evaluate import evaluate_all
from automl.metrics._lookup import (
    check_target,
    default_metric,
    get_metric,
    metric_names,
    metrics_for,
)
from automl.metrics._quantiles import levels_of, suited
from automl.metrics.base import Floats, Metric
from automl.task import Objective, Task

Score = Callable[..., float]
ALL = [get_metric(name) for name in metric_names()]
many = settings(deadline=None, max_examples=30)


def _brier_multiclass(y: Floats, p: Floats, sample_weight: Floats | None) -> float:
    hot = np.eye(p.shape[1])[y.astype(int)]
    return float(np.average(((p - hot) ** 2).sum(axis=1), weights=sample_weight))


def _macro_ap(y: Floats, p: Floats, sample_weight: Floats | None) -> float:
    hot = np.eye(p.shape[1])[y.astype(int)]
    return float(oracle.average_precision_score(hot, p, sample_weight=sample_weight))


def _macro_auc(y: Floats, p: Floats, sample_weight: Floats | None) -> float:
    hot = np.eye(p.shape[1])[y.astype(int)]
    return float(oracle.roc_auc_score(hot, p, sample_weight=sample_weight, average="macro"))


def _averaged(fn: Score, average: str) -> Score:
    return lambda y, p, sample_weight: fn(
        y, p, average=average, sample_weight=sample_weight, zero_division=0.0
    )


PROBA: dict[str, tuple[Score, Score]] = {
    "roc_auc": (oracle.roc_auc_score, _macro_auc),
    "average_precision": (oracle.average_precision_score, _macro_ap),
    "log_loss": (oracle.log_loss, oracle.log_loss),
    "brier": (oracle.brier_score_loss, _brier_multiclass),
}
LABEL: dict[str, Score] = {
    "accuracy": oracle.accuracy_score,
    "balanced_accuracy": oracle.balanced_accuracy_score,
    "f1": _averaged(oracle.f1_score, "binary"),
    "f1_macro": _averaged(oracle.f1_score, "macro"),
    "f1_weighted": _averaged(oracle.f1_score, "weighted"),
    "precision": _averaged(oracle.precision_score, "binary"),
    "recall": _averaged(oracle.recall_score, "binary"),
    "precision_macro": _averaged(oracle.precision_score, "macro"),
    "recall_macro": _averaged(oracle.recall_score, "macro"),
    "mcc": oracle.matthews_corrcoef,
    "cohen_kappa": oracle.cohen_kappa_score,
}
VALUE: dict[str, Score] = {
    "rmse": oracle.root_mean_squared_error,
    "mse": oracle.mean_squared_error,
    "mae": oracle.mean_absolute_error,
    "median_ae": oracle.median_absolute_error,
    "mape": oracle.mean_absolute_percentage_error,
    "r2": oracle.r2_score,
    "rmsle": oracle.root_mean_squared_log_error,
    "quantile": oracle.mean_pinball_loss,
    "quantile@0.9": lambda y, p, **kw: oracle.mean_pinball_loss(y, p, alpha=0.9, **kw),
}


def _weights(rng: np.random.Generator, n: int, kind: str) -> Floats | None:
    if kind == "none":
        return None
    return rng.integers(1, 4, n).astype(float) if kind == "counts" else rng.uniform(0.1, 3.0, n)


def _classes(rng: np.random.Generator, n: int, k: int) -> Floats:
    """(n,) class indices with every class present twice."""
    return rng.permutation(
        np.concatenate([np.tile(np.arange(k), 2), rng.integers(0, k, n - 2 * k)])
    ).astype(float)


weighting = st.sampled_from(["none", "counts", "shares"])
seeds = st.integers(0, 10**6)


def test_the_oracles_cover_every_metric() -> None:
    own = {"smape", "max_error"}  # scikit-learn has no smape and no weighted max_error
    assert set(metric_names()) - own == (PROBA.keys() | LABEL.keys() | VALUE.keys()) - {
        "quantile@0.9"
    }


@many
@given(seed=seeds, n=st.integers(8, 60), weighted=weighting, name=st.sampled_from(list(PROBA)))
def test_binary_probabilities_score_as_in_sklearn(
    seed: int, n: int, weighted: str, name: str
) -> None:
    rng = np.random.default_rng(seed)
    y, weight = _classes(rng, n, 2), _weights(rng, n, weighted)
    proba = rng.integers(0, 8, n) / 7.0  # many ties, 0 and 1 included
    expected = PROBA[name][0](y, proba, sample_weight=weight)
    assert get_metric(name).score(y, proba, weight) == pytest.approx(expected, rel=1e-9)


@many
@given(
    seed=seeds,
    k=st.integers(3, 6),
    weighted=weighting,
    name=st.sampled_from(list(PROBA)),
)
def test_multiclass_probabilities_score_as_in_sklearn(
    seed: int, k: int, weighted: str, name: str
) -> None:
    rng = np.random.default_rng(seed)
    y, weight = _classes(rng, 50, k), _weights(rng, 50, weighted)
    raw = rng.integers(0, 4, (50, k)) + 0.25
    proba = raw / raw.sum(axis=1, keepdims=True)
    expected = PROBA[name][1](y, proba, sample_weight=weight)
    assert get_metric(name).score(y, proba, weight) == pytest.approx(expected, rel=1e-9)


@many
@given(
    seed=seeds,
    n=st.integers(12, 60),
    k=st.integers(2, 5),
    weighted=weighting,
    name=st.sampled_from(list(LABEL)),
)
def test_labels_score_as_in_sklearn(seed: int, n: int, k: int, weighted: str, name: str) -> None:
    metric = get_metric(name)
    k = k if Task.MULTICLASS in metric.tasks else 2
    rng = np.random.default_rng(seed)
    y, labels = _classes(rng, n, k), _classes(rng, n, k)
    weight = _weights(rng, n, weighted)
    expected = LABEL[name](y, labels, sample_weight=weight)
    assert metric.score(y, labels, weight) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@many
@given(
    seed=seeds,
    n=st.integers(2, 60),
    weighted=weighting,
    name=st.sampled_from([name for name in VALUE if name != "median_ae"]),
)
def test_values_score_as_in_sklearn(seed: int, n: int, weighted: str, name: str) -> None:
    rng = np.random.default_rng(seed)
    y = np.round(rng.gamma(1.0, 10.0, n), 0)
    value = np.round(np.abs(y + rng.normal(0.0, 5.0, n)), 0)
    weight = _weights(rng, n, weighted)
    expected = VALUE[name](y, value, sample_weight=weight)
    assert get_metric(name).score(y, value, weight) == pytest.approx(expected, rel=1e-9)


@many
@given(seed=seeds, n=st.integers(1, 40), repeated=st.booleans())
def test_the_median_error_counts_a_row_as_often_as_its_weight(
    seed: int, n: int, repeated: bool
) -> None:
    rng = np.random.default_rng(seed)
    y, value = rng.normal(size=n), np.round(rng.normal(size=n), 1)
    counts = rng.integers(1, 4, n) if repeated else np.ones(n, dtype=int)
    expected = oracle.median_absolute_error(np.repeat(y, counts), np.repeat(value, counts))
    metric = get_metric("median_ae")
    assert metric.score(y, value, counts.astype(float)) == pytest.approx(expected)
    assert metric.score(np.repeat(y, counts), np.repeat(value, counts)) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
@pytest.mark.parametrize("weighted", ["none", "shares"])
def test_a_perfect_prediction_is_best_and_a_random_one_is_worse(
    metric: Metric, weighted: str
) -> None:
    rng = np.random.default_rng(3)
    weight = _weights(rng, 60, weighted)
    for task in metric.tasks:
        y = rng.gamma(2.0, 3.0, 60) if task is Task.REGRESSION else _classes(rng, 60, 2)
        perfect, wrong = y, rng.permutation(y)
        if task is Task.MULTICLASS:
            y = _classes(rng, 60, 4)
            perfect, wrong = (y, rng.permutation(y))
            if metric.needs == "proba":
                perfect, wrong = np.eye(4)[y.astype(int)], np.eye(4)[wrong.astype(int)]
        best, worse = metric.score(y, perfect, weight), metric.score(y, wrong, weight)
        assert best == pytest.approx(metric.best, abs=1e-9)
        assert metric.better(best, worse)
        assert not metric.better(worse, best)
        assert metric.loss(best) < metric.loss(worse)


def test_one_class_alone_has_no_ranking_score() -> None:
    y, proba = np.zeros(5), np.linspace(0.0, 1.0, 5)
    for weight in (None, np.ones(5)):
        assert np.isnan(get_metric("roc_auc").score(y, proba, weight))
        assert np.isnan(get_metric("average_precision").score(y, proba, weight))
        assert np.isnan(get_metric("cohen_kappa").score(y, y, weight))


def test_an_absent_class_does_not_enter_the_macro_scores() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    proba = np.array([[0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1]])
    expected = [oracle.roc_auc_score(y == c, proba[:, c]) for c in (0, 1)]
    assert get_metric("roc_auc").score(y, proba) == pytest.approx(np.mean(expected))


def test_certain_and_wrong_has_a_finite_log_loss() -> None:
    score = get_metric("log_loss").score(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert score == pytest.approx(-np.log(np.finfo(float).eps), rel=1e-6)


def test_smape_and_max_error_by_hand() -> None:
    y, value = np.array([0.0, 2.0, 4.0]), np.array([0.0, 6.0, 4.0])
    assert get_metric("smape").score(y, value) == pytest.approx(1.0 / 3.0)
    assert get_metric("smape").score(y, value, np.array([1.0, 2.0, 1.0])) == pytest.approx(0.5)
    assert get_metric("max_error").score(y, value) == 4.0
    assert get_metric("max_error").score(y, value, np.array([1.0, 0.0, 1.0])) == 0.0


def test_rmsle_scores_negative_predictions_as_zero() -> None:
    y = np.array([0.0, 3.0])
    metric = get_metric("rmsle")
    assert metric.score(y, np.array([-7.0, 3.0])) == 0.0
    assert np.isnan(metric.score(np.array([-1.0, 3.0]), y))


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_facts_of_a_metric_fit_together(metric: Metric) -> None:
    assert metric.tasks == metric.objective.keys()
    assert metric.best == (1.0 if metric.higher_is_better else 0.0)
    assert (metric.needs == "value") == (metric.tasks == {Task.REGRESSION})
    assert metric.title
    for word in (metric.name, *metric.aliases):
        assert get_metric(word) is metric
        assert get_metric(f" {word.upper().replace('_', '-')} ") is metric


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        ("rmse", Objective.SQUARED),
        ("r2", Objective.SQUARED),
        ("mae", Objective.ABSOLUTE),
        ("median_ae", Objective.ABSOLUTE),
        ("mape", Objective.ABSOLUTE),
        ("rmsle", Objective.SQUARED),
        ("quantile", Objective.QUANTILE),
    ],
)
def test_a_metric_chooses_what_boosters_minimise(name: str, objective: Objective) -> None:
    metric = get_metric(name)
    assert metric.objective[Task.REGRESSION] is objective
    assert metric.relative == (name == "mape")
    assert metric.log_target == (name == "rmsle")


@pytest.mark.parametrize(
    ("word", "name"),
    [("auc", "roc_auc"), ("PR-AUC", "average_precision"), ("neg_mean_squared_error", "mse")],
)
def test_metrics_go_by_their_usual_names(word: str, name: str) -> None:
    assert get_metric(word).name == name


@pytest.mark.parametrize("word", ["quantile@0.9", "quantile:0.9", "pinball=0.9"])
def test_a_quantile_metric_carries_its_level(word: str) -> None:
    metric = get_metric(word)
    assert (metric.name, metric.quantile) == ("quantile@0.9", 0.9)
    assert get_metric(metric.name).name == metric.name


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("roc_acu", "Unknown metric 'roc_acu'.*'roc_auc'"),
        ("zzzz", "Unknown metric 'zzzz'.*Known: .*rmse"),
        ("rmse@0.9", "Unknown metric 'rmse@0.9'"),
        ("quantile@1.5", "level of metric 'quantile' is 1.5"),
        ("quantile@nan", "level of metric 'quantile' is nan"),
        ("quantile@high", "level 'high' of metric 'quantile@high' is not a number"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_a_suggestion(word: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        get_metric(word)


def test_default_metrics_and_the_metrics_of_a_task() -> None:
    names = {task: default_metric(task).name for task in Task}
    assert names == {
        Task.BINARY: "roc_auc",
        Task.MULTICLASS: "log_loss",
        Task.REGRESSION: "rmse",
    }
    assert "f1" in {metric.name for metric in metrics_for(Task.BINARY)}
    assert "f1" not in {metric.name for metric in metrics_for(Task.MULTICLASS)}
    assert {metric.needs for metric in metrics_for(Task.REGRESSION)} == {"value"}


def test_rmsle_refuses_a_negative_target() -> None:
    check_target(get_metric("rmse"), np.array([-2.0, 1.0]))
    check_target(get_metric("rmsle"), np.array([0.0, 1.0]))
    with pytest.raises(DataError, match="'rmsle' needs a target without negative.*-2"):
        check_target(get_metric("rmsle"), np.array([1.0, -2.0]))


def test_everything_at_once() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    proba = np.array([0.1, 0.3, 0.2, 0.9])
    scores = evaluate_all(Task.BINARY, y, proba, None, 0.15)
    assert scores["recall"] == 1.0
    assert scores["roc_auc"] == 0.75
    assert evaluate_all(Task.BINARY, y, proba)["recall"] == 0.5
    assert set(scores) == {metric.name for metric in metrics_for(Task.BINARY)}
    assert evaluate_all(Task.REGRESSION, y, y)["r2"] == 1.0
    wide = np.column_stack([1.0 - proba, proba, np.zeros(4)])
    assert evaluate_all(Task.MULTICLASS, y, wide)["accuracy"] == 0.75


def test_confusion_and_class_rows_by_hand() -> None:
    y, labels = np.array([0.0, 0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0, 1.0])
    matrix = confusion_matrix(y, labels, 4, np.array([1.0, 2.0, 3.0, 4.0]))
    assert matrix.tolist() == [[1, 2, 0, 0], [0, 3, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0]]
    zero, one, two, absent = per_class(matrix)
    assert (zero.precision, zero.recall, zero.support) == (1.0, pytest.approx(1 / 3), 3.0)
    assert (one.precision, one.recall, one.f1) == (pytest.approx(1 / 3), 1.0, 0.5)
    assert (two.precision, two.recall, two.f1) == (0.0, 0.0, 0.0)
    assert absent.support == 0.0


def test_metrics_do_not_import_scikit_learn() -> None:
    code = (
        "import sys; from automl.metrics._lookup import metric_names; metric_names(); "
        "print('sklearn' in sys.modules or 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_several_quantiles_are_the_mean_of_their_pinball_losses() -> None:
    rng = np.random.default_rng(0)
    y, values, weight = rng.normal(size=300), rng.normal(size=(300, 3)), rng.random(300)
    metric = get_metric("quantile@0.9, 0.1,0.5")
    assert metric.name == "quantile@0.1,0.5,0.9"
    assert metric.quantiles == (0.1, 0.5, 0.9)
    each = [
        oracle.mean_pinball_loss(y, values[:, j], alpha=level, sample_weight=weight)
        for j, level in enumerate(metric.quantiles)
    ]
    assert metric.score(y, values, weight) == pytest.approx(np.mean(each))
    assert metric.objective[Task.REGRESSION] is Objective.QUANTILE


def test_other_metrics_take_the_quantile_that_is_theirs() -> None:
    levels, values = (0.5, 0.9), np.array([[1.0, 2.0]])
    assert suited(get_metric("quantile@0.9"), values, levels) == [2.0]
    assert suited(get_metric("mae"), values, levels) == [1.0]
    assert suited(get_metric("quantile@0.5,0.9"), values, levels).shape == (1, 2)


@pytest.mark.parametrize("text", ["0.5,0.5", "0,0.5", "0.1,1.5", "0.1,", "0.12345678,0.5"])
def test_levels_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="level"):
        get_metric(f"quantile@{text}")


@pytest.mark.parametrize(
    "name", ["quantile@0.9,0.1", "quantile@nan,0.5", "quantile@0.1,x", "quantile@0.1,1"]
)
def test_names_of_a_bundle_are_not_believed(name: str) -> None:
    with pytest.raises(ValueError, match="level|convert"):
        levels_of(name)
