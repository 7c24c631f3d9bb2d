"""Margins of several forests that take the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automl.engines._few_rows import FewRows
from automl.engines._forest import Column, Forest, Places, Scratch, small
from automl.engines._splits import Trees
from automl.features.matrix import FloatArray

# Microseconds of tables for few rows: of a call, and per row of each word; measured.
_CALL_MICROSECONDS, _WORD_MICROSECONDS = 40.0, 0.008


@dataclass(frozen=True)
class _Bins:
    """The bins of one feature of all forests together, and each forest's own.

    points: as in `Column`.  n: bins.  own: (n,) of each forest that has the feature, by its
    number: its own bin.
    """

    feature: int
    points: FloatArray | None
    n: int
    own: dict[int, Places]

    @classmethod
    def of(cls, columns: dict[int, Column]) -> _Bins:
        """Of the columns that the forests with these numbers have."""
        some = next(iter(columns.values()))
        points = [column.points for column in columns.values() if column.points is not None]
        if not points:
            n, union = max(column.n for column in columns.values()), None
            own = {i: np.minimum(np.arange(n), column.n - 2) for i, column in columns.items()}
        else:
            union = np.unique(np.concatenate(points))
            n = len(union) + 2
            # No point lies within a bin of the union, which ends at one of its points.
            own = {
                i: np.append(np.searchsorted(p, union), [len(p), 0])
                for i, p in zip(columns, points, strict=True)
            }
        for i, column in columns.items():
            own[i][-1] = column.n - 1
        return cls(some.feature, union, n, own)

    def places(
        self, cells: FloatArray, absent: NDArray[np.bool_] | None, *, below: bool
    ) -> Places:
        """(n,) bin of each cell; the last is for NaN, which is where `absent` is true."""
        if self.points is None:
            codes = np.minimum(cells, self.n - 2)  # codes in no set share a bin; NaN stays NaN
            return np.fmin(codes, self.n - 1).astype(np.intp)
        places = self.points.searchsorted(cells, "right" if below else "left")
        if absent is not None:
            places[absent] = self.n - 1
        return places


class Forests:
    """Forests that take the same cells: the bin of a cell is found once for all of them."""

    def __init__(self, forests: Sequence[Forest]) -> None:
        """All compare alike: `below` and `dtype` are the same."""
        self._forests = tuple(forests)
        columns: dict[tuple[int, bool], dict[int, Column]] = {}
        for i, forest in enumerate(forests):
            for column in forest.columns:
                columns.setdefault(column.key, {})[i] = column
        self._bins = {key: _Bins.of(found) for key, found in columns.items()}
        self._few: FewRows | None = None

    def prepare(self) -> None:
        """Make one forest of all, for few rows: what a call costs beside its rows counts there.

        It has the outputs of all forests side by side. Nothing is made where it would be large.
        """
        if self._few is not None:
            return
        if len(self._forests) == 1:
            self._few = FewRows(self._forests[0])
            return
        first = self._forests[0]
        p = 1 + max(column.feature for one in self._forests for column in one.columns)
        several = [one.trees.with_sets_behind(p) for one in self._forests]
        joined = Trees.side_by_side(several, first.n_outputs)
        if small(joined):
            base = np.concatenate([one.base for one in self._forests])
            whole = Forest(joined, base, below=first.below, set_is_left=first.set_is_left)
            self._few = FewRows(whole, p)

    @cached_property
    def _each_few(self) -> list[FewRows]:
        return [FewRows(forest) for forest in self._forests]

    @cached_property
    def _few_rows(self) -> int:
        """Rows from which on no forest takes them for few."""
        return min(forest.block_rows for forest in self._forests)

    def few_microseconds(self, n_rows: int) -> float:
        """About what so few rows take on one core."""
        n_calls = len(self._forests) if self._few is None else 1
        n_words = sum(len(forest.whole) for forest in self._forests)
        return n_calls * _CALL_MICROSECONDS + n_rows * n_words * _WORD_MICROSECONDS

    def margins(self, values: FloatArray) -> list[NDArray[np.float64]]:
        """(n, k) margins of (n, p) cells, by forest."""
        if len(values) < self._few_rows:
            if self._few is None:
                return [few.margins(values) for few in self._each_few]
            margin, k = self._few.margins(values), self._forests[0].n_outputs
            return [margin[:, i : i + k] for i in range(0, margin.shape[1], k)]
        below = self._forests[0].below
        values = values.astype(self._forests[0].dtype, copy=False)
        absent = np.isnan(values)
        some = bool(absent.any())
        places = {
            key: bins.places(
                values[:, bins.feature], absent[:, bins.feature] if some else None, below=below
            )
            for key, bins in self._bins.items()
        }
        scratch = Scratch(self._forests)
        margins = []
        for i, forest in enumerate(self._forests):
            keys = [column.key for column in forest.columns]
            own = [places[key] for key in keys]
            if len(self._forests) > 1:
                own = [
                    self._bins[key].own[i].take(place, mode="clip")
                    for key, place in zip(keys, own, strict=True)
                ]
            margins.append(forest.margin_of(own, scratch))
        return margins
