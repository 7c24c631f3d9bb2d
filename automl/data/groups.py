"""Groups of rows by a sensitive column: its levels, or a few bins of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.cells import Cells, level_texts, read_cells
from automl.data.kinds import find_kind, words_of
from automl.data.parse import distinct_levels, parse_cells
from automl.data.schema import Column, Kind

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

LEAST_ROWS = 50  # of a group: with fewer, its figures are chance, and its rows could be persons
MOST_GROUPS = 8
_N_BINS = 4
_FEW_VALUES = 6  # numbers with so few distinct values are groups as they are
_LONGEST = 60
NONE = -1


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PROTECTED = _words(
    """sex gender geschlecht race rasse ethnicity ethnic ethnie religion religious caste
    nationality disability disabled handicap pregnant pregnancy orientation"""
)
_ORIGINS = frozenset(("native country", "birth country", "country birth", "national origin"))
_BESIDE_AGE = _words(
    """in at of the years year yrs group band bucket class category cat range person
    customer client patient applicant driver employee user member passenger owner"""
)


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows by their group in one column.

    codes: (n,) index into `labels`; -1 where the group has too few rows to be told apart.
    asked: named by the user, not only found by the column's name.
    """

    column: str
    labels: tuple[str, ...]
    codes: Codes
    asked: bool = True

    def at(self, rows: NDArray[np.integer[Any]]) -> Groups:
        """The same groups of some rows."""
        return Groups(self.column, self.labels, self.codes[rows], self.asked)

    @property
    def shares(self) -> tuple[float, ...]:
        """Of all rows, by group."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.labels))
        return tuple((counts / max(len(self.codes), 1)).tolist())


def protected(names: Sequence[str]) -> tuple[str, ...]:
    """Those of `names` that sound as if a law protected what they hold."""
    return tuple(name for name in names if _sounds_protected(words_of(name)))


def _sounds_protected(words: Sequence[str]) -> bool:
    if _PROTECTED & set(words):
        return True
    if "age" in words and not set(words) - {"age"} - _BESIDE_AGE:
        return True  # of a person: `median_house_age` is none
    kept = [word for word in words if word != "of"]
    return any(" ".join(pair) in _ORIGINS for pair in zip(kept, kept[1:], strict=False))


def group_rows(column: pd.Series[Any], *, asked: bool = True) -> Groups:
    """The groups of a column: levels, or about equally large bins of many numbers or days.

    Groups of fewer than 50 rows, and those beyond the eighth, are one ("other"). So are missing
    cells where they are few.
    """
    name = str(column.name)
    cells = read_cells(column)
    found = find_kind(cells, name)
    kind = found.kind
    if kind is not Kind.DATETIME and cells.source == "number":
        kind = Kind.NUMERIC  # also where numbers count as levels or as a running number
    if kind in (Kind.NUMERIC, Kind.DATETIME):
        known = Column(name, kind, cells.source, "", formats=found.formats)
        values = np.asarray(parse_cells(cells, known).values, dtype=np.float64)
        distinct = np.unique(values[~np.isnan(values)])
        if len(distinct) > _FEW_VALUES:
            codes, labels = _bins(values, is_day=kind is Kind.DATETIME)
            return _merged(name, codes, labels, asked=asked)
    codes, labels = _levels(cells)
    return _merged(name, codes, labels, asked=asked)


def _levels(cells: Cells) -> tuple[Codes, list[str]]:
    """Levels by falling count; numbers by their size, where they are few."""
    codes, texts = distinct_levels(cells, cells.source)
    if cells.source == "number" and len(texts) <= _FEW_VALUES:
        values = np.unique(cells.values[~np.isnan(cells.values)])
        places = np.searchsorted(values, np.nan_to_num(cells.values))
        found = np.where(np.isnan(cells.values), NONE, places)
        return found.astype(np.int64), level_texts(values, "number")
    order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(texts)), kind="stable")
    rank = np.full(len(texts) + 1, NONE, dtype=np.int64)  # the last entry is taken by missing
    rank[order] = np.arange(len(order))
    return rank[codes], [str(texts[i]) for i in order]


def _bins(values: Floats, *, is_day: bool) -> tuple[Codes, list[str]]:
    """Quarters of the values, at round numbers where these tell them apart."""
    known = values[~np.isnan(values)]
    whole = bool((known % 1 == 0).all()) and not is_day
    raw = np.quantile(known, np.linspace(0.0, 1.0, _N_BINS + 1)[1:-1])
    rounded = np.unique(np.round(raw) if whole or is_day else [float(f"{v:.2g}") for v in raw])
    cuts = rounded if len(rounded) == len(np.unique(raw)) else np.unique(raw)
    cuts = cuts[cuts > known.min()]
    codes = np.searchsorted(cuts, values, side="right").astype(np.int64)
    codes[np.isnan(values)] = NONE
    return codes, _bin_labels(cuts, whole=whole, is_day=is_day)


def _bin_labels(cuts: Floats, *, whole: bool, is_day: bool) -> list[str]:
    def text(value: float) -> str:
        return str(np.datetime64(round(value), "D")) if is_day else f"{value:,.6g}"

    if not len(cuts):
        return ["any value"]
    labels = [f"under {text(cuts[0])}"]
    for low, high in zip(cuts, cuts[1:], strict=False):
        if whole:
            last = text(high - 1)
            labels.append(f"{text(low)} to {last}" if last != text(low) else text(low))
        else:
            labels.append(f"{text(low)} to below {text(high)}")
    return [*labels, f"{text(cuts[-1])} and over" if not is_day else f"from {text(cuts[-1])} on"]


def _merged(name: str, codes: Codes, labels: list[str], *, asked: bool) -> Groups:
    """The groups that are large enough, then "other" and "missing" where these are."""
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    kept = [i for i in range(len(labels)) if counts[i] >= LEAST_ROWS]
    if len(kept) > MOST_GROUPS - 1 and len(kept) < len(labels) or len(kept) > MOST_GROUPS:
        kept = sorted(kept, key=lambda i: -counts[i])[: MOST_GROUPS - 1]
        kept.sort()
    place = np.full(len(labels) + 1, NONE, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    found, named = place[codes], [labels[i][:_LONGEST] for i in kept]
    missing = codes == NONE
    if int(missing.sum()) >= LEAST_ROWS:
        found[missing] = len(named)
        named.append("missing")
    rest = found == NONE
    if int(rest.sum()) >= LEAST_ROWS:
        found[rest] = len(named)
        named.append("other")
    return Groups(name, tuple(_distinct(named)), found, asked)


def _distinct(labels: list[str]) -> list[str]:
    """Levels may themselves be called "other", or be equal where they are cut."""
    seen: dict[str, int] = {}
    out = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        out.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return out
