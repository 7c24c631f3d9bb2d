"""From original columns to features: the steps of the preprocessor and of the recipes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from automl.data.dates import EPOCH, ISO, PER_DAY
from automl.data.numbers import number_pattern
from automl.data.parse import BOOLEAN_BITS
from automl.data.schema import Column, Kind, Schema
from automl.errors import ConfigError
from automl.export.program import (
    Arithmetic,
    Bins,
    Boolean,
    Clip,
    DateParts,
    Days,
    Level,
    Lookup,
    Narrow,
    Number,
    Terms,
)
from automl.export.program_dates import date_pattern
from automl.export.program_steps import Steps, crossed
from automl.features.categories import CategoryColumn
from automl.features.dates import FARTHEST_DAY, DateColumn, DateDifference
from automl.features.encoding import Key
from automl.features.numbers import LARGEST, NumberColumn
from automl.features.preprocess import Preprocessor, Transformer
from automl.features.recipes.base import FittedRecipe
from automl.features.recipes.columns import Combination, Grouped
from automl.features.recipes.combined import Combined
from automl.features.recipes.derived import Derived
from automl.features.recipes.encoded import Encoded
from automl.features.recipes.plain import Plain
from automl.features.recipes.selected import Selected
from automl.features.repeats import RepeatedTexts
from automl.features.terms import MAX_CHARACTERS
from automl.features.text import TextColumn

_EXACT = 2**53  # whole numbers up to here are exact in float64


@dataclass(frozen=True)
class Plane:
    """The features of a matrix as columns of the program; levels: of each, 0 for a number."""

    columns: tuple[int, ...]
    levels: tuple[int, ...]

    def beside(self, columns: Sequence[int]) -> Plane:
        """With these numbers to its right."""
        return Plane((*self.columns, *columns), (*self.levels, *([0] * len(columns))))


class Reader:
    """Makes the columns that read inputs. inputs: position of each used column of the schema."""

    def __init__(self, steps: Steps, schema: Schema) -> None:
        self.steps = steps
        self._schema = schema
        self._place = {column: i for i, column in enumerate(schema.used)}

    def input(self, column: int) -> int:
        return self._place[column]

    def number(self, index: int) -> int:
        """A numeric or boolean column."""
        column, place = self._schema.columns[index], self._place[index]
        if column.kind is Kind.BOOLEAN:
            own = {level.lower(): float(i) for i, level in enumerate(column.levels)}
            words = tuple(sorted({**BOOLEAN_BITS, **own}.items()))
            made = self.steps.one(Boolean, input=place, words=words)
        else:
            made = self.steps.one(Number, input=place, **_number(column))
        return self.steps.one(Clip, column=made, low=-LARGEST, high=LARGEST)

    def days(self, index: int) -> int:
        """A datetime column, in a range that every calendar can tell."""
        formats = [str(each) for each in self._schema.columns[index].formats.get("formats", ())]
        epoch = 0.0
        if formats and formats[0].startswith(EPOCH):
            epoch, formats = PER_DAY[formats[0].removeprefix(EPOCH)], []
        formats = list(dict.fromkeys((*formats, ISO)))
        made = self.steps.one(
            Days,
            input=self._place[index],
            formats=tuple(formats),
            patterns=tuple(map(date_pattern, formats)),
            epoch=epoch,
        )
        return self.steps.one(Clip, column=made, low=-FARTHEST_DAY, high=FARTHEST_DAY)

    def level(self, index: int) -> int:
        """Positions in the levels of a categorical column."""
        column = self._schema.columns[index]
        return self.steps.one(
            Level,
            input=self._place[index],
            levels=column.levels,
            source=column.source,
            key=column.hash_key,
            by_number=column.source == "text" and not column.hash_key,
        )


def _number(column: Column) -> dict[str, Any]:
    formats = column.formats
    told: dict[str, Any] = {"pattern": number_pattern(formats)}
    if formats:
        thousands, decimal = str(formats["thousands"]), str(formats["decimal"])
        remove = [*formats["prefixes"], *formats["suffixes"], " "]
        remove += [thousands] if thousands not in ("", " ") else []
        told |= {"remove": tuple(remove), "decimal": decimal}
    return told


def plane_of(preprocessor: Preprocessor, reader: Reader) -> Plane:
    """The features of the plain matrix."""
    columns = [c for each in preprocessor.transformers for c in _made(each, reader)]
    if preprocessor.rounds:
        columns = [reader.steps.one(Narrow, column=column) for column in columns]
    return Plane(tuple(columns), tuple(feature.n_levels for feature in preprocessor.features))


@singledispatch
def _made(transformer: Transformer, reader: Reader) -> tuple[int, ...]:
    raise ConfigError(f"Columns of the kind {transformer.kind!r} cannot be exported.")


@_made.register
def _(transformer: NumberColumn, reader: Reader) -> tuple[int, ...]:
    return (reader.number(transformer.column),)


@_made.register
def _(transformer: CategoryColumn, reader: Reader) -> tuple[int, ...]:
    return _coded(transformer, reader.level(transformer.column), reader.steps)


@_made.register
def _(transformer: RepeatedTexts, reader: Reader) -> tuple[int, ...]:
    place = reader.input(transformer.category.column)
    level = reader.steps.one(Level, input=place, levels=transformer.levels)
    return _coded(transformer.category, level, reader.steps)


def _coded(category: CategoryColumn, level: int, steps: Steps) -> tuple[int, ...]:
    rare = math.nan if category.rare is None else float(category.rare)
    codes = np.array(category.codes, dtype=np.float64)
    codes[codes == -1] = rare
    missing = math.nan if category.missing is None else float(category.missing)
    parts = {
        "code": (codes, rare, missing),
        "count": (np.array(category.counts, np.float64), 0.0, float(category.missing_rows)),
    }
    told = [parts[part] for part in category.parts]
    return steps.made(
        Lookup,
        len(told),
        column=level,
        keys=np.arange(len(codes)),
        values=np.column_stack([values for values, _, _ in told]),
        other=np.array([other for _, other, _ in told]),
        missing=np.array([gone for _, _, gone in told]),
    )


@_made.register
def _(transformer: DateColumn, reader: Reader) -> tuple[int, ...]:
    parts, start = transformer.parts, transformer.start
    days = reader.days(transformer.column)
    return reader.steps.made(DateParts, len(parts), column=days, parts=parts, start=start)


@_made.register
def _(transformer: DateDifference, reader: Reader) -> tuple[int, ...]:
    first, second = reader.days(transformer.second), reader.days(transformer.first)
    return (reader.steps.one(Arithmetic, operation="difference", first=first, second=second),)


@_made.register
def _(transformer: TextColumn, reader: Reader) -> tuple[int, ...]:
    return reader.steps.made(
        Terms,
        len(transformer.features),
        input=reader.input(transformer.column),
        sizes=transformer.sizes,
        analyzer=transformer.vocabulary.analyzer,
        most=MAX_CHARACTERS,
        terms=transformer.vocabulary.terms,
        idf=transformer.vocabulary.idf,
        axes=transformer.components,
    )


# --- Recipes ----------------------------------------------------------------------------------


@singledispatch
def after(recipe: FittedRecipe, plane: Plane, steps: Steps) -> Plane:
    """The features that a recipe makes of those of the plane."""
    raise ConfigError(f"The recipe {type(recipe).__name__!r} cannot be exported.")


@after.register
def _(recipe: Plain, plane: Plane, steps: Steps) -> Plane:
    return plane


@after.register
def _(recipe: Selected, plane: Plane, steps: Steps) -> Plane:
    kept = recipe.kept
    return Plane(tuple(plane.columns[i] for i in kept), tuple(plane.levels[i] for i in kept))


@after.register
def _(recipe: Combined, plane: Plane, steps: Steps) -> Plane:
    return after(recipe.second, after(recipe.first, plane, steps), steps)


@after.register
def _(recipe: Derived, plane: Plane, steps: Steps) -> Plane:
    return plane.beside([_derived(column, plane, steps) for column in recipe.columns])


def _derived(column: Combination | Grouped, plane: Plane, steps: Steps) -> int:
    if isinstance(column, Combination):
        first, second = (plane.columns[i] for i in column.inputs)
        made = steps.one(Arithmetic, operation=column.operation, first=first, second=second)
        return steps.one(Narrow, column=made)
    codes = _codes(column.key, plane, steps)
    made = _by_code(np.array(column.means), codes, steps)
    if column.operation != "mean":
        number = plane.columns[column.number]
        made = steps.one(Arithmetic, operation="difference", first=number, second=made)
    if column.operation == "deviations":
        spread = _by_code(np.array(column.spreads), codes, steps)
        made = steps.one(Arithmetic, operation="ratio", first=made, second=spread)
    return steps.one(Narrow, column=made)


def _by_code(values: np.ndarray[Any, np.dtype[np.float64]], codes: int, steps: Steps) -> int:
    """A column of the value of each code."""
    return steps.one(
        Lookup,
        column=codes,
        keys=np.arange(len(values)),
        values=values[:, None],
        other=np.array([np.nan]),
        missing=np.array([np.nan]),
    )


def _codes(key: Key, plane: Plane, steps: Steps) -> int:
    """The codes of a key; never NaN."""
    column = plane.columns[key.feature]
    if key.kind == "category":
        return category_codes(column, key.n_levels, steps)
    return steps.one(Bins, column=column, points=np.array(key.points), exact=key.kind == "values")


def category_codes(column: int, n_levels: int, steps: Steps) -> int:
    """The codes of a category, `n_levels` for NaN."""
    codes = np.arange(n_levels)
    gone = np.array([float(n_levels)])
    values = codes[:, None].astype(np.float64)
    return steps.one(Lookup, column=column, keys=codes, values=values, other=gone, missing=gone)


@after.register
def _(recipe: Encoded, plane: Plane, steps: Steps) -> Plane:
    added: list[int] = []
    for encoding in recipe.encodings:
        keys = [recipe.keys[i] for i in encoding.keys]
        sizes = [key.size for key in keys]
        if math.prod(sizes) > _EXACT:
            raise ConfigError("A cross of categories has too many cells to be exported.")
        codes = crossed(steps, [_codes(key, plane, steps) for key in keys], sizes)
        prior = _float32(encoding.prior)
        added += steps.made(
            Lookup,
            len(prior),
            column=codes,
            keys=encoding.cells,
            values=_float32(encoding.values),
            other=prior,
            missing=prior,
        )
    levels = tuple(0 if i in recipe.ranked else n for i, n in enumerate(plane.levels))
    return Plane(plane.columns, levels).beside(added)


def _float32(values: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    return values.astype(np.float32).astype(np.float64)
