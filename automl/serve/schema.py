"""What a model takes and gives: the answer of GET schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl.data.cells import level_texts
from automl.data.schema import Column, Kind

if TYPE_CHECKING:
    from automl.serve.models import Model

_LEVELS = 500  # of a column that are listed
_LETTERS = 60_000  # of all listed levels of a column


def schema_of(model: Model) -> dict[str, Any]:
    """Columns, task, classes and threshold of a model, as JSON values."""
    predictor = model.predictor
    columns = predictor.schema.columns
    return {
        "model": model.id,
        "name": model.name,
        "task": predictor.task.value,
        "target": predictor.target,
        "classes": list(predictor.classes),
        "positive": predictor.positive,
        "threshold": (0.5 if predictor.threshold is None else predictor.threshold)
        if predictor.positive is not None
        else None,
        "metric": predictor.metric,
        "intervals": predictor.conformal is not None and not predictor.task.is_classification,
        "sets": predictor.conformal is not None and predictor.task.is_classification,
        "columns": [_column(columns[i]) for i in predictor.schema.used],
        "unused": [
            {"name": column.name, "why": str(column.drop)} for column in columns if not column.used
        ][:1000],
    }


def _column(column: Column) -> dict[str, Any]:
    low, high = bounds_of(column)
    return {
        "name": column.name,
        "kind": column.kind.value,
        "minimum": low,
        "maximum": high,
        "levels": shown_levels(column),
        "n_levels": len(column.levels),
        "missing": column.missing,
        "examples": examples_of(column),
    }


def bounds_of(column: Column) -> tuple[Any, Any]:
    """Least and largest training cell: numbers, or dates as text; None without."""
    ends = (column.minimum, column.maximum)
    if column.kind is Kind.NUMERIC:
        return ends
    if column.kind is Kind.DATETIME:
        low, high = (None if end is None else date_text(end) for end in ends)
        return low, high
    return None, None


def date_text(day: float) -> str:
    """A date as ISO 8601 text. day: since 1970-01-01."""
    import numpy as np

    return level_texts(np.array([day]), "datetime")[0]


def shown_levels(column: Column) -> list[str]:
    """The most frequent levels; none of a column that keeps keyed hashes of them."""
    if column.hash_key:
        return []
    shown: list[str] = []
    letters = 0
    for level in column.levels[:_LEVELS]:
        letters += len(level)
        if letters > _LETTERS:
            break
        shown.append(level)
    return shown


def examples_of(column: Column, most: int = 3) -> Sequence[Any]:
    """Cells that JSON may hold for the column."""
    if column.kind is Kind.NUMERIC:
        ends = column.bins[len(column.bins) // 2 :: max(1, len(column.bins) // 4)]
        return [_plain(value) for value in ends[:most]]
    if column.kind is Kind.DATETIME:
        ends = column.bins[len(column.bins) // 2 :: max(1, len(column.bins) // 4)]
        return [date_text(float(round(value))) for value in ends[:most]]
    if column.kind is Kind.TEXT:
        return ["some words"]
    return shown_levels(column)[:most]


def example_record(columns: Sequence[Column]) -> dict[str, Any]:
    """A row made of the most usual cells."""
    return {column.name: next(iter(examples_of(column)), None) for column in columns}


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value
