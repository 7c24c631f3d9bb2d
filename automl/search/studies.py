"""Optuna's part of the race: one flat study per engine and recipe, and whose turn it is.

Optuna 5's TPE falls back to independent sampling on conditional spaces, so an engine is never a
parameter of a study: it is chosen outside, by `Studies.ask`.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from automl.engines.base import Choice, Float, Int, Space
from automl.errors import ConfigError
from automl.search.portfolio import Candidate

Arm = tuple[str, str]  # (engine, recipe)

# Trials before TPE has enough to go by; those of the portfolio count.
_RANDOM_TRIALS = 5
# An arm whose best trial saves 2 % less than the best of all gets e^-1 of its share. An arm
# without a finished trial counts as that good until it has had its chances.
_STEEP = 50.0
_UNTRIED = 0.02
_CHANCES = 2
_GRID_DIMENSIONS = 3
_GRID_PLACES = (1 / 6, 1 / 2, 5 / 6)


@dataclass
class _ArmState:
    study: optuna.Study
    space: dict[str, BaseDistribution]
    defaults: Mapping[str, Any]
    grid: list[dict[str, Any]] | None = None  # points that are left; None = no grid
    best: float = np.inf
    asked: int = 0


class Studies:
    """Asks for params around what works, and is told what they were worth.

    Losses are compared between arms, so they must be of one objective on the same folds.
    baseline_loss: of the constant prediction, which sets the scale of a gap between two losses.
    sampler: "tpe" (multivariate, with a constant liar for trials in flight), "gp", "random", or
        "grid": three values of each of the first three dimensions, the rest as the library has it.
    """

    def __init__(
        self,
        spaces: Mapping[Arm, Space],
        *,
        seed: int,
        baseline_loss: float,
        sampler: str = "tpe",
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._arms: dict[Arm, _ArmState] = {}
        for i, (arm, space) in enumerate(sorted(spaces.items())):
            study = optuna.create_study(
                sampler=_sampler(sampler, seed * 1000 + i), pruner=optuna.pruners.NopPruner()
            )
            defaults = {name: dimension.default for name, dimension in space.items()}
            grid = _grid(space, seed * 1000 + i) if sampler == "grid" else None
            self._arms[arm] = _ArmState(study, _distributions(space), defaults, grid)
        self._baseline_loss = baseline_loss

    def seen(self, candidate: Candidate, loss: float, *, pruned: bool = False) -> None:
        """Learn from a trial of the portfolio, or of an interrupted run's studies.

        What it leaves to the library counts as the library's default, clipped into the space.
        """
        state = self._arms.get((candidate.engine, candidate.recipe))
        if state is None:
            return
        state.asked += candidate.origin == "optuna"
        if not pruned:
            state.best = min(state.best, loss)
        params = {**state.defaults, **candidate.params}
        if all(params.get(name) is not None for name in state.space):
            clipped = {name: _clip(params[name], dist) for name, dist in state.space.items()}
            state.study.add_trial(
                optuna.trial.create_trial(params=clipped, distributions=state.space, value=loss)
            )

    def ask(
        self,
        *,
        allowed: Callable[[Candidate], bool] = lambda candidate: True,
        seconds: Callable[[Candidate], float] | None = None,
    ) -> Candidate | None:
        """The next configuration to try, or None where nothing can be searched.

        allowed: whether an engine and recipe may be tried at all now; asked with empty params.
        seconds: predicted seconds of a candidate; None where no decision may read the clock.

        An arm's share of the trials falls with the gap of its best loss to the best of all, and
        with its seconds. Shares are kept by stride scheduling, which needs no random numbers.
        """
        arms = {}
        for arm, state in self._arms.items():
            template = Candidate(*arm, {}, origin="optuna")
            if state.space and state.grid != [] and allowed(template):
                arms[arm] = 1.0 if seconds is None else seconds(template)
        if not arms:
            return None
        best = min(self._arms[arm].best for arm in arms)
        gain = max(self._baseline_loss - best, 1e-12)

        def stride(arm: Arm) -> tuple[float, Arm]:
            state = self._arms[arm]
            gap = _UNTRIED if state.asked < _CHANCES else 1.0
            if np.isfinite(state.best):
                gap = min((state.best - best) / gain, 1.0)
            return (state.asked + 1) * np.exp(_STEEP * gap) * arms[arm] ** 0.5, arm

        arm = min(arms, key=stride)
        state = self._arms[arm]
        state.asked += 1
        if state.grid is not None:
            state.study.enqueue_trial(state.grid.pop())
        trial = state.study.ask(state.space)
        params = {**trial.params}
        return Candidate(*arm, params, origin="optuna", study_trial=trial.number)

    def tell(self, candidate: Candidate, loss: float | None, *, pruned: bool) -> None:
        """The loss of an asked candidate; pruned with its loss so far; None if it failed."""
        state = self._arms[(candidate.engine, candidate.recipe)]
        number = candidate.study_trial
        assert number is not None
        if loss is None:
            state.study.tell(number, state=TrialState.FAIL)
            return
        # A pruned trial's loss over its finished folds is close enough to rank it; told as
        # complete, TPE learns where not to look (as PRUNED without reports it learns nothing).
        state.study.tell(number, loss)
        if not pruned:
            state.best = min(state.best, loss)

    def trials(self) -> Sequence[tuple[Arm, list[optuna.trial.FrozenTrial]]]:
        """All trials by arm."""
        return [(arm, state.study.trials) for arm, state in self._arms.items()]


def check_sampler(sampler: str) -> None:
    """Raise ConfigError if `sampler` needs a package that is not installed."""
    if sampler == "gp" and importlib.util.find_spec("torch") is None:
        raise ConfigError(
            "--sampler gp needs the package 'torch', which is not installed.",
            hint="Run `pip install torch`, or use --sampler tpe.",
        )


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    check_sampler(name)
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=_RANDOM_TRIALS)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS)
    return optuna.samplers.RandomSampler(seed=seed)


def _grid(space: Space, seed: int) -> list[dict[str, Any]]:
    """Points in random order: a low, a middle and a high value of the first few dimensions."""
    middle = {name: _at(dimension, 0.5) for name, dimension in space.items()}
    usual = {
        name: _clip(dimension.default, _distribution(dimension))
        for name, dimension in space.items()
        if dimension.default is not None
    }
    varied = list(space)[:_GRID_DIMENSIONS]
    values = [dict.fromkeys(_at(space[name], p) for p in _GRID_PLACES) for name in varied]
    points = [
        {**middle, **usual, **dict(zip(varied, point, strict=True))}
        for point in itertools.product(*values)
    ]
    order = np.random.default_rng(seed).permutation(len(points))
    return [points[k] for k in order]


def _at(dimension: Float | Int | Choice, place: float) -> Any:
    """The value at `place` of the way through a dimension."""
    if isinstance(dimension, Choice):
        return dimension.values[min(int(place * len(dimension.values)), len(dimension.values) - 1)]
    low, high = float(dimension.low), float(dimension.high)
    value = low * (high / low) ** place if dimension.log else low + place * (high - low)
    return round(value) if isinstance(dimension, Int) else value


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    return {name: _distribution(dimension) for name, dimension in space.items()}


def _distribution(dimension: Float | Int | Choice) -> BaseDistribution:
    if isinstance(dimension, Float):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    if isinstance(dimension, Int):
        return IntDistribution(dimension.low, dimension.high, log=dimension.log)
    return CategoricalDistribution(dimension.values)


def _clip(value: Any, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, IntDistribution | FloatDistribution):
        return min(max(value, distribution.low), distribution.high)
    return value
