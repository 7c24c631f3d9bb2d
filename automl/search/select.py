"""Chooses what ships: the blend's weights, its calibration and its decision threshold."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from automl.metrics.base import Metric
from automl.model.link import Link
from automl.search.blend import (
    Blend,
    Limits,
    Loss,
    blended,
    greedy_blend,
    names_by_loss,
    row_sample,
)
from automl.search.calibrate import Calibration, calibrated
from automl.search.scoring import Scorer, mean_score
from automl.search.spread import Spread, spread, spread_link
from automl.search.trial import Trial

Floats = NDArray[np.float64]
# Bounds on the seconds that choosing takes: worse candidates hardly ever enter a blend, and more
# rows only sharpen a loss that is sharp already.
MAX_CANDIDATES = 25
MAX_ROWS = 20_000
_LEAST_LEFT = 1e-3
_USUAL_ROUNDS = 15  # of a greedy blend, for an estimate


@dataclass(frozen=True)
class Choice:
    """What ships, and its cross-validated scores.

    weights: by trial name.  fold_scores: the metric of each split; they chose the blend, so they
    are optimistic by what `score_crossfitted` (weights chosen without the split that is scored)
    leaves out; None where the time or the splits do not allow it.
    """

    weights: Mapping[str, float]
    link: Link
    threshold: float | None
    pooled: Floats
    score: float
    fold_scores: list[float]
    score_crossfitted: float | None
    calibration: Calibration | None = None
    shipped: Link | None = None
    spread: Spread | None = None

    @property
    def ships(self) -> Link:
        """The link of the bundle."""
        return self.link if self.shipped is None else self.shipped


@dataclass(frozen=True, kw_only=True)
class ChoiceRules:
    """How what ships is chosen.

    single: the best trial instead of a blend.  limits: what a blend may cost to score.
    baseline_loss: the metric's loss of the constant prediction, the scale of what a member must
    buy.  crossfit_seconds: for `Choice.score_crossfitted`.  weights: of a blend that was chosen
    before; nothing is searched then.  blend_seconds: after so many the search ends with the best
    blend so far.
    """

    single: bool
    limits: Limits
    baseline_loss: float
    calibrate: bool
    seed: int
    crossfit_seconds: float = 0.0
    weights: Mapping[str, float] | None = None
    blend_seconds: float = math.inf


def choose(
    trials: list[Trial],
    margins: Mapping[str, NDArray[np.float32]],
    scorer: Scorer,
    rules: ChoiceRules,
) -> Choice:
    """The blend (or the best trial) of finished trials.

    margins: stacked out-of-fold margins by trial name.
    """
    deadline = time.monotonic() + rules.blend_seconds
    losses = {trial.name: float(trial.loss or 0.0) for trial in trials}
    names = names_by_loss(losses, MAX_CANDIDATES)
    chooser = scorer.with_echoes()
    limits = rules.limits
    if rules.weights is not None:
        blend = Blend(rules.weights, math.nan)
    elif rules.single:
        # The best that is small enough; else the smallest.
        name = next((n for n in names if limits.excess(n) <= 1.0), min(names, key=limits.excess))
        blend = Blend({name: 1.0}, losses[name])
    else:
        blend = _blend(names, margins, limits, chooser, rules.baseline_loss, rules.seed, deadline)
    stacked = blended(blend.weights, margins)
    scorer, chooser, calibration, found = _linked(stacked, scorer, chooser, rules)
    threshold = chooser.threshold(chooser.pooled(stacked))
    pooled = scorer.pooled(stacked)
    fold_scores = scorer.split_scores(stacked, threshold)
    members = {name: margins[name] for name in blend.weights}
    return Choice(
        weights=blend.weights,
        link=scorer.link,
        threshold=threshold,
        pooled=pooled,
        score=mean_score(fold_scores),
        fold_scores=fold_scores,
        score_crossfitted=_crossfitted(
            members, scorer, chooser, rules.baseline_loss, rules.crossfit_seconds
        ),
        calibration=calibration,
        spread=found,
    )


def _linked(
    stacked: Floats, scorer: Scorer, chooser: Scorer, rules: ChoiceRules
) -> tuple[Scorer, Scorer, Calibration | None, Spread | None]:
    """Both scorers with the link that ships, and what it was found from.

    stacked: the blend's out-of-fold margins.
    """
    calibration = found = None
    if rules.calibrate:
        link, calibration = calibrated(scorer.link, chooser, chooser.pooled(stacked), rules.seed)
        scorer, chooser = scorer.with_link(link), chooser.with_link(link)
    if chooser.smears:
        link = with_smearing(scorer.link, chooser, chooser.pooled(stacked))
        scorer, chooser = scorer.with_link(link), chooser.with_link(link)
    if scorer.metric.quantiles:
        found = spread(chooser, chooser.pooled(stacked), rules.seed)
        link = spread_link(scorer, found)
        scorer, chooser = scorer.with_link(link), chooser.with_link(link)
    return scorer, chooser, calibration, found


def _blend(  # noqa: PLR0913 - what is blended, what bounds it, and a sample of the rows
    names: Sequence[str],
    margins: Mapping[str, NDArray[np.float32]],
    limits: Limits,
    scorer: Scorer,
    baseline_loss: float,
    seed: int,
    deadline: float,
) -> Blend:
    sample = row_sample(len(scorer.rows), MAX_ROWS, seed)
    return best_blend(
        {name: scorer.pooled(margins[name])[sample] for name in names},
        lambda margin: scorer.loss(margin, sample),
        limits=limits,
        metric=scorer.metric,
        baseline_loss=baseline_loss,
        deadline=deadline,
    )


def best_blend(  # noqa: PLR0913 - as greedy_blend, and the metric that the limits need
    pools: Mapping[str, Floats],
    loss: Loss,
    *,
    limits: Limits,
    metric: Metric,
    baseline_loss: float,
    rounds: int = 30,
    losses: Mapping[str, float] | None = None,
    deadline: float = math.inf,
) -> Blend:
    """The greedy blend of (n, k) margins by name, prices of the limits on the scale of `loss`.

    losses, deadline: as `greedy_blend` takes them.
    """
    losses = {name: loss(pool) for name, pool in pools.items()} if losses is None else losses
    best = min(losses[name] for name in pools)
    scale = max(baseline_loss - best, 1e-12)
    # What a dear member must buy is a share of what is still missing to a perfect score.
    missing = best - metric.loss(metric.best)
    left = min(max(missing / scale, _LEAST_LEFT), 1.0)
    dearer = replace(limits, dear_rate=limits.dear_rate * left)
    return greedy_blend(
        pools,
        loss,
        limits=dearer,
        rounds=rounds,
        scale=scale,
        losses=losses,
        deadline=deadline,
    )


def with_smearing(link: Link, chooser: Scorer, pooled: Floats) -> Link:
    """`link` with the shifts of the out-of-fold residuals (Duan, Smearing Estimate, 1983)."""
    return link.smeared(chooser.residuals(pooled))


def _crossfitted(
    margins: Mapping[str, NDArray[np.float32]],
    scorer: Scorer,
    chooser: Scorer,
    baseline_loss: float,
    seconds: float,
) -> float | None:
    """Mean over splits of the score of a blend whose weights never saw the split's rows.

    margins: stacked margins of the members.  scorer, chooser: what scores are reported by, and
    what choices go by. With repeats, the splits of the first one are used.
    None for a single member, for fewer than three splits, and where it would take more than
    `seconds` (not measured if infinite).
    """
    repeat = chooser.splits[0].repeat
    if (
        seconds <= 0.0
        or len(margins) < 2
        or sum(split.repeat == repeat for split in chooser.splits) < 3
    ):
        return None
    pools = {name: chooser.pooled(stacked) for name, stacked in margins.items()}
    if math.isfinite(seconds):
        started = time.perf_counter()
        chooser.loss(next(iter(pools.values())))
        each = time.perf_counter() - started
        if each * len(chooser.splits) * len(pools) * _USUAL_ROUNDS > seconds:
            return None
    scale = max(baseline_loss - min(chooser.loss(pool) for pool in pools.values()), 1e-12)
    scores = []
    for k, split in enumerate(chooser.splits):
        if split.repeat != repeat:
            continue
        rest = np.flatnonzero(~np.isin(chooser.rows % chooser.n_rows, split.valid))
        others = {name: pool[rest] for name, pool in pools.items()}
        weights = greedy_blend(others, partial(chooser.loss, sample=rest), scale=scale).weights
        threshold = chooser.threshold(blended(weights, others), rest)
        scores.append(scorer.split_scores(blended(weights, margins), threshold)[k])
    return mean_score(scores)
