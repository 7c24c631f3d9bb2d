"""Time-ordered validation: every validated row is later than the rows that train for it."""

from __future__ import annotations

import numpy as np

from automl.data.splits import Floats, Folds, IntArray, Split, Strata
from automl.errors import DataError


def time_folds(
    table: Strata,
    times: Floats,
    groups: IntArray | None,
    *,
    n_folds: int | None,
    holdout: float | None,
) -> Folds:
    """Expanding windows, or the last rows as a holdout; rows of one time stay on one side.

    Arguments and errors are those of `make_folds`.
    """
    warnings: list[str] = []
    when = np.where(np.isnan(times), -np.inf, times)
    if n_unknown := int(np.isnan(times).sum()):
        warnings.append(f"Rows without a time count as the earliest ones: {n_unknown:,}.")
    order = np.argsort(when, kind="stable")
    starts = np.flatnonzero(np.diff(when[order])) + 1  # positions where a new time begins
    if not len(starts):
        raise DataError(
            "The time column has a single value, so no rows are later than others.",
            hint="Drop --time-column, or name another column.",
        )
    if holdout is not None:
        wanted = np.array([table.n * (1.0 - holdout)])
    else:
        k = n_folds or min(5, table.n // 2)
        wanted = table.n * np.arange(1, k + 1) / (k + 1)
    after = np.searchsorted(starts, wanted).clip(max=len(starts) - 1)
    before = (after - 1).clip(min=0)
    nearer = wanted - starts[before] < starts[after] - wanted
    cuts = np.unique(np.where(nearer, starts[before], starts[after]))
    ends = np.append(cuts[1:], table.n)
    splits = [
        split
        for cut, end in zip(cuts, ends, strict=True)
        if (split := _window(table, order[:cut], order[cut:end], groups)) is not None
    ]
    if not splits:
        raise DataError(
            "No time-ordered split has two classes in its earlier rows."
            if table.classes
            else "No time-ordered split has rows to train on.",
            hint="Drop --time-column, or use --holdout to train on more of the earlier rows.",
        )
    if len(splits) < len(wanted):
        warnings.append(
            f"{len(splits)} of {len(wanted)} time-ordered splits are possible; the others would "
            "part rows of one time or train on one class."
        )
    if holdout is not None:
        reason = f"Holdout of the last {len(splits[0].valid):,} rows by time."
    else:
        reason = f"{len(splits)} windows ordered by time, each validated on the rows after it."
    scheme = "time" if holdout is None else "holdout"
    return Folds(tuple(splits), scheme, reason, tuple(warnings), refit=True)


def _window(
    table: Strata, train: IntArray, valid: IntArray, groups: IntArray | None
) -> Split | None:
    """One time-ordered split, or None if its earlier rows cannot train a model."""
    if groups is not None:
        train = train[~np.isin(groups[train], groups[valid])]
    if len(np.unique(table.strata[train])) < (2 if table.classes else 1):
        return None
    return Split(np.sort(train), np.sort(valid))
