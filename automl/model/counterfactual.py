"""The nearest change of a row that flips what is decided: a small search over the schema.

After Wachter, Mittelstadt and Russell, Counterfactual explanations without opening the black box,
2018: few columns, and these as little as it takes. Values are those that training rows had.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import Column, Kind, ParsedTable
from automl.model.predictor import Predictor
from automl.task import Task

Floats = NDArray[np.float64]

MOST_CHANGES = 3  # columns of one proposal
_MOST_COLUMNS = 40  # columns that are tried, those that move this row most
_MOST_LEVELS = 25  # of a column, the most frequent ones
_BEAM = 10  # proposals that are extended by another column
_STEPS = 12  # halvings of the way to a number
_DIGITS = (2, 3, 4, 6, 9)  # significant digits of a proposed number, the first that does
_OVERSHOOT = 1.1  # of the way, that a rounder number may take
_SCORED = 20_000  # rows in one call
_DAY = 86_400_000_000  # microseconds
_LEVEL_COST = 0.5  # of another level, in spans of a column of numbers


@dataclass(frozen=True)
class Goal:
    """What a prediction should become.

    label: index of the class that is wanted, or None = any other than `now`.  low, high: the
    values that are wanted of a regression, of several quantiles that at the place `output`.
    """

    task: Task
    threshold: float = 0.5
    now: int | None = None
    label: int | None = None
    low: float = -np.inf
    high: float = np.inf
    output: int = 0

    def gap(self, prediction: Floats) -> Floats:
        """(n,) how far off; 0 or less = reached. prediction: as the link gives it."""
        if self.task is Task.REGRESSION:
            if prediction.ndim == 2:
                prediction = prediction[:, self.output]
            return np.maximum(self.low - prediction, prediction - self.high)
        if self.task is Task.BINARY:
            wanted = 1 - (self.now or 0) if self.label is None else self.label
            # A tie is the positive class.
            return (
                self.threshold - prediction
                if wanted == 1
                else np.nextafter(prediction, np.inf) - self.threshold
            )
        own = self.now if self.label is None else self.label
        others = np.delete(prediction, int(own or 0), axis=1).max(axis=1)
        mine = prediction[:, int(own or 0)]
        away = mine - others if self.label is None else others - mine
        return np.asarray(np.nextafter(away, np.inf))


@dataclass(frozen=True)
class Change:
    """A cell that is another one: typed values as in `ParsedTable`, and cells for a table."""

    column: str
    value: float
    cell: Any


@dataclass(frozen=True)
class Found:
    """The nearest change, and how many rows were scored to find it; no changes = none found."""

    changes: tuple[Change, ...]
    n_scored: int


Proposal = dict[int, float]  # typed value by column index of the schema


def nearest_change(
    predictor: Predictor,
    frame: pd.DataFrame,
    goal: Goal,
    *,
    keep: Collection[str] = (),
    order: Sequence[int] = (),
) -> Found:
    """The nearest change of the only row of `frame` after which `predict` meets the goal.

    keep: columns that stay as they are.  order: indices of used columns, the likeliest first.
    Up to three columns change; every proposal was predicted as a table with just these cells.
    """
    search = _Search(predictor, frame, goal, keep, order)
    found = search.run()
    return Found(found, search.n_scored)


class _Search:
    def __init__(
        self,
        predictor: Predictor,
        frame: pd.DataFrame,
        goal: Goal,
        keep: Collection[str],
        order: Sequence[int],
    ) -> None:
        self._predictor, self._frame, self._goal = predictor, frame, goal
        self._row = predictor.parse(frame)
        self._columns = predictor.schema.columns
        likely = dict.fromkeys((*order, *predictor.schema.used))
        usable = [i for i in likely if self._columns[i].name not in keep]
        self._values = {i: values for i in usable if len(values := self._grid(i))}
        self._values = dict(list(self._values.items())[:_MOST_COLUMNS])
        self.n_scored = 0

    def run(self) -> tuple[Change, ...]:
        singles: list[Proposal] = [{i: v} for i, vs in self._values.items() for v in vs.tolist()]
        beam: list[Proposal] = [{}]
        for _ in range(MOST_CHANGES):
            tried = _unique(
                {**one, **more} for one in beam for more in singles if not one.keys() & more
            )
            if not tried:
                return ()
            gaps = self._gaps(tried)
            reached = [one for one, gap in zip(tried, gaps, strict=True) if gap <= 0]
            for one in sorted(reached, key=self._cost)[:_BEAM]:
                changes = self._changes(self._refined(one))
                if self._verified(changes):
                    return changes
            beam = self._best(tried, gaps)
        return ()

    # -- values ---------------------------------------------------------------------------------

    def _grid(self, i: int) -> Floats:
        """Typed values that the column may take instead of its own."""
        column = self._columns[i]
        if column.kind is Kind.TEXT or column.hash_key:
            return np.empty(0)  # nobody can write the cell that a hash was
        own = float(np.asarray(self._row.values[i])[0])
        if column.kind in (Kind.NUMERIC, Kind.DATETIME):
            ends = [v for v in (column.minimum, column.maximum) if v is not None]
            values = np.unique(np.asarray([*column.bins, *ends], dtype=np.float64))
        else:
            most = np.argsort(-np.asarray(column.counts, dtype=np.float64), kind="stable")
            n = len(column.levels)
            chosen = most[:_MOST_LEVELS] if len(column.counts) == n else np.arange(n)
            values = np.asarray(chosen[:_MOST_LEVELS], dtype=np.float64)
        return np.asarray(values[values != own])

    def _cost(self, one: Proposal) -> float:
        """Fewer columns come first, then how far they move."""
        return sum(1.0 + self._distance(i, value) for i, value in one.items())

    def _distance(self, i: int, value: float) -> float:
        column = self._columns[i]
        own = float(np.asarray(self._row.values[i])[0])
        if column.kind not in (Kind.NUMERIC, Kind.DATETIME) or np.isnan(own):
            return _LEVEL_COST
        bins = column.bins
        span = bins[-2] - bins[1] if len(bins) > 3 else 0.0
        span = span or (column.maximum or 0.0) - (column.minimum or 0.0) or 1.0
        return min(abs(value - own) / span, 1.0)

    def _best(self, tried: Sequence[Proposal], gaps: Floats) -> list[Proposal]:
        """The nearest to the goal, of each set of columns the best only."""
        found: dict[frozenset[int], Proposal] = {}
        for k in np.argsort(gaps, kind="stable").tolist():
            found.setdefault(frozenset(tried[k]), tried[k])
            if len(found) == _BEAM:
                break
        return list(found.values())

    # -- as little as it takes ------------------------------------------------------------------

    def _refined(self, one: Proposal) -> Proposal:
        """The same flip with numbers as near to their own, and as round, as they may be."""
        for i in list(one):
            column = self._columns[i]
            own = float(np.asarray(self._row.values[i])[0])
            if column.kind is Kind.NUMERIC and not np.isnan(own):
                one = {**one, i: self._nearest(one, i, own)}
            elif column.kind is Kind.DATETIME and not np.isnan(own):
                one = {**one, i: self._nearest(one, i, own, whole=True)}
        return one

    def _nearest(self, one: Proposal, i: int, own: float, *, whole: bool = False) -> float:
        near, far = own, one[i]
        for _ in range(_STEPS):
            middle = (near + far) / 2
            reached = self._gaps([{**one, i: middle}])[0] <= 0
            near, far = (near, middle) if reached else (middle, far)
        column = self._columns[i]
        whole = whole or all(float(value).is_integer() for value in column.bins)
        rounded = self._rounded(far, up=far > own, whole=whole)
        # A whole number has no nearer neighbour; other round ones must not lie much further out.
        most = abs(one[i] - own) if whole else min(_OVERSHOOT * abs(far - own), abs(one[i] - own))
        rounded = [value for value in rounded if abs(value - own) <= most]
        rounded += [one[i]] if whole else [far]
        gaps = self._gaps([{**one, i: value} for value in rounded])
        return next((v for v, gap in zip(rounded, gaps, strict=True) if gap <= 0), one[i])

    def _rounded(self, value: float, *, up: bool, whole: bool) -> list[float]:
        """Rounder numbers beyond `value`, the roundest near ones first."""
        away = np.ceil if up else np.floor
        if whole:
            return [float(away(value))]
        size = np.floor(np.log10(abs(value))) if value else 0.0
        steps = [10.0 ** (size + 1 - digits) for digits in _DIGITS]
        return [float(f"{away(value / step) * step:.12g}") for step in steps]

    # -- predictions ----------------------------------------------------------------------------

    def _gaps(self, proposals: Sequence[Proposal]) -> Floats:
        """(n,) gaps of the row with each proposal's values."""
        parts = []
        for start in range(0, len(proposals), _SCORED):
            some = proposals[start : start + _SCORED]
            table = self._row.take(np.zeros(len(some), dtype=np.intp))
            values = dict(table.values)
            for i in {i for one in some for i in one}:
                column = np.array(np.asarray(values[i]), copy=True)
                for k, one in enumerate(some):
                    if i in one:
                        column[k] = one[i]
                values[i] = column
            margin = self._predictor.margin(ParsedTable(len(some), values))
            parts.append(self._goal.gap(self._predictor.link.predict(margin)))
            self.n_scored += len(some)
        return np.concatenate(parts)

    def _changes(self, one: Proposal) -> tuple[Change, ...]:
        return tuple(
            Change(self._columns[i].name, value, _cell(self._columns[i], value))
            for i, value in one.items()
        )

    def _verified(self, changes: Sequence[Change]) -> bool:
        """Whether `predict` says so of the table itself."""
        if not changes:
            return False
        margin = self._predictor.margin(changed(self._frame, changes))
        self.n_scored += 1
        return bool(self._goal.gap(self._predictor.link.predict(margin))[0] <= 0)


def changed(frame: pd.DataFrame, changes: Sequence[Change]) -> pd.DataFrame:
    """`frame` with the cells of `changes` in every row."""
    cells = {
        change.column: pd.Series([change.cell] * len(frame), index=frame.index)
        for change in changes
    }
    return frame.assign(**cells)


def _cell(column: Column, value: float) -> Any:
    """A typed value as a cell that a table may hold."""
    if column.kind is Kind.DATETIME:
        # Nanoseconds would end in 2262, and "until further notice" often is the year 9999.
        return pd.Timestamp(np.datetime64(round(value * _DAY), "us"))
    if column.kind is Kind.NUMERIC:
        return float(value)
    return column.levels[int(value)]


def _unique(proposals: Iterator[Proposal]) -> list[Proposal]:
    found = {tuple(sorted(one.items())): one for one in proposals}
    return list(found.values())
