"""Categorical columns as one feature of level codes, with row counts where levels are many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import ParsedTable, Schema
from automl.errors import BundleError
from automl.features.matrix import Feature
from automl.features.strict import Fields

Floats = NDArray[np.float64]

# Levels with codes of their own, others share the rare code: the engines' cost grows with them,
# but in a large table each of thousands of levels has rows enough to learn from.
MAX_LEVELS = 10_000
_FEW_LEVELS = 1000
_ROWS_PER_LEVEL = 50
COUNTED_LEVELS = 20  # columns with more levels than this also get the count feature
# (rows of the table, rows that a level needs for a code of its own)
_LEAST_ROWS = ((1_000, 2), (10_000, 3), (100_000, 5))
_LEAST_ROWS_ABOVE = 10


def most_levels(n_rows: int) -> int:
    """How many levels of a column get a code of their own in a table of this length."""
    return min(max(n_rows // _ROWS_PER_LEVEL, _FEW_LEVELS), MAX_LEVELS)


@dataclass(frozen=True)
class CategoryColumn:
    """Codes 0.. of the levels by falling training count, then the rare code, then missing.

    codes: code of each level of the schema, -1 = a level without training rows.
    counts: training rows of each level of the schema.
    rare: the code shared by levels with few rows, which unseen levels take too; None = no level
        was rare, and unseen levels are NaN.
    missing: the code of missing cells; None = NaN, because no training cell was missing or
        because the column is binary.
    A binary column (at most two codes of present cells) is a plain number 0/1 with native NaN:
    engines split it without the regularisation they keep for categories.
    """

    kind: ClassVar[str] = "category"
    column: int
    name: str
    codes: tuple[int, ...]
    counts: tuple[int, ...]
    missing_rows: int
    rare: int | None
    missing: int | None
    parts: tuple[str, ...]

    @classmethod
    def fit(cls, parsed: ParsedTable, schema: Schema, index: int) -> CategoryColumn:
        column = schema.columns[index]
        cells = np.asarray(parsed.values[index])
        counts = np.bincount(cells[cells >= 0], minlength=len(column.levels))
        order = np.argsort(-counts, kind="stable")
        least = least_rows(parsed.n_rows)
        kept = [int(level) for level in order if counts[level] >= least]
        kept = kept[: most_levels(parsed.n_rows)]
        codes = np.full(len(counts), -1)
        codes[kept] = np.arange(len(kept))
        others = (counts > 0) & (codes < 0)
        rare = len(kept) if others.any() else None
        if rare is not None:
            codes[others] = rare
        present = len(kept) + (rare is not None)
        missing_rows = int((cells == -1).sum())
        many = present > COUNTED_LEVELS
        return cls(
            index,
            column.name,
            tuple(int(code) for code in codes),
            tuple(int(count) for count in counts),
            missing_rows,
            rare,
            present if missing_rows and present > 2 else None,
            ("code", "count") if many else ("code",),
        )

    @property
    def n_codes(self) -> int:
        """Codes in use, the rare one and that of missing cells included."""
        return max((*self.codes, self.rare or 0, self.missing or 0), default=0) + 1

    @property
    def features(self) -> tuple[Feature, ...]:
        n_levels = self.n_codes if self.n_codes > 2 else 0
        made = {
            "code": Feature(self.name, (self.column,), n_levels=n_levels),
            "count": Feature(f"{self.name}: rows of the level", (self.column,)),
        }
        return tuple(made[part] for part in self.parts)

    def only(self, kept: Sequence[int]) -> CategoryColumn:
        """The same transformer making only the features at these positions."""
        return replace(self, parts=tuple(self.parts[i] for i in kept))

    def transform(self, parsed: ParsedTable) -> list[Floats]:
        """One (n_rows,) array per feature. Raises BundleError for a level beyond the schema."""
        cells = np.asarray(parsed.values[self.column])
        try:
            places = cells + 2
            return [table[places] for table in self._tables]
        except IndexError:
            raise BundleError(
                f"Column {self.name!r} has level {int(cells.max())}, but the preprocessor knows "
                f"{len(self.codes)} levels.",
                hint="The bundle's schema and preprocessor do not belong together.",
            ) from None

    @cached_property
    def _tables(self) -> tuple[Floats, ...]:
        """By part what a cell becomes: -2 (unseen), -1 (missing), then the levels."""
        code = np.array([-1, -1, *self.codes], dtype=np.float64)
        code[code == -1] = np.nan if self.rare is None else self.rare
        code[1] = np.nan if self.missing is None else self.missing
        count = np.array([0, self.missing_rows, *self.counts], dtype=np.float64)
        made = {"code": code, "count": count}
        return tuple(made[part] for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "name": self.name,
            "codes": list(self.codes),
            "counts": list(self.counts),
            "missing_rows": self.missing_rows,
            "rare": self.rare,
            "missing": self.missing,
            "parts": list(self.parts),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> CategoryColumn:
        codes = fields.integers("codes", low=-1, high=MAX_LEVELS)
        counts = fields.integers("counts")
        parts = fields.texts("parts")
        if len(codes) != len(counts) or not set(parts) <= {"code", "count"}:
            raise BundleError(
                f"{fields.where}: codes, counts and parts do not fit together.",
                hint="The bundle is damaged or was edited; use an intact copy.",
            )
        return cls(
            fields.integer("column"),
            fields.text("name"),
            codes,
            counts,
            fields.integer("missing_rows"),
            fields.optional_integer("rare", high=MAX_LEVELS),
            fields.optional_integer("missing", high=MAX_LEVELS + 1),
            parts,
        )


def least_rows(n_rows: int) -> int:
    """Rows that a level needs for a code of its own in a table of `n_rows`."""
    for size, least in _LEAST_ROWS:
        if n_rows < size:
            return least
    return _LEAST_ROWS_ABOVE
