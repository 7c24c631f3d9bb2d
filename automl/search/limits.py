"""What a blend may cost to score: seconds a row and trees of each trial, and the bounds of all.

The costs are counted, not timed: the blend of a run with a number of trials must not depend on
the machine's mood.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from automl.search.blend import Limits
from automl.search.crossval import load_engine
from automl.search.ship import refit_trees
from automl.search.store import RunData
from automl.search.trial import Trial

# Core-seconds a row and output that the members of a blend take together without much ado, in the
# libraries' own walks (many rows at once take an eighth to a half of it, see `engines._forest`).
ROOM_SECONDS = 8e-5
# What they must buy: within the room, a ten-thousandth of what the best single model saves against
# the baseline for 100 µs; beyond it, half a percent of that model's loss for every room more. A
# hard limit cost 2 % of the test loss where the best model alone had thousands of trees.
_RATE = 1.0
_DEAR = 5e-3
_USUAL_LEVELS = 5.0  # of a tree that takes its engine's `tree_seconds`
_STEEPER = 1.5  # power of the levels in the seconds of a tree: deep ones leave the cache


def blend_limits(
    trials: Iterable[Trial],
    data: RunData,
    *,
    refit: bool,
    max_members: int,
    max_trees: int | None,
) -> Limits:
    """The limits of a blend of `trials`.

    refit: one model a trial ships, of all rows, not one a fold.  max_trees: of the whole blend,
    as the user asks; None = by speed: as many as `MAX_ROW_SECONDS` allow.
    """
    trials, n_outputs = list(trials), data.n_outputs  # trees of a round
    trees: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for trial in trials:
        bag = sum(fold.n_trees for fold in trial.prefix())
        trees[trial.name] = (refit_trees(trial, data) if refit else bag) * n_outputs
        each = load_engine(trial.candidate.engine).tree_seconds
        deeper = (_levels(trial.candidate.params) / _USUAL_LEVELS) ** _STEEPER
        seconds[trial.name] = trees[trial.name] * each * deeper
    room = ROOM_SECONDS * n_outputs
    return Limits(
        members=max_members,
        seconds=seconds,
        rate=_RATE,
        room=room,
        dear_rate=_DEAR / room if max_trees is None else 0.0,
        trees=trees,
        max_trees=math.inf if max_trees is None else max_trees,
    )


def _levels(params: Mapping[str, Any]) -> float:
    """About the splits between the root and a leaf, by what the libraries call their bounds."""
    depths = [float(params[name]) for name in ("max_depth", "depth") if params.get(name, 0) > 0]
    leaves = [float(params[name]) for name in ("num_leaves", "max_leaves") if params.get(name)]
    return min([*depths, *(math.log2(max(count, 2.0)) for count in leaves)], default=_USUAL_LEVELS)
