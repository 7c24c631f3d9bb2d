"""Slices of rows in which predictions go wrong: columns cut into bins, a shallow tree over these.

Notation: m = sampled rows. A place is the bin of a cell: numbers by rising value, levels by rising
mean loss, missing cells of numbers below the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import Column, Kind, ParsedTable, Schema
from automl.insight.people import personal_in

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEPTH = 3
MISSING = -1
_MOST_BINS = 32
_MOST_COLUMNS = 40
_LEVEL_ROWS = 20  # of a level, to stand for itself
_SHRINK = 20.0  # rows of the mean loss that a level's own is drawn towards
_NAMED = 3  # levels that a condition spells out
_LONGEST = 40


@dataclass(frozen=True, eq=False)
class Places:
    """The places of one column.

    places: (m,) of the rows.  cuts: numbers: place i holds values up to `cuts[i]`, the last one
    those above.  levels: categories: the level of each place.
    """

    column: Column
    places: Ints
    cuts: Floats
    levels: Sequence[str]
    has_missing: bool

    @property
    def n_places(self) -> int:
        return len(self.levels) if self.levels else len(self.cuts) + 1

    def condition(self, first: int, last: int) -> str:
        """What is true of the cells at places first … last."""
        name = self.column.name[:_LONGEST]
        if self.levels:
            return _levels_text(name, self.levels, first, last)
        text = _day if self.column.kind is Kind.DATETIME else _number
        missing = self.has_missing and first == MISSING
        if missing and last == MISSING:
            return f"{name} is missing"
        low = None if first <= 0 else text(float(self.cuts[first - 1]))
        high = None if last >= len(self.cuts) else text(float(self.cuts[last]))
        if low is None and high is None:
            return f"{name} is known"
        if low is None:
            return f"{name} ≤ {high}" + (" or missing" if missing else "")
        return f"{name} > {low}" if high is None else f"{low} < {name} ≤ {high}"


def places_of(
    cells: ParsedTable, schema: Schema, losses: Floats, known: NDArray[np.bool_]
) -> list[Places]:
    """The places of each column that may be told: no texts, and no personal data.

    losses: (m,).  known: (m,) the rows whose losses may be looked at.
    """
    found = []
    for index, values in cells.values.items():
        column = schema.columns[index]
        if column.kind is Kind.TEXT or isinstance(values, pd.Series):
            continue
        if personal_in(column, values) is not None:
            continue
        if column.kind in (Kind.CATEGORICAL, Kind.BOOLEAN):
            one = _of_levels(column, np.asarray(values), losses, known)
        else:
            one = _of_numbers(column, np.asarray(values, dtype=np.float64), known)
        if one.n_places + one.has_missing > 1:
            found.append(one)
    return sorted(found, key=lambda one: -_explained(one, losses, known))[:_MOST_COLUMNS]


def _explained(one: Places, losses: Floats, known: NDArray[np.bool_]) -> float:
    """The squared loss that the places of a column explain among the known rows."""
    places = one.places[known] + 1
    rows = np.bincount(places)
    sums = np.bincount(places, weights=losses[known] - losses[known].mean())
    # Each place explains about one row's variance by chance.
    gain = (sums**2 / np.maximum(rows, 1)).sum()
    return float(gain - (np.count_nonzero(rows) - 1) * losses[known].var())


def _of_numbers(column: Column, values: Floats, known: NDArray[np.bool_]) -> Places:
    present = values[known]
    present = present[~np.isnan(present)]
    cuts = np.empty(0)
    if len(present):
        distinct = np.unique(present)
        if len(distinct) <= _MOST_BINS:
            cuts = distinct[:-1]
        else:
            quantiles = np.quantile(present, np.linspace(0, 1, _MOST_BINS + 1)[1:-1])
            whole = bool((present % 1 == 0).all())
            cut = math.floor if whole else _rounded
            cuts = np.unique([float(cut(one)) for one in quantiles.tolist()])
            cuts = cuts[(cuts >= distinct[0]) & (cuts < distinct[-1])]
    places = np.searchsorted(cuts, values, side="left").astype(np.int64)
    missing = np.isnan(values)
    places[missing] = MISSING
    return Places(column, places, cuts, (), bool(missing.any()))


def _rounded(value: float) -> float:
    """A cut as people write it, which is the cut that is made."""
    digits = 3 if abs(value) < 1000 else 4
    return float(f"{value:.{digits}g}")


def _of_levels(
    column: Column, values: NDArray[np.generic], losses: Floats, known: NDArray[np.bool_]
) -> Places:
    """Levels by rising mean loss, drawn towards the mean of all; rare ones share a place."""
    codes = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=-1.0).astype(np.int64)
    names = [*column.levels, "missing", "a rare level"]
    gone, rare = len(column.levels), len(column.levels) + 1
    codes = np.where(codes == -1, gone, codes)
    codes = np.where(codes < 0, rare, codes)  # unseen in training
    rows = np.bincount(codes[known], minlength=len(names))
    codes = np.where(rows[codes] < _LEVEL_ROWS, rare, codes)
    rows = np.bincount(codes[known], minlength=len(names))
    sums = np.bincount(codes[known], weights=losses[known], minlength=len(names))
    mean = float(losses[known].mean())
    shrunk = (sums + _SHRINK * mean) / (rows + _SHRINK)
    there = np.unique(codes)
    order = there[np.argsort(shrunk[there], kind="stable")]
    place = np.zeros(len(names), dtype=np.int64)
    place[order] = np.arange(len(order))
    levels = [names[code][:_LONGEST] for code in order.tolist()]
    return Places(column, place[codes], np.empty(0), levels, has_missing=False)


def _levels_text(name: str, levels: Sequence[str], first: int, last: int) -> str:
    inside = levels[max(first, 0) : last + 1]
    outside = [*levels[: max(first, 0)], *levels[last + 1 :]]
    if len(inside) == 1:
        return f"{name} = {inside[0]}"
    if len(outside) == 1:
        return f"{name} ≠ {outside[0]}"
    if len(inside) > _NAMED and len(outside) <= _NAMED:
        return f"{name} is none of {', '.join(outside)}"
    # The worst levels, which come last, are named.
    named = inside[::-1][:_NAMED]
    more = len(inside) - len(named)
    return f"{name} is one of {', '.join(named)}" + (f" and {more} more levels" if more else "")


def _number(value: float) -> str:
    return f"{value:,.6g}"


def _day(value: float) -> str:
    return str(np.datetime64(round(value), "D"))


@dataclass(frozen=True, eq=False)
class Segment:
    """A slice: what is true of its rows, and which of the (m,) sampled rows these are."""

    conditions: tuple[str, ...]
    inside: NDArray[np.bool_]


def find_segments(
    columns: Sequence[Places],
    losses: Floats,
    known: NDArray[np.bool_],
    *,
    least_rows: int,
    most: int,
    times: float,
) -> list[Segment]:
    """Slices that do not overlap, the most striking first, found on the `known` rows alone.

    times: how many times the mean loss a slice has at least, there.
    """
    n_known = int(known.sum())
    if not columns or n_known < 2 * least_rows:
        return []
    from sklearn.tree import DecisionTreeRegressor

    places = np.column_stack([one.places for one in columns]).astype(np.float32)
    tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=least_rows, random_state=0)
    tree.fit(places[known], losses[known])
    paths = tree.decision_path(places).toarray().astype(bool)  # (m, nodes)
    mean = float(losses[known].mean())
    striking = []
    for node in range(1, paths.shape[1]):
        own = paths[:, node] & known
        n_rows = int(own.sum())
        if 2 * n_rows > n_known:
            continue
        own_mean = float(losses[own].mean())
        if own_mean > times * mean:
            striking.append(((own_mean - mean) * math.sqrt(n_rows), node))
    above = _parents(tree.tree_)
    nodes: list[int] = []
    for _, node in sorted(striking, reverse=True):
        if len(nodes) < most and not any((paths[:, node] & paths[:, one]).any() for one in nodes):
            nodes.append(node)
    for node in list(nodes):
        # Two halves of one slice are that slice.
        siblings = [one for one in nodes if above[one] == above.get(node)]
        if len(siblings) == 2 and above[node] > 0 and above[node] in {n for _, n in striking}:
            nodes[nodes.index(siblings[0])] = above[node]
            nodes.remove(siblings[1])
    return [Segment(_conditions(tree.tree_, node, columns), paths[:, node]) for node in nodes]


def _parents(tree: Any) -> dict[int, int]:
    """The node above each node but the first."""
    sides = (tree.children_left, tree.children_right)
    return {int(child): i for side in sides for i, child in enumerate(side) if child > 0}


def _conditions(tree: Any, node: int, columns: Sequence[Places]) -> tuple[str, ...]:
    """What leads to a node, a condition per column."""
    left, feature, cut = tree.children_left, tree.feature, tree.threshold
    above = _parents(tree)
    ranges: dict[int, list[int]] = {}
    while node in above:
        parent = above[node]
        column = int(feature[parent])
        limits = ranges.setdefault(column, [MISSING, columns[column].n_places - 1])
        edge = math.floor(float(cut[parent]))
        if left[parent] == node:
            limits[1] = min(limits[1], edge)
        else:
            limits[0] = max(limits[0], edge + 1)
        node = parent
    return tuple(
        columns[column].condition(first, last) for column, (first, last) in ranges.items()
    )[::-1]
