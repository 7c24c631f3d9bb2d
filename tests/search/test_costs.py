"""Predicted seconds of a fold."""

from __future__ import annotations

import pytest

from automl.search.costs import Costs
from automl.search.portfolio import Candidate


def entry(engine: str, recipe: str = "plain", cost: float = 1.0) -> Candidate:
    return Candidate(engine, recipe, {}, cost)


def searched(engine: str, recipe: str = "plain") -> Candidate:
    return Candidate(engine, recipe, {}, origin="optuna")


def test_first_guess_scales_with_the_relative_cost() -> None:
    costs = Costs(2.0)
    assert costs.predict(entry("xgboost", cost=3.0)) == 6.0
    assert costs.predict(searched("xgboost")) == 2.0


def test_measured_folds_correct_the_unit_of_all_engines() -> None:
    costs = Costs(2.0)
    costs.seen(entry("lightgbm", cost=2.0), 1.0)  # half a second per unit
    assert costs.predict(entry("lightgbm", cost=4.0)) == 2.0
    assert costs.predict(entry("lightgbm", "encoded", cost=4.0)) == 2.0
    assert costs.predict(entry("catboost", cost=6.0)) == 3.0


def test_own_engine_and_recipe_count_before_the_others() -> None:
    costs = Costs(2.0)
    costs.seen(entry("lightgbm"), 1.0)
    costs.seen(entry("catboost"), 10.0)
    costs.seen(entry("catboost", "encoded"), 30.0)
    assert costs.predict(entry("lightgbm")) == 1.0
    assert costs.predict(entry("catboost")) == 10.0
    assert costs.predict(entry("catboost", "encoded", cost=2.0)) == 60.0
    assert costs.predict(searched("catboost", "encoded")) == 30.0


def test_searched_candidate_is_predicted_from_its_arm() -> None:
    costs = Costs(2.0)
    costs.seen(entry("xgboost", cost=5.0), 10.0)
    assert costs.predict(searched("xgboost")) == 10.0
    costs.seen(searched("xgboost"), 20.0)
    assert costs.predict(searched("xgboost")) == pytest.approx(13.0)  # 0.3 of the newest
    # What a searched candidate takes says nothing about the unit of the portfolio's costs.
    assert costs.predict(entry("xgboost", cost=5.0)) == 10.0


def test_seconds_go_with_the_inverse_of_the_learning_rate() -> None:
    costs = Costs(2.0)
    slow = Candidate("lightgbm", "plain", {"num_leaves": 7, "learning_rate": 0.05})
    fast = Candidate("lightgbm", "plain", {"num_leaves": 7, "learning_rate": 0.2}, cost=0.3)
    costs.seen(slow, 4.0)
    assert costs.predict(fast) == pytest.approx(1.0)
    other = Candidate(
        "lightgbm", "plain", {"num_leaves": 9, "learning_rate": 0.1}, origin="optuna"
    )
    assert costs.predict(other) == pytest.approx(2.0)
    assert costs.known(other)
    assert not costs.known(entry("lightgbm", "encoded"))
