"""Text columns whose texts repeat, as categories beside what the texts say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import ParsedTable, Schema
from automl.errors import BundleError
from automl.features.categories import CategoryColumn, least_rows, most_levels
from automl.features.matrix import Feature
from automl.features.strict import Fields

Floats = NDArray[np.float64]

LEAST_SHARE = 0.2  # of the rows, whose texts are frequent enough for a code of their own


@dataclass(frozen=True)
class RepeatedTexts:
    """The code (and count) of a frequent text; rare and new texts share one code.

    levels: the frequent texts.  category: makes the features; to it, a text is its place in
        `levels`, rare texts are the place after the last, and new ones are that too.
    """

    kind: ClassVar[str] = "repeats"
    levels: tuple[str, ...] = field(repr=False)
    category: CategoryColumn

    @classmethod
    def fit(cls, parsed: ParsedTable, schema: Schema, index: int) -> RepeatedTexts | None:
        """None where too few rows share their text with others."""
        series = pd.Series(parsed.values[index])
        counts = series.value_counts(sort=False)  # in order of appearance
        frequent = counts[counts >= least_rows(parsed.n_rows)]
        frequent = frequent.sort_values(ascending=False, kind="stable")
        frequent = frequent[: most_levels(parsed.n_rows)]
        if len(frequent) < 2 or frequent.sum() < LEAST_SHARE * parsed.n_rows:
            return None
        levels = tuple(str(text) for text in frequent.index)
        cells = _cells(levels, series)
        column = replace(schema.columns[index], levels=(*levels, ""))
        columns = (*schema.columns[:index], column, *schema.columns[index + 1 :])
        known = ParsedTable(parsed.n_rows, {index: cells})
        return cls(levels, CategoryColumn.fit(known, Schema(columns), index))

    @property
    def features(self) -> tuple[Feature, ...]:
        return self.category.features

    def only(self, kept: Sequence[int]) -> RepeatedTexts:
        """The same transformer making only the features at these positions."""
        return replace(self, category=self.category.only(kept))

    def transform(self, parsed: ParsedTable) -> list[Floats]:
        """One (n_rows,) array per feature."""
        index = self.category.column
        cells = _cells(self.levels, pd.Series(parsed.values[index]))
        return self.category.transform(ParsedTable(parsed.n_rows, {index: cells}))

    def to_json(self) -> dict[str, Any]:
        return {"levels": list(self.levels), **self.category.to_json()}

    @classmethod
    def from_json(cls, fields: Fields) -> RepeatedTexts:
        levels, category = fields.texts("levels"), CategoryColumn.from_json(fields)
        if len(category.codes) != len(levels) + 1 or len(set(levels)) != len(levels):
            raise BundleError(
                f"{fields.where}: levels and codes do not fit together.",
                hint="The bundle is damaged or was edited; use an intact copy.",
            )
        return cls(levels, category)


def _cells(levels: tuple[str, ...], texts: pd.Series[Any]) -> NDArray[np.int32]:
    """(n,) place of each text in `levels`, len(levels) for other texts, -1 for missing."""
    found = pd.Index(levels, dtype="str").get_indexer(pd.Index(texts))
    found[(found < 0) & texts.notna().to_numpy()] = len(levels)
    return found.astype(np.int32)
