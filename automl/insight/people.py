"""Which of the columns that predict tell of persons, for those who must know before using them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from automl.data.cells import Cells, read_cells
from automl.data.personal import Personal, find_personal
from automl.data.schema import Column, Kind
from automl.insight.evidence import Evidence

_LOOKED_AT = 2_000  # rows


def personal_columns(evidence: Evidence) -> dict[str, str]:
    """What each used column holds of persons, such as "e-mail addresses", by its name."""
    found = {}
    for i in evidence.schema.used:
        column = evidence.schema.columns[i]
        if column.hash_key:
            found[column.name] = "personal data, kept as keyed hashes"
            continue
        personal = personal_of(evidence, i)
        if personal is not None:
            found[column.name] = personal.what
    return found


def personal_of(evidence: Evidence, index: int) -> Personal | None:
    """What the column at `index` of the schema tells of persons, by the first rows at hand."""
    known = evidence.known_personal
    if index not in known:
        values = evidence.cells.values.get(index)
        column = evidence.schema.columns[index]
        known[index] = None if values is None else personal_in(column, values[:_LOOKED_AT])
    found: Personal | None = known[index]
    return found


def personal_in(column: Column, values: Any) -> Personal | None:
    """What a column tells of persons, by its typed cells; by every level, where it has levels.

    A few rows may have too few levels to tell, but the levels of training are all known.
    """
    nothing, no_codes = np.empty(0), np.empty(0, dtype=np.intp)
    if column.kind is Kind.CATEGORICAL:
        codes = np.arange(len(column.levels), dtype=np.intp)
        cells = Cells("text", nothing, codes, np.array(column.levels, dtype=object))
    elif isinstance(values, pd.Series):
        cells = read_cells(values)
    else:
        source = "datetime" if column.kind is Kind.DATETIME else "number"
        numbers = np.asarray(values, dtype=np.float64)
        cells = Cells(source, numbers, no_codes, np.empty(0, dtype=object))
    return find_personal(column.name, cells, column.kind)
