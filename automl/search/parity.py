"""`--max-disparity`: decision thresholds under which groups of rows are called positive alike.

Demographic parity (Dwork et al., Fairness through awareness, 2012): the difference between the
largest and the least share of a group's rows that is called positive. There is one threshold for
everybody: one by group would need to know the group of who is decided on, and to treat persons
differently by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.groups import Groups
from automl.metrics._confusion import LABEL_SCORES
from automl.metrics._lookup import get_metric
from automl.metrics._threshold import cut_losses, least_loss_cut, tunes
from automl.metrics.base import Metric

Floats = NDArray[np.float64]
IntArray = NDArray[np.integer[Any]]

_MOST_CUTS = 1000
_LEAST_ROWS = 20  # of a group among the rows that are looked at: the share of fewer is chance
_ROUNDING = 1e-12
_LEAST_GAIN = 0.1  # of what the best threshold gains over deciding alike for everybody
# What a margin's loss grows by that no threshold brings within the limit: more than metrics differ
# by, and more for a larger excess, so that the nearest is taken where there is no other.
_OUTSIDE, _BY_EXCESS = 2.0, 10.0


@dataclass(frozen=True, eq=False)
class Parity:
    """The groups of all rows of the table, by column, and how far their shares may lie apart."""

    groups: Sequence[Groups]
    limit: float

    def threshold(
        self, metric: Metric, rows: IntArray, y: Floats, proba: Floats, weight: Floats | None
    ) -> tuple[float, float]:
        """The best threshold within the limit and 0.0; else the nearest, and the excess.

        rows: of the table.  "Best" is by `metric` where that tunes thresholds; for others by
        accuracy, and 0.5 stays where it keeps to the limit. A threshold that decides hardly better
        than calling nobody positive, or everybody, does not count: it would satisfy any limit.
        """
        if not tunes(metric):
            half = self.difference(rows, proba, 0.5, weight)
            if half <= self.limit:
                return 0.5, 0.0
            metric = get_metric("accuracy")
        if metric.name in LABEL_SCORES:
            cuts = _spread_cuts(proba)
            losses, idle = _label_losses(metric, cuts, y, proba, weight)
        else:
            cuts, losses = cut_losses(metric, y, proba, weight)
            sides = (np.zeros(len(y)), np.ones(len(y)))
            idle = min(metric.loss(metric.score(y, side, weight)) for side in sides)
        gain = idle - losses
        useful = gain > max(_LEAST_GAIN * float(gain.max()), _ROUNDING)
        if not useful.any():
            return 0.5, max(self.difference(rows, proba, 0.5, weight) - self.limit, 0.0)
        cuts, losses = cuts[useful], losses[useful]
        excess = np.maximum(self.differences(rows, proba, cuts, weight) - self.limit, 0.0)
        least = float(excess.min())
        near = excess <= least + _ROUNDING
        return least_loss_cut(cuts[near], losses[near]), least

    def loss(self, loss: float, excess: float) -> float:
        """The loss of a margin whose threshold exceeds the limit by `excess`."""
        return loss if excess <= 0.0 else loss + _OUTSIDE + _BY_EXCESS * excess

    def difference(
        self, rows: IntArray, proba: Floats, threshold: float, weight: Floats | None
    ) -> float:
        """The largest difference over the columns at one threshold."""
        return float(self.differences(rows, proba, np.array([threshold]), weight)[0])

    def differences(
        self, rows: IntArray, proba: Floats, cuts: Floats, weight: Floats | None
    ) -> Floats:
        """(m,) the largest difference over the columns at each of (m,) rising thresholds."""
        found = np.zeros(len(cuts))
        bins = np.searchsorted(cuts, proba, side="right")
        for groups in self.groups:
            codes = groups.codes[rows]
            counted = np.flatnonzero(codes >= 0)
            called, total = _called(
                bins[counted],
                len(cuts),
                codes[counted],
                len(groups.labels),
                None if weight is None else weight[counted],
            )
            n_rows = np.bincount(codes[counted], minlength=len(groups.labels))
            known = (n_rows >= _LEAST_ROWS) & (total > 0.0)
            if known.sum() > 1:
                shares = called[known] / total[known, None]
                found = np.maximum(found, shares.max(axis=0) - shares.min(axis=0))
        return found


def _spread_cuts(proba: Floats) -> Floats:
    """At most 1,000 rising thresholds between distinct probabilities, even over the rows."""
    ranked = np.sort(proba)
    places = np.arange(1, len(ranked))
    if len(places) > _MOST_CUTS:
        places = np.unique(np.linspace(1, len(ranked) - 1, _MOST_CUTS).astype(np.int64))
    below, above = ranked[places - 1], ranked[places]
    apart = above > below
    middle = 0.5 * (below[apart] + above[apart])
    # Rounding must not move a threshold onto the lower neighbour, which it has to exclude.
    return np.unique(np.append(np.where(middle > below[apart], middle, above[apart]), 0.5))


def _label_losses(
    metric: Metric, cuts: Floats, y: Floats, proba: Floats, weight: Floats | None
) -> tuple[Floats, float]:
    """(m,) losses at the thresholds, and that of the better one of calling nobody or everybody."""
    bins = np.searchsorted(cuts, proba, side="right")
    called, total = _called(bins, len(cuts), (y > 0.5).astype(np.int64), 2, weight)
    # The last two: nobody, everybody.
    called = np.column_stack([called, np.zeros(2), total])
    missed = total[:, None] - called
    matrices = np.stack([missed[0], called[0], missed[1], called[1]], axis=-1).reshape(-1, 2, 2)
    scores = LABEL_SCORES[metric.name](matrices)
    signed = -scores if metric.higher_is_better else scores
    losses = np.where(np.isnan(scores), np.inf, signed)
    return losses[:-2], float(losses[-2:].min())


def _called(
    bins: IntArray, n_cuts: int, codes: IntArray, n_groups: int, weight: Floats | None
) -> tuple[Floats, Floats]:
    """(n_groups, m) weight of each group's rows called positive at each cut, and (n_groups,) all.

    bins: (n,) how many of the rising cuts a row's probability reaches.
    """
    counts = np.bincount(
        codes * (n_cuts + 1) + bins, weights=weight, minlength=n_groups * (n_cuts + 1)
    ).reshape(n_groups, n_cuts + 1)
    total = counts.sum(axis=1).astype(np.float64)
    return total[:, None] - np.cumsum(counts, axis=1)[:, :-1], total
