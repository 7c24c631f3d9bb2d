"""Pruning between folds: which trials are not worth their remaining folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automl.search.trial import Trial

# A trial that saves less than this share of what the best trial saves against the baseline adds
# nothing to a blend.
_WORTH = 0.5
# A searched trial must be as good as the trial at this place; portfolio entries are there for
# their diversity.
_PLACE = 5
_LEAST_FOLDS = 2


def pruned_after(trial: Trial, rivals: Sequence[Trial], baseline_losses: Sequence[float]) -> int:
    """After how many folds `trial` turned out hopeless against `rivals`; 0 = it goes on.

    Compares losses on the same splits, in split order up to the first that is not trained yet, so
    that the answer does not depend on which fold ended first. The last fold never decides: the
    trial is paid for then.
    """
    if not rivals:
        return 0
    searched = trial.candidate.origin == "optuna"
    for k in range(1, min(len(trial.prefix()), trial.n_splits - 1) + 1):
        losses = sorted(rival.early_loss(k) for rival in rivals)
        own, base = trial.early_loss(k), float(np.mean(baseline_losses[:k]))
        best_saves = base - losses[0]
        if best_saves > 0 and base - own < _WORTH * best_saves:
            return k
        if searched and k >= _LEAST_FOLDS and own > losses[min(_PLACE, len(losses)) - 1]:
            return k
    return 0


def likely_loss(trial: Trial, rivals: Sequence[Trial], n_folds: int) -> float:
    """What the objective loss over all folds would probably be, from the first `n_folds`.

    Folds differ in difficulty, so the best rival's loss is moved by the gap on the same folds.
    """
    best = min(rivals, key=lambda rival: rival.early_loss(n_folds))
    gap = trial.early_loss(n_folds) - best.early_loss(n_folds)
    return float(best.objective_loss or 0.0) + gap
