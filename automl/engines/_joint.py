"""Margins of several boosters of one matrix, which share what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from automl.engines._forest import Forest, Forests
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


class Joint:
    """Boosters that take the same features."""

    def __init__(self, boosters: Sequence[Booster]) -> None:
        self._boosters = tuple(boosters)
        self._shared: dict[tuple[int, ...], Forests] = {}
        self._calls = count()

    def prepare(self, matrix: Matrix) -> None:
        """Make now what many rows are scored with, and few rows then, too."""
        for booster in self._boosters:
            if isinstance(booster, _Tabled):
                booster.prepare(matrix)

    def margins(self, matrix: Matrix) -> list[NDArray[np.float64]]:
        """(n, k) margin of each booster, to the bit as it gives it alone."""
        together: dict[tuple[object, ...], dict[int, tuple[FloatArray, Forest]]] = {}
        margins: dict[int, NDArray[np.float64]] = {}
        for i, found in self._tables(matrix).items():
            if found is None:
                margins[i] = self._boosters[i].margin(matrix)
            else:
                values, forest = found
                alike = (id(values), forest.below, forest.dtype)
                together.setdefault(alike, {})[i] = values, forest
        for members in together.values():
            forests = self._forests({i: forest for i, (_, forest) in members.items()})
            values, _ = next(iter(members.values()))
            margins |= zip(members, forests.margins(values), strict=True)
        return [margins[i] for i in range(len(self._boosters))]

    def _tables(self, matrix: Matrix) -> dict[int, tuple[FloatArray, Forest] | None]:
        """The tables of each booster, in order; they are made on the first call.

        Every other call asks for the last one first, so that two threads make different ones.
        """
        order = list(range(len(self._boosters)))
        found: dict[int, tuple[FloatArray, Forest] | None] = {}
        for i in order[:: -1 if next(self._calls) % 2 else 1]:
            booster = self._boosters[i]
            found[i] = booster.tables(matrix) if isinstance(booster, _Tabled) else None
        return {i: found[i] for i in order}

    def _forests(self, forests: dict[int, Forest]) -> Forests:
        key = tuple(forests)
        if key not in self._shared:
            self._shared[key] = Forests(list(forests.values()))
        return self._shared[key]
