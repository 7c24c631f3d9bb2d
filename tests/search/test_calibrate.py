"""Calibration by cross-fitted evidence, and what a bag of models gains over one."""

from __future__ import annotations

import numpy as np
import pytest

from automl.data.splits import Split
from automl.metrics._calibration import calibration_error
from automl.metrics._lookup import get_metric
from automl.model.link import Link
from automl.search.calibrate import bag_line, calibrated, fitted_line
from automl.search.scoring import Scorer
from automl.task import Task


def expit(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def scorer_of(y: np.ndarray, task: Task = Task.BINARY, folds: int = 5) -> Scorer:
    place = np.arange(len(y)) % folds
    splits = [Split(np.flatnonzero(place != k), np.flatnonzero(place == k), 0) for k in range(5)]
    if folds == 1:
        splits = [Split(np.flatnonzero(place < 0), np.arange(len(y)), 0)]
    link = Link("logit" if task is Task.BINARY else "softmax")
    return Scorer(get_metric("log_loss"), task, link, y, None, splits)


def drawn(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1) margins and labels that follow their probabilities."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.0, 1.5, (n, 1))
    return margin, (rng.random(n) < expit(margin[:, 0])).astype(np.float64)


def test_calibrated_margins_stay_as_they_are() -> None:
    untouched = 0
    for seed in range(20):
        margin, y = drawn(1000, seed)
        link, found = calibrated(Link("logit"), scorer_of(y), margin, 0)
        assert found is not None
        assert (found.method == "none") == (link == Link("logit"))
        untouched += found.method == "none"
    assert untouched >= 16  # each of three lines may pass by chance now and then


@pytest.mark.parametrize(
    ("bend", "methods"),
    [
        (lambda m: 1.6 * m, {"temperature", "platt"}),
        (lambda m: m - 0.5, {"shift", "platt"}),
        (lambda m: 1.5 * m + 0.6, {"platt"}),
        (lambda m: np.where(m > -1, 2.5 * m + 1.5, m), {"isotonic"}),
    ],
    ids=["temperature", "shift", "platt", "isotonic"],
)
@pytest.mark.parametrize("folds", [5, 1])
def test_each_distortion_finds_its_calibrator(bend, methods, folds) -> None:
    margin, y = drawn(12_000)
    bent = bend(margin)
    link, found = calibrated(Link("logit"), scorer_of(y, folds=folds), bent, 0)
    assert found is not None
    assert found.method in methods
    assert found.after.log_loss < found.before.log_loss
    assert found.after.ece < 0.5 * found.before.ece
    # The order of rows stays, and the probabilities come back.
    after = link.probabilities(bent)[:, 1]
    assert np.array_equal(np.argsort(after, kind="stable"), np.argsort(bent[:, 0], kind="stable"))
    assert np.abs(after - expit(margin[:, 0])).mean() < 0.02


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_several_classes_have_a_temperature_only(factor: float) -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(scale=1.5, size=(3000, 4))
    proba = Link("softmax").probabilities(margin)
    y = (rng.random(3000)[:, None] > proba.cumsum(axis=1)).sum(axis=1).astype(np.float64)
    link, found = calibrated(
        Link("softmax"), scorer_of(y, Task.MULTICLASS), margin * factor + 2.0, 0
    )
    assert found is not None
    assert set(found.tried) == {"none", "temperature"}
    assert link.temperature == pytest.approx(factor, rel=0.1)


def test_the_judged_calibrator_never_saw_the_row() -> None:
    # Labels of pure noise: whatever is fitted to them gains on its own rows, and on no others.
    rng = np.random.default_rng(3)
    y = (rng.random(1500) < 0.5).astype(np.float64)
    margin = rng.normal(scale=0.02, size=(1500, 1))
    _, found = calibrated(Link("logit"), scorer_of(y), margin, 0)
    assert found is not None
    assert found.method != "isotonic"
    assert found.tried["isotonic"] > found.tried["none"]


def test_few_rows_and_numbers_are_left_alone() -> None:
    margin, y = drawn(40)
    assert calibrated(Link("logit"), scorer_of(y), margin, 0) == (Link("logit"), None)
    numbers = Scorer(
        get_metric("rmse"), Task.REGRESSION, Link("identity"), y, None, scorer_of(y).splits
    )
    assert calibrated(Link("identity"), numbers, margin, 0) == (Link("identity"), None)


def test_one_class_perfectly_told_apart_has_a_finite_line() -> None:
    y = (np.arange(200) % 2).astype(np.float64)
    margin = (20.0 * y - 10.0)[:, None]
    slope, shift = fitted_line(margin, y[:, None], np.ones(200), slope=True, shift=True)
    assert np.isfinite([slope, shift]).all()
    link, _ = calibrated(Link("logit"), scorer_of(y), margin, 0)
    assert np.isfinite(link.probabilities(margin)).all()


@pytest.mark.parametrize(("n_models", "rare"), [(5, 0.0), (15, -3.0)])
def test_line_of_a_bag_is_that_of_its_labels(n_models: int, rare: float) -> None:
    # The truth follows the mean of the models; each model adds noise of its own.
    rng = np.random.default_rng(1)
    n, repeats = 60_000, n_models // 5
    models = rng.normal(rare, 2.0, (1, n, 1)) + rng.normal(scale=0.7, size=(n_models, n, 1))
    bag = models.mean(axis=0)
    place = np.arange(n) % 5
    unseen = np.stack([place == k % 5 for k in range(n_models)])
    out = (models * unseen[:, :, None]).sum(axis=0) / repeats
    y = rng.random(n) < expit(bag[:, 0])
    everything = np.ones(n)
    truth = y[:, None].astype(np.float64)
    link = Link("logit").stretched(*fitted_line(out, truth, everything, slope=True, shift=True))
    slope, shift = bag_line(link, out, models, unseen)
    shipped = link.stretched(slope, shift)
    # By labels, the bag needs slope 1 and no intercept.
    assert 1.0 / shipped.temperature == pytest.approx(1.0, abs=0.04)
    assert shipped.intercept == pytest.approx(0.0, abs=0.12)
    assert 1.0 / link.temperature < (0.94 if n_models == 5 else 0.98)


def test_models_that_agree_need_no_other_line() -> None:
    margin, _ = drawn(300)
    unseen = np.stack([np.arange(300) % 5 == k for k in range(5)])
    same = np.repeat(margin[None], 5, axis=0)
    assert bag_line(Link("logit"), margin, same, unseen) == (1.0, 0.0)
    alone = np.ones((1, 300), dtype=bool)
    assert bag_line(Link("logit"), margin, same[:1], alone) == (1.0, 0.0)


def test_calibration_error_is_the_mean_gap_of_equal_bins() -> None:
    proba = np.array([0.1, 0.1, 0.9, 0.9])
    y = np.array([0.0, 1.0, 1.0, 1.0])
    assert calibration_error(y, proba, bins=2) == pytest.approx(0.5 * 0.4 + 0.5 * 0.1)
    assert calibration_error(y, proba, np.array([1.0, 1, 2, 2]), bins=2) == pytest.approx(
        (0.8 + 0.4) / 6
    )
    top = np.array([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6]])
    assert calibration_error(np.array([0.0, 1.0]), top, bins=15) == pytest.approx((0.3 + 0.6) / 2)
