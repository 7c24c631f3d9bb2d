"""Steps on their way into a program: numbered, equal ones made once, unneeded ones left out."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from automl.export.program import Additive, Cross, DateParts, Forest, Lookup, Step, Terms

S = TypeVar("S", bound=Step)

# Fields that hold numbers of columns.
_READ = ("column", "first", "second", "columns")


class Steps:
    """The steps so far; columns are numbered in the order in which they are made."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._known: dict[Hashable, tuple[int, ...]] = {}
        self._n_columns = 0

    def one(self, kind: type[S], **told: Any) -> int:
        """The column that a step with these fields makes."""
        return self.made(kind, 1, **told)[0]

    def made(self, kind: type[S], width: int, **told: Any) -> tuple[int, ...]:
        """The columns that a step with these fields makes, `width` of them."""
        key = (kind, *((name, _key(value)) for name, value in sorted(told.items())))
        if key not in self._known:
            out = tuple(range(self._n_columns, self._n_columns + width))
            several = kind in (Terms, Lookup, DateParts)
            self._steps.append(kind(**told, **_out(out if several else out[0])))
            self._n_columns += width
            self._known[key] = out
        return self._known[key]

    def kept(
        self, ensembles: Sequence[Forest | Additive]
    ) -> tuple[int, tuple[Step, ...], tuple[Forest | Additive, ...]]:
        """(columns, steps, ensembles): what the ensembles need, numbered anew."""
        needed = {column for each in ensembles for column in columns_of(each)}
        kept: list[Step] = []
        for step in reversed(self._steps):
            if needed.intersection(made_by(step)):
                needed.update(read_by(step))
                kept.append(step)
        kept.reverse()
        order = [column for step in kept for column in made_by(step)]
        place = {column: i for i, column in enumerate(order)}
        return (
            len(order),
            tuple(_renumbered(step, place) for step in kept),
            tuple(_moved(each, place) for each in ensembles),
        )


def made_by(step: Step) -> tuple[int, ...]:
    """The columns that a step makes."""
    return step.out if isinstance(step.out, tuple) else (step.out,)


def read_by(step: Step) -> tuple[int, ...]:
    """The columns that a step reads; none where it reads an input."""
    found: list[int] = []
    for name in _READ:
        value = getattr(step, name, ())
        found += value if isinstance(value, tuple) else [value]
    return tuple(found)


def columns_of(ensemble: Forest | Additive) -> tuple[int, ...]:
    """The columns that an ensemble needs."""
    if isinstance(ensemble, Forest):
        return tuple(ensemble.columns[i] for i in np.unique(ensemble.trees.feature).tolist())
    return tuple(column for column, _ in ensemble.effects)


def _out(columns: int | tuple[int, ...]) -> dict[str, Any]:
    return {"out": columns}


def _key(value: Any) -> Hashable:
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


def _renumbered(step: Step, place: dict[int, int]) -> Step:
    there = {field.name for field in fields(step)}
    moved: dict[str, Any] = {
        name: _placed(getattr(step, name), place) for name in (*_READ, "out") if name in there
    }
    return replace(step, **moved)


def _placed(columns: int | Iterable[int], place: dict[int, int]) -> int | tuple[int, ...]:
    if isinstance(columns, int):
        return place[columns]
    return tuple(place[column] for column in columns)


def _moved(ensemble: Forest | Additive, place: dict[int, int]) -> Forest | Additive:
    """The ensemble with the new numbers; a forest keeps only the features that it splits on."""
    if isinstance(ensemble, Additive):
        effects = tuple((place[column], effect) for column, effect in ensemble.effects)
        return replace(ensemble, effects=effects)
    used, feature = np.unique(ensemble.trees.feature, return_inverse=True)
    columns = tuple(place[ensemble.columns[i]] for i in used.tolist())
    return replace(ensemble, columns=columns, trees=replace(ensemble.trees, feature=feature))


def crossed(steps: Steps, columns: Sequence[int], sizes: Sequence[int]) -> int:
    """One column for several whole numbers; a single one is itself."""
    if len(columns) == 1:
        return columns[0]
    return steps.one(Cross, columns=tuple(columns), sizes=tuple(sizes))
