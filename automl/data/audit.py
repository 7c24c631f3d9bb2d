"""Findings about a table that a person should see before trusting a model of it.

Nothing is dropped because of a finding, and no clock is read: the same table gives the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import Kind, ParsedTable, Schema
from automl.task import Task

IntArray = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

# At most so many cells are looked at for leaks, about half a second; larger tables are sampled.
_LEAK_CELLS = 8_000_000
_LEAK_LEAST_ROWS = 2_000
# Honest columns stay far below: on ten public tables the best one has AUC 0.93, the best R² 0.88.
_LEAK_AUC = 0.99
_LEAK_R2 = 0.999
# Rows of the rarer side that a score, or a copy, needs before it counts as evidence.
_SUPPORT = 10
_COPY_SUPPORT = 5
_BINS = 256
_ROWS_PER_BIN = 10
_RARE_ROWS = 10
_IMBALANCE = 0.05
_MANY_MISSING = 0.5
_NAMES_SHOWN = 5
_LONGEST = 60  # letters of a label


@dataclass(frozen=True)
class Finding:
    """One thing to know. kind: "leak", "duplicates", "rare_class", "imbalance" or "missing";
    column: the column it is about, or None; hint: what to do next."""

    kind: str
    column: str | None
    text: str
    hint: str


@dataclass(frozen=True)
class _Halves:
    """A sample of rows in two halves, so that what is learnt on one is scored on the other.

    y: (n,) class indices or values of the sampled rows.  learn: (n,) mask of the first half.
    """

    rows: IntArray
    y: Floats
    learn: NDArray[np.bool_]
    n_classes: int


def audit(
    parsed: ParsedTable,
    schema: Schema,
    y: Floats,
    task: Task,
    *,
    classes: Sequence[str] = (),
    duplicates: IntArray | None = None,
    seed: int = 0,
) -> tuple[Finding, ...]:
    """What looks wrong or needs care in the training table, most serious first.

    parsed: cells of the used columns.  y: (n_rows,) class indices or target values.
    classes: names by class index, empty for regression.  duplicates: (n_rows,) ids of rows that
    are equal in all columns; None = not known, nothing is said about them.

    A column is a suspected leak if it is a copy of the target, or if alone, learnt on half of the
    rows, it predicts the other half nearly perfectly; copies of one row stay in one half.
    """
    findings = leak_findings(parsed, schema, y, duplicates, len(classes), seed)
    if duplicates is not None:
        findings += _duplicates(duplicates, y, task)
    if task.is_classification:
        findings += class_findings(y, classes)
    return tuple(findings + _missing(schema))


def leak_findings(
    parsed: ParsedTable,
    schema: Schema,
    y: Floats,
    duplicates: IntArray | None,
    n_classes: int,
    seed: int,
) -> list[Finding]:
    """Columns that copy the target, or alone predict it nearly perfectly; see `audit`."""
    halves = _halves(y, duplicates, n_classes, seed, n_columns=max(1, len(parsed.values)))
    findings = []
    for index, values in sorted(parsed.values.items()):
        column = schema.columns[index]
        cells = _cells(values, column.kind)
        if (text := _copy_text(cells, y, n_classes)) is None:
            sample = cells[halves.rows]
            score = _class_score(sample, halves) if n_classes else _value_score(sample, halves)
            if score is None:
                continue
            text = f"alone predicts the target nearly perfectly ({score} on rows held out)."
        hint = f"If it is not known at the time of prediction, use --drop {column.name}."
        findings.append(Finding("leak", column.name, f"Column {column.name!r} {text}", hint))
    return findings


def _halves(
    y: Floats, duplicates: IntArray | None, n_classes: int, seed: int, *, n_columns: int
) -> _Halves:
    # Its own stream: data simulated from the same seed must not follow the halves.
    rng = np.random.default_rng([seed, 7])
    size = max(_LEAK_LEAST_ROWS, _LEAK_CELLS // n_columns)
    rows = np.arange(len(y))
    if size < len(y):
        rows = np.sort(rng.choice(len(y), size, replace=False))
    unit = rows if duplicates is None else duplicates[rows]
    learn = rng.random(int(unit.max()) + 1)[unit] < 0.5
    return _Halves(rows, y[rows], learn, n_classes)


def _cells(values: Any, kind: Kind) -> Floats | IntArray:
    """(n_rows,) float64 with nan, or codes from -1 = missing, for text and categories."""
    if kind is Kind.TEXT:
        return np.asarray(pd.factorize(values)[0])
    cells = np.asarray(values)
    if _is_coded(cells):
        return cells
    return np.where(np.isfinite(cells), cells, np.nan)


def _is_coded(cells: Floats | IntArray) -> bool:
    return bool(np.issubdtype(cells.dtype, np.integer))


def _copy_text(cells: Floats | IntArray, y: Floats, n_classes: int) -> str | None:
    """Says in what way the present cells repeat the target, or None."""
    present = cells >= 0 if _is_coded(cells) else ~np.isnan(cells)
    n = int(present.sum())
    if n < 2 * _COPY_SUPPORT or n < 0.5 * len(y):
        return None
    where = f"all {n:,} rows" if n == len(y) else f"all {n:,} rows that have a value"
    if n_classes:
        return _class_copy(cells, y, present, where)
    if _is_coded(cells):
        return None
    x, target = cells[present], y[present]
    if np.ptp(x) == 0 or np.ptp(target) == 0:
        return None
    if np.allclose(x, target, rtol=1e-9, atol=0.0):
        return f"is a copy of the target under another name: equal in {where}."
    # Scaled first, as squares of huge numbers overflow.
    x, target = x / np.abs(x).max(), target / np.abs(target).max()
    if 1.0 - np.corrcoef(x, target)[0, 1] ** 2 < 1e-10:
        return f"is a copy of the target in another unit: a straight line in {where}."
    return None


def _class_copy(
    cells: Floats | IntArray, y: Floats, present: NDArray[np.bool_], where: str
) -> str | None:
    """Whether each value stands for one class and each class for one value."""
    few = slice(0, 2000)  # most columns are told apart by their first rows
    for rows in (few, slice(None)):
        x, target = cells[rows][present[rows]], y[rows][present[rows]].astype(np.int64)
        codes, levels = pd.factorize(x)
        n_classes = int(target.max(initial=-1)) + 1
        pairs, counts = np.unique(codes * n_classes + target, return_counts=True)
        if not len(pairs) == len(levels) == len(np.unique(target)):
            return None
    if len(pairs) < 2 or counts.sum() - counts.max() < _COPY_SUPPORT:
        return None
    return (
        f"is a copy of the target under another name: each of its {len(levels)} values stands "
        f"for exactly one class in {where}."
    )


def _class_score(cells: Floats | IntArray, halves: _Halves) -> str | None:
    """The held-out AUC of the column alone if it is suspicious, as text.

    Mean over the classes with enough rows, each against the rest; at least one such class.
    """
    bins, n_bins = _binned(cells, halves.learn)
    y, k = halves.y.astype(np.int64), halves.n_classes
    cell = bins * k + y
    learnt, held = (
        np.bincount(cell[mask], minlength=n_bins * k).reshape(n_bins, k).astype(np.float64)
        for mask in (halves.learn, ~halves.learn)
    )
    total, rows = held.sum(axis=0), held.sum()
    judged = np.flatnonzero((total >= _SUPPORT) & (rows - total >= _SUPPORT))
    if k == 2:
        judged = judged[-1:]
    prior = learnt.sum(axis=0) / max(1.0, learnt.sum())
    # One more row with the prior: a level seen once says less than a level seen often.
    rate = (learnt + prior) / (learnt.sum(axis=1, keepdims=True) + 1.0)
    scores = []
    for c in judged:
        scores.append(_binned_auc(rate[:, c], held[:, c], held.sum(axis=1) - held[:, c]))
        if scores[-1] < _LEAK_AUC - 0.1:
            return None  # the mean can hardly be saved by the other classes
    mean = float(np.mean(scores)) if scores else 0.0
    return f"ROC AUC {mean:.4f}" if mean >= _LEAK_AUC else None


def _binned_auc(score: Floats, positive: Floats, negative: Floats) -> float:
    """ROC AUC of bins that hold so many positive and negative rows; equal scores count half."""
    level = np.unique(score, return_inverse=True)[1]
    good, bad = np.bincount(level, positive), np.bincount(level, negative)
    below = np.cumsum(bad) - 0.5 * bad
    return float(good @ below / (good.sum() * bad.sum()))


def _value_score(cells: Floats | IntArray, halves: _Halves) -> str | None:
    """The held-out R² of the column alone if it is suspicious, as text."""
    learn, y = halves.learn, halves.y
    if learn.sum() < _SUPPORT or (~learn).sum() < _SUPPORT:
        return None
    bins, n_bins = _binned(cells, learn)
    counts = np.bincount(bins[learn], minlength=n_bins)
    mean = float(y[learn].mean())
    sums = np.bincount(bins[learn], y[learn], minlength=n_bins)
    level = np.where(counts > 0, sums / np.maximum(counts, 1), mean)
    guess = level[bins[~learn]]
    present = None if _is_coded(cells) else ~np.isnan(cells)
    if present is not None and (known := learn & present).any():
        # Straight lines between the bins: steps alone cannot follow a smooth function so closely.
        full = np.unique(bins[known])
        centre = np.bincount(bins[known], cells[known], minlength=n_bins)[full] / counts[full]
        line = np.interp(cells[~learn & present], centre, level[full])
        guess[present[~learn]] = line
    target = y[~learn]
    spread = float(((target - target.mean()) ** 2).sum())
    score = 1.0 - float(((target - guess) ** 2).sum()) / spread if spread else 0.0
    return f"R² {score:.5f}" if score >= _LEAK_R2 else None


def _binned(cells: Floats | IntArray, learn: NDArray[np.bool_]) -> tuple[IntArray, int]:
    """(n,) bin of each cell and the number of bins: levels, or quantiles of the first half.

    Missing (and unseen) cells are the first bin.
    """
    if _is_coded(cells):
        bins = np.maximum(cells.astype(np.int64), -1) + 1
        return bins, int(bins.max()) + 1
    present = ~np.isnan(cells)
    known = cells[learn & present]
    if not len(known):
        return present.astype(np.int64), 2
    n_bins = int(np.clip(len(known) // _ROWS_PER_BIN, 2, _BINS))
    ordered = np.sort(known)
    edges = np.unique(ordered[(np.arange(1, n_bins) * len(ordered)) // n_bins])
    bins = np.zeros(len(cells), dtype=np.int64)
    bins[present] = 1 + np.searchsorted(edges, cells[present], "right")
    return bins, len(edges) + 2


def _duplicates(duplicates: IntArray, y: Floats, task: Task) -> list[Finding]:
    ids, counts = np.unique(duplicates, return_inverse=True, return_counts=True)[1:]
    extra = len(ids) - len(counts)
    if not extra:
        return []
    text = f"{extra:,} of {len(ids):,} rows repeat an earlier row in all columns"
    if task.is_classification:
        pairs = np.unique(ids * (int(y.max()) + 1) + y.astype(np.int64))
        mixed = np.bincount(pairs // (int(y.max()) + 1)) > 1
        if mixed.any():
            text += f"; {int(counts[mixed].sum()):,} rows have equals of another class"
    hint = "Copies are kept in one fold. Remove them if they were written twice by mistake."
    return [Finding("duplicates", None, f"{text}.", hint)]


def class_findings(y: Floats, classes: Sequence[str]) -> list[Finding]:
    """Classes of few rows, and a target of two very unequal ones."""
    counts = np.bincount(y.astype(np.int64), minlength=len(classes))
    findings = []
    rare = np.flatnonzero((counts > 0) & (counts < _RARE_ROWS))
    if len(rare):
        shown = [f"{classes[c][:_LONGEST]!r} ({counts[c]} rows)" for c in rare.tolist()]
        text = f"{_few(shown)}: fewer than {_RARE_ROWS} rows of the class, too few to learn from."
        findings.append(
            Finding("rare_class", None, text, "Add rows, or merge rare classes into one.")
        )
    present = counts[counts > 0]
    if len(present) == 2 and present.min() < _IMBALANCE * present.sum():
        least = int(np.where(counts > 0, counts, counts.max() + 1).argmin())
        text = (
            f"Class {classes[least][:_LONGEST]!r} is {present.min() / present.sum():.2%} of the "
            f"rows ({present.min():,} of {present.sum():,}); accuracy says little about it."
        )
        hint = "Judge by average_precision, f1 or log_loss; try --class-weight balanced."
        findings.append(Finding("imbalance", None, text, hint))
    return findings


def _missing(schema: Schema) -> list[Finding]:
    holes = [c for c in schema.columns if c.used and c.missing > _MANY_MISSING]
    if not holes:
        return []
    holes.sort(key=lambda column: -column.missing)
    shown = [f"{column.name!r} ({column.missing:.1%})" for column in holes]
    name = holes[0].name if len(holes) == 1 else None
    text = f"More than half of the cells are missing in {_few(shown)}."
    hint = "They are used as they are; check whether the file writes missing cells in its own way."
    return [Finding("missing", name, text, hint)]


def _few(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
