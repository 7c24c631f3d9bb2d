"""The steps of a scoring program as operators of ONNX: from the user's columns to features.

A column of the program is a value of shape (rows, 1), float64, NaN = missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.export._onnx_dates import days_of, parts_of
from automl.export._onnx_graph import Graph
from automl.export._onnx_text import columns_of_text
from automl.export.program import (
    Arithmetic,
    Bins,
    Boolean,
    Clip,
    Cross,
    DateParts,
    Days,
    Input,
    Level,
    Lookup,
    Narrow,
    Number,
    Program,
    Terms,
)

Floats = NDArray[np.float64]
Writer: TypeAlias = "Callable[[Graph, Any, str], dict[int, str]]"

# Rows of a table of whole numbers up to which it is indexed by them, however few it says much of.
_DENSE: Final = 1 << 16
_NAN: Final = float("nan")
_BITS: Final = {"True": ("true", "TRUE"), "False": ("false", "FALSE")}


def takes_text(column: Input) -> bool:
    """Whether the cells of a column are texts and not numbers."""
    numeric = column.kind == "number" or (column.kind == "boolean" and column.source == "number")
    return not numeric


def columns_of(graph: Graph, program: Program, inputs: Sequence[str]) -> dict[int, str]:
    """The value of each column of a program. inputs: the value of each input."""
    columns: dict[int, str] = {}
    for step in program.steps:
        if isinstance(step, Boolean) and not takes_text(program.inputs[step.input]):
            columns |= _bit(graph, step, inputs[step.input])
        elif isinstance(step, Number | Boolean | Level | Days | Terms):
            columns |= _READERS[type(step)](graph, step, inputs[step.input])
        else:
            columns |= _WRITERS[type(step)](graph, step, columns)
    return columns


# --- from an input ----------------------------------------------------------------------------


def _number(graph: Graph, step: Number, cell: str) -> dict[int, str]:
    return {step.out: graph.op("Where", graph.op("IsInf", cell), _NAN, cell)}


def _boolean(graph: Graph, step: Boolean, cell: str) -> dict[int, str]:
    meaning: dict[str, float] = {}
    for word, bit in step.words:
        for spelt in (word, word.upper(), word.capitalize(), word.title()):
            meaning.setdefault(spelt, bit)
    return {step.out: _said(graph, cell, list(meaning), [*meaning.values()], _NAN)}


def _bit(graph: Graph, step: Boolean, cell: str) -> dict[int, str]:
    """A boolean that training had as numbers."""
    either = graph.op("Or", graph.op("Equal", cell, 0.0), graph.op("Equal", cell, 1.0))
    return {step.out: graph.op("Where", either, cell, _NAN)}


def _level(graph: Graph, step: Level, cell: str) -> dict[int, str]:
    places = {level: float(i) for i, level in enumerate(step.levels)}
    for i, level in enumerate(step.levels):
        for spelt in _spellings(level, step.source):
            places.setdefault(spelt, float(i))
    places[""] = _NAN
    return {step.out: _said(graph, cell, list(places), [*places.values()], len(step.levels))}


def _spellings(level: str, source: str) -> tuple[str, ...]:
    """Other texts of the same level where training had numbers or booleans."""
    if source == "boolean":
        return _BITS.get(level, ())
    return (f"{level}.0",) if source == "number" and level.lstrip("-").isdigit() else ()


def _said(graph: Graph, cell: str, keys: list[str], values: list[float], other: float) -> str:
    """What a table says of texts."""
    return graph.op(
        "LabelEncoder",
        cell,
        keys_tensor=np.array(keys, dtype=object),
        values_tensor=np.array(values, dtype=np.float64),
        default_tensor=np.array([other], dtype=np.float64),
    )


def _days(graph: Graph, step: Days, cell: str) -> dict[int, str]:
    return {step.out: days_of(graph, cell)}


# --- from columns -----------------------------------------------------------------------------


def _lookup(graph: Graph, step: Lookup, columns: Mapping[int, str]) -> dict[int, str]:
    column, n_keys = columns[step.column], len(step.keys)
    first, last = (int(step.keys[0]), int(step.keys[-1])) if n_keys else (0, 0)
    missing = graph.op("IsNaN", column)
    size = last - first + 1
    rows = np.vstack([step.values.reshape(n_keys, len(step.out)), step.other, step.missing])
    if size <= max(_DENSE, 4 * n_keys):
        # A row per number, and before them those of a missing one and of any other number.
        number = graph.op("Sub", column, float(first))
        within = graph.op(
            "And", graph.op("GreaterOrEqual", number, 0.0), graph.op("Less", number, float(size))
        )
        known = graph.op("Where", within, number, -1.0)
        known = graph.op("Where", missing, -2.0, known)
        place = graph.cast(graph.op("Add", known, 2.0), np.int64)
        order = np.full(size + 2, n_keys)
        order[0] = n_keys + 1
        order[2 + step.keys - first] = np.arange(n_keys)
        rows = rows[order]
    else:
        number = graph.cast(graph.op("Where", missing, first - 1.0, column), np.int64)
        place = graph.op(
            "LabelEncoder",
            number,
            keys_tensor=np.append(step.keys, first - 1),
            values_tensor=np.append(np.arange(n_keys), n_keys + 1),
            default_tensor=np.array([n_keys]),
        )
    return {
        out: graph.op("Gather", np.ascontiguousarray(rows[:, i]), place)
        for i, out in enumerate(step.out)
    }


def _cross(graph: Graph, step: Cross, columns: Mapping[int, str]) -> dict[int, str]:
    total = columns[step.columns[0]]
    for column, size in zip(step.columns[1:], step.sizes[1:], strict=True):
        total = graph.op("Add", graph.op("Mul", total, float(size)), columns[column])
    return {step.out: total}


def _bins(graph: Graph, step: Bins, columns: Mapping[int, str]) -> dict[int, str]:
    column, points = columns[step.column], step.points.reshape(1, -1)
    n_points = points.shape[1]
    if step.exact:
        # A point that it is takes off all numbers from there to the one that says "none".
        worth, start = np.arange(n_points, 0, -1, dtype=np.float64), float(n_points)
        hits = graph.cast(graph.op("Equal", column, points), np.float64)
        count = graph.op("Sub", start, graph.op("MatMul", hits, worth.reshape(-1, 1)))
    else:
        hits = graph.cast(graph.op("GreaterOrEqual", column, points), np.float64)
        count = graph.op("MatMul", hits, np.ones((n_points, 1)))
    return {step.out: graph.op("Where", graph.op("IsNaN", column), n_points + 1.0, count)}


def _clip(graph: Graph, step: Clip, columns: Mapping[int, str]) -> dict[int, str]:
    # The operator Clip does not say what becomes of NaN.
    column = columns[step.column]
    below = graph.op("Where", graph.op("Less", column, step.low), step.low, column)
    return {step.out: graph.op("Where", graph.op("Greater", below, step.high), step.high, below)}


def _narrow(graph: Graph, step: Narrow, columns: Mapping[int, str]) -> dict[int, str]:
    rounded = graph.single(columns[step.column])
    return {step.out: graph.op("Where", graph.op("IsInf", rounded), _NAN, rounded)}


_OPERATORS: Final = {"sum": "Add", "difference": "Sub", "product": "Mul", "ratio": "Div"}


def _arithmetic(graph: Graph, step: Arithmetic, columns: Mapping[int, str]) -> dict[int, str]:
    operator = _OPERATORS[step.operation]
    return {step.out: graph.op(operator, columns[step.first], columns[step.second])}


def _parts(graph: Graph, step: DateParts, columns: Mapping[int, str]) -> dict[int, str]:
    parts = parts_of(graph, columns[step.column], step.parts, step.start)
    return dict(zip(step.out, parts, strict=True))


_READERS: Final[Mapping[type, Writer]] = {
    Number: _number,
    Boolean: _boolean,
    Level: _level,
    Days: _days,
    Terms: columns_of_text,
}
_WRITERS: Final[Mapping[type, Callable[[Graph, Any, Mapping[int, str]], dict[int, str]]]] = {
    Lookup: _lookup,
    Cross: _cross,
    Bins: _bins,
    Clip: _clip,
    Narrow: _narrow,
    Arithmetic: _arithmetic,
    DateParts: _parts,
}
