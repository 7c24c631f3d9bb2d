"""Predicts the core-seconds of a fold from the folds that were already trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.search.portfolio import RATES, Candidate

_FORGET = 0.3  # weight of the newest fold in the moving averages

Key = tuple[Any, ...]


class Costs:
    """Seconds per fold of a candidate.

    The number of trees, and so the time, goes about with 1 / learning rate. What was trained
    already with the same params but the rate is predicted from that. Else a portfolio entry is
    predicted from its relative cost and the seconds per unit of cost that its engine and recipe,
    its engine, or any engine took so far; a searched candidate from the average seconds x rate
    of its engine and recipe.

    first_guess: core-seconds of a fold of relative cost 1, before anything was measured.
    """

    def __init__(self, first_guess: float) -> None:
        self._first_guess = first_guess
        self._units: dict[Key, float] = {}
        self._seconds: dict[Key, float] = {}
        self._work: dict[Key, float] = {}  # seconds x learning rate

    def seen(self, candidate: Candidate, seconds: float) -> None:
        """Learn from one trained fold."""
        rate = learning_rate(candidate.params)
        for key in _keys(candidate):
            _average(self._seconds, key, seconds)
            if rate is not None:
                _average(self._work, key, seconds * rate)
            if candidate.origin != "optuna":
                _average(self._units, key, seconds / candidate.cost)
        if rate is not None:
            _average(self._work, _same(candidate), seconds * rate)

    def known(self, candidate: Candidate) -> bool:
        """Whether a fold of this engine and recipe was trained already."""
        return _keys(candidate)[0] in self._seconds

    def predict(self, candidate: Candidate) -> float:
        """Expected core-seconds of one fold of `candidate`."""
        rate = learning_rate(candidate.params)
        if rate is not None and _same(candidate) in self._work:
            return self._work[_same(candidate)] / rate
        searched = candidate.origin == "optuna"
        for key in _keys(candidate):
            if searched and rate is not None and key in self._work:
                return self._work[key] / rate
            if searched and key in self._seconds:
                return self._seconds[key]
            if not searched and key in self._units:
                return self._units[key] * candidate.cost
        return self._first_guess * candidate.cost


def learning_rate(params: Mapping[str, Any]) -> float | None:
    """The learning rate in `params`, by any library's name for it."""
    return next((float(params[name]) for name in RATES if params.get(name)), None)


def _keys(candidate: Candidate) -> tuple[Key, ...]:
    """From the closest to the most general."""
    return ((candidate.engine, candidate.recipe), (candidate.engine,), ())


def _same(candidate: Candidate) -> Key:
    """The candidate but for its learning rate and seed."""
    rest = tuple(sorted((k, str(v)) for k, v in candidate.params.items() if k not in RATES))
    return (candidate.engine, candidate.recipe, rest)


def _average(table: dict[Key, float], key: Key, value: float) -> None:
    old = table.get(key)
    table[key] = value if old is None else old + _FORGET * (value - old)
