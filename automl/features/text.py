"""Text columns as TF-IDF reduced to a few dense columns, with length and word count.

Notation: V = terms of the vocabulary, k = dense columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import ParsedTable, Schema
from automl.errors import BundleError
from automl.features.matrix import Feature
from automl.features.strict import Fields
from automl.features.terms import WORD, Vocabulary, latent_axes

Floats = NDArray[np.float64]

SAMPLE_ROWS = 20_000  # distinct texts that vocabulary and components are learned from
CHUNK_ROWS = 20_000  # texts held as sparse terms at a time
# Words per text from which terms are words instead of letter groups: short texts are titles and
# names, where a misspelt word is a lost word (measured on titles of six: 32 % less error).
WORDS_FROM = 12.0
# (rows of the table, dense columns); a small table cannot carry many
_DENSE_COLUMNS = ((500, 8), (5_000, 16))
_DENSE_COLUMNS_ABOVE = 32
_SIZES = ("length", "words")


@dataclass(frozen=True)
class TextColumn:
    """Length, word count and the latent dimensions of one text column; missing is NaN in all.

    The dense columns are the coordinates of a text's term weights on the axes of the training
    texts (Deerwester et al., 1990), turned so that each leans on few terms.

    components: (k, V), rounded to seven decimals at fit, so that the file holds exactly what is
        used.
    """

    kind: ClassVar[str] = "text"
    column: int
    name: str
    vocabulary: Vocabulary
    components: Floats = field(repr=False, compare=False)
    sizes: tuple[str, ...] = _SIZES

    @classmethod
    def fit(cls, parsed: ParsedTable, schema: Schema, index: int) -> TextColumn:
        texts = _sample(_texts(parsed, index).dropna())
        words = [len(WORD.findall(text)) for text in texts]
        analyzer = "words" if np.mean(words or [0]) >= WORDS_FROM else "letters"
        vocabulary = Vocabulary.fit(texts, analyzer)
        n_terms = len(vocabulary.terms)
        wanted = next((k for size, k in _DENSE_COLUMNS if parsed.n_rows < size), 0)
        wanted = min(wanted or _DENSE_COLUMNS_ABOVE, n_terms - 1, len(texts) - 1)
        components = np.empty((0, n_terms))
        if wanted >= 1:
            components = latent_axes(vocabulary.weigh(texts), wanted)
        return cls(index, schema.columns[index].name, vocabulary, components)

    @property
    def features(self) -> tuple[Feature, ...]:
        names = [f"{self.name}: {size}" for size in self.sizes]
        names += [f"{self.name}: meaning {i + 1}" for i in range(len(self.components))]
        return tuple(Feature(name, (self.column,)) for name in names)

    def only(self, kept: Sequence[int]) -> TextColumn:
        """The same transformer making only the features at these positions."""
        n_sizes = len(self.sizes)
        sizes = tuple(self.sizes[i] for i in kept if i < n_sizes)
        rows = [i - n_sizes for i in kept if i >= n_sizes]
        return replace(self, sizes=sizes, components=self.components[rows])

    def transform(self, parsed: ParsedTable) -> list[Floats]:
        """One (n_rows,) array per feature. Each distinct text is worked on once."""
        series = _texts(parsed, self.column)
        codes, distinct = pd.factorize(series)
        texts = [str(text) for text in distinct]
        # In values that float32 holds exactly; the last row: missing.
        dense = np.full((len(texts) + 1, len(self.features)), np.nan, dtype=np.float32)
        for start in range(0, len(texts), CHUNK_ROWS):
            chunk = texts[start : start + CHUNK_ROWS]
            dense[start : start + len(chunk)] = self._dense(chunk)
        return [dense[codes, i].astype(np.float64) for i in range(dense.shape[1])]

    def _dense(self, texts: list[str]) -> Floats:
        """(n, sizes + k) features of texts."""
        made = {
            "length": np.array([len(text) for text in texts], dtype=np.float64),
            "words": np.array([len(WORD.findall(text)) for text in texts], dtype=np.float64),
        }
        columns = [made[size] for size in self.sizes]
        if len(self.components):
            columns += list(np.asarray(self.vocabulary.weigh(texts) @ self.components.T).T)
        return np.column_stack(columns)

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "name": self.name,
            **self.vocabulary.to_json(),
            "components": self.components.tolist(),
            "sizes": list(self.sizes),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> TextColumn:
        vocabulary = Vocabulary.from_json(fields)
        sizes = fields.texts("sizes")
        if not set(sizes) <= set(_SIZES):
            raise BundleError(
                f"{fields.where}: 'sizes' holds something else than {', '.join(_SIZES)}.",
                hint="The bundle is damaged or was edited; use an intact copy.",
            )
        return cls(
            fields.integer("column"),
            fields.text("name"),
            vocabulary,
            fields.table("components", n_columns=len(vocabulary.terms)),
            sizes,
        )


def _texts(parsed: ParsedTable, index: int) -> pd.Series[str]:
    series = parsed.values[index]
    if not isinstance(series, pd.Series):
        raise TypeError(f"Text column {index} holds {type(series).__name__}, not a pandas Series.")
    return series


def _sample(present: pd.Series[str]) -> list[str]:
    """Distinct texts in order of appearance, evenly thinned to at most SAMPLE_ROWS."""
    distinct = [str(text) for text in present.unique()]
    if len(distinct) <= SAMPLE_ROWS:
        return distinct
    rows = np.linspace(0, len(distinct) - 1, SAMPLE_ROWS).astype(np.int64)
    return [distinct[row] for row in rows]
