"""The evidence of a fit: what its race predicted out of fold, and the cells of some rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import ParsedTable
from automl.insight.evidence import Bounds, Evidence, Learning, of_prediction
from automl.search.select import Choice
from automl.search.ship import first_splits
from automl.workflows.explained import Explained

if TYPE_CHECKING:
    from automl.workflows.finish import Finish


def evidence_of(
    finish: Finish,
    choice: Choice,
    explained: Explained | None,
    *,
    bounds: Bounds | None,
    parity: Mapping[str, Any] | None,
    predict: Callable[[ParsedTable], NDArray[np.float64]] | None,
    learning: Learning | None,
) -> Evidence:
    """What the models of `choice` predicted for rows that they had not seen.

    bounds: intervals of the validated rows.  parity: what a limit on disparity came to, if there
    was one.  predict: what ships, if it may be asked.
    learning: the learning curve, if there is one.
    """
    table, scorer = finish.table, finish.race.scorer
    rows = scorer.rows  # of the training table, rising
    held = np.arange(table.n_rows) if table.sample is None else table.sample
    known = np.isin(held, rows)
    nothing = np.empty(0, dtype=np.int64)
    y, weight = scorer.truth()
    metric, prediction, quantiles = of_prediction(
        scorer.metric, choice.link.predict(choice.pooled)
    )
    if quantiles is not None:
        bounds = quantiles.bounds
    return Evidence(
        task=scorer.task,
        target=table.target.name,
        classes=table.target.classes,
        metric=metric,
        threshold=0.5 if choice.threshold is None else choice.threshold,
        schema=table.schema,
        rows=table.rows[rows],
        y=y,
        weight=weight,
        prediction=prediction,
        fold=first_splits(scorer.splits, scorer.n_rows)[rows],
        sample=np.searchsorted(rows, held[known]),
        cells=table.parsed.take(np.flatnonzero(known)),
        explained=nothing if explained is None else np.searchsorted(rows, explained.rows),
        explanation=None if explained is None else explained.explanation,
        bounds=bounds,
        groups=tuple(groups.at(rows) for groups in table.sensitive),
        parity=parity,
        predict=predict,
        learning=learning,
        quantiles=quantiles,
    )
