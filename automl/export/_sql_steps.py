"""The steps of a scoring program as SQL: each makes columns of a subquery from those below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from automl.errors import ConfigError
from automl.export._sql_text import NULL, case, name, number, string
from automl.export.program import (
    Arithmetic,
    Bins,
    Boolean,
    Clip,
    Cross,
    Days,
    Input,
    Level,
    Lookup,
    Narrow,
    Number,
    Program,
    Step,
    Terms,
)

_SIGNS: Final = {"sum": "+", "difference": "-", "product": "*"}
_LARGEST: Final = float(np.finfo(np.float64).max)
_FLOAT32: Final = 3.4028235677973366e38  # from here on a float32 is infinite
_NO_FLOAT32: Final = 7.006492321624085e-46  # up to here it is 0
_WAY_OUT: Final = "Leave that column out (--drop), or export to python or onnx."

Column = Callable[[int], str]


def made(step: Step, program: Program, column: Column) -> dict[int, str]:
    """The expression of each column that the step makes.

    column: what an earlier column is called.  Raises ConfigError that names the input of a step
    that has no words in SQL.
    """
    writer = _WRITERS.get(type(step))
    if writer is None:
        raise _refused(step, program)
    found: dict[int, str] = writer(step, program, column)
    return found


def needs(step: Step) -> tuple[int, ...]:
    """The columns that the step reads."""
    if isinstance(step, Arithmetic):
        return (step.first, step.second)
    if isinstance(step, Cross):
        return step.columns
    place = getattr(step, "column", None)
    return () if place is None else (place,)


def refuse_unguarded(program: Program) -> None:
    """Raise ConfigError if a quotient is used where an infinite one would count.

    SQL knows no division by zero; all uses of it make missing what is infinite.
    """
    ratios = {s.out for s in program.steps if isinstance(s, Arithmetic) and s.operation == "ratio"}
    used = {c for s in program.steps if not isinstance(s, Narrow) for c in needs(s)}
    for ensemble in program.ensembles:
        used |= set(getattr(ensemble, "columns", ()))
        used |= {place for place, _ in getattr(ensemble, "effects", ())}
    if ratios & used:
        raise ConfigError(
            "The model divides by a column in a way that SQL cannot say.",
            hint="Export to python or onnx.",
        )


def _refused(step: Step, program: Program) -> ConfigError:
    what = {Days: "dates", Terms: "texts"}.get(type(step))
    place: int | None = getattr(step, "input", None)
    if what is None or place is None:
        return ConfigError(f"The model has a step, {type(step).__name__}, that SQL cannot say.")
    return ConfigError(
        f"The column {program.inputs[place].name!r} holds {what}, and the format sql is for "
        "numbers and categories.",
        hint=_WAY_OUT,
    )


def _number(step: Number, program: Program, column: Column) -> dict[int, str]:
    cell = f"CAST({name(program.inputs[step.input].name)} AS DOUBLE PRECISION)"
    return {step.out: f"CASE WHEN abs({cell}) <= {number(_LARGEST)} THEN {cell} END"}


def _boolean(step: Boolean, program: Program, column: Column) -> dict[int, str]:
    words = {string(word): value for word, value in step.words}
    cell = f"lower({_text(program.inputs[step.input])})"
    return {step.out: case(cell, words, np.nan, np.nan)}


def _level(step: Level, program: Program, column: Column) -> dict[int, str]:
    given = program.inputs[step.input]
    if step.key:
        raise ConfigError(
            f"The levels of the column {given.name!r} are hashed, which SQL cannot do alike.",
            hint=_WAY_OUT,
        )
    codes: dict[str, float] = {}
    for code, level in enumerate(step.levels):
        for spelling in _spellings(level, step.source):
            codes.setdefault(string(spelling), float(code))
    return {step.out: case(_text(given), codes, float(len(step.levels)), np.nan)}


def _spellings(level: str, source: str) -> Sequence[str]:
    """How a database writes the level of a number or a boolean as text."""
    if source == "number":
        return (level, f"{level}.0") if level.lstrip("-").isdigit() else (level,)
    return (level, level.lower()) if source == "boolean" else (level,)


def _text(given: Input) -> str:
    return f"NULLIF(trim(CAST({name(given.name)} AS VARCHAR)), '')"


def _lookup(step: Lookup, program: Program, column: Column) -> dict[int, str]:
    found = {}
    for place, out in enumerate(step.out):
        values = step.values[:, place].tolist()
        table = {str(k): v for k, v in zip(step.keys.tolist(), values, strict=True)}
        ends = float(step.other[place]), float(step.missing[place])
        found[out] = case(column(step.column), table, *ends)
    return found


def _cross(step: Cross, program: Program, column: Column) -> dict[int, str]:
    text = column(step.columns[0])
    for place, size in zip(step.columns[1:], step.sizes[1:], strict=True):
        text = f"({text} * {size} + {column(place)})"
    return {step.out: text}


def _bins(step: Bins, program: Program, column: Column) -> dict[int, str]:
    here, points = column(step.column), step.points.tolist()
    n = len(points)
    if step.exact:
        table = {number(point): float(k) for k, point in enumerate(points)}
        return {step.out: case(here, table, float(n), float(n + 1))}
    whens = "".join(f" WHEN {here} < {number(p)} THEN {k}e0" for k, p in enumerate(points))
    return {step.out: f"CASE WHEN {here} IS NULL THEN {n + 1}e0::float8{whens} ELSE {n}e0 END"}


def _clip(step: Clip, program: Program, column: Column) -> dict[int, str]:
    here, low, high = column(step.column), number(step.low), number(step.high)
    ends = f"WHEN {here} < {low} THEN {low} WHEN {here} > {high} THEN {high}"
    return {step.out: f"CASE {ends} ELSE {here} END"}


def _narrow(step: Narrow, program: Program, column: Column) -> dict[int, str]:
    here = column(step.column)
    none = f"WHEN abs({here}) <= {number(_NO_FLOAT32)} THEN 0e0"
    narrow = f"CAST(CAST({here} AS REAL) AS DOUBLE PRECISION)"
    return {step.out: f"CASE {none} WHEN abs({here}) < {number(_FLOAT32)} THEN {narrow} END"}


def _arithmetic(step: Arithmetic, program: Program, column: Column) -> dict[int, str]:
    first, second = column(step.first), column(step.second)
    if step.operation == "ratio":
        return {step.out: f"CASE WHEN {second} <> 0 THEN {first} / {second} ELSE {NULL} END"}
    return {step.out: f"({first} {_SIGNS[step.operation]} {second})"}


_WRITERS: Final[Mapping[type, Callable[[Any, Program, Column], dict[int, str]]]] = {
    Number: _number,
    Boolean: _boolean,
    Level: _level,
    Lookup: _lookup,
    Cross: _cross,
    Bins: _bins,
    Clip: _clip,
    Narrow: _narrow,
    Arithmetic: _arithmetic,
}
