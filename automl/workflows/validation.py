"""How a training table is validated: its folds with their echoes, and what is said about them."""

from __future__ import annotations

from automl.config import FitConfig
from automl.data.echo import with_echoes
from automl.data.folds import Folds, make_folds
from automl.ledger import Ledger
from automl.workflows.training_table import TrainingTable

_INNER_STOP = 0.15


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
        n_folds=n_folds,
        holdout=holdout,
        groups=table.groups,
        times=table.times,
        duplicates=table.duplicates,
    )
    if table.groups is not None:
        return folds
    return with_echoes(folds, table.duplicates, target.y, seed=config.seed)


def inner_stop(folds: Folds) -> float:
    """Share of a split's training rows that stop its training; see `RunData`."""
    return 0.0 if len(folds.splits) > folds.n_repeats else _INNER_STOP


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
