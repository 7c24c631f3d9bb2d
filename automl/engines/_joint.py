"""Margins of several boosters of one matrix, which share what they have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from automl.engines._forest import Forest
from automl.engines._forests import Forests
from automl.engines.base import Booster
from automl.features.matrix import FloatArray, Matrix


@runtime_checkable
class _Tabled(Protocol):
    """A booster that may look up its margins in tables."""

    def tables(self, matrix: Matrix) -> tuple[FloatArray, Forest] | None:
        """The cells of `matrix` and the tables; None where `margin` is quicker."""
        ...

    def prepare(self, matrix: Matrix) -> None:
        """Make the tables now, where they are quicker; `matrix`: rows like those to come."""
        ...


@runtime_checkable
class _Walking(Protocol):
    """A tabled booster whose library may be quicker than tables where rows are few."""

    def walk_microseconds(self, n_rows: int) -> float:
        """What its library takes; infinite where the rows are not few."""
        ...

    def walk(self, matrix: Matrix) -> NDArray[np.float64]:
        """(n, k) raw scores by its library."""
        ...


@runtime_checkable
class _Pooled(Protocol):
    """A booster whose library takes a form of its own, whose making takes long for few rows."""

    def pool_kind(self) -> object:
        """Boosters of one kind make equal pools of a matrix."""
        ...

    def pool(self, matrix: Matrix) -> Any:
        """`matrix` as the library takes it."""
        ...

    def pool_margin(self, pool: Any) -> NDArray[np.float64]:
        """(n, k) raw scores of the rows in `pool`."""
        ...


class Joint:
    """Boosters that take the same features."""

    def __init__(self, boosters: Sequence[Booster]) -> None:
        self._boosters = tuple(boosters)
        # A look at what a booster has takes as long as a row through a small one.
        self._tabled = [each if isinstance(each, _Tabled) else None for each in boosters]
        self._walking = [each if isinstance(each, _Walking) else None for each in boosters]
        self._pooled = [each if isinstance(each, _Pooled) else None for each in boosters]
        self._shared: dict[tuple[int, ...], Forests] = {}
        self._calls = count()

    def prepare(self, matrix: Matrix) -> None:
        """Make now what many rows are scored with, and few rows then, too."""
        for booster in self._tabled:
            if booster is not None:
                booster.prepare(matrix)
        for _, forests, _ in self._alike(self._tables(matrix)):
            forests.prepare()

    def margins(self, matrix: Matrix) -> list[NDArray[np.float64]]:
        """(n, k) margin of each booster, to the bit as it gives it alone."""
        margins: dict[int, NDArray[np.float64]] = {}
        pools: dict[object, Any] = {}
        tables = self._tables(matrix)
        for i, found in tables.items():
            pooled = self._pooled[i]
            if pooled is not None:
                kind = pooled.pool_kind()
                if kind not in pools:
                    pools[kind] = pooled.pool(matrix)
                margins[i] = pooled.pool_margin(pools[kind])
            elif found is None:
                margins[i] = self._boosters[i].margin(matrix)
        for places, forests, values in self._alike(tables):
            walking = self._walking_all(places, forests, matrix.n_rows)
            if walking is None:
                margins |= zip(places, forests.margins(values), strict=True)
            else:
                margins |= {i: each.walk(matrix) for i, each in walking.items()}
        return [margins[i] for i in range(len(self._boosters))]

    def _tables(self, matrix: Matrix) -> dict[int, tuple[FloatArray, Forest] | None]:
        """The tables of each booster, in order; they are made on the first call.

        Every other call asks for the last one first, so that two threads make different ones.
        """
        order = list(range(len(self._boosters)))
        found: dict[int, tuple[FloatArray, Forest] | None] = {}
        for i in order[:: -1 if next(self._calls) % 2 else 1]:
            booster = self._tabled[i]
            found[i] = None if booster is None else booster.tables(matrix)
        return {i: found[i] for i in order}

    def _walking_all(
        self, places: Sequence[int], forests: Forests, n_rows: int
    ) -> dict[int, _Walking] | None:
        """The boosters at `places` if their libraries are quicker for so few rows; else None."""
        walking: dict[int, _Walking] = {}
        for i in places:
            each = self._walking[i]
            if each is None:
                return None
            walking[i] = each
        by_walks = sum(each.walk_microseconds(n_rows) for each in walking.values())
        return walking if by_walks < forests.few_microseconds(n_rows) else None

    def _alike(
        self, tables: Mapping[int, tuple[FloatArray, Forest] | None]
    ) -> Iterator[tuple[list[int], Forests, FloatArray]]:
        """(places of the boosters, their tables, the cells) of those that take the same cells."""
        together: dict[tuple[object, ...], dict[int, tuple[FloatArray, Forest]]] = {}
        for i, found in tables.items():
            if found is not None:
                values, forest = found
                alike = (id(values), forest.below, forest.dtype)
                together.setdefault(alike, {})[i] = values, forest
        for members in together.values():
            forests = self._forests({i: forest for i, (_, forest) in members.items()})
            values, _ = next(iter(members.values()))
            yield list(members), forests, values

    def _forests(self, forests: dict[int, Forest]) -> Forests:
        key = tuple(forests)
        if key not in self._shared:
            self._shared[key] = Forests(list(forests.values()))
        return self._shared[key]
