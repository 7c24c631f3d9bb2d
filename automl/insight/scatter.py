"""Points for scatter plots: the strongest numbers against the target, or against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from automl.data.schema import Kind
from automl.insight.relations import Relations
from automl.insight.toward import Aim, Toward
from automl.insight.view import Floats, View

_MOST_POINTS = 400
_MOST_PLOTS = 6
_STRONGEST = 4  # columns that are drawn in pairs, for classes


@dataclass(frozen=True)
class Scatter:
    """x, y: (m,) values in the middle 99 % of both.  group: (m,) class drawn, -1 = another.

    groups: names of the classes drawn, () where there is no class.
    """

    x_name: str
    y_name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    group: tuple[int, ...]
    groups: tuple[str, ...]
    x_is_date: bool = False
    y_is_date: bool = False


def scatters(
    views: Sequence[View],
    toward: Sequence[Toward],
    aim: Aim | None,
    relations: Relations | None,
    seed: int,
) -> tuple[Scatter, ...]:
    """Numbers against a numeric target; pairs of numbers, coloured by class; or related pairs.

    Columns with personal data are left out: a point is a person.
    """
    numbers = {
        view.name: view.values
        for view in views
        if view.is_number and not view.is_id and view.personal is None and view.varies
        if view.values is not None and view.distinct > 2
    }
    dates = {view.name for view in views if view.kind is Kind.DATETIME}
    return tuple(
        replace(plot, x_is_date=plot.x_name in dates, y_is_date=plot.y_name in dates)
        for plot in _plots(numbers, toward, aim, relations, seed)
    )


def _plots(
    numbers: dict[str, Floats],
    toward: Sequence[Toward],
    aim: Aim | None,
    relations: Relations | None,
    seed: int,
) -> tuple[Scatter, ...]:
    if aim is None:
        pairs = _related(relations, numbers)
        return tuple(_points(a, b, numbers[a], numbers[b], None, seed) for a, b in pairs)
    strong = [one.name for one in toward if one.strength > 0.01 and one.name in numbers]
    if not aim.is_classes:
        name = aim.target.name
        return tuple(_points(a, name, numbers[a], aim.y, None, seed) for a in strong[:_MOST_PLOTS])
    pairs = list(combinations(strong[:_STRONGEST], 2))[:_MOST_PLOTS]
    return tuple(_points(a, b, numbers[a], numbers[b], aim, seed) for a, b in pairs)


def _related(relations: Relations | None, numbers: dict[str, Floats]) -> list[tuple[str, str]]:
    if relations is None:
        return []
    found = []
    for i, j in relations.strongest():
        a, b = relations.names[i], relations.names[j]
        if a in numbers and b in numbers and abs(relations.strength[i, j]) >= 0.3:
            found.append((a, b))
        if len(found) == _MOST_PLOTS:
            break
    return found


def _points(x_name: str, y_name: str, x: Floats, y: Floats, aim: Aim | None, seed: int) -> Scatter:
    known = ~np.isnan(x) & ~np.isnan(y)
    if aim is not None:
        known &= ~np.isnan(aim.y)
    if known.any():
        for values in (x, y):
            low, high = np.quantile(values[known], (0.005, 0.995))
            known &= (values >= low) & (values <= high)
    rows = np.flatnonzero(known)
    rows = np.sort(np.random.default_rng([seed, 17]).permutation(rows)[:_MOST_POINTS])
    group = np.full(len(rows), -1)
    groups: tuple[str, ...] = ()
    if aim is not None:
        shown = aim.shown if len(aim.shown) > 1 else (0, 1)
        place = np.full(len(aim.target.classes), -1)
        place[list(shown)] = np.arange(len(shown))
        group = place[aim.y[rows].astype(np.int64)]
        groups = tuple(aim.target.classes[c] for c in shown)
    return Scatter(x_name, y_name, tuple(x[rows]), tuple(y[rows]), tuple(group.tolist()), groups)
