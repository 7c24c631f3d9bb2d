"""The columnar matrix that every engine trains on and predicts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Feature:
    """One column of a `Matrix`.

    name: for people only; engines always see f0..fn.
    origins: indices into `Schema.columns` of the original columns it was made from; a
        contribution is split equally between them.
    n_levels: 0 for a number; else the values are category codes 0..n_levels-1 (NaN = a level
        that was not seen in training, or missing where training had none missing).
    monotone: -1, 0 or +1, the direction that the prediction must follow.
    """

    name: str
    origins: tuple[int, ...]
    n_levels: int = 0
    monotone: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "origins": list(self.origins),
            "n_levels": self.n_levels,
            "monotone": self.monotone,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Feature:
        return cls(
            data["name"], tuple(data["origins"]), int(data["n_levels"]), int(data["monotone"])
        )


@dataclass(frozen=True)
class Matrix:
    """Features of some rows.

    values: (n_rows, n_features) float32 or float64, Fortran order; NaN = missing. A training
        matrix is float32 when every value survives the round trip exactly, or when it is large
        and its preprocessor rounds the rows to predict alike.
    """

    values: FloatArray
    features: tuple[Feature, ...]

    @property
    def n_rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def n_features(self) -> int:
        return len(self.features)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Indices of the features that hold category codes."""
        return tuple(i for i, f in enumerate(self.features) if f.n_levels)

    def take(self, rows: IntArray | slice) -> Matrix:
        """The same features for `rows` only; a copy in Fortran order."""
        return Matrix(np.asfortranarray(self.values[rows]), self.features)

    def with_columns(self, values: FloatArray, features: tuple[Feature, ...]) -> Matrix:
        """This matrix with further columns to its right."""
        joined = np.empty(
            (self.n_rows, self.n_features + len(features)),
            dtype=np.result_type(self.values, values),
            order="F",
        )
        joined[:, : self.n_features] = self.values
        joined[:, self.n_features :] = values
        return Matrix(joined, self.features + features)

    def as_numbers(self, ranked: Sequence[int]) -> Matrix:
        """The same values, with the codes of these categories as numbers."""
        features = list(self.features)
        for i in ranked:
            features[i] = replace(features[i], n_levels=0)
        return Matrix(self.values, tuple(features))


def origin_weights(features: tuple[Feature, ...], n_columns: int) -> NDArray[np.float64]:
    """(n_features, n_columns) weights that sum feature contributions by original column."""
    weights = np.zeros((len(features), n_columns))
    for i, feature in enumerate(features):
        weights[i, list(feature.origins)] = 1.0 / len(feature.origins)
    return weights
