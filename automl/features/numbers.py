"""Numeric and boolean columns as one feature each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import Kind, ParsedTable, Schema
from automl.features.matrix import Feature
from automl.features.strict import Fields

Floats = NDArray[np.float64]

# Beyond the range of float32 an engine that computes in float32 sees an infinity and refuses it.
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class NumberColumn:
    """The value of a numeric or boolean (0/1) column; missing stays NaN.

    Infinite cells, and those beyond the range of float32, take the nearest end of that range:
    their order is kept, and every engine can split on them.
    """

    kind: ClassVar[str] = "number"
    column: int
    name: str
    monotone: int = 0

    @classmethod
    def fit(cls, parsed: ParsedTable, schema: Schema, index: int) -> NumberColumn:
        column = schema.columns[index]
        if column.kind not in (Kind.NUMERIC, Kind.BOOLEAN):
            raise ValueError(f"Column {column.name!r} is {column.kind}, not a number.")
        return cls(index, column.name, column.monotone)

    @property
    def features(self) -> tuple[Feature, ...]:
        return (Feature(self.name, (self.column,), monotone=self.monotone),)

    def only(self, kept: Sequence[int]) -> NumberColumn:
        """Itself: there is just one feature to keep."""
        return self

    def transform(self, parsed: ParsedTable) -> list[Floats]:
        """One (n_rows,) array."""
        values = np.asarray(parsed.values[self.column], dtype=np.float64)
        bounded = np.maximum(values, -LARGEST)  # `clip` takes ten times as long for few rows
        return [np.minimum(bounded, LARGEST, out=bounded)]

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "name": self.name, "monotone": self.monotone}

    @classmethod
    def from_json(cls, fields: Fields) -> NumberColumn:
        return cls(
            fields.integer("column"),
            fields.text("name"),
            fields.integer("monotone", low=-1, high=1),
        )
