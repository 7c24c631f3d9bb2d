"""Facts of the section Performance: they agree with scikit-learn and with plain counting."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_evidence import binary, made, multiclass, regression
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from automl.insight.evidence import Bounds, Evidence
from automl.insight.performance import MOST_ROWS, facts
from automl.insight.performance_classes import MOST_CLASSES
from automl.insight.reliability import reliability, wilson
from automl.metrics._interval import bootstrap_interval
from automl.metrics._lookup import get_metric
from automl.task import Task


def plain(evidence: Evidence, **options: Any) -> dict[str, Any]:
    """The facts as a file of JSON gives them back; no nan is in it."""
    found: dict[str, Any] = json.loads(json.dumps(facts(evidence, **options), allow_nan=False))
    return found


def weighted(evidence: Evidence, seed: int = 1) -> Evidence:
    weight = np.random.default_rng(seed).integers(0, 4, len(evidence.y)).astype(float)
    return replace(evidence, weight=weight)


@pytest.mark.parametrize("with_weight", [False, True])
def test_curves_are_those_of_scikit_learn(with_weight: bool) -> None:
    evidence = weighted(binary(3000)) if with_weight else binary(3000)
    y, proba, weight = evidence.y, evidence.prediction, evidence.weight
    found = plain(evidence)["binary"]
    false, true, _ = roc_curve(y, proba, sample_weight=weight, drop_intermediate=False)
    roc = found["roc"]
    assert len(roc["true_positives"]) <= 202
    ours = np.column_stack([roc["false_positives"], roc["true_positives"]])
    theirs = np.column_stack([false, true])
    away = np.abs(ours[:, None] - theirs[None]).max(axis=2).min(axis=1)
    assert away.max() < 1e-4
    area = np.trapezoid(roc["true_positives"], roc["false_positives"])
    assert area == pytest.approx(roc_auc_score(y, proba, sample_weight=weight), abs=2e-3)
    precision, recall, _ = precision_recall_curve(y, proba, sample_weight=weight)
    curve = found["precision_recall"]
    ours = np.column_stack([curve["recall"], curve["precision"]])
    away = np.abs(ours[:, None] - np.column_stack([recall, precision])[None])
    assert away.max(axis=2).min(axis=1).max() < 1e-4


@pytest.mark.parametrize("with_weight", [False, True])
def test_counts_at_every_threshold_are_those_of_the_labels(with_weight: bool) -> None:
    evidence = binary(1500, threshold=0.2871234)
    # Few distinct probabilities: thresholds fall onto them.
    evidence = replace(evidence, prediction=np.round(evidence.prediction, 2))
    evidence = weighted(evidence) if with_weight else evidence
    weight = np.ones(1500) if evidence.weight is None else evidence.weight
    cuts = plain(evidence)["binary"]["cuts"]
    assert len(cuts["threshold"]) < 400
    for cut, tp, fp in zip(
        cuts["threshold"], cuts["true_positives"], cuts["false_positives"], strict=True
    ):
        called = evidence.prediction >= cut
        assert tp == pytest.approx(weight[called & (evidence.y == 1)].sum())
        assert fp == pytest.approx(weight[called & (evidence.y == 0)].sum())
    assert cuts["threshold"][cuts["default"]] == evidence.threshold
    assert cuts["true_positives"][cuts["default"]] == pytest.approx(
        weight[(evidence.codes == 1) & (evidence.y == 1)].sum()
    )


def test_gain_and_lift_of_a_perfect_order() -> None:
    y = np.repeat([0.0, 1.0], [900, 100])
    evidence = made(Task.BINARY, y, np.linspace(0, 1, 1000), ("a", "b"))
    gain = plain(evidence)["binary"]["gain"]
    assert gain["caught_by_tenth"] == pytest.approx([1.0] * 10)
    assert gain["lift"] == pytest.approx([10.0] + [0.0] * 9, abs=1e-4)
    # Where all rows have one probability, no tenth is better than another.
    evidence = made(Task.BINARY, y, np.full(1000, 0.1), ("a", "b"))
    assert plain(evidence)["binary"]["gain"]["lift"] == pytest.approx([1.0] * 10)


def test_miscalibration_is_told_from_chance() -> None:
    above = {"right": 0, "wrong": 0}
    for seed in range(20):
        evidence = binary(2000, seed=seed)
        right = reliability(evidence.y, evidence.prediction, None, seed=seed)
        wrong = reliability(evidence.y, evidence.prediction**1.5, None, seed=seed)
        above["right"] += right.ece > right.by_chance
        above["wrong"] += wrong.ece > wrong.by_chance
    assert above["right"] <= 4
    assert above["wrong"] == 20


def test_a_weight_of_two_is_two_rows() -> None:
    evidence = binary(500)
    y, proba = evidence.y, evidence.prediction
    once = reliability(y, proba, np.full(500, 2.0), seed=0)
    twice = reliability(np.repeat(y, 2), np.repeat(proba, 2), None, seed=0)
    assert once.observed == pytest.approx(twice.observed)
    assert once.ece == pytest.approx(twice.ece)


def test_the_interval_of_a_share_is_wilsons() -> None:
    # Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I.
    low, high = wilson(np.array([81 / 263, 0.0]), np.array([263.0, 20.0]))
    assert low == pytest.approx([0.2553, 0.0], abs=1e-4)
    assert high == pytest.approx([0.3662, 0.1611], abs=1e-4)


def test_intervals_are_as_wide_as_those_of_all_rows() -> None:
    evidence = binary(12_000)
    found = {one["name"]: one for one in plain(evidence)["metrics"]}
    for name in ("roc_auc", "log_loss", "accuracy"):
        full = bootstrap_interval(get_metric(name), evidence.y, evidence.prediction)
        assert full is not None
        width = found[name]["high"] - found[name]["low"]
        assert width == pytest.approx(full.high - full.low, rel=0.3)
        assert found[name]["low"] < found[name]["score"] < found[name]["high"]
    assert found["roc_auc"]["own"]
    assert plain(evidence)["metrics"][0]["name"] == "roc_auc"


def test_classes_and_their_mistakes_are_counted() -> None:
    y = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
    said = np.array([0, 1, 1, 1, 1, 2, 2, 2, 0, 0])
    evidence = made(Task.MULTICLASS, y, np.eye(3)[said] * 0.9 + 0.03, ("a", "b", "c"))
    found = plain(evidence)["multiclass"]
    assert found["confusion"]["cells"] == [[1, 2, 0], [0, 2, 0], [2, 0, 3]]
    assert [(one["true"], one["predicted"], one["rows"]) for one in found["pairs"]] == [
        ("a", "b", 2),
        ("c", "a", 2),
    ]
    assert found["pairs"][1]["share"] == pytest.approx(0.4)
    assert found["per_class"][2]["recall"] == pytest.approx(0.6)
    assert found["per_class"][1]["auc"] == pytest.approx(
        roc_auc_score(y == 1, evidence.prediction[:, 1]), abs=1e-4
    )


def test_many_classes_stay_bounded() -> None:
    evidence = multiclass(3000, 400)
    found = plain(evidence)["multiclass"]
    cells = np.array(found["confusion"]["cells"])
    assert cells.shape == (MOST_CLASSES + 1, MOST_CLASSES + 1)
    assert found["confusion"]["others"] == 300
    assert cells.sum() == 3000
    assert len(found["per_class"]) == 300


def test_deciles_and_coverage_of_a_regression() -> None:
    evidence = regression(4000)
    value = evidence.prediction
    half = 1.645 * (5.0 + 0.2 * value)
    evidence = replace(evidence, bounds=Bounds(0.9, value - half, value + half))
    found = plain(evidence)["regression"]
    deciles = found["deciles"]
    assert [one["rows"] for one in deciles] == [400] * 10
    assert found["coverage"]["covered"] == pytest.approx(0.9, abs=0.02)
    assert all(one["covered_low"] <= one["covered"] <= one["covered_high"] for one in deciles)
    mean = np.mean([one["absolute"] for one in deciles])
    assert mean == pytest.approx(np.abs(evidence.y - value).mean(), rel=1e-3)
    assert deciles[-1]["absolute"] > 2 * deciles[0]["absolute"]
    points = found["points"]
    assert len(points["actual"]) + points["beyond"] == 1000
    assert sum(found["residuals"]["counts"]) + found["residuals"]["above"] + found["residuals"][
        "below"
    ] == len(value)


def test_of_very_many_rows_some_are_used_and_facts_are_repeatable() -> None:
    evidence = regression(MOST_ROWS + 1000)
    one, other = plain(evidence, seed=3), plain(evidence, seed=3)
    assert one == other
    assert one["used_rows"] == MOST_ROWS
    assert one["rows"] == MOST_ROWS + 1000


EDGES = {
    "one class": made(Task.BINARY, np.zeros(40), np.linspace(0, 1, 40), ("a", "b")),
    "one probability": made(Task.BINARY, np.arange(40) % 2, np.full(40, 0.5), ("a", "b")),
    "sure": made(Task.BINARY, np.arange(40) % 2, (np.arange(40) % 2) * 1.0, ("a", "b")),
    "two rows": made(Task.BINARY, np.array([0, 1]), np.array([0.2, 0.9]), ("a", "b")),
    "no weight": replace(binary(50), weight=np.where(np.arange(50) < 40, 0.0, 1.0)),
    "an empty class": made(
        Task.MULTICLASS, np.zeros(30), np.full((30, 3), 1 / 3), ("a", "b", "c")
    ),
    "one value": made(Task.REGRESSION, np.ones(30), np.ones(30)),
    "one prediction": made(Task.REGRESSION, np.arange(30.0), np.ones(30)),
    "one row": made(Task.REGRESSION, np.ones(1), np.zeros(1)),
    "no weight there": replace(
        regression(60), weight=(np.argsort(regression(60).prediction) % 7 == 0) * 1.0
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_rows_that_say_little_give_facts_all_the_same(name: str) -> None:
    found = plain(EDGES[name])
    assert found["rows"] == len(EDGES[name].y)


def test_long_labels_do_not_make_large_facts() -> None:
    labels = tuple(f"{i} {'x' * 10_000}" for i in range(40))
    found = plain(multiclass(400, 40, classes=labels))
    assert found["multiclass"]["confusion"]["labels"][7][:3] == "7 x"
    assert len(json.dumps(found)) < 60_000
