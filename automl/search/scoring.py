"""Scores of out-of-fold margins: per split, pooled, and as the loss that a blend minimises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.splits import Split
from automl.metrics._threshold import best_threshold, score_probabilities
from automl.metrics.base import Metric
from automl.model.link import Link
from automl.search.parity import Parity
from automl.task import Objective, Task

Floats = NDArray[np.float64]
IntArray = NDArray[np.integer[Any]]

DEFAULT_THRESHOLD = 0.5
# Residual shifts that smear a margin while blends are compared; what ships has more.
_FEW_SHIFTS = 9


class Scorer:
    """Turns margins of the splits' valid rows into scores.

    y: (n,) class indices or target values in the metric's units.  weight: (n,) or None, the
    metric's weights.  "Stacked" margins hold the scored rows (valid, then echo) of all splits in
    split order, as `FoldTrainer.finish_fold` writes them; "pooled" ones hold each of `rows` once.
    echoes: whether pooled margins and their scores include the echo rows: for choices only. An
    echo of row i is row n + i of `rows`.
    fences: least and largest target value that choices count; values beyond count as these.
    parity: how far groups of rows may differ in what is decided for them; thresholds keep to it,
    and a margin that no threshold brings within it has a greater loss than any that one does.
    """

    def __init__(  # noqa: PLR0913 - the facts of a run, each given once
        self,
        metric: Metric,
        task: Task,
        link: Link,
        y: Floats,
        weight: Floats | None,
        splits: Sequence[Split],
        *,
        echoes: bool = False,
        fences: tuple[float, float] | None = None,
        parity: Parity | None = None,
    ) -> None:
        self.parity = parity
        self.metric, self.task, self.link = metric, task, link
        self.splits, self.echoes = splits, echoes
        self._raw, self._weight, self._fences = y, weight, fences
        self._y = y if fences is None or not echoes else np.clip(y, *fences)
        places, rows, start = [], [], 0
        for split in splits:
            n_valid, n_scored = len(split.valid), len(split.scored)
            places.append(np.arange(start, start + (n_scored if echoes else n_valid)))
            rows.append(
                np.concatenate([split.valid, split.echo + len(y)]) if echoes else split.valid
            )
            start += n_scored
        self._taken = np.concatenate(places)
        self.rows, self._place = np.unique(np.concatenate(rows), return_inverse=True)
        self._times = np.bincount(self._place).astype(np.float64)

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return len(self._y)

    def with_echoes(self) -> Scorer:
        """The same scorer for choices."""
        return self._with(self.link, echoes=True, parity=self.parity)

    def with_repeats(self) -> Scorer:
        """The same scorer for new rows, of which some repeat known ones: echoes, but no fences."""
        return Scorer(
            self.metric, self.task, self.link, self._raw, self._weight, self.splits, echoes=True
        )

    def of_splits(self, numbers: Sequence[int]) -> Scorer:
        """The scorer of some splits alone, for what was predicted of their valid rows only."""
        splits = [replace(self.splits[k], echo=self.splits[k].echo[:0]) for k in numbers]
        return Scorer(self.metric, self.task, self.link, self._raw, self._weight, splits)

    @property
    def smears(self) -> bool:
        """Whether values are to be the mean of the target behind a link that bends the scale.

        Medians and quantiles pass through a monotone link as they are.
        """
        squared = self.metric.objective.get(self.task) is Objective.SQUARED
        return self.link.transforms and squared and not self.metric.log_target

    def residuals(self, margin: Floats, sample: IntArray | slice = slice(None)) -> Floats:
        """(n,) target on the link's scale less a pooled margin; `sample` as in `loss`."""
        y, _ = self._truth(self.rows[sample])
        return np.asarray(self.link.margin_of(y) - margin[:, 0])

    def pooled(self, stacked: NDArray[np.floating[Any]]) -> Floats:
        """(n_rows, k) margin of each of `rows`, averaged over repeats."""
        taken = stacked[self._taken]
        total = np.empty((len(self.rows), stacked.shape[1]))
        for output in range(stacked.shape[1]):
            total[:, output] = np.bincount(self._place, weights=taken[:, output])
        return np.asarray(total / self._times[:, None])

    def threshold(self, margin: Floats, sample: IntArray | slice = slice(None)) -> float | None:
        """The decision threshold for pooled margins; None unless the task is binary.

        Label metrics have it tuned on these margins, others keep 0.5, unless the groups of
        `parity` differ too much there.
        """
        if self.task is not Task.BINARY:
            return None
        if self.parity is not None:
            return self._within(self.parity, margin, sample)[0]
        if self.metric.needs != "label":
            return DEFAULT_THRESHOLD
        y, weight = self._truth(self.rows[sample])
        return best_threshold(self.metric, y, self.link.predict(margin), weight)[0]

    def score(
        self,
        margin: Floats,
        threshold: float | None = None,
        sample: IntArray | slice = slice(None),
    ) -> float:
        """The metric of a pooled margin; `sample` as in `loss`."""
        rows = self.rows[sample]
        return self._score(rows, margin, threshold, self._link_of(rows, margin))

    def loss(self, margin: Floats, sample: IntArray | slice = slice(None)) -> float:
        """What the blend minimises: the metric's loss at its own best threshold.

        sample: positions within `rows` whose margins `margin` holds.
        """
        if self.parity is None or self.task is not Task.BINARY:
            return self.metric.loss(self.score(margin, self.threshold(margin, sample), sample))
        threshold, excess = self._within(self.parity, margin, sample)
        return self.parity.loss(self.metric.loss(self.score(margin, threshold, sample)), excess)

    def _within(
        self, parity: Parity, margin: Floats, sample: IntArray | slice
    ) -> tuple[float, float]:
        """The threshold that keeps to `parity`, or comes nearest, and by how much it does not."""
        rows = self.rows[sample]
        y, weight = self._truth(rows)
        known = rows % self.n_rows
        return parity.threshold(self.metric, known, y, self.link.predict(margin), weight)

    def without_parity(self) -> Scorer:
        """The same scorer for choices that no group limits."""
        return self._with(self.link, echoes=self.echoes, parity=None)

    def split_scores(
        self, stacked: NDArray[np.floating], threshold: float | None = None
    ) -> list[float]:
        """The metric of each split's valid rows; nan where they do not define it (one class)."""
        parts, start = [], 0
        for split in self.splits:
            parts.append(np.asarray(stacked[start : start + len(split.valid)], dtype=np.float64))
            start += len(split.scored)
        link = self._link_of(
            np.concatenate([split.valid for split in self.splits]), np.concatenate(parts)
        )
        return [
            self._score(split.valid, margin, threshold, link)
            for split, margin in zip(self.splits, parts, strict=True)
        ]

    def _link_of(self, rows: IntArray, margin: Floats) -> Link:
        """The link, smeared by the margin's own residuals unless that is settled already."""
        if not self.smears or self.link.shifts:
            return self.link
        y, _ = self._truth(rows)
        return self.link.smeared(self.link.margin_of(y) - margin[:, 0], _FEW_SHIFTS)

    def _score(self, rows: IntArray, margin: Floats, threshold: float | None, link: Link) -> float:
        y, weight = self._truth(rows)
        return score_probabilities(
            self.metric,
            y,
            link.predict(margin),
            weight,
            threshold=DEFAULT_THRESHOLD if threshold is None else threshold,
        )

    def with_link(self, link: Link) -> Scorer:
        """The same scorer through another link."""
        return self._with(link, echoes=self.echoes, parity=self.parity)

    def _with(self, link: Link, *, echoes: bool, parity: Parity | None) -> Scorer:
        if echoes == self.echoes:  # the same rows, which take long to sort in a large table
            other = copy(self)
            other.link, other.parity = link, parity
            return other
        parts = self._raw, self._weight, self.splits
        fences = self._fences
        return Scorer(
            self.metric, self.task, link, *parts, echoes=echoes, fences=fences, parity=parity
        )

    def truth(self) -> tuple[Floats, Floats | None]:
        """(target, weight) of the validated rows."""
        return self._truth(self.rows)

    def target(self, rows: IntArray) -> Floats:
        """(n,) target of rows of the table, as it is."""
        return np.asarray(self._raw[rows])

    def _truth(self, rows: IntArray) -> tuple[Floats, Floats | None]:
        known = rows % len(self._y)
        return self._y[known], None if self._weight is None else self._weight[known]


def mean_score(scores: Sequence[float]) -> float:
    """Mean of the scores that are defined; nan if none is."""
    defined = [score for score in scores if not math.isnan(score)]
    return float(np.mean(defined)) if defined else math.nan


def spread_of(scores: Sequence[float]) -> float | None:
    """Standard deviation of the scores that are defined; None for fewer than two."""
    defined = [score for score in scores if not math.isnan(score)]
    return float(np.std(defined, ddof=1)) if len(defined) > 1 else None
