"""Figures by group against hand-computed ones and fairlearn's; what is told of them."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evidences import make_evidence

from automl.insight import fairness
from automl.insight.evidence import Evidence
from automl.metrics._lookup import get_metric
from automl.report.sections.fairness import html
from automl.task import Task

# By group: true positives, false negatives, false positives, true negatives.
CELLS = {"a": (60, 40, 20, 180), "b": (30, 70, 15, 285)}


def counted() -> Evidence:
    """Two groups with the confusions of CELLS."""
    rows = []
    for group, (tp, fn, fp, tn) in CELLS.items():
        rows += [(group, 1, 0.9)] * tp + [(group, 1, 0.1)] * fn
        rows += [(group, 0, 0.8)] * fp + [(group, 0, 0.2)] * tn
    frame = pd.DataFrame(rows, columns=["g", "y", "p"])
    frame["x"] = np.arange(len(frame)) % 7
    truth, proba = frame["y"].to_numpy(dtype=float), frame["p"].to_numpy()
    return make_evidence(frame[["g", "x"]], truth, proba, sensitive=["g"], metric="accuracy")


def drawn(n: int = 3000, seed: int = 0, *, apart: float = 0.0) -> Evidence:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": rng.choice(["a", "b", "c"], n), "x": rng.normal(size=n)})
    proba = 1 / (1 + np.exp(-frame["x"].to_numpy() - apart * (frame["g"] == "a").to_numpy()))
    y = (rng.random(n) < proba).astype(float)
    return make_evidence(frame, y, proba, sensitive=["g"], metric="roc_auc")


def test_figures_of_two_classes_are_those_counted_by_hand() -> None:
    facts = fairness.facts(counted())
    b, a = facts["columns"][0]["groups"]  # the larger one first
    assert (a["group"], a["rows"], b["group"], b["rows"]) == ("a", 300, "b", 400)
    for one, (tp, fn, fp, tn) in ((a, CELLS["a"]), (b, CELLS["b"])):
        n = tp + fn + fp + tn
        assert one["called"][0] == pytest.approx((tp + fp) / n)
        assert one["actual"][0] == pytest.approx((tp + fn) / n)
        assert one["tpr"][0] == pytest.approx(tp / (tp + fn))
        assert one["fpr"][0] == pytest.approx(fp / (fp + tn))
        assert one["accuracy"][0] == one["score"][0] == pytest.approx((tp + tn) / n)
        for name in ("called", "tpr", "fpr", "accuracy", "score"):
            assert one[name][1] < one[name][0] < one[name][2]
    gaps = facts["columns"][0]["gaps"]
    assert gaps["parity_difference"][0] == pytest.approx(80 / 300 - 45 / 400)
    assert gaps["parity_ratio"][0] == pytest.approx((45 / 400) / (80 / 300))
    assert gaps["odds_difference"][0] == pytest.approx(0.6 - 0.3)
    assert gaps["odds_ratio"][0] == pytest.approx(0.5)  # 0.3 / 0.6, and 0.05 / 0.1
    assert gaps["clearest"] == {
        "high": ["a", pytest.approx(80 / 300)],
        "low": ["b", pytest.approx(45 / 400)],
        "clear": True,
    }


def test_wilson_interval_of_a_textbook() -> None:
    # 8 of 10: Wilson's interval is 0.490 to 0.943.
    low, high = fairness._rate(8.0, 10.0, 1.0)[1:]
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)


def test_gaps_are_those_of_fairlearn() -> None:
    metrics = pytest.importorskip("fairlearn.metrics")
    for seed, weighted in ((0, False), (1, True)):
        evidence = drawn(seed=seed, apart=0.7)
        weight = np.random.default_rng(9).exponential(size=3000) if weighted else None
        if weighted:
            evidence = make_evidence(
                pd.DataFrame({"g": np.array(evidence.groups[0].labels)[evidence.groups[0].codes]}),
                evidence.y,
                evidence.prediction,
                sensitive=["g"],
                weight=weight,
            )
        gaps = fairness.facts(evidence)["columns"][0]["gaps"]
        for name, theirs in (
            ("parity_difference", metrics.demographic_parity_difference),
            ("parity_ratio", metrics.demographic_parity_ratio),
            ("odds_difference", metrics.equalized_odds_difference),
            ("odds_ratio", metrics.equalized_odds_ratio),
        ):
            expected = theirs(
                evidence.y,
                evidence.codes,
                sensitive_features=evidence.groups[0].codes,
                sample_weight=weight,
            )
            assert gaps[name][0] == pytest.approx(expected), name


def test_groups_that_are_treated_alike_are_rarely_told_apart() -> None:
    apart = sum(
        fairness.facts(drawn(900, seed))["columns"][0]["gaps"]["clearest"]["clear"]
        for seed in range(30)
    )
    assert apart <= 4
    assert fairness.facts(drawn(900, 0, apart=2.0))["columns"][0]["gaps"]["clearest"]["clear"]


def test_small_groups_do_not_hide_the_clear_difference() -> None:
    """Of 60 rows, 0 called positive are the extreme; of 2,000 against 2,000, 30 % are clear."""
    group = np.array(["a"] * 2000 + ["b"] * 2000 + ["c"] * 60)
    called = np.concatenate([np.arange(2000) % 10 < 5, np.arange(2000) % 10 < 3, np.zeros(60)])
    frame = pd.DataFrame({"g": group, "x": np.arange(4060) % 9})
    proba = np.where(called > 0, 0.9, 0.1)
    clearest = fairness.facts(make_evidence(frame, called, proba, sensitive=["g"]))["columns"][0]
    found = clearest["gaps"]["clearest"]
    assert found["high"][0] == "a"
    assert found["clear"]


def test_several_classes_are_each_against_the_rest() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    group = rng.integers(0, 2, n)
    scores = rng.normal(size=(n, 3))
    scores[:, 2] += 1.5 * group
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    frame = pd.DataFrame({"g": np.array(["a", "b"])[group], "x": scores[:, 0]})
    evidence = make_evidence(
        frame,
        proba.argmax(axis=1).astype(float),
        proba,
        task=Task.MULTICLASS,
        classes=("r", "s", "t"),
        sensitive=["g"],
    )
    facts = fairness.facts(evidence)
    gaps = facts["columns"][0]["gaps"]
    shares = [[(evidence.codes[group == g] == c).mean() for c in range(3)] for g in (0, 1)]
    assert gaps["class"] == "t"
    assert gaps["clearest"]["high"][0] == "b"
    assert gaps["parity_difference"][0] == pytest.approx(shares[1][2] - shares[0][2])


def test_errors_of_numbers_by_group() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b"], [400, 600])
    y = rng.normal(size=1000)
    wrong = np.where(group == "a", 0.5, 0.0) + 0.1 * rng.normal(size=1000)
    frame = pd.DataFrame({"g": group, "x": y})
    facts = fairness.facts(
        make_evidence(frame, y, y + wrong, task=Task.REGRESSION, sensitive=["g"])
    )
    b, a = facts["columns"][0]["groups"]
    assert a["bias"][0] == pytest.approx(wrong[group == "a"].mean())
    assert a["loss"][0] == pytest.approx(np.abs(wrong[group == "a"]).mean())
    assert a["score"][0] == pytest.approx(np.sqrt((wrong[group == "a"] ** 2).mean()))
    assert a["tilted"]
    assert not b["tilted"]
    gaps = facts["columns"][0]["gaps"]
    assert gaps["loss_difference"][0] == pytest.approx(a["loss"][0] - b["loss"][0])
    page = html(json.loads(json.dumps(facts, allow_nan=False)))
    assert "groups differ" in page
    assert "Too high (+)" in page


def test_nothing_to_audit_is_no_section() -> None:
    nobody = pd.DataFrame({"x": range(9)})
    assert fairness.facts(make_evidence(nobody, np.ones(9), np.ones(9))) == {}


def test_the_page_tells_the_price_of_a_limit_and_shows_names_as_text() -> None:
    evidence = counted()
    hostile = evidence.groups[0].__class__(
        "<script>g</script>", ("<b>a</b>", '"b"'), evidence.groups[0].codes
    )
    free = {"difference": 0.3, "score": 0.9, "accuracy": 0.91, "threshold": 0.4}
    limit = {"limit": 0.1, "kept": False, "columns": ["g"], **free, "without": free}
    evidence = make_evidence(
        pd.DataFrame({"x": np.arange(700) % 7}),
        evidence.y,
        evidence.prediction,
        groups=(hostile,),
        parity=limit,
    )
    page = html(json.loads(json.dumps(fairness.facts(evidence), allow_nan=False)))
    assert "<script" not in page
    assert "<b>a</b>" not in page
    assert "&lt;b&gt;a" in page
    assert "could not be kept" in page
    assert "without it" in page
    assert "one threshold for all groups" in page


@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
def test_a_group_whose_weights_are_all_zero_says_nothing(task: Task) -> None:
    evidence = drawn(600)
    codes, labels = evidence.groups[0].codes, evidence.groups[0].labels
    weight = np.where(codes == labels.index("b"), 0.0, 1.0)
    evidence = replace(evidence, weight=weight, task=task)
    if task is Task.REGRESSION:
        evidence = replace(evidence, metric=get_metric("rmse"))
    facts = json.loads(json.dumps(fairness.facts(evidence), allow_nan=False))
    assert {one["group"] for one in facts["columns"][0]["groups"]} == {"a", "c"}
    assert "nan" not in html(facts)


def test_many_classes_need_no_room_for_pairs_that_never_meet() -> None:
    rng = np.random.default_rng(0)
    n, k = 2000, 300
    frame = pd.DataFrame({"g": rng.choice(["a", "b"], n)})
    y, proba = rng.integers(0, k, n).astype(float), rng.random((n, k))
    classes = [f"c{i}" for i in range(k)]
    evidence = make_evidence(
        frame, y, proba, task=Task.MULTICLASS, classes=classes, sensitive=["g"]
    )
    tracemalloc.start()
    gaps = fairness.facts(evidence)["columns"][0]["gaps"]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 60_000_000
    assert gaps["parity_difference"][0] > 0
