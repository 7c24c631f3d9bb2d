"""Rows made up from a bundle's schema, and typed cells as the texts that a file would hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.random import Generator

from automl.data.cells import level_text, read_cells, text_array
from automl.data.schema import Column, Kind
from automl.model.predictor import Predictor

_UNSEEN: Final = "a level that nobody has seen"
_MISSING, _STRANGE = 0.08, 0.08  # shares of the drawn cells
_BEYOND: Final = 3.0  # strange numbers lie so many ranges beyond the training range
_DAYS_BEYOND: Final = 400.0
_FARTHEST_DAY: Final = 300_000.0  # the year 2791: what every library can hold
_WORDS: Final = 12  # of a made-up text, at most

_Drawer = Callable[[Generator, bool], str]


def drawn_rows(predictor: Predictor, n_rows: int, seed: int = 0) -> pd.DataFrame:
    """(n_rows,) rows of text cells within and beyond what the schema knows; NaN = missing.

    The first row is all missing, the second strange in every column: numbers and dates out of
    range, levels and words that training had not. Then every column has its quantiles and levels
    in turn, and values between them.
    """
    generator = np.random.default_rng(seed)
    cells: dict[str, Any] = {}
    for i in predictor.schema.used:
        column = predictor.schema.columns[i]
        draw = _drawer(column, _words(predictor, i))
        kinds = generator.random(n_rows)
        kinds[:2] = [0.0, _MISSING][:n_rows]
        drawn = [
            None if kind < _MISSING else draw(generator, kind < _MISSING + _STRANGE)
            for kind in kinds
        ]
        known = [text for text in _known(column) if text.strip()]
        generator.shuffle(known)
        for row, text in zip(range(2, n_rows), known, strict=False):
            drawn[row] = text
        cells[column.name] = pd.Series(text_array(drawn), dtype="str")
    return pd.DataFrame(cells)


def typical_rows(predictor: Predictor, n_rows: int) -> pd.DataFrame:
    """(n_rows,) typed rows that look like training rows, as an example; none is one.

    Numbers are quantiles, categories the commonest levels, dates ISO texts; no cell is missing.
    """
    columns = [predictor.schema.columns[i] for i in predictor.schema.used]
    return pd.DataFrame({column.name: _typical(column, n_rows) for column in columns})


def _typical(column: Column, n_rows: int) -> pd.Series[Any]:
    parts = [(row + 1) / (n_rows + 1) for row in range(n_rows)]
    if column.kind is Kind.NUMERIC and column.bins:
        cells = [column.bins[round(part * (len(column.bins) - 1))] for part in parts]
        return pd.Series(cells, dtype=np.float64)
    if column.kind is Kind.DATETIME:
        texts = [_date_text(column.bins[round(p * (len(column.bins) - 1))]) for p in parts]
    elif column.kind is Kind.TEXT or column.hash_key or not column.levels:
        texts = ["some text"] * n_rows
    else:
        texts = [column.levels[row % len(column.levels)] for row in range(n_rows)]
    return pd.Series(texts, dtype="str")


def text_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every cell as the text that a delimited file would hold; NaN = missing.

    Numbers are written so that they are read as the same float64.
    """
    return pd.DataFrame({name: _texts(frame[name]) for name in frame.columns})


def _texts(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.StringDtype):
        return column.reset_index(drop=True)
    codes, texts = read_cells(column).distinct()
    padded = text_array([*texts, None])  # code -1 takes the last entry
    return pd.Series(padded[codes], dtype="str")


def _drawer(column: Column, words: tuple[str, ...]) -> _Drawer:
    """Draws a cell of this column, strange or not."""
    if column.kind is Kind.NUMERIC:
        return lambda generator, strange: _number(column, generator, strange)
    if column.kind is Kind.DATETIME:
        return lambda generator, strange: _date(column, generator, strange)
    if column.kind is Kind.TEXT:
        return lambda generator, strange: _text(words, generator, strange)
    return lambda generator, strange: _level(column, generator, strange)


def _known(column: Column) -> list[str]:
    """Texts of this column that training saw."""
    if column.kind is Kind.NUMERIC:
        return [_number_text(column, value) for value in column.bins]
    if column.kind is Kind.DATETIME:
        return [_date_text(day) for day in column.bins]
    return [] if column.hash_key else list(column.levels)


def _number(column: Column, generator: Generator, strange: bool) -> str:
    low, high = _ends(column)
    if strange:
        reach = _BEYOND * max(high - low, abs(high), 1.0) * generator.random()
        return _number_text(column, low - reach if generator.random() < 0.5 else high + reach)
    value = _between(column, generator)
    whole = all(float(edge).is_integer() for edge in column.bins)
    return _number_text(column, float(round(value)) if whole else value)


def _number_text(column: Column, value: float) -> str:
    """A number as this column writes it; all of them are also read without units."""
    return level_text(value).replace(".", str(column.formats.get("decimal", ".")))


def _date(column: Column, generator: Generator, strange: bool) -> str:
    low, high = _ends(column)
    if not strange:
        return _date_text(_between(column, generator))
    reach = _DAYS_BEYOND * generator.random()
    return _date_text(low - reach if generator.random() < 0.5 else high + reach)


def _date_text(day: float) -> str:
    """An ISO date, which every column of dates is read in; with its time where it has one."""
    moment = datetime(1970, 1, 1) + timedelta(days=min(max(day, -_FARTHEST_DAY), _FARTHEST_DAY))
    return moment.isoformat(timespec="seconds").removesuffix("T00:00:00")


def _between(column: Column, generator: Generator) -> float:
    """A value between two neighbouring quantiles."""
    if len(column.bins) < 2:
        return float(generator.uniform(*_ends(column)))
    k = int(generator.integers(len(column.bins) - 1))
    return float(generator.uniform(column.bins[k], column.bins[k + 1]))


def _ends(column: Column) -> tuple[float, float]:
    low = 0.0 if column.minimum is None else column.minimum
    return low, low if column.maximum is None else column.maximum


def _level(column: Column, generator: Generator, strange: bool) -> str:
    if not column.levels or (strange and column.kind is Kind.CATEGORICAL):
        return _UNSEEN
    return column.levels[int(generator.integers(len(column.levels)))]


def _text(words: tuple[str, ...], generator: Generator, strange: bool) -> str:
    if strange or not words:
        return _UNSEEN
    size = int(generator.integers(1, _WORDS))
    return (
        " ".join(words[int(k)] for k in generator.integers(len(words), size=size)).strip() or "x"
    )


def _words(predictor: Predictor, column: int) -> tuple[str, ...]:
    """The terms that the preprocessor knows of a column of texts."""
    for transformer in predictor.preprocessor.transformers:
        vocabulary = getattr(transformer, "vocabulary", None)
        if vocabulary is not None and getattr(transformer, "column", None) == column:
            return tuple(vocabulary.terms)
    return ()
