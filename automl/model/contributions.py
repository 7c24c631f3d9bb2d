"""SHAP values of a blend: those of its boosters, summed by the original columns.

Notation: n = rows, k = outputs, p = features of one booster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import Schema
from automl.features.matrix import Feature, Matrix, origin_weights

if TYPE_CHECKING:
    from automl.model.predictor import FoldBooster, Member

Floats = NDArray[np.float64]

# Rows that are scored at a time: bounds the memory that recipes and libraries need on top of
# the matrix, and costs nothing measurable at this size.
CHUNK = 65_536
# Numbers in one block of contributions (256 MB of float64).
_BLOCK = 1 << 25


def blend_contributions(
    members: Sequence[Member], matrix: Matrix, schema: Schema, *, n_outputs: int, threads: int
) -> tuple[Floats, Floats]:
    """Contributions (n, n_columns, k) of the columns that `schema` uses, and base values (k,).

    Contributions of features are summed by their original columns, a feature of several columns
    in equal shares. The base values are NaN where there is no row.
    """
    values = np.zeros((matrix.n_rows, len(schema.used), n_outputs))
    base = np.full(n_outputs, np.nan if matrix.n_rows == 0 else 0.0)
    with _threaded(members, threads):
        for member in members:
            share = member.weight / len(member.boosters)
            for fold in member.boosters:
                base += _add(values, matrix, fold, share, schema)
    return values, base


def chunks(n_rows: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` rows; none at all without rows."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


@contextmanager
def _threaded(members: Sequence[Member], threads: int) -> Iterator[None]:
    """Let the libraries use the threads: contributions are computed a booster at a time."""
    boosters = [fold.booster for member in members for fold in member.boosters]
    for booster in boosters:
        booster.threads = threads
    try:
        yield
    finally:
        for booster in boosters:
            booster.threads = 1


def _add(
    values: Floats, matrix: Matrix, fold: FoldBooster, share: float, schema: Schema
) -> Floats:
    """Add one booster's contributions to `values`; comes back with its base values (k,)."""
    n_outputs = values.shape[2]
    base = np.zeros(n_outputs)
    width = n_outputs * (2 * matrix.n_features + 1)
    for rows in chunks(matrix.n_rows, min(CHUNK, max(1, _BLOCK // width))):
        part = matrix.take(rows)
        part = part if fold.recipe is None else fold.recipe.transform(part)
        contributions = fold.booster.contributions(part)  # (rows, k, p + 1)
        if rows.start == 0:
            base = share * contributions[0, :, -1]
        for feature, column, weight in _origins(part.features, schema):
            values[rows, column, :] += (share * weight) * contributions[:, :, feature]
    return base


def _origins(features: tuple[Feature, ...], schema: Schema) -> Iterator[tuple[int, int, float]]:
    """(feature, position among the used columns, weight) of every feature's original columns."""
    weights = origin_weights(features, len(schema.columns))[:, list(schema.used)]
    for feature, column in zip(*np.nonzero(weights), strict=True):
        yield int(feature), int(column), float(weights[feature, column])
