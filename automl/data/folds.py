"""Validation splits: which rows train and which rows are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data._deal import Units, deal, join_units
from automl.errors import ConfigError, DataError
from automl.task import Task

IntArray = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

# From here on one holdout is enough: it scores 100,000 rows, to about 0.002 AUC.
_LARGE_CELLS = 20_000_000
_LARGE_ROWS = 500_000
_HOLDOUT = 0.2
_HOLDOUT_ROWS = 100_000
_TARGET_BINS = 20
# Groups that hold a class alone stay in training, unless that takes more of the rows than this.
_PINNED_MOST = 0.2


@dataclass(frozen=True)
class Split:
    """Rising row indices of one fold; `repeat` counts from 0.

    echo: training rows that choices count beside the valid ones (`data.echo`); usually none.
    """

    train: IntArray
    valid: IntArray
    repeat: int = 0
    echo: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def scored(self) -> IntArray:
        """The valid rows, then the echoes: the rows whose margins are predicted."""
        return np.concatenate([self.valid, self.echo]) if len(self.echo) else self.valid


@dataclass(frozen=True)
class Folds:
    """The splits of a run and why they are as they are.

    scheme: "stratified" (by class), "kfold" (regression, even in the target's quantiles),
        "group", "time" or "holdout".
    warnings: what a person should know; `messages` adds what is to say about classes.
    refit: the shipped model must be trained again on all rows, as no split has used them fairly.
    singletons: classes that are never validated: one row, or one set of rows that must stay
        together, holds them.
    rare: other classes with fewer rows than folds; only some folds validate them.
    repeat_share: share of new rows that the splits' echoes stand for (`data.echo`).
    """

    splits: tuple[Split, ...]
    scheme: str
    reason: str
    warnings: tuple[str, ...] = ()
    refit: bool = False
    n_repeats: int = 1
    singletons: tuple[int, ...] = ()
    rare: tuple[int, ...] = ()
    repeat_share: float = 0.0

    def messages(self, classes: Sequence[str]) -> tuple[str, ...]:
        """All warnings, those about classes included; `classes` are the names by class index."""
        found = list(self.warnings)
        if self.singletons:
            found.append(
                f"{_named(self.singletons, classes)}: the only row (or rows that stay together) "
                "remains in training in every fold, so no score covers it."
            )
        if self.rare:
            found.append(
                f"{_named(self.rare, classes)}: fewer rows or groups than folds, so only some "
                "folds validate it."
            )
        return tuple(found)


@dataclass(frozen=True)
class _Table:
    """What the splits must respect; strata: (n,) classes or bins of the target."""

    strata: IntArray
    n_strata: int
    classes: bool
    seed: int

    @property
    def n(self) -> int:
        return len(self.strata)


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


def make_folds(  # noqa: PLR0913 - each is one fact of the table or one option of the command
    y: Floats,
    task: Task,
    *,
    n_classes: int,
    n_folds: int | None = None,
    holdout: float | None = None,
    groups: IntArray | None = None,
    times: Floats | None = None,
    duplicates: IntArray | None = None,
    n_cells: int,
    repeats: int | None = None,
    seed: int,
) -> Folds:
    """The validation splits of a table; the same arguments give the same splits.

    y: (n,) class indices or target values.  n_cells: rows × features.
    n_folds, holdout, repeats: as asked by the user; None = chosen by the size of the table.
    groups, duplicates: (n,) ids. Rows of one group are never parted, nor are duplicates, except
        those so frequent that they would fill a fold. Both at once: neither is parted.
    times: (n,) growing with time, nan = unknown = earliest. Every validation block is then later
        than its training rows; groups in the block leave the training rows, duplicates do not.

    Without times, a repeat validates each row once, except rows of `Folds.singletons`.
    Raises ConfigError for options that the table cannot meet, and DataError for a table that no
    split can validate.
    """
    n = len(y)
    _check_options(n, n_folds, holdout, repeats)
    table = _Table(*_strata(y, task, n_classes), task.is_classification, seed)
    large = n_cells > _LARGE_CELLS or n > _LARGE_ROWS
    asked = n_folds is not None or holdout is not None
    if large and not asked:
        holdout = min(_HOLDOUT, _HOLDOUT_ROWS / n)
    if times is not None:
        return _time_folds(table, times, groups, n_folds=n_folds, holdout=holdout)
    if holdout is not None:
        plan = _Plan(np.array([1.0 - holdout, holdout]), 1, asked, True)
    else:
        k, r = _default_counts(n)
        if n_folds is not None:
            k, r = n_folds, 1
        plan = _Plan(np.full(k, 1.0 / k), repeats or r, asked, False)
    return _dealt_folds(table, plan, groups, duplicates)


def _check_options(
    n: int, n_folds: int | None, holdout: float | None, repeats: int | None
) -> None:
    if n < 4:
        raise DataError(f"{n} rows with a target cannot be split for validation.")
    if n_folds is not None and holdout is not None:
        raise ConfigError(
            "--folds and --holdout exclude each other.", hint="Drop one of the two options."
        )
    if n_folds is not None and not 2 <= n_folds <= n // 2:
        raise ConfigError(
            f"--folds is {n_folds}, but {n:,} rows allow 2 to {n // 2:,}.",
            hint="For a single split use --holdout 0.2." if n_folds < 2 else None,
        )
    if holdout is not None and not 0.0 < holdout < 1.0:
        raise ConfigError(
            f"--holdout is {holdout:g}, which is not between 0 and 1.",
            hint="For a fifth of the rows write --holdout 0.2.",
        )
    if holdout is not None and not 1 <= round(holdout * n) < n:
        raise ConfigError(f"--holdout {holdout:g} of {n:,} rows leaves one side without rows.")
    if repeats is not None and repeats < 1:
        raise ConfigError(f"The folds cannot be repeated {repeats} times.")


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


def _dealt_folds(
    table: _Table, plan: _Plan, groups: IntArray | None, duplicates: IntArray | None
) -> Folds:
    units, warnings = _units(table, plan, groups, duplicates)
    grouped = groups is not None
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
    table: _Table, plan: _Plan, groups: IntArray | None, duplicates: IntArray | None
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
    table: _Table, units: Units, warnings: list[str], *, grouped: bool
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


def _check_variety(table: _Table, units: Units, *, grouped: bool) -> None:
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


def _time_folds(
    table: _Table,
    times: Floats,
    groups: IntArray | None,
    *,
    n_folds: int | None,
    holdout: float | None,
) -> Folds:
    """Expanding windows, or the last rows as a holdout; rows of one time stay on one side."""
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
    table: _Table, train: IntArray, valid: IntArray, groups: IntArray | None
) -> Split | None:
    """One time-ordered split, or None if its earlier rows cannot train a model."""
    if groups is not None:
        train = train[~np.isin(groups[train], groups[valid])]
    if len(np.unique(table.strata[train])) < (2 if table.classes else 1):
        return None
    return Split(np.sort(train), np.sort(valid))


def _scheme(table: _Table, plan: _Plan, *, grouped: bool) -> str:
    if plan.holdout:
        return "holdout"
    if grouped:
        return "group"
    return "stratified" if table.classes else "kfold"


def _reason(table: _Table, plan: _Plan, units: Units, *, grouped: bool) -> str:
    how = "stratified by class" if table.classes else "even in the quantiles of the target"
    whole = f"{units.n:,} groups kept whole, " if grouped else ""
    if plan.holdout:
        size = f"Holdout of {100.0 * plan.share[1]:.3g} % of the rows"
    else:
        size = f"{len(plan.share)} folds"
        size += f", repeated {plan.repeats} times" if plan.repeats > 1 else ""
    why = "as asked" if plan.asked else f"for {table.n:,} rows"
    return f"{size}, {whole}{how}, {why}."


def _named(indices: tuple[int, ...], classes: Sequence[str]) -> str:
    """'Class 'a'' or 'Classes 'a', 'b' and 3 more'."""
    names = [repr(classes[i]) for i in indices[:5]]
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    return f"Class{'es' if len(indices) > 1 else ''} {', '.join(names)}{more}"
