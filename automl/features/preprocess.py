"""The target-free stage: from parsed cells to the matrix, fitted once on all training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import Kind, ParsedTable, Schema
from automl.errors import BundleError, DataError
from automl.features.categories import CategoryColumn
from automl.features.dates import DateColumn, DateDifference
from automl.features.matrix import Feature, FloatArray, Matrix
from automl.features.numbers import NumberColumn
from automl.features.repeats import RepeatedTexts
from automl.features.strict import Fields
from automl.features.text import TextColumn

Floats = NDArray[np.float64]

# Cells of a training matrix above which it is float32: half of the memory of a run.
LARGE_CELLS = 20_000_000
_ROUNDED_SAMPLE, _ROUNDED_EDGES = 100_000, 1000  # rows, and quantiles of them
MAX_DATE_DIFFERENCES = 15  # pairs of datetime columns, in file order


class Transformer(Protocol):
    """One or two original columns as features; fitted, immutable, JSON-able."""

    kind: ClassVar[str]

    @property
    def features(self) -> tuple[Feature, ...]:
        """What `transform` makes, in its order."""
        ...

    def only(self, kept: Sequence[int]) -> Transformer:
        """The same transformer making only the features at these positions."""
        ...

    def transform(self, parsed: ParsedTable) -> list[Floats]:
        """One (n_rows,) float64 array per feature; a row depends on its own cells only."""
        ...

    def to_json(self) -> dict[str, Any]: ...


_LOADERS: Mapping[str, Callable[[Fields], Transformer]] = {
    NumberColumn.kind: NumberColumn.from_json,
    CategoryColumn.kind: CategoryColumn.from_json,
    DateColumn.kind: DateColumn.from_json,
    DateDifference.kind: DateDifference.from_json,
    TextColumn.kind: TextColumn.from_json,
    RepeatedTexts.kind: RepeatedTexts.from_json,
}

_FITTERS: Mapping[Kind, Callable[[ParsedTable, Schema, int], Transformer]] = {
    Kind.NUMERIC: NumberColumn.fit,
    Kind.BOOLEAN: NumberColumn.fit,
    Kind.CATEGORICAL: CategoryColumn.fit,
    Kind.DATETIME: DateColumn.fit,
    Kind.TEXT: TextColumn.fit,
}


@dataclass(frozen=True)
class Preprocessor:
    """Fitted transformers, in the order of their features in the matrix.

    rounds: whether numbers are rounded to float32, as they were in training.
    """

    transformers: tuple[Transformer, ...]
    rounds: bool = False

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        return tuple(feature for each in self.transformers for feature in each.features)

    @classmethod
    def fit(cls, parsed: ParsedTable, schema: Schema) -> tuple[Preprocessor, Matrix]:
        """The preprocessor and the training matrix.

        Features that are empty or constant in training are left out. The matrix is float32 if
        that holds every value exactly, or if the table is large and nothing that a tree could
        tell apart is lost by it; else float64. Raises DataError if no feature is left.
        """
        candidates = _candidates(parsed, schema)
        large = parsed.n_rows * sum(len(each.features) for each in candidates) > LARGE_CELLS
        transformers, columns = _made(candidates, parsed, rounded=large)
        if large and any(column.dtype != np.float32 for column in columns):
            transformers, columns = _made(candidates, parsed, rounded=False)
            large = False
        if not columns:
            raise DataError(
                f"None of the {len(schema.used)} usable columns varies over the "
                f"{parsed.n_rows:,} training rows.",
                hint="Add columns that differ between rows, or keep one with --column name=kind.",
            )
        preprocessor = cls(tuple(transformers), rounds=large)
        narrow = large or all(map(_fits_float32, columns))
        values = _side_by_side(columns, parsed.n_rows, np.float32 if narrow else np.float64)
        return preprocessor, Matrix(values, preprocessor.features)

    def transform(self, parsed: ParsedTable) -> Matrix:
        """The same features of other rows: (n_rows, n_features) in Fortran order.

        float64, or float32 where `rounds`.
        """
        columns = [values for each in self.transformers for values in each.transform(parsed)]
        dtype = np.float32 if self.rounds else np.float64
        return Matrix(_side_by_side(columns, parsed.n_rows, dtype), self.features)

    def to_json(self) -> dict[str, Any]:
        return {
            "transformers": [{"kind": each.kind, **each.to_json()} for each in self.transformers],
            "rounds": self.rounds,
        }

    @classmethod
    def from_json(cls, data: object) -> Preprocessor:
        """What `to_json` wrote. Raises BundleError for anything else."""
        transformers = []
        whole = Fields.of(data, "preprocess.json")
        for fields in whole.objects("transformers"):
            kind = fields.text("kind", known=tuple(_LOADERS))
            transformers.append(_LOADERS[kind](fields))
        if not any(each.features for each in transformers):
            raise BundleError(
                "preprocess.json holds no feature.",
                hint="The bundle is damaged or was edited; use an intact copy.",
            )
        # Bundles of earlier versions do not say it, and do not round.
        return cls(tuple(transformers), "rounds" in whole.data and whole.boolean("rounds"))


def _made(
    candidates: Sequence[Transformer], parsed: ParsedTable, *, rounded: bool
) -> tuple[list[Transformer], list[FloatArray]]:
    """The transformers that make something that varies, and what they make.

    rounded: float32 where that loses nothing that a tree could tell apart.
    """
    transformers: list[Transformer] = []
    columns: list[FloatArray] = []
    for candidate in candidates:
        made = candidate.transform(parsed)
        kept = [i for i, values in enumerate(made) if _varies(values, first=i == 0)]
        if kept:
            transformers.append(candidate.only(kept))
            columns += [_rounded(made[i]) if rounded else made[i] for i in kept]
    return transformers, columns


def _rounded(values: Floats) -> FloatArray:
    """The values as float32, or as they are where that would merge values a tree may split.

    Trees split between quantiles, some hundreds at most: those of a sample must stay apart.
    """
    sample = np.sort(values[:: max(1, len(values) // _ROUNDED_SAMPLE)])
    edges = np.unique(sample[:: max(1, len(sample) // _ROUNDED_EDGES)])
    harmless = len(np.unique(edges.astype(np.float32))) == len(edges)
    return values.astype(np.float32) if harmless else values


def _candidates(parsed: ParsedTable, schema: Schema) -> list[Transformer]:
    """A transformer for each used column, codes of repeated texts, differences of datetimes."""
    fitted = [_FITTERS[schema.columns[i].kind](parsed, schema, i) for i in schema.used]
    texts = [i for i in schema.used if schema.columns[i].kind is Kind.TEXT]
    repeats = [RepeatedTexts.fit(parsed, schema, i) for i in texts]
    fitted += [each for each in repeats if each is not None]
    # A difference would bend the direction that was asked for on one of its two columns.
    free = [i for i in schema.used if schema.columns[i].monotone == 0]
    dates = [i for i in free if schema.columns[i].kind is Kind.DATETIME]
    pairs = list(combinations(dates, 2))[:MAX_DATE_DIFFERENCES]
    return fitted + [DateDifference.fit(schema, *pair) for pair in pairs]


def _varies(values: Floats, *, first: bool) -> bool:
    """Whether a training feature can be split.

    The first feature of a transformer also earns its place by which of its cells are missing;
    the others would only repeat that.
    """
    present = values[~np.isnan(values)]
    if not len(present):
        return False
    return bool((present != present[0]).any()) or (first and len(present) < len(values))


def _fits_float32(values: FloatArray) -> bool:
    """Whether float32 holds every value exactly (NaN counts as equal)."""
    with np.errstate(over="ignore"):
        return np.array_equal(values.astype(np.float32).astype(np.float64), values, equal_nan=True)


def _side_by_side(columns: Sequence[FloatArray], n_rows: int, dtype: type) -> FloatArray:
    values: FloatArray = np.empty((n_rows, len(columns)), dtype=dtype, order="F")
    for i, column in enumerate(columns):
        values[:, i] = column
    return values
