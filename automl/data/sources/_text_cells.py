"""Columns of text cells: white space, missing markers, and numbers where all cells are numbers."""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray

Cells = NDArray[Any] | ExtensionArray

# Plain numbers only: a leading zero, a plus sign or a thousands mark may carry a meaning.
_NUMBER = r"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_DECIMAL_COMMA = r"^(-?(?:0|[1-9][0-9]*)?),([0-9]+(?:[eE][+-]?[0-9]+)?)$"
_COMMA_CELL = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+|[+-]?\d*,\d+")
# Integers up to here are exact in float64, which is what a column with missing cells needs.
EXACT_INTEGERS = 2**53
PROBE_ROWS = 2000
_PANDAS_TYPES = {pa.large_string(): pd.StringDtype("pyarrow", na_value=np.nan)}


def clean(column: Any, markers: tuple[str, ...]) -> Any:
    """The string cells of `column` without surrounding white space; cells in `markers` null."""
    trimmed = pc.utf8_trim_whitespace(column)
    if pc.sum(pc.binary_length(trimmed)).equals(pc.sum(pc.binary_length(column))):
        trimmed = column
    found = pc.is_in(trimmed, value_set=pa.array(markers, trimmed.type))
    if not pc.any(found).as_py():
        return trimmed
    return pc.if_else(found, pa.scalar(None, trimmed.type), trimmed)


def with_decimal_point(column: Any) -> Any:
    """String cells such as `3,5` as `3.5`; all other cells as they are."""
    return pc.replace_substring_regex(column, _DECIMAL_COMMA, r"\1.\2")


def has_decimal_commas(column: Any) -> bool:
    """Whether the first cells that are present are all numbers with a decimal comma or none."""
    cells = [cell for cell in column.slice(0, PROBE_ROWS).to_pylist() if cell is not None]
    numbers = [cell for cell in cells if _COMMA_CELL.fullmatch(cell)]
    plain = re.compile(r"[+-]?\d+")
    return bool(numbers) and all(
        _COMMA_CELL.fullmatch(cell) or plain.fullmatch(cell) for cell in cells
    )


def to_numbers(column: Any) -> Any | None:
    """The string cells of `column` as int64 or float64, or None if they have to stay text.

    None if a present cell is not a plain number or none is present, for numbers beyond float64's
    range, for integers beyond int64, and for integers beyond 2**53 beside missing cells.
    """
    probe = column.slice(0, PROBE_ROWS)
    if not _all(pc.match_substring_regex(probe, _NUMBER)):
        return None
    if column.null_count == len(column) or not _all(pc.match_substring_regex(column, _NUMBER)):
        return None
    if pc.any(pc.match_substring_regex(column, "[.eE]")).as_py():
        numbers = pc.cast(column, pa.float64())
        return numbers if _all(pc.is_finite(numbers)) else None
    try:
        return exact(pc.cast(column, pa.int64()))
    except pa.ArrowInvalid:  # beyond int64
        return None


def exact(integers: Any) -> Any | None:
    """int64 as it is, as float64 if cells are null, or None if float64 cannot hold them all."""
    if integers.null_count == 0:
        return integers
    limits = pc.min_max(integers).as_py()
    if limits["min"] is None:
        return pc.cast(integers, pa.float64())
    if max(-limits["min"], limits["max"]) > EXACT_INTEGERS:
        return None
    return pc.cast(integers, pa.float64())


def to_array(column: Any) -> Cells:
    """A chunked Arrow column as an array for a frame; null = NaN, strings have the dtype `str`."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        values = column.to_numpy()
        # Arrow's own memory is read-only, a frame's is not.
        return cast("Cells", values if values.flags.writeable else values.copy())
    # One piece: pandas is slow on many, and only large_string can hold any amount of text.
    whole = pc.cast(column, pa.large_string()).combine_chunks()
    return cast("Cells", whole.to_pandas(types_mapper=_PANDAS_TYPES.get).array)


def _all(flags: Any) -> bool:
    """True if no flag is False; null flags do not count."""
    return pc.all(flags, min_count=0).as_py() is not False
