"""Which of the columns that predict tell of persons, for those who must know before using them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from automl.data.cells import read_cells
from automl.data.personal import find_personal
from automl.data.schema import Kind
from automl.insight.evidence import Evidence

_LOOKED_AT = 2_000  # rows


def personal_columns(evidence: Evidence) -> dict[str, str]:
    """What each used column holds of persons, such as "e-mail addresses", by its name."""
    rows = np.arange(min(evidence.cells.n_rows, _LOOKED_AT))
    cells = evidence.cells.take(rows)
    found = {}
    for i in evidence.schema.used:
        column, values = evidence.schema.columns[i], cells.values.get(i)
        if column.hash_key:
            found[column.name] = "personal data, kept as keyed hashes"
            continue
        if values is None:
            continue
        if column.kind is Kind.CATEGORICAL:
            codes = np.asarray(values)
            levels = np.asarray(column.levels, dtype=object)
            values = pd.Series(levels[codes[codes >= 0]], dtype="str")
        personal = find_personal(column.name, read_cells(pd.Series(values)), column.kind)
        if personal is not None:
            found[column.name] = personal.what
    return found
