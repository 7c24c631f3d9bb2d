"""What a report is drawn from: rows that no model learned from, and what is predicted for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.groups import Groups
from automl.data.schema import ParsedTable, Schema
from automl.metrics._quantiles import middle
from automl.metrics.base import Metric
from automl.metrics.regression import quantile_metric
from automl.model.explain import Explanation
from automl.task import Task

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bounds:
    """Prediction intervals of `level` coverage. low, high: (n,) target values."""

    level: float
    low: Floats
    high: Floats

    def take(self, rows: NDArray[np.intp]) -> Bounds:
        """Those of some rows."""
        return Bounds(self.level, self.low[rows], self.high[rows])


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Several predicted quantiles of each row, in order. metric: of all.  values: (n, k)."""

    metric: Metric
    values: Floats

    @property
    def levels(self) -> tuple[float, ...]:
        return self.metric.quantiles

    def take(self, rows: NDArray[np.intp]) -> Quantiles:
        """Those of some rows."""
        return Quantiles(self.metric, self.values[rows])

    @property
    def bounds(self) -> Bounds:
        """Between the outer levels."""
        return Bounds(self.levels[-1] - self.levels[0], self.values[:, 0], self.values[:, -1])


@dataclass(frozen=True, eq=False)
class Learning:
    """Scores of a candidate that was trained on nested parts of the rows of some splits.

    rows: (s, p) rows of each part, rising; the last part is all.  scores: (s, p) of the run's
    metric, on rows that the model had not seen.
    """

    name: str
    rows: NDArray[np.int64]
    scores: Floats


@dataclass(frozen=True, eq=False)
class Evidence:
    """Rows with their truth and an honest prediction: out of fold, or of labelled new data.

    rows: (n,) numbers of the rows in the table, 0 = the first row of data.
    y: (n,) float64 class indices (binary: 1 = positive) or target values.  weight: (n,) or None.
    prediction: as metrics take it: (n,) probability of the positive class, (n, n_classes)
        probabilities, or (n,) values; calibrated, if what ships is.
    fold: (n,) which fold validated the row, or None for new data.
    sample, cells: positions in `rows` of the (m,) rows whose typed cells are at hand, and those;
        m is bounded, the sample is random.
    groups: the (n,) groups of each sensitive column.  parity: of a limit on how far these may
        differ, what it came to and what it costs (`FitResult.parity`); None without.
    explained, explanation: positions in `rows` of the rows that are explained, a part of
        `sample`, and their contributions by models that have not seen them; None without.
    bounds: intervals of all rows that owe nothing to these rows; None without, and for classes.
    predict: what the model that ships says of other cells, as `prediction` has it; None where
        there is no time to ask it.
    learning: scores by the number of rows to train on; None on new data, and without time.
    quantiles: all that are predicted, where they are several: `metric` and `prediction` are of the
        middle one then, and so is the explanation; None else.
    known_personal: by index of a column, what `insight.people` found in its cells: asked often.
    """

    task: Task
    target: str
    classes: tuple[str, ...]
    metric: Metric
    threshold: float
    schema: Schema
    rows: Rows
    y: Floats
    weight: Floats | None
    prediction: Floats
    fold: Rows | None
    sample: Rows
    cells: ParsedTable
    explained: Rows
    explanation: Explanation | None
    bounds: Bounds | None = None
    groups: tuple[Groups, ...] = ()
    parity: Mapping[str, Any] | None = None
    predict: Callable[[ParsedTable], Floats] | None = None
    learning: Learning | None = None
    quantiles: Quantiles | None = None

    known_personal: dict[int, Any] = field(default_factory=dict, repr=False)

    @property
    def headline(self) -> Metric:
        """The metric that the model was made for."""
        return self.metric if self.quantiles is None else self.quantiles.metric

    @property
    def codes(self) -> NDArray[np.intp]:
        """(n,) class indices that are predicted; classifications only."""
        if self.task is Task.BINARY:
            return np.asarray(self.prediction >= self.threshold, dtype=np.intp)
        return np.asarray(self.prediction.argmax(axis=1), dtype=np.intp)


def of_prediction(metric: Metric, prediction: Floats) -> tuple[Metric, Floats, Quantiles | None]:
    """`metric`, `prediction` and `quantiles` of an `Evidence`, from what a model predicts."""
    if not metric.quantiles:
        return metric, prediction, None
    place = middle(metric.quantiles)
    one = quantile_metric(metric.quantiles[place])
    return one, np.asarray(prediction[:, place]), Quantiles(metric, prediction)


Facts = dict[str, Any]  # of a section: plain JSON, bounded, no cell that tells of persons
