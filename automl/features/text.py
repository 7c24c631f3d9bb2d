"""Text columns as TF-IDF reduced to a few dense columns, with length and word count.

Notation: V = terms of the vocabulary, k = dense columns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import ParsedTable, Schema
from automl.errors import BundleError
from automl.features.matrix import Feature
from automl.features.strict import Fields

Floats = NDArray[np.float64]

MAX_TERMS = 2000
SAMPLE_ROWS = 20_000  # distinct texts that vocabulary and components are learned from
MAX_CHARACTERS = 4000  # of each text; the rest counts only in the length
CHUNK_ROWS = 20_000  # texts held as sparse terms at a time
WORDS_FROM = 4.0  # words per text from which terms are words instead of letter groups
# (rows of the table, dense columns); a small table cannot carry many
_DENSE_COLUMNS = ((500, 8), (5_000, 16))
_DENSE_COLUMNS_ABOVE = 24
_WORD = re.compile(r"\w+")
_SIZES = ("length", "words")


@dataclass(frozen=True)
class TextColumn:
    """Length, word count and the latent dimensions of one text column; missing is NaN in all.

    Terms are words and pairs of neighbouring words where texts are long, else groups of three
    and four letters within a word. A term weighs (1 + log count) x idf, a text has length 1
    (Salton and Buckley, 1988), and the dense columns are its coordinates on the leading right
    singular vectors of the training texts (Deerwester et al., 1990).

    terms: V terms, sorted.  idf: (V,).  components: (k, V), rounded to seven decimals at fit, so
        that the file holds exactly what is used.
    """

    kind: ClassVar[str] = "text"
    column: int
    name: str
    analyzer: str
    terms: tuple[str, ...] = field(repr=False)
    idf: Floats = field(repr=False, compare=False)
    components: Floats = field(repr=False, compare=False)
    sizes: tuple[str, ...] = _SIZES

    @classmethod
    def fit(cls, parsed: ParsedTable, schema: Schema, index: int) -> TextColumn:
        texts = _sample(_texts(parsed, index).dropna())
        words = [len(_WORD.findall(text)) for text in texts]
        analyzer = "words" if np.mean(words or [0]) >= WORDS_FROM else "letters"
        terms, idf = _vocabulary(texts, analyzer)
        column = cls(
            index, schema.columns[index].name, analyzer, terms, idf, np.empty((0, len(terms)))
        )
        wanted = next((k for size, k in _DENSE_COLUMNS if parsed.n_rows < size), 0)
        wanted = min(wanted or _DENSE_COLUMNS_ABOVE, len(terms) - 1, len(texts) - 1)
        if wanted < 1:
            return column
        return replace(column, components=_components(column.weigh(texts), wanted))

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
        dense = np.full((len(texts) + 1, len(self.features)), np.nan)  # the last row: missing
        for start in range(0, len(texts), CHUNK_ROWS):
            chunk = texts[start : start + CHUNK_ROWS]
            dense[start : start + len(chunk)] = self._dense(chunk)
        return [np.ascontiguousarray(dense[codes, i]) for i in range(dense.shape[1])]

    def _dense(self, texts: list[str]) -> Floats:
        """(n, sizes + k) features of texts, in values that float32 holds exactly."""
        made = {
            "length": np.array([len(text) for text in texts], dtype=np.float64),
            "words": np.array([len(_WORD.findall(text)) for text in texts], dtype=np.float64),
        }
        columns = [made[size] for size in self.sizes]
        if len(self.components):
            latent = np.asarray(self.weigh(texts) @ self.components.T)
            columns += list(latent.astype(np.float32).astype(np.float64).T)
        return np.column_stack(columns)

    def weigh(self, texts: list[str]) -> Any:
        """(n, V) scipy CSR matrix of term weights; rows have length 1, 0 without known terms."""
        from scipy.sparse import csr_matrix

        index = {term: i for i, term in enumerate(self.terms)}
        grams = _ANALYZERS[self.analyzer]
        found = [[index[g] for g in grams(text) if g in index] for text in texts]
        rows = np.repeat(np.arange(len(texts)), [len(ids) for ids in found])
        ids = np.fromiter((i for row in found for i in row), dtype=np.int64, count=len(rows))
        cells, counts = np.unique(rows * len(self.terms) + ids, return_counts=True)
        rows, ids = np.divmod(cells, max(len(self.terms), 1))
        weights = (1.0 + np.log(counts)) * self.idf[ids]
        # bincount adds a row's terms in their order, so a row does not depend on its neighbours.
        lengths = np.sqrt(np.bincount(rows, weights**2, minlength=len(texts)))
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(texts)))])
        return csr_matrix((weights / lengths[rows], ids, starts), (len(texts), len(self.terms)))

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "name": self.name,
            "analyzer": self.analyzer,
            "terms": list(self.terms),
            "idf": self.idf.tolist(),
            "components": self.components.tolist(),
            "sizes": list(self.sizes),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> TextColumn:
        terms = fields.texts("terms")
        idf = np.array(fields.numbers("idf"), dtype=np.float64)
        sizes = fields.texts("sizes")
        if len(idf) != len(terms) or not set(sizes) <= set(_SIZES):
            raise BundleError(
                f"{fields.where}: terms, idf and sizes do not fit together.",
                hint="The bundle is damaged or was edited; use an intact copy.",
            )
        return cls(
            fields.integer("column"),
            fields.text("name"),
            fields.text("analyzer", known=tuple(_ANALYZERS)),
            terms,
            idf,
            fields.table("components", n_columns=len(terms)),
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


def _words(text: str) -> Iterator[str]:
    words = _WORD.findall(text[:MAX_CHARACTERS].lower())
    yield from words
    yield from map(" ".join, zip(words, words[1:], strict=False))


def _letters(text: str) -> Iterator[str]:
    for word in _WORD.findall(text[:MAX_CHARACTERS].lower()):
        padded = f" {word} "
        for size in (3, 4):
            for start in range(len(padded) - size + 1):
                yield padded[start : start + size]


_ANALYZERS: dict[str, Callable[[str], Iterator[str]]] = {"words": _words, "letters": _letters}


def _vocabulary(texts: list[str], analyzer: str) -> tuple[tuple[str, ...], Floats]:
    """The MAX_TERMS terms found in most texts (two at least), sorted, and their (V,) idf."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update(set(_ANALYZERS[analyzer](text)))
    least = 2 if len(texts) < 1000 else 3
    frequent = sorted((-n, term) for term, n in found.items() if n >= least)[:MAX_TERMS]
    terms = tuple(sorted(term for _, term in frequent))
    rows = np.array([found[term] for term in terms], dtype=np.float64)
    return terms, np.log((1.0 + len(texts)) / (1.0 + rows)) + 1.0


def _components(weights: Any, k: int) -> Floats:
    """(<= k, V) leading right singular vectors of an (n, V) sparse matrix.

    Source: randomised range finder of Halko, Martinsson and Tropp, 2011, as in scikit-learn.
    """
    from sklearn.utils.extmath import randomized_svd

    _, strengths, vectors = randomized_svd(weights, k, n_iter=5, random_state=0)
    # Directions that carry nothing but rounding noise would differ between machines.
    told = strengths > 1e-6 * max(float(strengths[0]), 1e-12)
    return np.asarray(np.round(vectors[told], 7), dtype=np.float64)
