"""What a search has learnt of its params: how much each moved the loss, by engine.

Importances are Optuna's PED-ANOVA (Watanabe, Bansal, Hutter, PED-ANOVA: Efficiently Quantifying
Hyperparameter Importance in Arbitrary Subspaces, 2023): exact, and milliseconds for any number
of trials.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from automl.search.studies import Studies

_LEAST_TRIALS = 8  # of an engine; the distribution of the best few of fewer says nothing
_MOST_DRAWN = 150
_MOST_PARAMS = 8  # drawn, those that matter most


def tuned(studies: Studies) -> list[dict[str, Any]]:
    """Per engine: its importances, and its trials as lines through the params that matter.

    {"engine", "trials", "importances": [[param, share]], "axes": [{"name", "log", "low", "high",
    "choices"}], "lines": [{"at": place of 0..1 by axis, "rank": 0 = best … 1}]}. Trials of one
    engine with several recipes are put together, each loss less the median of its recipe. Engines
    with fewer than 8 trials are left out.
    """
    by_engine: dict[str, list[tuple[FrozenTrial, float]]] = {}
    for (engine, _), trials in sorted(studies.trials(), key=lambda pair: pair[0]):
        known = [
            (trial, float(trial.value))
            for trial in trials
            if trial.state is TrialState.COMPLETE
            and trial.value is not None
            and np.isfinite(trial.value)
        ]
        if known:
            usual = float(np.median([loss for _, loss in known]))
            by_engine.setdefault(engine, []).extend((trial, loss - usual) for trial, loss in known)
    return [
        _engine(engine, trials)
        for engine, trials in by_engine.items()
        if len(trials) >= _LEAST_TRIALS and trials[0][0].distributions
    ]


def _engine(engine: str, trials: Sequence[tuple[FrozenTrial, float]]) -> dict[str, Any]:
    shares = _importances(trials)
    names = [name for name, _ in shares[:_MOST_PARAMS]]
    losses = np.array([loss for _, loss in trials])
    rank = losses.argsort(kind="stable").argsort(kind="stable") / max(1, len(losses) - 1)
    # The best and an even choice of the others.
    order = np.argsort(losses, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, _MOST_DRAWN).astype(int))]
    kinds = trials[0][0].distributions
    return {
        "engine": engine,
        "trials": len(trials),
        "importances": [[name, share] for name, share in shares],
        "axes": [_axis(name, kinds[name]) for name in names],
        "lines": [
            {
                "at": [_place(kinds[name], trials[i][0].params[name]) for name in names],
                "rank": float(rank[i]),
            }
            for i in chosen
        ],
    }


def _importances(trials: Sequence[tuple[FrozenTrial, float]]) -> list[tuple[str, float]]:
    """(param, share of the importance), the most important first."""
    study = optuna.create_study()
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=trial.params, distributions=trial.distributions, value=loss
            )
            for trial, loss in trials
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls the evaluator experimental
        evaluator = PedAnovaImportanceEvaluator(target_quantile=0.25)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def _axis(name: str, kind: BaseDistribution) -> dict[str, Any]:
    if isinstance(kind, CategoricalDistribution):
        choices = [str(value) for value in kind.choices]
        return {"name": name, "log": False, "low": None, "high": None, "choices": choices}
    low, high = float(kind.low), float(kind.high)  # type: ignore[attr-defined]
    log = bool(kind.log)  # type: ignore[attr-defined]
    return {"name": name, "log": log, "low": low, "high": high, "choices": None}


def _place(kind: BaseDistribution, value: Any) -> float:
    """Where a value is on its axis, 0..1."""
    if isinstance(kind, CategoricalDistribution):
        return kind.choices.index(value) / max(1, len(kind.choices) - 1)
    low, high = float(kind.low), float(kind.high)  # type: ignore[attr-defined]
    if kind.log:  # type: ignore[attr-defined]
        low, high, value = np.log(low), np.log(high), np.log(float(value))
    return float(round((value - low) / (high - low or 1.0), 4))
