"""Thresholds under a limit on how far groups differ: the best within it, else the nearest."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from automl.data.groups import Groups
from automl.data.splits import Split
from automl.metrics._lookup import get_metric
from automl.metrics._threshold import best_threshold
from automl.model.link import Link
from automl.search.parity import Parity
from automl.search.scoring import Scorer
from automl.task import Task

Floats = NDArray[np.float64]


def biased(n: int = 4000, seed: int = 0) -> tuple[Floats, Floats, Groups]:
    """(y, probabilities, groups): group 1 is positive, and likely so, more often."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n)
    proba = rng.beta(2 + 2 * group, 4, n)
    y = (rng.random(n) < proba).astype(float)
    return y, proba, Groups("g", ("a", "b"), group.astype(np.int64))


def difference(groups: Groups, called: NDArray[np.bool_]) -> float:
    shares = [called[groups.codes == g].mean() for g in range(len(groups.labels))]
    return float(max(shares) - min(shares))


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "roc_auc"])
def test_the_threshold_keeps_to_the_limit(metric: str) -> None:
    y, proba, groups = biased()
    rows = np.arange(len(y))
    threshold, excess = Parity([groups], 0.1).threshold(get_metric(metric), rows, y, proba, None)
    assert difference(groups, proba >= 0.5) > 0.2
    assert excess == 0.0
    assert difference(groups, proba >= threshold) <= 0.1


def test_of_the_thresholds_within_the_limit_the_best_is_taken() -> None:
    y, proba, groups = biased(800)
    rows, accuracy = np.arange(len(y)), get_metric("accuracy")
    threshold, _ = Parity([groups], 0.1).threshold(accuracy, rows, y, proba, None)
    cuts = np.append(np.unique(proba), 0.5)
    allowed = [cut for cut in cuts if difference(groups, proba >= cut) <= 0.1]
    best = max(accuracy.score(y, (proba >= cut).astype(float)) for cut in allowed)
    assert accuracy.score(y, (proba >= threshold).astype(float)) == best


def test_without_need_the_threshold_is_the_usual_one() -> None:
    y, proba, groups = biased(800)
    rows, parity = np.arange(len(y)), Parity([groups], 0.99)
    for name in ("accuracy", "balanced_accuracy"):
        metric = get_metric(name)
        usual, score = best_threshold(metric, y, proba)
        found, _ = parity.threshold(metric, rows, y, proba, None)
        assert metric.score(y, (proba >= found).astype(float)) == score
        assert abs(found - usual) < 0.01
    assert parity.threshold(get_metric("log_loss"), rows, y, proba, None) == (0.5, 0.0)


def test_weights_count() -> None:
    y, proba, groups = biased()
    weight = np.random.default_rng(1).exponential(size=len(y))
    parity = Parity([groups], 0.1)
    shares = [
        np.average(proba[groups.codes == g] >= 0.5, weights=weight[groups.codes == g])
        for g in (0, 1)
    ]
    found = parity.difference(np.arange(len(y)), proba, 0.5, weight)
    assert found == pytest.approx(shares[1] - shares[0])


def test_where_nothing_keeps_to_the_limit_the_nearest_useful_is_taken() -> None:
    """Calling nobody positive would keep to every limit, and decide nothing."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 500)
    proba = np.where(group == 1, 0.9, 0.1) + rng.uniform(-0.01, 0.01, 1000)
    y = (rng.random(1000) < proba).astype(float)
    groups = Groups("g", ("a", "b"), group)
    accuracy = get_metric("accuracy")
    threshold, excess = Parity([groups], 0.05).threshold(accuracy, np.arange(1000), y, proba, None)
    called = proba >= threshold
    assert 0 < called.sum() < 1000
    assert excess > 0.0
    assert accuracy.score(y, called.astype(float)) > max(y.mean(), 1 - y.mean())
    assert excess == pytest.approx(difference(groups, called) - 0.05)


def test_rows_of_no_group_and_tiny_groups_do_not_count() -> None:
    y, proba, groups = biased()
    codes = groups.codes.copy()
    codes[:10] = 2
    codes[10:20] = -1
    tiny = Groups("g", ("a", "b", "tiny"), codes)
    proba[:20] = 1.0
    found = Parity([tiny], 0.1).difference(np.arange(len(y)), proba, 0.5, None)
    rest = np.arange(20, len(y))
    assert found == pytest.approx(difference(groups.at(rest), proba[rest] >= 0.5))


def test_a_scorer_prefers_candidates_within_the_limit() -> None:
    """The better candidate goes by the group, so that no threshold of its own is allowed."""
    rng = np.random.default_rng(0)
    n = 2000
    group = rng.integers(0, 2, n)
    other = rng.random(n)
    y = (rng.random(n) < 0.15 + 0.6 * group + 0.1 * (other > 0.5)).astype(float)
    by_group = np.where(group == 1, 3.0, -3.0)[:, None]
    by_other = 4.0 * (other - 0.5)[:, None]
    groups = Groups("g", ("a", "b"), group)
    parts = get_metric("accuracy"), Task.BINARY, Link("logit"), y, None
    split = Split(np.arange(0), np.arange(n))
    free = Scorer(*parts, [split])
    limited = Scorer(*parts, [split], parity=Parity([groups], 0.1))
    assert free.loss(by_group) < free.loss(by_other)
    assert limited.loss(by_other) < limited.loss(by_group)
    assert limited.without_parity().loss(by_group) == free.loss(by_group)
    assert limited.with_echoes().with_link(Link("logit")).parity is limited.parity
