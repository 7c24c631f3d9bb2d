"""How a training table is validated: its folds with their echoes, and what is said about them."""

from __future__ import annotations

from dataclasses import replace

from automl.config import FitConfig
from automl.data.echo import with_echoes
from automl.data.folds import Asked, Ties, make_folds
from automl.data.splits import Folds
from automl.ledger import Ledger
from automl.workflows.training_table import TrainingTable

# Rows held back to stop training: a share, and so many as fix a tree count in any table.
_INNER_STOP = 0.15
_MOST_STOP_ROWS = 50_000
# Refitting a large table's model costs as much as another candidate. It is done where the budget
# has a second for every so many cells; a fifth more rows lower the loss less than a better model.
_LARGE_ROWS = 200_000
_REFIT_CELLS = 20_000


def split_rows(
    table: TrainingTable,
    config: FitConfig,
    *,
    n_features: int,
    n_folds: int | None,
    holdout: float | None,
) -> Folds:
    """The folds of `table`: `n_folds`, one `holdout`, or what suits its size if both are None."""
    target = table.target
    folds = make_folds(
        target.y,
        target.task,
        n_classes=len(target.classes),
        n_cells=table.n_rows * n_features,
        seed=config.seed,
        asked=Asked(n_folds=n_folds, holdout=holdout),
        ties=Ties(groups=table.groups, duplicates=table.duplicates, times=table.times),
    )
    if folds.refit and not config.refit and table.times is None:
        folds = _spare_refit(folds, table.n_rows, n_features, config.time_budget)
    if table.groups is not None:
        return folds
    return with_echoes(folds, table.duplicates, target.y, seed=config.seed)


def _spare_refit(folds: Folds, n_rows: int, n_features: int, budget: float | None) -> Folds:
    """`folds`, without the refit on all rows where it would eat up the time of the race."""
    if budget is None or n_rows < _LARGE_ROWS or n_rows * n_features < _REFIT_CELLS * budget:
        return folds
    reason = f"{folds.reason} The models ship as trained: the budget has no time for refits."
    return replace(folds, refit=False, reason=reason)


def inner_stop(folds: Folds) -> float:
    """Share of a split's training rows that stop its training; see `RunData`."""
    if len(folds.splits) > folds.n_repeats:
        return 0.0
    return min(_INNER_STOP, _MOST_STOP_ROWS / len(folds.splits[0].train))


def tell_folds(folds: Folds, table: TrainingTable, ledger: Ledger) -> None:
    """Write the scheme, its warnings and the expected repeats into the ledger."""
    ledger.add("folds", f"validation: {folds.scheme}, {len(folds.splits)} splits", folds.reason)
    for message in folds.messages(table.target.classes):
        ledger.add("folds", message, warning=True)
    if folds.repeat_share:
        ledger.add(
            "folds",
            f"choices expect {folds.repeat_share:.0%} of new rows to repeat known ones",
            "as the rows of this table do; reported scores are for rows never seen",
        )
