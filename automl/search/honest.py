"""The score that what ships has on new rows: corrected for choosing, averaging and repeats.

Tsamardinos, Greasidou, Borboudakis, Bootstrapping the out-of-sample predictions for efficient and
accurate cross-validation (Machine Learning, 2018): pick, blend and threshold are repeated on the
rows of a bootstrap sample, from the out-of-fold predictions that are there already, and scored on
the rows that it left out. No model is trained again.

Two more things set new rows apart from the out-of-fold rows: they meet the mean of the folds'
models (`search.averaging`), and some of them repeat rows that the table has (`data.echo`).

The interval is the bootstrap's of the out-of-fold score, a little wider. For models that one row
more or less hardly changes it is exact as it is, though folds share training rows: Bayle, Bayle,
Janson, Mackey, Cross-validation confidence intervals for test error (2020).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl.metrics.base import Metric
from automl.search.averaging import Averaged
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
_LEAST_CHOICES = 5  # a mean needs fewer than an interval
_LEAST_ROWS = 500
_NO_SPREAD = 1e-12
# Variance of the score of all rows, in that of the rows that a bootstrap sample leaves out: these
# are e^-1 of all rows, and are drawn without replacement.
_NOMINAL = math.exp(-1.0) / (1.0 - math.exp(-1.0))
_PERCENTILES_FROM = 100  # of fewer resamples, the tails are taken from a normal distribution
_NORMAL_TAIL = 1.959964
# Resamples of what ships alone, and rows that they are drawn of: a score with a heavy tail, or of
# a rare class, is known from as many rows as can be.
_SPREAD_RESAMPLES = 200
_SPREAD_ROWS = 20_000
_SPREAD_NUMBERS = 60_000
_SPREAD_SHARE = 0.3  # of the seconds
# Of the bootstrap interval, which does not see that folds share training rows and tree counts.
# Measured on 180 generated tables of 400 rows, with a blend of models that differ much: the
# interval as it is held the score of 10,000 new rows on 87 % of them, this wide on 96 %.
_WIDER = 1.3
# Blends of a resample: of its best few trials, in fewer rounds than the blend that ships.
_BLENDED = 6
_ROUNDS = 10
_USUAL_EVALUATIONS = 60  # of the loss, to blend so


@dataclass(frozen=True)
class Corrected:
    """A score corrected for choosing, and where it comes from.

    score: expected of new rows drawn like those of the table. That of `Choice.score`, less what
        choosing among `candidates` gained on the rows that chose, with `averaging` and `repeats`.
    low, high: its interval.  rows: the resamples of choices were drawn from.
    averaging: what the mean of the folds' models gains on one of them, or 0.
    repeats: what is gained by new rows that repeat known ones, or 0; `unseen` is the score
        without it: that of rows which repeat none.
    """

    score: float
    low: float
    high: float
    level: float
    resamples: int
    rows: int
    candidates: int
    averaging: float = 0.0
    repeats: float = 0.0
    unseen: float = math.nan


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
    averages: Averaged | None = None,
) -> Corrected | None:
    """The score of `choice` on new rows, and its interval.

    margins: stacked, of its members.  groups: (n,) ids of the table; rows of one id are drawn
    together.  averages: of the models of the folds, where their mean ships.  None where the rows
    do not define the score, and where `rules.seconds` are too few for five resamples.
    """
    scorer = scorer.with_link(choice.link)
    chooser = scorer.with_echoes()
    pooled = chooser.pooled(blended(choice.weights, margins))
    shipped = pooled[pool.sample].astype(np.float32)
    bag = _Bag(scorer, chooser, pool, shipped, choice.threshold, rules)
    if math.isfinite(rules.seconds):
        bag.shrink(_affordable(bag, (1.0 - _SPREAD_SHARE) * rules.seconds))
    else:
        bag.shrink(min(_FIXED_ROWS, max(_FIXED_NUMBERS // shipped.shape[1], _LEAST_ROWS)))
    chosen, best = _resampled(bag, groups[chooser.rows[bag.positions] % scorer.n_rows], rules)
    if len(chosen) < _LEAST_CHOICES or not math.isfinite(choice.score):
        return None
    every = scorer.with_repeats()
    away = _away(every, pooled, choice.threshold, groups, rules)
    if len(away) < _LEAST_RESAMPLES:
        return None
    scale = math.sqrt(bag.n_scored / len(scorer.rows))
    unseen = choice.score
    if away.std() >= _NO_SPREAD:  # else a constant ships, whose score is no luck
        unseen -= _gained(chosen, best, scorer.metric) * scale
    ends = _ends(_WIDER * _with_choices(away, chosen, best, scale))
    averaging, repeats = 0.0, 0.0
    if len(every.rows) > len(scorer.rows):
        repeats = every.score(pooled, choice.threshold)
        repeats -= scorer.score(choice.pooled, choice.threshold)
    if averages is not None:
        gain = averages.gain(scorer, choice.pooled, choice.threshold)
        gain *= len(scorer.rows) / len(every.rows)  # as if it were nothing on rows that repeat
        averaging = _careful(gain, choice.score, unseen, ends, rules, scorer.metric)
    score = unseen + averaging + repeats
    return Corrected(
        score,
        *_possible(score, ends, scorer.metric),
        LEVEL,
        resamples=len(chosen),
        rows=bag.n_scored,
        candidates=len(bag.names),
        averaging=averaging,
        repeats=repeats,
        unseen=unseen + averaging,
    )


def _with_choices(away: Floats, chosen: Floats, best: Floats, scale: float) -> Floats:
    """Distances of the score of what ships, with what choosing adds to what is not known."""
    if away.std() < _NO_SPREAD:  # a constant ships: only what else might have does vary
        return np.asarray((chosen - chosen.mean()) * scale * math.sqrt(_NOMINAL))
    if len(best) < _LEAST_RESAMPLES or best.std() < _NO_SPREAD:
        return away
    return away * max(float(chosen.std()) / float(best.std()), 1.0)


def _possible(score: float, ends: tuple[float, float], metric: Metric) -> tuple[float, float]:
    """The ends of the interval around `score`, not better than perfect."""
    low, high = score + ends[0], score + ends[1]
    if metric.higher_is_better:
        return low, min(high, max(metric.best, score))
    return max(low, min(metric.best, score)), high


def _resampled(bag: _Bag, groups: Rows, rules: Rules) -> tuple[Floats, Floats]:
    """Scores on rows left out: of choices made again, and of what ships."""
    started = time.perf_counter()
    clocked = math.isfinite(rules.seconds)
    units = np.unique(groups, return_inverse=True)[1]
    rng = np.random.default_rng([rules.seed, 1])
    chosen, best = [], []
    for _ in range(_MOST_RESAMPLES if clocked else _fixed(rules.resamples, bag.n_outputs)):
        if clocked and time.perf_counter() - started > (1.0 - _SPREAD_SHARE) * rules.seconds:
            break
        again, kept = bag.resample(rng, units)
        if math.isfinite(again) and math.isfinite(kept):
            chosen.append(again)
            best.append(kept)
    return np.array(chosen), np.array(best)


def _away(
    scorer: Scorer, pooled: Floats, threshold: float | None, groups: Rows, rules: Rules
) -> Floats:
    """Distances of the scores of bootstrap samples of all rows from their mean."""
    started = time.perf_counter()
    limit = min(_SPREAD_ROWS, max(_SPREAD_NUMBERS // pooled.shape[1], _LEAST_ROWS))
    seconds = _SPREAD_SHARE * rules.seconds
    if math.isfinite(seconds):
        scorer.score(pooled, threshold)
        each = time.perf_counter() - started
        started = time.perf_counter()
        affordable = seconds / (each * _PERCENTILES_FROM * 1.2) * len(pooled)
        limit = min(limit, max(int(affordable), _LEAST_ROWS))
    places = np.arange(len(pooled))[row_sample(len(pooled), limit, rules.seed)]
    units = np.unique(groups[scorer.rows[places] % scorer.n_rows], return_inverse=True)[1]
    n_units = int(units.max()) + 1
    rng = np.random.default_rng([rules.seed, 2])
    scores: list[float] = []
    for _ in range(_SPREAD_RESAMPLES):
        if len(scores) >= _LEAST_RESAMPLES and time.perf_counter() - started > seconds:
            break
        times = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)[units]
        rows = np.repeat(places, times)
        scores.append(scorer.score(pooled[rows], threshold, rows))
    known = np.array([score for score in scores if math.isfinite(score)])
    if not len(known):
        return known
    return np.asarray((known - known.mean()) * math.sqrt(len(places) / len(pooled)))


def _gained(chosen: Floats, best: Floats, metric: Metric) -> float:
    """What choosing gained on the rows that chose.

    Choosing on fewer rows does not do better; where it seems to, that is chance.
    """
    gained = float((best - chosen).mean())
    return max(gained, 0.0) if metric.higher_is_better else min(gained, 0.0)


def _ends(away: Floats) -> tuple[float, float]:
    """The percentiles of distances; of few, those of a normal distribution."""
    if len(away) < _PERCENTILES_FROM:
        reach = _NORMAL_TAIL * float(away.std(ddof=1))
        return -reach, reach
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(away, [tail, 1.0 - tail])
    return float(low), float(high)


def _careful(  # noqa: PLR0913 - a gain, and all that bounds it
    gain: float,
    score: float,
    unseen: float,
    ends: tuple[float, float],
    rules: Rules,
    metric: Metric,
) -> float:
    """A gain by averaging that is no luck, and not above what is not known anyway.

    Disturbing a lucky score loses its luck. So the gain counts by the share of what `score` saves
    against the baseline that is sure: at the worse end of the interval.
    """
    worse, better = ends if metric.higher_is_better else reversed(ends)
    lucky, sure = (rules.baseline_loss - metric.loss(one) for one in (score, unseen + worse))
    share = min(max(sure / lucky, 0.0), 1.0) if lucky > 0 else 0.0
    size = min(max(-metric.loss(gain), 0.0), abs(better))
    return share * (size if metric.higher_is_better else -size)


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
    def n_outputs(self) -> int:
        return int(self._shipped.shape[1])

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
            losses=losses,
        )
        return blend.weights, chooser.threshold(blended(blend.weights, pools), rows)
