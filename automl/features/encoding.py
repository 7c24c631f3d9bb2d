"""Target encodings: the shrunken mean target of the rows in a cell of one to three keys.

Notation: n = rows, k = encoded outputs (classes, or 1), K = cells of one encoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.errors import BundleError
from automl.features.matrix import IntArray, Matrix
from automl.features.strict import Fields
from automl.task import Task

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

INNER_FOLDS = 5
MAX_ENCODED_CLASSES = 10
VALUE_LEVELS = 32  # distinct values of an encoding, see `snapped`
MAX_CROSSED_KEYS = 3
_DENSE_LOOKUP = 1 << 21  # possible cells up to which a cell is found by indexing, not searching
_LEAST_PRIOR_ROWS = 1.0  # a cell never trusts its own rows more than one row of prior
_MOST_LEVELS = 1 << 20  # the codes of three crossed keys then fit into 64 bits
_KINDS = ("category", "values", "bins")


@dataclass(frozen=True)
class Key:
    """How one feature of the matrix becomes cell codes 0..size-1.

    kind: "category": the codes of a categorical feature; "values": each of the few `points` is a
        code; "bins": `points` are the inner edges of quantile bins.
    points: ascending.  n_levels: of a category, else 0.
    Missing cells have a code of their own, and so have values that are none of the `points`.
    """

    feature: int
    kind: str
    n_levels: int = 0
    points: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        return self.n_levels + 1 if self.kind == "category" else len(self.points) + 2

    def codes(self, matrix: Matrix) -> NDArray[np.int32]:
        """(n,) codes; a row depends on its own cell only."""
        if self.kind == "category" and matrix.features[self.feature].n_levels != self.n_levels:
            raise BundleError(
                f"The recipe knows {self.n_levels} levels of a category that has others.",
                hint="The bundle's preprocessor and recipe do not belong together.",
            )
        values = matrix.values[:, self.feature].astype(np.float64)
        missing = np.isnan(values)
        if self.kind == "category":
            return np.where(missing, self.n_levels, values).astype(np.int32)
        points = np.array(self.points)
        place = np.searchsorted(points, values, side="right").astype(np.int64)
        if self.kind == "values":
            at = np.maximum(place - 1, 0)
            place = np.where((place > 0) & (points[at] == values), at, len(points))
        return np.where(missing, len(points) + 1, place).astype(np.int32)

    def to_json(self) -> dict[str, Any]:
        return {
            "feature": self.feature,
            "kind": self.kind,
            "n_levels": self.n_levels,
            "points": list(self.points),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> Key:
        points = fields.numbers("points")
        kind = fields.text("kind", known=_KINDS)
        if kind != "category" and (not points or list(points) != sorted(set(points))):
            raise BundleError(
                f"{fields.where}: 'points' must ascend.",
                hint="The bundle is damaged or was edited; use an intact copy.",
            )
        return cls(
            fields.integer("feature"), kind, fields.integer("n_levels", high=_MOST_LEVELS), points
        )


class CellCodes:
    """Cell codes of one matrix, each key computed once when it is first asked for."""

    def __init__(self, matrix: Matrix, keys: Sequence[Key]) -> None:
        self._matrix = matrix
        self._keys = keys
        self._codes: dict[int, NDArray[np.int32]] = {}

    def size(self, which: tuple[int, ...]) -> int:
        """Possible cells of the crossed keys."""
        return math.prod(self._keys[i].size for i in which)

    def cells(self, which: tuple[int, ...]) -> Codes:
        """(n,) cell codes 0..size-1 of one key, or of up to three keys crossed."""
        codes = self._of(which[0]).astype(np.int64)
        for i in which[1:]:
            codes = codes * self._keys[i].size + self._of(i)
        return codes

    def _of(self, key: int) -> NDArray[np.int32]:
        if key not in self._codes:
            self._codes[key] = self._keys[key].codes(self._matrix)
        return self._codes[key]


@dataclass(frozen=True)
class Encoding:
    """Learned values of the cells of one key or of crossed keys.

    keys: positions in the recipe's keys.  cells: (K,) ascending codes of the cells with training
    rows.  values: (K, k), exact in float32.  prior: (k,), the value of every other cell.
    """

    keys: tuple[int, ...]
    cells: Codes = field(repr=False, compare=False)
    values: Floats = field(repr=False, compare=False)
    prior: Floats = field(compare=False)

    def transform(self, codes: CellCodes) -> NDArray[np.float32]:
        """(n, k) encoded values."""
        place = find(self.cells, codes.cells(self.keys), codes.size(self.keys))
        return np.vstack([self.values, self.prior]).astype(np.float32)[place]

    def to_json(self) -> dict[str, Any]:
        return {
            "keys": list(self.keys),
            "cells": self.cells.tolist(),
            "values": self.values.tolist(),
            "prior": self.prior.tolist(),
        }

    @classmethod
    def from_json(cls, fields: Fields, *, n_keys: int) -> Encoding:
        keys = fields.integers("keys", high=n_keys - 1)
        cells = np.array(fields.integers("cells", high=2**63 - 1), dtype=np.int64)
        prior = np.array(fields.numbers("prior"), dtype=np.float64)
        values = fields.table("values", n_columns=len(prior))
        if (
            not 1 <= len(keys) <= MAX_CROSSED_KEYS
            or len(values) != len(cells)
            or (np.diff(cells) <= 0).any()
        ):
            raise BundleError(
                f"{fields.where}: keys, cells and values do not fit together.",
                hint="The bundle is damaged or was edited; use an intact copy.",
            )
        return cls(keys, cells, values, prior)


@dataclass(frozen=True)
class Target:
    """What is averaged, for the training rows only.

    centred: (n_train, k) weight x (outcome - prior).  squares: (k,) sums of weight x (outcome -
    prior)^2.  weight: (n_train,) with mean 1.  prior: (k,).  inner: (n_train,) inner fold.
    """

    centred: Floats
    squares: Floats
    weight: Floats
    prior: Floats
    inner: Codes

    @classmethod
    def of(cls, outcomes: Floats, weight: Floats | None, inner: Codes) -> Target:
        """From (n_train, k) outcomes: target values, or one 0/1 column per class."""
        if weight is None or weight.sum() <= 0.0:  # all rows weigh the same
            weight = np.ones(len(outcomes))
        weight = weight / weight.mean()
        # Exact in float32, so that a row of prior is the same number in each array that holds it.
        prior = exact_in_float32(weight @ outcomes / len(outcomes))
        residual = outcomes - prior
        return cls(
            weight[:, None] * residual, weight @ residual**2, weight, prior, inner.astype(np.int64)
        )

    @property
    def n_inner(self) -> int:
        return int(self.inner.max()) + 1


def fit_encoding(
    keys: tuple[int, ...], codes: CellCodes, train_rows: IntArray, target: Target
) -> tuple[Encoding, NDArray[np.float32]]:
    """The encoding fitted on all training rows, and (n, k) encoded values of all rows.

    A training row's value comes from the rows of the other inner folds only; every other row
    gets the fitted encoding; both are `snapped` to the same few values. The prior and the
    strength of shrinkage are those of all training rows in every inner fold: they are equal for
    all rows, so they tell nothing about one of them, while priors made fold by fold would tell a
    booster which fold a row is in.

    Source: shrinkage to the prior by count, Micci-Barreca, SIGKDD Explorations 2001; its
    strength by the moments of a one-way random-effects model, as in empirical Bayes.
    """
    size = codes.size(keys)
    all_cells = codes.cells(keys)
    cells, place = compress(all_cells[train_rows], size)
    n_cells, n_inner = len(cells), target.n_inner
    slot = place * n_inner + target.inner
    counts = np.bincount(slot, target.weight, minlength=n_cells * n_inner)
    counts = counts.reshape(n_cells, n_inner)
    # Sums over the other folds are added up, not subtracted from the total: a difference would
    # leave rounding noise that depends on the row's own target.
    others = 1.0 - np.eye(n_inner)
    other_counts = counts @ others
    fitted = np.empty((n_cells, len(target.prior)))
    encoded = np.empty((len(all_cells), len(target.prior)), dtype=np.float32)
    held_out = np.empty((len(train_rows), len(target.prior)))
    fallback = np.empty_like(target.prior)
    for j, prior in enumerate(target.prior):
        sums = np.bincount(slot, target.centred[:, j], minlength=n_cells * n_inner)
        sums = sums.reshape(n_cells, n_inner)
        m = shrinkage(sums.sum(axis=1), counts.sum(axis=1), float(target.squares[j]))
        values = prior + sums.sum(axis=1) / (counts.sum(axis=1) + m)
        steps, edges = snapped(values, counts.sum(axis=1))
        fitted[:, j] = steps[np.searchsorted(edges, values)]
        unseen = (prior + (sums @ others) / (other_counts + m)).ravel()
        held_out[:, j] = steps[np.searchsorted(edges, unseen)][slot]
        fallback[j] = steps[np.searchsorted(edges, prior)]
    encoding = Encoding(keys, cells, fitted, fallback)
    encoded[:] = encoding.transform(codes)
    encoded[train_rows] = held_out
    return encoding, encoded


def snapped(values: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """At most VALUE_LEVELS values, exact in float32, and the ascending edges between them.

    values, rows: (K,) fitted values of the cells and their training rows.

    Without it boosters overfit: the rows of one cell get a value from each inner fold, low where
    their own fold's targets are high, so that splits within a cell read off the targets that
    cross-fitting hid. Edges lie halfway between the values of neighbouring cells, so that the
    inner folds of a cell mostly share a value.
    """
    rows = np.maximum(rows, 1e-9)  # a level of cells without weight has a mean, too
    distinct, place = np.unique(values, return_inverse=True)
    mass = np.cumsum(np.bincount(place, rows))
    wanted = mass[-1] * np.arange(1, VALUE_LEVELS) / VALUE_LEVELS
    last = np.unique(np.searchsorted(mass, wanted, side="right"))  # first cell of a level
    last = last[(last > 0) & (last < len(distinct))]
    edges = (distinct[last - 1] + distinct[last]) / 2.0
    # Halfway between neighbours among floats may be the upper one, whose level would be empty.
    edges = np.where(edges < distinct[last], edges, distinct[last - 1])
    level = np.searchsorted(edges, values)
    total = np.bincount(level, rows, minlength=len(edges) + 1)
    sums = np.bincount(level, rows * values, minlength=len(edges) + 1)
    return exact_in_float32(sums / total), edges


def outcomes(y: Floats, task: Task, n_classes: int) -> tuple[Floats, tuple[int, ...]]:
    """(n, k) what is averaged, and the classes that have a column each.

    Binary and regression: y itself. Multiclass: one 0/1 column per class, or, with more than
    MAX_ENCODED_CLASSES classes, one for each of the most frequent (ties: the lower index).
    """
    if task is not Task.MULTICLASS:
        return np.asarray(y, dtype=np.float64)[:, None], ()
    labels = y.astype(np.int64)
    by_count = np.argsort(-np.bincount(labels, minlength=n_classes), kind="stable")
    classes = np.sort(by_count[:MAX_ENCODED_CLASSES])
    return (labels[:, None] == classes).astype(np.float64), tuple(int(c) for c in classes)


def shrinkage(sums: Floats, counts: Floats, squares: float) -> float:
    """Rows of prior that the mean of a cell is mixed with; infinite if cells do not differ.

    sums: (K,) sums of the centred outcome.  counts: (K,) rows.  squares: sum of its squares.
    It is the variance within cells over the variance between cells.
    """
    used = counts > 0.0
    sums, counts = sums[used], counts[used]
    n, n_cells = float(counts.sum()), len(counts)
    freedom = n - n_cells
    if n_cells < 2 or freedom < 1.0:
        return np.inf if n_cells < 2 else 10.0  # every cell has one row: nothing to estimate from
    explained = float((sums**2 / counts).sum())
    within = max(squares - explained, 0.0) / freedom
    between = (explained - (n_cells - 1) * within) / (n - float((counts**2).sum()) / n)
    if between <= 1e-12 * (within + between):
        return np.inf
    return max(within / between, _LEAST_PRIOR_ROWS)


def compress(codes: Codes, size: int) -> tuple[Codes, Codes]:
    """The ascending distinct codes, and the position of each code among them."""
    if size > max(4 * len(codes), 1 << 16):
        cells, place = np.unique(codes, return_inverse=True)
        return cells, place.astype(np.int64)
    seen = np.zeros(size, dtype=bool)
    seen[codes] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[codes]


def find(cells: Codes, codes: Codes, size: int) -> Codes:
    """The position of each code in ascending `cells`; len(cells) where it is not among them."""
    if size <= min(_DENSE_LOOKUP, 4 * len(codes)):
        place = np.full(size, len(cells))
        place[cells[cells < size]] = np.arange(int((cells < size).sum()))
        return place[codes]
    if not len(cells):
        return np.zeros(len(codes), dtype=np.int64)
    at = np.minimum(np.searchsorted(cells, codes), len(cells) - 1)
    return np.where(cells[at] == codes, at, len(cells)).astype(np.int64)


def exact_in_float32(values: Floats) -> Floats:
    """The nearest values that float32 holds, as float64."""
    largest = float(np.finfo(np.float32).max)
    return np.clip(values, -largest, largest).astype(np.float32).astype(np.float64)


def inner_folds(
    n_rows: int, *, seed: int, groups: IntArray | None = None, n_folds: int = INNER_FOLDS
) -> Codes:
    """(n_rows,) inner fold of each training row, balanced at random; a group shares one fold."""
    rng = np.random.default_rng(seed)
    if groups is None:
        return _balanced(n_rows, rng, n_folds)
    distinct, place = np.unique(groups, return_inverse=True)
    return _balanced(len(distinct), rng, n_folds)[place]


def _balanced(n: int, rng: np.random.Generator, n_folds: int) -> Codes:
    """(n,) fold numbers in random order; two folds at least, even for one row."""
    return (rng.permutation(n) % min(n_folds, max(n, 2))).astype(np.int64)
