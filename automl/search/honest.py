"""The score of what ships, corrected for having been chosen: bootstrap bias-corrected CV.

Tsamardinos, Greasidou, Borboudakis, Bootstrapping the out-of-sample predictions for efficient and
accurate cross-validation (Machine Learning, 2018): pick, blend and threshold are repeated on the
rows of a bootstrap sample, from the out-of-fold predictions that are there already, and scored on
the rows that it left out. No model is trained again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl.search.blend import Limits, blended, names_by_loss, row_sample
from automl.search.scoring import Scorer
from automl.search.select import Choice, best_blend

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

LEVEL = 0.95
# Of each finished trial, so many numbers are kept for this, whatever else of it is dropped.
_KEPT_NUMBERS = 100_000
_KEPT_ROWS = 5_000
# Resamples, and rows that they are drawn of. Without a clock both are fixed.
_MOST_RESAMPLES = 200
_FIXED_RESAMPLES = 100
_FIXED_NUMBERS = 12_000
_FIXED_ROWS = 3_000
_LEAST_RESAMPLES = 20
_LEAST_ROWS = 500
_PERCENTILES_FROM = 100  # of fewer resamples, the tails are taken from a normal distribution
_NORMAL_TAIL = 1.959964
# Variance of the score of all rows, in that of the rows that a bootstrap sample leaves out: these
# are e^-1 of all rows, and are drawn without replacement.
_NOMINAL = math.exp(-1.0) / (1.0 - math.exp(-1.0))
# Blends of a resample: of its best few trials, in fewer rounds than the blend that ships.
_BLENDED = 6
_ROUNDS = 10
_USUAL_EVALUATIONS = 60  # of the loss, to blend so


@dataclass(frozen=True)
class Corrected:
    """A score corrected for choosing, and where it comes from.

    score: that of `Choice.score` less what choosing among `candidates` gained on the rows that
        chose.  low, high: the percentile interval of the scores of rows left out, widened for
        training rows that models share.  rows: the resamples were drawn from; where the table has
        more, distances are scaled.
    """

    score: float
    low: float
    high: float
    level: float
    resamples: int
    rows: int
    candidates: int


class Pool:
    """Out-of-fold margins of every finished trial on some rows, also of trials that are dropped.

    A pool of the best trials only would be one that all rows had chosen already.
    sample: rising positions within the rows of `chooser`, a scorer with echoes.
    """

    def __init__(self, chooser: Scorer, seed: int) -> None:
        self._seed = seed
        self._n_rows = len(chooser.rows)
        self._sample: Rows | None = None
        self.margins: dict[str, NDArray[np.float32]] = {}

    @property
    def sample(self) -> Rows:
        return np.arange(self._n_rows) if self._sample is None else self._sample

    def take(self, name: str, pooled: Floats) -> None:
        """Keep the (n_rows, k) pooled margins of a finished trial."""
        if self._sample is None:
            limit = min(_KEPT_ROWS, max(_KEPT_NUMBERS // pooled.shape[1], _LEAST_ROWS))
            every = np.arange(self._n_rows)
            self._sample = every[row_sample(self._n_rows, limit, self._seed)]
        self.margins[name] = pooled[self._sample].astype(np.float32)


@dataclass(frozen=True)
class Rules:
    """How what ships was chosen, and what repeating it may cost.

    seconds: infinite = nothing reads the clock: `resamples` are drawn, of a fixed number of rows,
        so that the result depends on the seed only.
    """

    single: bool
    limits: Limits
    baseline_loss: float
    seconds: float
    seed: int
    resamples: int = _FIXED_RESAMPLES


def corrected_score(
    choice: Choice,
    margins: Mapping[str, NDArray[np.floating]],
    scorer: Scorer,
    pool: Pool,
    groups: Rows,
    rules: Rules,
) -> Corrected | None:
    """The score of `choice` without what choosing gained, and its interval.

    margins: stacked, of its members.  groups: (n,) ids of the table; rows of one id are drawn
    together.  None where the rows do not define the score, and where `rules.seconds` are too few
    for 20 resamples.
    """
    clocked = math.isfinite(rules.seconds)
    started = time.perf_counter()
    scorer = scorer.with_link(choice.link)
    chooser = scorer.with_echoes()
    shipped = chooser.pooled(blended(choice.weights, margins))[pool.sample].astype(np.float32)
    bag = _Bag(scorer, chooser, pool, shipped, choice.threshold, rules)
    if clocked:
        bag.shrink(_affordable(bag, rules.seconds))
    else:
        bag.shrink(min(_FIXED_ROWS, max(_FIXED_NUMBERS // shipped.shape[1], _LEAST_ROWS)))
    units = np.unique(groups[chooser.rows[bag.positions] % scorer.n_rows], return_inverse=True)[1]
    rng = np.random.default_rng([rules.seed, 1])
    chosen, best = [], []
    for _ in range(_MOST_RESAMPLES if clocked else _fixed(rules.resamples, shipped.shape[1])):
        if clocked and time.perf_counter() - started > rules.seconds:
            break
        again, kept = bag.resample(rng, units)
        if math.isfinite(again) and math.isfinite(kept):
            chosen.append(again)
            best.append(kept)
    if len(chosen) < _LEAST_RESAMPLES or not math.isfinite(choice.score):
        return None
    scale = math.sqrt(bag.n_scored / len(scorer.rows))
    found = _corrected(choice.score, np.array(chosen), np.array(best), scorer, scale)
    return Corrected(*found, LEVEL, len(chosen), bag.n_scored, len(bag.names))


def _fixed(resamples: int, n_outputs: int) -> int:
    """Resamples without a clock: fewer where every score is one of many classes."""
    return min(resamples, max(_FIXED_NUMBERS // (n_outputs * 40), 40))


def _affordable(bag: _Bag, seconds: float) -> int:
    """Rows on which as many resamples as are wanted take about `seconds`."""
    started = time.perf_counter()
    bag.evaluate()
    each = time.perf_counter() - started
    wanted = seconds / (each * (len(bag.names) + _USUAL_EVALUATIONS) * _PERCENTILES_FROM * 1.2)
    return max(int(wanted * len(bag.positions)), _LEAST_ROWS)


class _Bag:
    """The rows that resamples are drawn of, with the margins of all candidates and of what ships.

    positions: rising, within the rows of the chooser; those of echoes come last.
    """

    def __init__(  # noqa: PLR0913 - what a resample repeats, each given once
        self,
        scorer: Scorer,
        chooser: Scorer,
        pool: Pool,
        shipped: NDArray[np.float32],
        threshold: float | None,
        rules: Rules,
    ) -> None:
        self._scorer, self._chooser = scorer, chooser
        self._threshold, self._rules = threshold, rules
        self.names: Sequence[str] = list(pool.margins)
        self.positions = pool.sample
        self._margins = dict(pool.margins)
        self._shipped = shipped

    def shrink(self, n_rows: int) -> None:
        """Go on with `n_rows` random ones of the rows, if there are more."""
        taken = row_sample(len(self.positions), n_rows, self._rules.seed)
        self.positions = self.positions[taken]
        self._shipped = self._shipped[taken]
        self._margins = {name: margin[taken] for name, margin in self._margins.items()}

    @property
    def n_scored(self) -> int:
        """Rows that are no echoes."""
        return int((self.positions < len(self._scorer.rows)).sum())

    def evaluate(self) -> float:
        """The loss of what ships."""
        return self._chooser.loss(self._shipped.astype(np.float64), self.positions)

    def resample(self, rng: np.random.Generator, units: Rows) -> tuple[float, float]:
        """Scores on the units left out: of a choice by the units drawn, and of what ships."""
        n_units = int(units.max()) + 1
        times = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)[units]
        inside = np.repeat(np.arange(len(units)), times)
        outside = np.flatnonzero((times == 0) & (self.positions < len(self._scorer.rows)))
        if not len(outside):
            return math.nan, math.nan
        weights, threshold = self._choose(inside)
        again = blended(weights, {name: self._margins[name][outside] for name in weights})
        rows = self.positions[outside]
        shipped = self._shipped[outside].astype(np.float64)
        return (
            self._scorer.score(again, threshold, rows),
            self._scorer.score(shipped, self._threshold, rows),
        )

    def _choose(self, inside: Rows) -> tuple[Mapping[str, float], float | None]:
        """Weights and threshold as these rows would have them."""
        rows, chooser, rules = self.positions[inside], self._chooser, self._rules
        pools = {n: margin[inside].astype(np.float64) for n, margin in self._margins.items()}
        losses = {name: chooser.loss(pool, rows) for name, pool in pools.items()}
        ranked = names_by_loss(losses, len(losses))
        if rules.single:
            name = next(
                (n for n in ranked if rules.limits.excess(n) <= 1.0),
                min(ranked, key=rules.limits.excess),
            )
            return {name: 1.0}, chooser.threshold(pools[name], rows)
        blend = best_blend(
            {name: pools[name] for name in ranked[:_BLENDED]},
            lambda margin: chooser.loss(margin, rows),
            limits=rules.limits,
            metric=chooser.metric,
            baseline_loss=rules.baseline_loss,
            rounds=_ROUNDS,
        )
        return blend.weights, chooser.threshold(blended(blend.weights, pools), rows)


def _corrected(
    score: float, chosen: Floats, best: Floats, scorer: Scorer, scale: float
) -> tuple[float, float, float]:
    """(score, low, high) from scores on rows left out: of choices made again, and of what ships.

    scale: sqrt(rows drawn of / all rows): what choosing gains and the width both fall so.
    """
    metric = scorer.metric
    gained = float((best - chosen).mean()) * scale
    # Choosing on fewer rows does not do better; where it seems to, that is chance.
    gained = max(gained, 0.0) if metric.higher_is_better else min(gained, 0.0)
    centre = score - gained
    away = (chosen - chosen.mean()) * scale * _shared_training(scorer)
    if len(chosen) < _PERCENTILES_FROM:
        reach = _NORMAL_TAIL * float(away.std(ddof=1))
        low, high = centre - reach, centre + reach
    else:
        tail = (1.0 - LEVEL) / 2.0
        low, high = (float(centre + end) for end in np.quantile(away, [tail, 1.0 - tail]))
    if metric.higher_is_better:
        high = min(high, max(metric.best, centre))
    else:
        low = max(low, min(metric.best, centre))
    return centre, low, high


def _shared_training(scorer: Scorer) -> float:
    """What the width grows by because the models of the folds share their training rows.

    Another table of as many rows would give other models. By Nadeau and Bengio, Inference for the
    generalization error (Machine Learning, 2003), the variance of the score of all rows is to be
    taken 1 + validated rows / training rows times. The rows left out alone have more of it than
    that where a single holdout is validated.
    """
    n_train = float(np.mean([len(split.train) for split in scorer.splits]))
    return math.sqrt(max(_NOMINAL * (1.0 + len(scorer.rows) / n_train), 1.0))
