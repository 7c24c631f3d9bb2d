"""What is said of more rows: right for a power law, and nothing made up of noise."""

from __future__ import annotations

import numpy as np
import pytest

from automl.insight.evidence import Learning
from automl.insight.performance_learning import learning_facts
from automl.metrics._lookup import get_metric
from automl.report.sections.performance_learning import learning_card

ROWS = np.array([1000, 2000, 4000, 8000])


def curve(scores: np.ndarray) -> Learning:
    return Learning("x-1", np.tile(ROWS, (len(scores), 1)), scores)


def law(power: float, rows: np.ndarray | float) -> np.ndarray:
    return np.asarray(10.0 + 50.0 * (np.asarray(rows) / 1000.0) ** -power)


@pytest.mark.parametrize("power", [0.3, 0.7, 1.5])
def test_a_power_law_is_continued(power: float) -> None:
    folds = law(power, ROWS)[None] + np.array([[-1.0], [0.0], [1.0]])
    found = learning_facts(curve(folds), get_metric("rmse"))["next"]
    assert found["kind"] == "rises"
    assert found["rows"] == 16_000
    truth = float(law(power, 16_000))
    assert found["most"] <= truth <= found["least"]  # lower is better
    assert found["score"] == pytest.approx(truth, abs=0.2 * found["last_gain"])
    assert found["gain"] < 0.7 * found["last_gain"]


def test_a_score_that_is_to_rise_rises() -> None:
    folds = -law(0.5, ROWS)[None] / 100 + 1.0 + np.array([[-0.01], [0.01]])
    found = learning_facts(curve(folds), get_metric("roc_auc"))["next"]
    truth = 1.0 - float(law(0.5, 16_000)) / 100
    assert found["least"] <= found["score"] <= found["most"]
    assert found["score"] == pytest.approx(truth, abs=0.2 * found["last_gain"])


def test_noise_promises_nothing() -> None:
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(200):
        folds = 0.8 + rng.normal(scale=0.01, size=(4, 4))
        kinds.append(learning_facts(curve(folds), get_metric("roc_auc"))["next"]["kind"])
    assert kinds.count("rises") <= 30  # one in ten is what 80 % on two sides allows


def test_one_split_knows_no_spread() -> None:
    found = learning_facts(curve(law(0.5, ROWS)[None]), get_metric("rmse"))["next"]
    assert found["kind"] == "one"
    assert found["low_gain"] == 0.0
    assert found["high_gain"] == pytest.approx(found["last_gain"])


def test_an_undefined_score_makes_no_curve() -> None:
    scores = np.array([[0.7, np.nan, 0.8, 0.9]])
    assert learning_facts(curve(scores), get_metric("roc_auc")) == {}


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (law(0.5, ROWS)[None] + np.array([[-1.0], [1.0]]), "would likely take it down by about"),
        (law(0.5, ROWS)[None], "on one fold, whose chance is not known"),
        (np.array([[3.0, 3.1, 3.0, 3.1], [3.0, 3.1, 3.1, 3.0]]), "would likely buy little"),
        (np.array([[3.0, 3.0, 3.0, 3.5], [3.0, 3.0, 3.0, 3.5]]), "no sign that more rows"),
        (np.array([[3.0, 3.0, 3.0, 3.5]]), "on one fold: no sign"),
    ],
)
def test_the_card_says_what_more_rows_would_buy(scores: np.ndarray, words: str) -> None:
    html = learning_card(learning_facts(curve(scores), get_metric("rmse")))
    assert words in html
    assert html.count("<circle") == len(ROWS) + ("take it down" in words)


def test_a_hostile_name_is_text() -> None:
    facts = learning_facts(curve(law(0.5, ROWS)[None]), get_metric("rmse"))
    assert "<script" not in learning_card({**facts, "name": "<script>alert(1)</script>"})
