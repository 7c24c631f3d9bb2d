"""Predicts the core-seconds of a fold from the folds that were already trained."""

from __future__ import annotations

from automl.search.portfolio import Candidate

_FORGET = 0.3  # weight of the newest fold in the moving averages


class Costs:
    """Seconds per fold of a candidate.

    A portfolio entry is predicted from its relative cost and the seconds per unit of cost that
    its engine and recipe, its engine, or any engine took so far; a searched candidate from the
    average fold of its engine and recipe.

    first_guess: core-seconds of a fold of relative cost 1, before anything was measured.
    """

    def __init__(self, first_guess: float) -> None:
        self._first_guess = first_guess
        self._units: dict[tuple[str, ...], float] = {}
        self._seconds: dict[tuple[str, ...], float] = {}

    def seen(self, candidate: Candidate, seconds: float) -> None:
        """Learn from one trained fold."""
        for key in _keys(candidate):
            _average(self._seconds, key, seconds)
            if candidate.origin != "optuna":
                _average(self._units, key, seconds / candidate.cost)

    def predict(self, candidate: Candidate) -> float:
        """Expected core-seconds of one fold of `candidate`."""
        for key in _keys(candidate):
            if candidate.origin != "optuna" and key in self._units:
                return self._units[key] * candidate.cost
            if candidate.origin == "optuna" and key in self._seconds:
                return self._seconds[key]
        return self._first_guess * candidate.cost


def _keys(candidate: Candidate) -> tuple[tuple[str, ...], ...]:
    """From the closest to the most general."""
    return ((candidate.engine, candidate.recipe), (candidate.engine,), ())


def _average(table: dict[tuple[str, ...], float], key: tuple[str, ...], value: float) -> None:
    old = table.get(key)
    table[key] = value if old is None else old + _FORGET * (value - old)
