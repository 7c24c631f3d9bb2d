"""Rows of delimited text as Arrow read them; cells are cleaned when they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Clean = Callable[[Any], Any]


@dataclass(frozen=True)
class TextColumn:
    """One column.

    raw: an Arrow column of strings; white space may surround them, and missing markers with it.
    clean: gives them as they are meant, cell by cell; missing ones are null.
    """

    raw: Any
    clean: Clean

    def distinct(self) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
        """(n,) index into the distinct texts, in order of appearance; -1 = missing."""
        encoded = self.raw.dictionary_encode().unify_dictionaries().combine_chunks()
        codes = encoded.indices.fill_null(-1).to_numpy().astype(np.intp)
        raw = encoded.dictionary
        cells = self.clean(raw).to_pylist()
        stripped = [cell.strip() if cell else "" for cell in cells]
        known: dict[str, int] = {}
        places = [known.setdefault(text, len(known)) if text else -1 for text in stripped]
        texts = np.empty(len(known), dtype=object)
        texts[:] = list(known)
        if len(known) < len(places):
            codes = np.array([*places, -1], dtype=np.intp)[codes]
        return codes, texts

    def head(self, n: int) -> Any:
        """The first `n` cells, cleaned."""
        return self.clean(self.raw.slice(0, n))

    def series(self, name: str) -> pd.Series[Any]:
        """The cells as pandas has them: dtype `str`, NaN = missing."""
        from automl.data.sources import _text_cells as text_cells

        return pd.Series(text_cells.to_array(self.clean(self.raw)), name=name, copy=False)


class TextTable:
    """Columns of one length by name, in the order of the file."""

    def __init__(self, columns: Mapping[str, TextColumn], n_rows: int) -> None:
        self._columns, self._n_rows = dict(columns), n_rows

    def __len__(self) -> int:
        return self._n_rows

    @property
    def columns(self) -> list[str]:
        return list(self._columns)

    def column(self, place: int) -> TextColumn:
        return self._columns[self.columns[place]]

    def __getitem__(self, name: str) -> pd.Series[Any]:
        """The cells of a column."""
        return self._columns[name].series(name)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All of it as a frame."""
        cells = {name: column.series(name) for name, column in self._columns.items()}
        return pd.DataFrame(cells, copy=False)


def column_cells(table: pd.DataFrame | TextTable, place: int) -> pd.Series[Any]:
    """The cells of the column at this place."""
    if isinstance(table, TextTable):
        return table[table.columns[place]]
    return table.iloc[:, place]
