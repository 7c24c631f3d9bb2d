"""Typed Arrow tables as pandas frames of few types."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from automl.data.sources import _text_cells as text_cells
from automl.data.sources._names import unique_names
from automl.data.sources.base import Piece, ReadOptions
from automl.errors import DataError

_PANDAS_INDEX = "__index_level_"
_INT64_MAX = 2**63 - 1


def to_piece(table: Any, options: ReadOptions, name: str) -> Piece:
    """The columns of an Arrow table as int64, float64, bool, datetime64[us] or `str`.

    Integers with nulls become float64, or `str` where float64 is not exact, as do integers beyond
    int64; decimals float64; durations float64 seconds; booleans with nulls `str` "True"/"False";
    dates and times with a zone naive UTC; times of day, dictionaries and UTF-8 bytes `str`.
    Missing markers count in text, and numbers among `options.na_values` in number columns.
    Raises DataError for nested and other columns, called by their name, of the table `name`.
    """
    kept = [
        (header, column)
        for header, column in zip(table.column_names, table.columns, strict=True)
        if not header.startswith(_PANDAS_INDEX)
    ]
    headers = tuple(header for header, _ in kept)
    names, notes = unique_names(headers)
    if len(kept) < table.num_columns:
        notes = (*notes, "left out the index that pandas had stored")
    data: dict[str, text_cells.Cells] = {}
    for column_name, (_, column) in zip(names, kept, strict=True):
        try:
            data[column_name] = _array(column, options)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, TypeError) as error:
            raise DataError(
                f"Column {column_name!r} of {name} has the type {column.type}, which is no "
                "number, text, boolean or date.",
                hint="Leave it out, or divide it into plain columns.",
            ) from error
    frame = pd.DataFrame(data, index=pd.RangeIndex(table.num_rows), copy=False)
    return Piece(frame, headers, notes)


def refuse_empty(n_rows: int, n_columns: int, name: str) -> None:
    """Raises DataError if a table has no rows or no columns."""
    if n_rows == 0 or n_columns == 0:
        raise DataError(
            f"{name} has {n_columns} columns and {n_rows} rows.", hint="Give a table with rows."
        )


def _array(column: Any, options: ReadOptions) -> text_cells.Cells:
    column = _plain(column)
    kind = column.type
    if types.is_string(kind):
        return text_cells.to_array(text_cells.clean(column, options.markers))
    if types.is_boolean(kind):
        return _booleans(column)
    if types.is_integer(kind) or types.is_floating(kind):
        return _numbers(column, options.na_values)
    if types.is_timestamp(kind):
        return text_cells.to_array(column)
    raise TypeError(kind)


def _plain(column: Any) -> Any:
    """The column with its wrappings and rarer types replaced by plain ones of equal meaning."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array(
            [part.storage for part in column.chunks], column.type.storage_type
        )
    if types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    elif types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    kind = column.type
    for is_kind, plain in _PLAIN:
        if is_kind(kind):
            return pc.cast(column, plain)
    if types.is_timestamp(kind):  # nanoseconds are cut off; a zone's times are UTC underneath
        return pc.cast(column, pa.timestamp("us"), safe=kind.unit != "ns")
    if types.is_duration(kind):
        seconds = pc.cast(pc.cast(column, pa.duration("us"), safe=False), pa.int64())
        return pc.divide(pc.cast(seconds, pa.float64()), 1e6)
    return column


def _is_text(kind: Any) -> bool:
    views = (types.is_string_view(kind), types.is_binary_view(kind))
    binary = (types.is_binary(kind), types.is_large_binary(kind))
    return types.is_large_string(kind) or types.is_time(kind) or any(views) or any(binary)


_PLAIN = (
    (_is_text, pa.string()),
    (types.is_null, pa.string()),
    (types.is_date, pa.timestamp("us")),
    (types.is_decimal, pa.float64()),
)


def _booleans(column: Any) -> text_cells.Cells:
    if column.null_count == 0:
        return text_cells.to_array(column)
    words = pc.if_else(column, pa.scalar("True"), pa.scalar("False"))
    return text_cells.to_array(words)


def _numbers(column: Any, na_values: tuple[str, ...]) -> text_cells.Cells:
    if types.is_floating(column.type):
        return text_cells.to_array(_without(pc.cast(column, pa.float64()), na_values))
    if types.is_uint64(column.type) and (pc.max(column).as_py() or 0) > _INT64_MAX:
        return text_cells.to_array(pc.cast(column, pa.string()))
    integers = _without(pc.cast(column, pa.int64()), na_values)
    exact = text_cells.exact(integers)
    return text_cells.to_array(pc.cast(integers, pa.string()) if exact is None else exact)


def _without(column: Any, na_values: tuple[str, ...]) -> Any:
    """The number column with the cells that are `na_values` null."""
    values = []
    for word in na_values:
        try:
            values.append(float(word))
        except ValueError:  # a word, which no number equals
            continue
    if not values:
        return column
    found = pc.is_in(pc.cast(column, pa.float64(), safe=False), value_set=pa.array(values))
    return pc.if_else(found, pa.scalar(None, column.type), column)
