"""Scores of out-of-fold margins: per split, pooled, and as the loss that a blend minimises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.folds import Split
from automl.metrics._threshold import best_threshold, score_probabilities
from automl.metrics.base import Metric
from automl.model.link import Link
from automl.task import Task

Floats = NDArray[np.float64]
IntArray = NDArray[np.integer[Any]]

DEFAULT_THRESHOLD = 0.5


class Scorer:
    """Turns margins of the splits' valid rows into scores.

    y: (n,) class indices or target values in the metric's units.  weight: (n,) or None, the
    metric's weights.  "Stacked" margins hold the scored rows (valid, then echo) of all splits in
    split order, as `FoldTrainer.finish_fold` writes them; "pooled" ones hold each of `rows` once.
    echoes: whether pooled margins and their scores include the echo rows: for choices only. An
    echo of row i is row n + i of `rows`.
    """

    def __init__(
        self,
        metric: Metric,
        task: Task,
        link: Link,
        y: Floats,
        weight: Floats | None,
        splits: Sequence[Split],
        *,
        echoes: bool = False,
    ) -> None:
        self.metric, self.task, self.link = metric, task, link
        self.splits, self.echoes = splits, echoes
        self._y, self._weight = y, weight
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
        parts = self.metric, self.task, self.link, self._y, self._weight, self.splits
        return Scorer(*parts, echoes=True)

    def pooled(self, stacked: NDArray[np.floating[Any]]) -> Floats:
        """(n_rows, k) margin of each of `rows`, averaged over repeats."""
        taken = stacked[self._taken]
        total = np.empty((len(self.rows), stacked.shape[1]))
        for output in range(stacked.shape[1]):
            total[:, output] = np.bincount(self._place, weights=taken[:, output])
        return np.asarray(total / self._times[:, None])

    def threshold(self, margin: Floats, sample: IntArray | slice = slice(None)) -> float | None:
        """The decision threshold for pooled margins; None unless the task is binary.

        Label metrics have it tuned on these margins, others keep 0.5.
        """
        if self.task is not Task.BINARY:
            return None
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
        return self._score(self.rows[sample], margin, threshold)

    def loss(self, margin: Floats, sample: IntArray | slice = slice(None)) -> float:
        """What the blend minimises: the metric's loss at its own best threshold.

        sample: positions within `rows` whose margins `margin` holds.
        """
        threshold = self.threshold(margin, sample)
        return self.metric.loss(self._score(self.rows[sample], margin, threshold))

    def split_scores(
        self, stacked: NDArray[np.floating], threshold: float | None = None
    ) -> list[float]:
        """The metric of each split's valid rows; nan where they do not define it (one class)."""
        scores, start = [], 0
        for split in self.splits:
            margin = np.asarray(stacked[start : start + len(split.valid)], dtype=np.float64)
            start += len(split.scored)
            scores.append(self._score(split.valid, margin, threshold))
        return scores

    def _score(self, rows: IntArray, margin: Floats, threshold: float | None) -> float:
        y, weight = self._truth(rows)
        return score_probabilities(
            self.metric,
            y,
            self.link.predict(margin),
            weight,
            threshold=DEFAULT_THRESHOLD if threshold is None else threshold,
        )

    def with_link(self, link: Link) -> Scorer:
        """The same scorer through another link."""
        parts = self._y, self._weight, self.splits
        return Scorer(self.metric, self.task, link, *parts, echoes=self.echoes)

    def truth(self) -> tuple[Floats, Floats | None]:
        """(target, weight) of the validated rows."""
        return self._truth(self.rows)

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
