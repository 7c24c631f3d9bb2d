"""A model of all rows that nobody scored ships only if it knows its own rows."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from automl.search.ship import NotDone, _check_refit


def check(known: float, *, loss: float | None = 0.2, trained: int = 10, **clock: Any) -> None:
    trial: Any = SimpleNamespace(name="lightgbm-1", objective_loss=loss)
    task = {"max_trees": 10, "stop_after": clock.get("stop_after")}
    result = {
        "n_trained": trained,
        "by_clock": clock.get("by_clock", False),
        "known_loss": known,
        "constant_loss": 3.4,
    }
    _check_refit(trial, task, result)


@pytest.mark.parametrize("known", [0.0, 0.19, 0.25])
def test_a_model_that_learned_its_rows_ships(known: float) -> None:
    check(known)


@pytest.mark.parametrize("known", [22.5, 0.4, math.inf, math.nan])
def test_a_model_that_diverged_does_not(known: float) -> None:
    with pytest.raises(NotDone, match="lightgbm-1 fits them worse") as reason:
        check(known)
    assert not reason.value.late


def test_a_model_without_most_of_its_trees_does_not() -> None:
    check(0.1, trained=6, by_clock=True)
    check(0.1, trained=3, by_clock=True, stop_after=3)  # as a run before
    with pytest.raises(NotDone, match="the clock cut lightgbm-1 short") as reason:
        check(0.1, trained=3, by_clock=True)
    assert reason.value.late


def test_without_a_loss_nothing_is_compared() -> None:
    check(22.5, loss=None)
