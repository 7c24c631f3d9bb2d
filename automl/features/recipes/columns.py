"""Columns computed from two features: arithmetic, and a number within the rows of its level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.features.encoding import CellCodes, Key
from automl.features.matrix import Feature, IntArray, Matrix
from automl.features.recipes.base import Floats, misfit
from automl.features.recipes.screen import origins_of
from automl.features.strict import Fields

Column = NDArray[np.float32]

ARITHMETIC = {"sum": "+", "difference": "-", "product": "x", "ratio": "/"}
# What is known of a row's number: its level's mean, and its own place beside that.
GROUPED = ("mean", "distance", "deviations")
_PRIOR_ROWS = 1.0  # rows of the overall mean and variance that those of a level are mixed with


@dataclass(frozen=True)
class Combination:
    """One operation on two numbers of the matrix."""

    operation: str
    first: int
    second: int

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.first, self.second

    def of(self, matrix: Matrix) -> Column:
        """(n,) NaN where a part is missing or the result is not finite."""
        a = matrix.values[:, self.first].astype(np.float64)
        b = matrix.values[:, self.second].astype(np.float64)
        with np.errstate(all="ignore"):
            if self.operation == "sum":
                made = a + b
            elif self.operation == "difference":
                made = a - b
            elif self.operation == "product":
                made = a * b
            else:
                made = a / b
        return _finite(made)

    def feature(self, matrix: Matrix) -> Feature:
        """It originates in the columns of both numbers."""
        first, second = (matrix.features[i].name for i in self.inputs)
        name = f"{first} {ARITHMETIC[self.operation]} {second}"
        return Feature(name, origins_of(matrix, self.inputs))

    def to_json(self) -> dict[str, Any]:
        return {"operation": self.operation, "first": self.first, "second": self.second}

    @classmethod
    def from_json(cls, fields: Fields) -> Combination:
        operation = fields.text("operation", known=tuple(ARITHMETIC))
        return cls(operation, fields.integer("first"), fields.integer("second"))


@dataclass(frozen=True)
class Grouped:
    """A number seen within the rows of its level.

    operation: "mean": the level's mean of the number; "distance": the number less that;
        "deviations": the distance in standard deviations of the level.
    means, spreads: (key.size,) mean and standard deviation of the training rows of each code.
    """

    operation: str
    key: Key
    number: int
    means: tuple[float, ...]
    spreads: tuple[float, ...]

    @classmethod
    def fit(cls, operation: str, key: Key, number: int, matrix: Matrix, rows: IntArray) -> Grouped:
        """From the training `rows`; the target is not read."""
        values = matrix.values[rows, number].astype(np.float64)
        present = ~np.isnan(values)
        values = values[present]
        codes = CellCodes(matrix, (key,)).cells((0,))[rows][present]
        mean, variance = float(values.mean()), float(values.var()) or 1.0
        count = np.bincount(codes, minlength=key.size) + _PRIOR_ROWS
        means = mean + np.bincount(codes, values - mean, key.size) / count
        squares = np.bincount(codes, (values - means[codes]) ** 2, key.size)
        spreads = np.sqrt((squares + _PRIOR_ROWS * variance) / count)
        return cls(operation, key, number, tuple(means.tolist()), tuple(spreads.tolist()))

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.key.feature, self.number

    def of(self, matrix: Matrix) -> Column:
        """(n,) NaN where the number is missing, unless it is the level's mean."""
        codes = self.key.codes(matrix)
        made: Floats = np.array(self.means)[codes]
        if self.operation != "mean":
            made = matrix.values[:, self.number].astype(np.float64) - made
        if self.operation == "deviations":
            with np.errstate(all="ignore"):
                made = made / np.array(self.spreads)[codes]
        return _finite(made)

    def feature(self, matrix: Matrix) -> Feature:
        """It originates in the columns of the category and of the number."""
        level, number = (matrix.features[i].name for i in self.inputs)
        name = f"{number}: {self.operation} by {level}"
        return Feature(name, origins_of(matrix, self.inputs))

    def to_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "keys": [self.key.to_json()],
            "number": self.number,
            "means": list(self.means),
            "spreads": list(self.spreads),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> Grouped:
        keys = [Key.from_json(key) for key in fields.objects("keys")]
        means, spreads = fields.numbers("means"), fields.numbers("spreads")
        if len(keys) != 1 or not len(means) == len(spreads) == keys[0].size or min(spreads) <= 0.0:
            raise misfit("means and spreads do not fit the levels.")
        operation = fields.text("operation", known=GROUPED)
        return cls(operation, keys[0], fields.integer("number"), means, spreads)


def _finite(made: Floats) -> Column:
    with np.errstate(over="ignore"):
        narrow = made.astype(np.float32)
    narrow[~np.isfinite(narrow)] = np.nan
    return narrow
