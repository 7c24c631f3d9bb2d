"""Choose the validation splits of a table: which rows train and which rows are scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl.data._deal import Units, deal, join_units
from automl.data._time_folds import time_folds
from automl.data.splits import Floats, Folds, IntArray, Split, Strata
from automl.errors import ConfigError, DataError
from automl.task import Task

# From here on one holdout is enough: it scores 100,000 rows, to about 0.002 AUC.
_LARGE_CELLS = 20_000_000
_LARGE_ROWS = 500_000
_HOLDOUT = 0.2
_HOLDOUT_ROWS = 100_000
_TARGET_BINS = 20
# Groups that hold a class alone stay in training, unless that takes more of the rows than this.
_PINNED_MOST = 0.2


@dataclass(frozen=True)
class _Plan:
    """How many splits of which size; `asked` = by the user, so it is met or refused."""

    share: Floats
    repeats: int
    asked: bool
    holdout: bool

    @property
    def part_rows(self) -> float:
        """Share of the rows in the smallest part."""
        return float(self.share.min())


@dataclass(frozen=True)
class Asked:
    """What the user asked of the validation; None = chosen by the size of the table."""

    n_folds: int | None = None
    holdout: float | None = None
    repeats: int | None = None

    def check(self, n: int) -> None:
        """Raise ConfigError for what n rows cannot meet."""
        k, share = self.n_folds, self.holdout
        if k is not None and share is not None:
            raise ConfigError(
                "--folds and --holdout exclude each other.", hint="Drop one of the two options."
            )
        if k is not None and not 2 <= k <= n // 2:
            raise ConfigError(
                f"--folds is {k}, but {n:,} rows allow 2 to {n // 2:,}.",
                hint="For a single split use --holdout 0.2." if k < 2 else None,
            )
        if share is not None and not 0.0 < share < 1.0:
            raise ConfigError(
                f"--holdout is {share:g}, which is not between 0 and 1.",
                hint="For a fifth of the rows write --holdout 0.2.",
            )
        if share is not None and not 1 <= round(share * n) < n:
            raise ConfigError(f"--holdout {share:g} of {n:,} rows leaves one side without rows.")
        if self.repeats is not None and self.repeats < 1:
            raise ConfigError(f"The folds cannot be repeated {self.repeats} times.")


@dataclass(frozen=True)
class Ties:
    """What ties rows to each other.

    groups, duplicates: (n,) ids. Rows of one group are never parted, nor are duplicates, except
        those so frequent that they would fill a fold. Both at once: neither is parted.
    times: (n,) growing with time, nan = unknown = earliest. Every validation block is then later
        than its training rows; groups in the block leave the training rows, duplicates do not.
    """

    groups: IntArray | None = None
    duplicates: IntArray | None = None
    times: Floats | None = None


def make_folds(
    y: Floats,
    task: Task,
    *,
    n_classes: int,
    n_cells: int,
    seed: int,
    asked: Asked = Asked(),
    ties: Ties = Ties(),
) -> Folds:
    """The validation splits of a table; the same arguments give the same splits.

    y: (n,) class indices or target values.  n_cells: rows × features.

    Without times, a repeat validates each row once, except rows of `Folds.singletons`.
    Raises ConfigError for options that the table cannot meet, and DataError for a table that no
    split can validate.
    """
    n, holdout = len(y), asked.holdout
    if n < 4:
        raise DataError(f"{n} rows with a target cannot be split for validation.")
    asked.check(n)
    table = Strata(*_strata(y, task, n_classes), task.is_classification, seed)
    chosen = asked.n_folds is not None or holdout is not None
    if not chosen and (n_cells > _LARGE_CELLS or n > _LARGE_ROWS):
        holdout = min(_HOLDOUT, _HOLDOUT_ROWS / n)
    if ties.times is not None:
        return time_folds(table, ties.times, ties.groups, n_folds=asked.n_folds, holdout=holdout)
    if holdout is not None:
        plan = _Plan(np.array([1.0 - holdout, holdout]), 1, chosen, True)
    else:
        k, r = _default_counts(n)
        if asked.n_folds is not None:
            k, r = asked.n_folds, 1
        plan = _Plan(np.full(k, 1.0 / k), asked.repeats or r, chosen, False)
    return _dealt_folds(table, plan, ties)


def _default_counts(n: int) -> tuple[int, int]:
    """Folds and repeats for a table of n rows; small tables need more fits for a steady score."""
    if n < 1000:
        return min(5, n // 2), 3
    return (8, 1) if n < 3000 else (5, 1)


def _strata(y: Floats, task: Task, n_classes: int) -> tuple[IntArray, int]:
    """(n,) class or bin of the target of each row, and how many of them there are."""
    if task.is_classification:
        return y.astype(np.int64), n_classes
    n_bins = max(1, min(_TARGET_BINS, len(y) // 10))
    rank = np.empty(len(y), dtype=np.int64)
    rank[np.argsort(y, kind="stable")] = np.arange(len(y))
    return rank * n_bins // len(y), n_bins


def _dealt_folds(table: Strata, plan: _Plan, ties: Ties) -> Folds:
    units, warnings = _units(table, plan, ties.groups, ties.duplicates)
    grouped = ties.groups is not None
    _check_variety(table, units, grouped=grouped)
    pinned = _pinned(table, units, warnings, grouped=grouped)
    plan = _fitting_plan(int((~pinned).sum()), plan, warnings, grouped=grouped)
    splits: list[Split] = []
    for repeat in range(plan.repeats):
        # Counted from 1, since [seed, 0] is the stream of the bare seed.
        seed = [table.seed, repeat + 1]
        part = deal(units, plan.share, pinned=pinned, seed=seed)[units.of_row]
        parts = [1] if plan.holdout else range(len(plan.share))
        splits += [
            Split(np.flatnonzero(part != p), np.flatnonzero(part == p), repeat) for p in parts
        ]
    kept = _lone_classes(units, pinned) if table.classes else np.array([], dtype=np.int64)
    few = (units.spread > 0) & (units.spread < len(splits) // plan.repeats)
    few[kept] = False
    return Folds(
        tuple(splits),
        _scheme(table, plan, grouped=grouped),
        _reason(table, plan, units, grouped=grouped),
        tuple(warnings),
        refit=plan.holdout,
        n_repeats=plan.repeats,
        singletons=tuple(int(c) for c in kept),
        rare=tuple(int(c) for c in np.flatnonzero(few)) if table.classes else (),
    )


def _units(
    table: Strata, plan: _Plan, groups: IntArray | None, duplicates: IntArray | None
) -> tuple[Units, list[str]]:
    """The rows that are never parted, and what had to give way."""

    def units_of(ids: IntArray) -> Units:
        return Units.of(ids, table.strata, table.n_strata)

    alone = np.arange(table.n) if groups is None else groups
    if duplicates is None:
        return units_of(alone), []
    most = max(plan.part_rows * table.n, 2.0)
    copies, warnings = _released(duplicates, most)
    units = units_of(copies if groups is None else join_units(groups, copies))
    if groups is None:
        usable = _validated_classes(units) > 1 or not table.classes
        if units.n >= len(plan.share) and usable:
            return units, warnings
        lost = "so few different rows that equal rows are not kept in one fold"
    else:
        if units.n >= len(plan.share) and units.size.max() <= most:
            return units, warnings
        lost = "equal rows in so many groups that they are not kept in one fold"
    return units_of(alone), [f"The table has {lost}; scores may be too good."]


def _released(duplicates: IntArray, most: float) -> tuple[IntArray, list[str]]:
    """Ids of equal rows, where rows with more copies than `most` stand alone, and a warning.

    So many copies come from columns with few values, not from rows written twice.
    """
    ids, counts = np.unique(duplicates, return_inverse=True, return_counts=True)[1:]
    frequent = counts[ids] > most
    if not frequent.any():
        return ids, []
    free = ids.copy()
    free[frequent] = len(counts) + np.arange(int(frequent.sum()))
    return free, [
        f"{int(frequent.sum()):,} rows have more copies than fit a fold (up to "
        f"{int(counts.max()):,}), so these are spread over the folds."
    ]


def _fitting_plan(n_units: int, plan: _Plan, warnings: list[str], *, grouped: bool) -> _Plan:
    """The plan with no more folds than units to validate, and repeats only where they differ."""
    k, what = len(plan.share), "groups" if grouped else "rows"
    if n_units < k and plan.asked and not plan.holdout:
        raise ConfigError(
            f"--folds is {k}, but only {n_units} {what} can be validated.",
            hint=f"Use --folds {n_units} or fewer.",
        )
    if n_units < k:
        warnings.append(f"Only {n_units} {what} can be validated: {n_units} folds of one each.")
        return _Plan(np.full(n_units, 1.0 / n_units), 1, False, False)
    if grouped and n_units < 4 * k:
        return _Plan(plan.share, 1, plan.asked, plan.holdout)
    return plan


def _pinned(
    table: Strata, units: Units, warnings: list[str], *, grouped: bool
) -> NDArray[np.bool_]:
    """(n_units,) units that stay in training, because a class occurs in no other one."""
    pinned = np.zeros(units.n, dtype=bool)
    if not table.classes:
        return pinned
    pinned[units.pair_unit[units.spread[units.pair_stratum] == 1]] = True
    if grouped and units.size[pinned].sum() > _PINNED_MOST * table.n:
        pinned[:] = False
        warnings.append(
            "Some classes occur in one group only; no model is trained on them when they are "
            "validated."
        )
    return pinned


def _lone_classes(units: Units, pinned: NDArray[np.bool_]) -> IntArray:
    """Classes whose only unit is pinned."""
    lone = (units.spread[units.pair_stratum] == 1) & pinned[units.pair_unit]
    return np.unique(units.pair_stratum[lone])


def _validated_classes(units: Units) -> int:
    return int((units.spread > 1).sum())


def _check_variety(table: Strata, units: Units, *, grouped: bool) -> None:
    """Raise DataError if no split of these units can have something to learn and to score."""
    if grouped and units.n < 2:
        raise DataError(
            "The group column has a single value, so nothing is left to validate on.",
            hint="Drop --group-column, or name another column.",
        )
    if table.classes and _validated_classes(units) < 2:
        raise DataError(
            "Fewer than two classes of the target occur in two "
            f"{'groups' if grouped else 'rows'}, so no split can be validated.",
            hint="Drop --group-column." if grouped else "Add rows of the rare classes.",
        )


def _scheme(table: Strata, plan: _Plan, *, grouped: bool) -> str:
    if plan.holdout:
        return "holdout"
    if grouped:
        return "group"
    return "stratified" if table.classes else "kfold"


def _reason(table: Strata, plan: _Plan, units: Units, *, grouped: bool) -> str:
    how = "stratified by class" if table.classes else "even in the quantiles of the target"
    whole = f"{units.n:,} groups kept whole, " if grouped else ""
    if plan.holdout:
        size = f"Holdout of {100.0 * plan.share[1]:.3g} % of the rows"
    else:
        size = f"{len(plan.share)} folds"
        size += f", repeated {plan.repeats} times" if plan.repeats > 1 else ""
    why = "as asked" if plan.asked else f"for {table.n:,} rows"
    return f"{size}, {whole}{how}, {why}."
