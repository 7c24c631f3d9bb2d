"""Prediction intervals and sets: conformal prediction from out-of-fold scores.

A row's conformal score says how badly a fold's model, which never saw the row, did on it. With
the folds' models in the bundle this is CV+ (Barber, Candès, Ramdas, Tibshirani, Predictive
inference with the jackknife+, 2021; for sets Romano, Sesia, Candès, Classification with valid and
adaptive coverage, 2020): a value belongs to an interval or set if too few of all scores are below
the one that it would have with the model of each score's own fold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from automl.errors import ConfigError
from automl.features.strict import Fields
from automl.model.link import Link
from automl.task import Task

Floats = NDArray[np.float64]
Method = Literal["cv+", "split", "approximate"]

FILE = "intervals.json"  # in a bundle; one written without it has no intervals
MOST_FOLDS = 1000
_KEPT_SCORES = 400  # of a fold: so many order statistics of its scores
_BINS = 20  # of the prediction, for the difficulty
_BIN_ROWS = 50
_FLOOR = 0.1  # of the mean difficulty, under which none falls
_STEPS = 20  # of bisection, each of which halves what the folds differ by


@dataclass(frozen=True)
class Difficulty:
    """How large errors are by where the prediction lies: linear between knots, flat beyond.

    at: (b,) rising margins.  size: (b,) mean absolute residuals, positive.
    """

    at: tuple[float, ...]
    size: tuple[float, ...]

    def of(self, margin: Floats) -> Floats:
        """(n,) expected absolute residual of (n,) margins."""
        return np.asarray(np.interp(margin, self.at, self.size), dtype=np.float64)

    @classmethod
    def fit(cls, margin: Floats, residual: Floats) -> Difficulty | None:
        """Mean absolute residuals in bins of equally many margins; None for too few rows."""
        n_bins = min(_BINS, len(margin) // _BIN_ROWS)
        typical = float(np.abs(residual).mean())
        if n_bins < 2 or not typical > 0:
            return None
        bins = np.array_split(np.argsort(margin, kind="stable"), n_bins)
        at = [float(margin[rows].mean()) for rows in bins]
        size = [max(float(np.abs(residual[rows]).mean()), _FLOOR * typical) for rows in bins]
        keep = [i for i in range(n_bins) if i == 0 or at[i] > at[i - 1]]
        return cls(tuple(at[i] for i in keep), tuple(size[i] for i in keep))


@dataclass(frozen=True)
class Conformal:
    """The scores of out-of-fold rows, by fold, and how sure what is made of them can be.

    method: "cv+" with a model per fold; "split" where one model was scored on rows that it never
        saw; "approximate" where what ships was trained on the scored rows too (refits, students).
    folds: rising scores of each fold, at most a few hundred order statistics.  counts: rows behind
        them.  difficulty: what residuals are divided by, on the margin's scale; None = nothing.
    """

    method: Method
    folds: tuple[Floats, ...]
    counts: tuple[int, ...]
    difficulty: Difficulty | None = None

    @property
    def n_rows(self) -> int:
        return sum(self.counts)

    def share(self, level: float) -> float:
        """Share of all scores that a set of `level` coverage reaches over.

        Raises ConfigError for a level outside of 0 to 1, or one that the rows cannot warrant.
        """
        if not 0.0 < level < 1.0:
            raise ConfigError(
                f"The coverage is {level:g}, but must lie between 0 and 1.",
                hint="For nine rows in ten write 0.9.",
            )
        share = level * (self.n_rows + 1) / self.n_rows
        if share > 1.0:
            most = self.n_rows / (self.n_rows + 1)
            raise ConfigError(
                f"A coverage of {level:g} needs more rows than the {self.n_rows:,} that were "
                "validated in training.",
                hint=f"Ask for {math.floor(most * 100) / 100:g} or less.",
            )
        return share

    def interval(self, margins: Floats, link: Link, level: float) -> tuple[Floats, Floats]:
        """(n,) lower and upper end of each row's interval, in target values.

        margins: (n, K) of the models of the folds, or (n, 1) of the one that ships.
        """
        share = self.share(level)
        size = np.ones_like(margins)
        if self.difficulty is not None:
            size = self.difficulty.of(margins.ravel()).reshape(margins.shape)
        upper = self._reach(margins, size, share)
        lower = -self._reach(-margins, size, share)
        return link.inverse(lower), link.inverse(upper)

    def band(self, low: Floats, high: Floats, link: Link, level: float) -> tuple[Floats, Floats]:
        """(n,) lower and upper end of each row's interval around two predicted quantiles.

        low, high: (n, K) margins of the models of the folds, or (n, 1) of the one that ships. Ends
        that would cross meet in the middle. Conformalised quantile regression: Romano, Patterson,
        Candès (2019).
        """
        share, size = self.share(level), np.ones_like(low)
        upper = self._reach(high, size, share)
        lower = -self._reach(-low, size, share)
        middle = 0.5 * (lower + upper)
        crossed = lower > upper
        ends = np.where(crossed, middle, lower), np.where(crossed, middle, upper)
        return link.inverse(ends[0]), link.inverse(ends[1])

    def _reach(self, margins: Floats, size: Floats, share: float) -> Floats:
        """(n,) least end with `share` of the scores below, each from its own fold's margin."""
        folds, weights = self._folds(margins.shape[1])
        ends = margins + size * np.array([_quantile(scores, share) for scores in folds])
        low, high = ends.min(axis=1), ends.max(axis=1)
        for _ in range(_STEPS if margins.shape[1] > 1 else 0):
            middle = 0.5 * (low + high)
            reached = np.zeros(len(middle))
            for k, scores in enumerate(folds):
                score = (middle - margins[:, k]) / size[:, k]
                reached += weights[k] * np.searchsorted(scores, score, side="right") / len(scores)
            enough = reached >= share
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.asarray(high)

    def members(self, probabilities: Sequence[Floats], level: float) -> NDArray[np.bool_]:
        """(n, n_classes) whether a class is in the row's set; the likeliest always is.

        probabilities: (n, n_classes) of the model of each fold, or of the one that ships.
        """
        share = self.share(level)
        folds, weights = self._folds(len(probabilities))
        below = np.zeros_like(probabilities[0])
        for proba, scores, weight in zip(probabilities, folds, weights, strict=True):
            below += weight * np.searchsorted(scores, 1.0 - proba, side="left") / len(scores)
        found = below < share
        mean = np.mean(np.stack(probabilities), axis=0)
        found[np.arange(len(mean)), mean.argmax(axis=1)] = True
        return np.asarray(found)

    def _folds(self, n_models: int) -> tuple[Sequence[Floats], Floats]:
        """Scores by model, and the share of the rows behind each."""
        if n_models == len(self.folds):
            return self.folds, np.array(self.counts) / self.n_rows
        return [pooled(self.folds, self.counts)], np.ones(1)

    def to_json(self) -> dict[str, Any]:
        known = self.difficulty
        return {
            "method": self.method,
            "folds": [[float(f"{score:.8g}") for score in scores] for scores in self.folds],
            "counts": list(self.counts),
            "difficulty": known and {"at": list(known.at), "size": list(known.size)},
        }

    @classmethod
    def from_json(cls, data: Any) -> Conformal:
        """What `to_json` wrote; BundleError or ValueError for anything else."""
        fields = Fields.of(data, FILE)
        method: Any = fields.text("method", known=get_args(Method))
        counts = fields.integers("counts", low=1)
        folds = [
            Fields.of({"scores": scores}, f"{FILE}: folds[{k}]").numbers("scores")
            for k, scores in enumerate(fields.items("folds"))
        ]
        rising = all(a <= b for scores in folds for a, b in pairwise(scores))
        if not 0 < len(folds) == len(counts) <= MOST_FOLDS or not all(folds) or not rising:
            raise ValueError("the scores of the folds are not rising numbers for each count")
        difficulty = None
        if fields.data.get("difficulty") is not None:
            known = Fields.of(fields.data["difficulty"], f"{FILE}: 'difficulty'")
            difficulty = Difficulty(known.numbers("at"), known.numbers("size"))
            at, size = difficulty.at, difficulty.size
            if (
                not 0 < len(at) == len(size)
                or min(size) <= 0
                or any(a >= b for a, b in pairwise(at))
            ):
                raise ValueError("the difficulty is not a curve of positive sizes")
        return cls(method, tuple(np.array(scores) for scores in folds), counts, difficulty)


def conformal(
    method: Method, scores: Sequence[Floats], difficulty: Difficulty | None = None
) -> Conformal:
    """What a bundle keeps of the conformal scores of each fold's rows."""
    kept = [one for one in scores if len(one)]
    counts = tuple(len(one) for one in kept)
    return Conformal(method, tuple(thinned(one) for one in kept), counts, difficulty)


def thinned(scores: Floats) -> Floats:
    """(m,) rising scores, at most 400 that stand for equal shares of them all."""
    ranked = np.sort(scores)
    if len(ranked) <= _KEPT_SCORES:
        return ranked
    places = (np.arange(_KEPT_SCORES) + 0.5) * len(ranked) / _KEPT_SCORES
    return np.asarray(ranked[places.astype(np.intp)])


def pooled(folds: Sequence[Floats], counts: Sequence[int]) -> Floats:
    """Rising scores of all folds as one, each fold by its rows."""
    if len(set(counts)) == 1:
        return np.sort(np.concatenate(folds))
    every = np.concatenate(folds)
    weight = np.concatenate(
        [np.full(len(f), n / len(f)) for f, n in zip(folds, counts, strict=True)]
    )
    order = np.argsort(every)
    reached = np.cumsum(weight[order])
    m = len(every)
    places = np.searchsorted(reached, (np.arange(m) + 0.5) / m * reached[-1])
    return np.asarray(every[order][np.minimum(places, m - 1)])


def _quantile(scores: Floats, share: float) -> float:
    """The least of the rising scores with `share` of them at or below it."""
    return float(scores[min(max(math.ceil(share * len(scores) - 1e-9), 1), len(scores)) - 1])


def residual_scores(
    margins: Sequence[Floats], targets: Sequence[Floats], difficulty: Difficulty | None
) -> list[Floats]:
    """Absolute residuals of each fold's rows, divided by their difficulty."""
    found = []
    for margin, target in zip(margins, targets, strict=True):
        size = 1.0 if difficulty is None else difficulty.of(margin)
        found.append(np.asarray(np.abs(target - margin) / size))
    return found


def band_scores(
    low: Sequence[Floats], high: Sequence[Floats], targets: Sequence[Floats]
) -> list[Floats]:
    """How far each fold's targets lie outside of two predicted quantiles; negative inside."""
    return [
        np.asarray(np.maximum(below - target, target - above))
        for below, above, target in zip(low, high, targets, strict=True)
    ]


def label_scores(probabilities: Sequence[Floats], labels: Sequence[Floats]) -> list[Floats]:
    """One less the probability of the true class, for each fold's rows.

    Sadinle, Lei, Wasserman, Least ambiguous set-valued classifiers with bounded error levels,
    2019: the sets are the smallest that cover so often.
    """
    return [
        1.0 - proba[np.arange(len(y)), y.astype(np.intp)]
        for proba, y in zip(probabilities, labels, strict=True)
    ]


def check_models(known: Conformal, n_boosters: Sequence[int]) -> None:
    """Raise ValueError unless CV+ has a booster of each member for every fold."""
    if known.method == "cv+" and set(n_boosters) != {len(known.folds)}:
        raise ValueError(f"{len(known.folds)} folds of scores, and other numbers of models")


def refuse_other_task(task: Task, *, interval: bool, sets: bool) -> None:
    """Raise ConfigError for intervals of classes and for sets of numbers."""
    if interval and task.is_classification:
        raise ConfigError(
            f"--interval needs a numeric target, and this is a {task}.",
            hint="Use --sets for sets of classes.",
        )
    if sets and not task.is_classification:
        raise ConfigError(
            f"--sets needs classes, and this is a {task}.", hint="Use --interval for intervals."
        )


def absent(bundle: Mapping[str, Any]) -> ConfigError:
    """The error for a bundle that has none."""
    by = bundle.get("automl")
    writer = f"automl {by}" if isinstance(by, str) else "another version"
    return ConfigError(
        f"The model has no prediction intervals or sets: {writer[:40]} wrote it without.",
        hint="Fit it again with `automl fit`.",
    )
