"""The columns that a linear model is trained on: robust numbers, a column per level of a category.

Notation: n = rows, D = columns of the design, m = knots, d = columns of one number, k = outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.engines._additive import AdditiveModel, Curve, Levels
from automl.features.matrix import Feature, FloatArray, IntArray, Matrix

Floats = NDArray[np.float64]
Entries = tuple[IntArray, IntArray, Floats]  # rows, columns and values of cells that are not 0

_SAMPLE_ROWS: Final = 50_000  # that means, spreads and quantiles are judged by
_CLIP: Final = 4.0  # standard deviations from the mean where a number stops to count
_REACH: Final = 3.0  # and, before deviations are taken, in widths of the middle 98 %
_BENDS: Final = 6  # quantiles between the ends where a curve may bend
# Half the height: what a bend costs beside the straight line, whose column has deviation one.
_TENT: Final = 0.5


@dataclass(frozen=True)
class NumberBlock:
    """The columns of a number: a straight line, tents that bend it, and one that says "missing".

    knots: (m,).  line: (m,) the standardised value at the knots; cells beyond the ends count as
    the ends.  bends: whether m tents follow, each 0 at every knot but one.
    """

    feature: int
    start: int
    knots: Floats
    line: Floats
    bends: bool
    has_missing: bool
    monotone: int

    @property
    def width(self) -> int:
        return 1 + self.bends * len(self.knots) + self.has_missing

    @property
    def cells(self) -> int:
        """Cells of a row that are not zero."""
        return 3 if self.bends else 1

    def entries(self, cells: FloatArray) -> Iterator[Entries]:
        """The block's columns for (n,) values."""
        place = np.interp(cells, self.knots, np.arange(len(self.knots), dtype=np.float64))
        rows = np.flatnonzero(~np.isnan(place))
        below = np.minimum(place[rows].astype(np.intp), len(self.knots) - 2)
        part = place[rows] - below
        line = self.line[below] + part * np.diff(self.line)[below]
        yield rows, np.full(len(rows), self.start), line
        if self.bends:
            yield rows, self.start + 1 + below, _TENT * (1.0 - part)
            yield rows, self.start + 2 + below, _TENT * part
        if self.has_missing:
            gone = np.flatnonzero(np.isnan(place))
            yield gone, np.full(len(gone), self.start + self.width - 1), np.ones(len(gone))

    def effect(self, weights: Floats, means: Floats) -> tuple[Curve, Floats]:
        """The curve that (d, k) weights make, shifted by its (k,) mean, and that mean.

        means: (d,) of the columns in the training rows. A slope against the direction that was
        asked for is set to zero.
        """
        if self.monotone:
            weights = weights.copy()
            weights[0] = np.where(weights[0] * self.monotone > 0, weights[0], 0.0)
        centre = means @ weights
        values = self.line[:, None] * weights[0]
        if self.bends:
            values = values + _TENT * weights[1 : 1 + len(self.knots)]
        missing = np.zeros(len(centre))
        if self.has_missing and means[-1] > 0:
            missing = weights[-1] - centre
        return Curve(self.knots, values - centre, missing), centre


@dataclass(frozen=True)
class LevelBlock:
    """One column per level of a category, the last one for NaN."""

    feature: int
    start: int
    n_levels: int

    cells = 1

    @property
    def width(self) -> int:
        return self.n_levels + 1

    def entries(self, cells: FloatArray) -> Iterator[Entries]:
        """The block's columns for (n,) codes."""
        codes = np.nan_to_num(cells, nan=self.n_levels).astype(np.intp)
        yield np.arange(len(cells)), self.start + codes, np.ones(len(cells))

    def effect(self, weights: Floats, means: Floats) -> tuple[Levels, Floats]:
        """As for a number; a level without training rows has no effect, like an average row."""
        centre = means @ weights
        return Levels(np.where(means[:, None] > 0, weights - centre, 0.0)), centre


@dataclass(frozen=True)
class Design:
    """Which columns are made of which feature."""

    n_features: int
    blocks: tuple[NumberBlock | LevelBlock, ...]
    width: int

    @classmethod
    def of(cls, matrix: Matrix, *, bends: bool) -> Design:
        """The design for `matrix`. The target is not read, so it serves every fold."""
        rows = np.linspace(0, matrix.n_rows - 1, min(matrix.n_rows, _SAMPLE_ROWS)).astype(np.int64)
        blocks: list[NumberBlock | LevelBlock] = []
        start = 0
        for i, feature in enumerate(matrix.features):
            cells = matrix.values[:, i]
            if feature.n_levels:
                blocks.append(LevelBlock(i, start, feature.n_levels))
            else:
                has_missing = bool(np.isnan(cells).any())
                blocks.append(_number(i, start, cells[rows], feature, bends, has_missing))
            start += blocks[-1].width
        return cls(matrix.n_features, tuple(blocks), start)

    @property
    def cells(self) -> int:
        """Cells of a row that are not zero, at most; what a pass over the columns costs."""
        return sum(block.cells for block in self.blocks)

    def columns(self, matrix: Matrix) -> Any:
        """(n, D) scipy CSR matrix of float32."""
        from scipy.sparse import coo_matrix

        parts = [e for b in self.blocks for e in b.entries(matrix.values[:, b.feature])]
        rows = np.concatenate([part[0].astype(np.int32) for part in parts])
        columns = np.concatenate([part[1].astype(np.int32) for part in parts])
        values = np.concatenate([part[2].astype(np.float32) for part in parts])
        return coo_matrix((values, (rows, columns)), (matrix.n_rows, self.width)).tocsr()

    def model(self, weights: Floats, bias: Floats, means: Floats) -> AdditiveModel:
        """The additive model of (D, k) weights, its effects averaging zero in training.

        bias: (k,) the margin of an all-zero row.  means: (D,) of the training rows' columns.
        """
        effects = []
        base = bias.copy()
        for block in self.blocks:
            part = slice(block.start, block.start + block.width)
            if weights[part].any():
                effect, centre = block.effect(weights[part], means[part])
                base += centre
                effects.append((block.feature, effect))
        return AdditiveModel(self.n_features, base, tuple(effects))


def _number(  # noqa: PLR0913 - one call, above
    feature: int, start: int, sample: FloatArray, facts: Feature, bends: bool, has_missing: bool
) -> NumberBlock:
    present = sample[~np.isnan(sample)].astype(np.float64)
    low, high, mean, spread = _bounds(present)
    if not high > low:  # constant, or only missing where the sample looked
        knots, line = np.array([low, np.nextafter(low, np.inf)]), np.zeros(2)
        return NumberBlock(feature, start, knots, line, False, has_missing, 0)
    knots = np.array([low, high])
    if bends and not facts.monotone:
        inner = np.quantile(present, np.linspace(0, 1, _BENDS + 2)[1:-1])
        knots = np.unique(np.concatenate([[low], inner.clip(low, high), [high]]))
    return NumberBlock(
        feature,
        start,
        knots,
        (knots - mean) / spread,
        len(knots) > 2,  # with two ends only, tents would repeat the line
        has_missing,
        facts.monotone,
    )


def _bounds(present: Floats) -> tuple[float, float, float, float]:
    """(least, greatest, mean, standard deviation) of values clipped at _CLIP deviations."""
    if not len(present):
        return 0.0, 0.0, 0.0, 0.0
    low, high = float(present.min()), float(present.max())
    inner = np.quantile(present, (0.01, 0.99))
    reach = _REACH * float(inner[1] - inner[0])
    if reach > 0:  # a few wild cells, which would widen the deviation
        low, high = max(low, inner[0] - reach), min(high, inner[1] + reach)
    for _ in range(3):
        clipped = np.clip(present, low, high)
        mean, spread = float(clipped.mean()), float(clipped.std())
        low, high = max(low, mean - _CLIP * spread), min(high, mean + _CLIP * spread)
    clipped = np.clip(present, low, high)
    return float(low), float(high), float(clipped.mean()), float(clipped.std())
