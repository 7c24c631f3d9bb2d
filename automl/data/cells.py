"""The cells of one column in one of four plain forms, whatever dtype they came in.

Shapes: n_rows = rows of the column, n_texts = distinct texts in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from automl.data.sources._texts import TextColumn
from automl.errors import DataError

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Texts = NDArray[np.object_]
Mask = NDArray[np.bool_]

_MICROSECONDS_PER_DAY = 86_400_000_000
# Above this an integral float is written with an exponent; float64 is exact up to 2**53.
_INTEGRAL_LIMIT = 1e15
# So few cells are gone through one by one before pandas has looked at what they are.
_FEW_ROWS = 16
_NUMBER_OBJECTS = ("integer", "floating", "mixed-integer-float", "decimal")
_DATE_OBJECTS = ("datetime", "datetime64", "date")


@dataclass(frozen=True)
class Cells:
    """One column, normalised.

    source: "number", "boolean", "datetime" or "text", as in `Column.source`.
    values: (n_rows,) float64 unless source is "text"; NaN = missing; booleans 0/1, datetimes in
        days since 1970-01-01 (UTC).
    codes, texts: for source "text": (n_rows,) index into the (n_texts,) distinct texts, which are
        stripped of surrounding white space and in order of appearance; -1 = missing.
    declared: the column had pandas' `category` dtype, so its owner calls it categorical.
    """

    source: str
    values: Floats
    codes: Codes
    texts: Texts
    declared: bool = False

    @property
    def n_rows(self) -> int:
        return len(self.codes) if self.source == "text" else len(self.values)

    @property
    def missing(self) -> Mask:
        """(n_rows,) True where the cell is missing."""
        return self.codes < 0 if self.source == "text" else np.isnan(self.values)

    @property
    def counts(self) -> NDArray[np.intp]:
        """(n_texts,) rows of each distinct text."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    def distinct(self) -> tuple[Codes, Texts]:
        """(codes, texts) of any source, as for "text": each value as the text of a level."""
        if self.source == "text":
            return self.codes, self.texts
        codes, values = pd.factorize(self.values)
        return codes, text_array(level_texts(np.asarray(values), self.source))

    def text_at(self, row: int) -> str:
        """The cell of `row` as text, for messages."""
        if self.source == "text":
            return "" if self.codes[row] < 0 else str(self.texts[self.codes[row]])
        value = self.values[row : row + 1]
        return "" if np.isnan(value[0]) else level_texts(value, self.source)[0]


def read_cells(column: pd.Series[Any] | TextColumn) -> Cells:
    """`column` of any dtype as `Cells`. Raises DataError for complex numbers."""
    if isinstance(column, TextColumn):
        return Cells("text", np.empty(0), *column.distinct())
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_categories(column)
    if types.is_bool_dtype(dtype):
        return _typed("boolean", _floats(column))
    if types.is_complex_dtype(dtype):
        raise _complex(column)
    if types.is_numeric_dtype(dtype):
        return _typed("number", _floats(column))
    if types.is_datetime64_any_dtype(dtype):
        return _typed("datetime", days(pd.to_datetime(column, utc=True)))
    if isinstance(dtype, pd.PeriodDtype):
        return _typed("datetime", days(column.dt.to_timestamp().dt.tz_localize(UTC)))
    if types.is_timedelta64_dtype(dtype):
        return _typed("number", _floats(column.dt.total_seconds()) / 86_400)
    if types.is_string_dtype(dtype) and not types.is_object_dtype(dtype):
        return _from_texts(column)
    return _from_objects(column)


def plain_numbers(column: pd.Series[Any] | TextColumn) -> Floats | None:
    """(n_rows,) the numbers in a column of texts; NaN = missing.

    None where the texts are not Arrow's, and where one is not a plain number: `read_cells` then
    tells what it is. Arrow rounds a decimal text to the nearest float64, as Python does.
    """
    import pyarrow as pa

    if isinstance(column, TextColumn):
        texts = column.raw
    elif getattr(column.dtype, "storage", "") == "pyarrow":
        texts = pa.chunked_array(pa.array(column.array))
    else:
        return None
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    values: Floats = numbers.to_numpy()
    if np.count_nonzero(np.isfinite(values)) + numbers.null_count < len(values):
        return None  # 'inf', 'nan'
    return values if values.flags.writeable else values.copy()


def level_text(value: float) -> str:
    """The text of a number as a level: 1.0 -> '1', 0.1 -> '0.1'."""
    value = float(value)
    if value.is_integer() and abs(value) < _INTEGRAL_LIMIT:
        return str(int(value))
    return repr(value)


def level_texts(values: Floats, source: str) -> list[str]:
    """The texts of typed values as levels; `source` as in `Cells`. NaN is not allowed."""
    if source == "boolean":
        return ["True" if value else "False" for value in values]
    if source == "datetime":
        micros = np.round(values * _MICROSECONDS_PER_DAY).astype(np.int64)
        stamps = pd.DatetimeIndex(micros.view("datetime64[us]"))
        return [stamp.isoformat().removesuffix("T00:00:00") for stamp in stamps]
    return [level_text(value) for value in values]


def text_array(texts: Iterable[Any]) -> Texts:
    """A one-dimensional object array of `texts` (numpy would unpack some of them)."""
    texts = list(texts)
    out = np.empty(len(texts), dtype=object)
    out[:] = texts
    return out


def days(stamps: pd.Series[Any]) -> Floats:
    """Days since 1970-01-01 UTC of timezone-aware datetimes, NaN where there is none."""
    micros = stamps.dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
    out = micros.astype(np.int64) / _MICROSECONDS_PER_DAY
    out[np.isnat(micros)] = np.nan
    return np.asarray(out, dtype=np.float64)


def _typed(source: str, values: Floats) -> Cells:
    return Cells(source, values, np.empty(0, dtype=np.intp), np.empty(0, dtype=object))


def _floats(column: pd.Series[Any]) -> Floats:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _from_categories(column: pd.Series[Any]) -> Cells:
    """Cells of the categories, spread over the rows; unused categories leave no trace."""
    codes = column.cat.codes.to_numpy().astype(np.intp)
    levels = read_cells(pd.Series(column.cat.categories, name=column.name))
    if levels.source == "text":
        spread = np.where(codes >= 0, levels.codes[codes], -1) if len(levels.codes) else codes
        used, first = np.unique(spread[spread >= 0], return_index=True)
        order = used[np.argsort(first)]
        rank = np.full(len(levels.texts) + 1, -1, dtype=np.intp)  # last entry: missing
        rank[order] = np.arange(len(order))
        return Cells("text", levels.values, rank[spread], levels.texts[order], declared=True)
    table = np.append(levels.values, np.nan)  # code -1 takes the last entry
    return Cells(levels.source, table[codes], levels.codes, levels.texts, declared=True)


def _from_texts(column: pd.Series[Any]) -> Cells:
    if len(column) <= _FEW_ROWS:
        known: dict[str, int] = {}
        few = [cell.strip() if isinstance(cell, str) else "" for cell in column.tolist()]
        places = [known.setdefault(text, len(known)) if text else -1 for text in few]
        return Cells("text", np.empty(0), np.array(places, dtype=np.intp), text_array(known))
    codes, found = pd.factorize(column)
    texts = np.asarray(found, dtype=object)
    stripped = text_array([text.strip() for text in texts])
    changed = (stripped != texts) | (stripped == "")
    if changed.any():
        stripped[stripped == ""] = None
        merged, texts = pd.factorize(stripped)
        codes = np.where(codes >= 0, merged[codes], -1)
    return Cells("text", np.empty(0), codes.astype(np.intp, copy=False), texts)


def _from_objects(column: pd.Series[Any]) -> Cells:
    inferred = types.infer_dtype(column, skipna=True)
    if inferred == "complex":
        raise _complex(column)
    if inferred == "boolean" or inferred in _NUMBER_OBJECTS:
        source = "boolean" if inferred == "boolean" else "number"
        return _typed(source, _floats(column.astype("Float64")))
    if inferred in _DATE_OBJECTS:
        return _typed("datetime", days(pd.to_datetime(column, utc=True)))
    if inferred in ("timedelta", "timedelta64"):
        return read_cells(pd.to_timedelta(column))
    gone = column.isna().to_numpy()
    texts = [None if lost else _text(v) for v, lost in zip(column, gone, strict=True)]
    return _from_texts(pd.Series(text_array(texts)))


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, (float, np.floating)):
        return level_text(float(value))
    return str(value)


def _complex(column: pd.Series[Any]) -> DataError:
    return DataError(
        f"Column {str(column.name)!r} holds complex numbers.",
        hint="Split it into a real and an imaginary column, or drop it.",
    )
