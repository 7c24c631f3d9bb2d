"""What a fit explains: validated rows, each by the models of the fold that did not train on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from automl.metrics._quantiles import middle
from automl.model.cells import cell_frame, cell_numbers
from automl.model.explain import Explanation
from automl.search.select import Choice
from automl.search.ship import GRACE, BlendShap, NotDone, blend_shap, first_splits, fold_models
from automl.search.trial import Trial

if TYPE_CHECKING:
    from automl.workflows.finish import Finish
    from automl.workflows.training_table import TrainingTable

# Means over more rows than this do not change.
MAX_EXPLAINED_ROWS = 2000


@dataclass(frozen=True, eq=False)
class Explained:
    """Validated rows and their contributions.

    rows: (m,) rows of the table.
    explanation: of the margins that the models of each row's first fold gave it.
    """

    rows: NDArray[np.int64]
    explanation: Explanation


def explain_folds(
    finish: Finish, choice: Choice, trials: Sequence[Trial], *, refitted: bool
) -> Explained | None:
    """The explanation of as many validated rows as there is time for; None, and why, without.

    trials: among which are those of `choice`.  refitted: other models ship than are explained.
    """
    limited = finish.plan.budget.limited

    def left() -> float:
        budget, end = finish.plan.budget, finish.plan.end_seconds()
        return budget.left() - end - GRACE if limited else math.inf

    sample = finish.table.sample
    assert sample is not None  # the cells of the others are gone before the race
    # The folds may have become fewer since the sample was drawn.
    validated = first_splits(finish.data.splits, finish.table.n_rows)[sample] >= 0
    sampled = np.flatnonzero(validated)[:MAX_EXPLAINED_ROWS]
    try:
        shap = blend_shap(
            fold_models(trials, choice.weights),
            sample[sampled],
            finish.data,
            finish.race.executor,
            n_columns=len(finish.table.schema.columns),
            folder=finish.run.path / "shap",
            probe=finish.by_clock,
            seconds_left=left,
        )
    except NotDone as reason:
        hint = "`automl explain` computes them from the bundle"
        finish.ledger.add(
            "explain",
            "no time was left for SHAP values" if reason.late else "there are no SHAP values",
            hint if reason.late else f"{reason}; {hint}",
            warning=True,
        )
        return None
    why = "each by the models of the fold that validated it"
    if refitted:
        why += "; the models that ship saw every row"
    finish.ledger.add("explain", f"SHAP values of {len(shap.rows):,} rows", why)
    sampled = sampled[: len(shap.rows)]
    explanation = _explanation(finish.table, sampled, shap)
    levels = finish.goal.metric.quantiles
    if levels:
        finish.ledger.add("explain", f"they are of the {levels[middle(levels)]:g} quantile")
        explanation = explanation.of_output(middle(levels))
    return Explained(shap.rows, explanation)


def _explanation(table: TrainingTable, sampled: NDArray[np.int64], shap: BlendShap) -> Explanation:
    schema, target = table.schema, table.target
    cells = table.parsed.take(sampled)
    values = np.moveaxis(shap.values, 1, 2)[:, list(schema.used), :]  # (n, c, k)
    margin = values.sum(axis=1) + shap.base_values
    multi = margin.shape[1] > 1
    return Explanation(
        values=values if multi else values[:, :, 0],
        base_values=shap.base_values if multi else shap.base_values[:, 0],
        margin=margin if multi else margin[:, 0],
        columns=tuple(schema.columns[i].name for i in schema.used),
        data=cell_frame(cells, schema),
        classes=tuple(target.classes),
        numbers=cell_numbers(cells, schema),
        kinds=tuple(schema.columns[i].kind for i in schema.used),
        predicted=np.asarray(margin.argmax(axis=1), dtype=np.intp) if multi else None,
    )
