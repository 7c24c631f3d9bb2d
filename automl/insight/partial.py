"""Partial dependence and individual lines: what the model says when one column is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import Column, Kind, ParsedTable
from automl.insight.evidence import Evidence
from automl.insight.toward import number_text
from automl.insight.view import day_text
from automl.task import Task

Floats = NDArray[np.float64]

_COLUMNS, _ROWS, _LINES = 4, 60, 15
_STEPS, _LEVELS = 10, 8


def partial_dependence(
    evidence: Evidence,
    order: Sequence[int],
    hidden: Callable[[int], bool],
    predict: Callable[[ParsedTable], Floats],
    seed: int,
) -> list[dict[str, Any]]:
    """Mean and single predictions of some rows with each of a column's values in turn.

    order: positions of the columns among the used ones, the strongest first.  hidden: whether a
    column's cells must not be shown; such columns are left out.  predict: what the model predicts
    of typed cells, as `Evidence.prediction` has it.
    Sources: partial dependence, Friedman 2001; individual conditional expectation, Goldstein,
    Kapelner, Bleich and Pitkin 2015.
    """
    used = evidence.schema.used
    chosen = np.random.default_rng(seed).permutation(evidence.cells.n_rows)[:_ROWS]
    cells = evidence.cells.take(chosen)
    output = _output(evidence)
    found: list[dict[str, Any]] = []
    for position in order:
        column = evidence.schema.columns[used[position]]
        if len(found) == _COLUMNS:
            break
        if column.kind is Kind.TEXT or hidden(position):
            continue
        grid, labels = _grid(column, np.asarray(cells.values[used[position]]))
        if len(grid) < 2:
            continue
        lines = _predicted(cells, used[position], grid, predict, output)
        found.append(
            {
                "column": column.name,
                "kind": column.kind.value,
                "output": evidence.classes[output] if evidence.classes else "prediction",
                "n_rows": len(chosen),
                "x": [float(value) for value in grid],
                "labels": labels,
                "mean": [float(f"{value:.6g}") for value in lines.mean(axis=0)],
                "lines": [[float(f"{v:.5g}") for v in line] for line in lines[:_LINES]],
            }
        )
    return found


def _output(evidence: Evidence) -> int:
    """The class that is drawn: the positive one, or the most frequent."""
    if evidence.task is Task.BINARY:
        return 1
    if evidence.task is Task.MULTICLASS:
        return int(np.bincount(evidence.y.astype(np.intp)).argmax())
    return 0


def _grid(column: Column, values: Any) -> tuple[Floats, list[str]]:
    """Typed values that the column takes in turn, and their texts."""
    if column.kind in (Kind.NUMERIC, Kind.DATETIME):
        known = values[np.isfinite(values)]
        if not len(known):
            return np.empty(0), []
        grid = np.unique(np.quantile(known, np.linspace(0.05, 0.95, _STEPS), method="nearest"))
        write = day_text if column.kind is Kind.DATETIME else number_text
        return grid, [write(float(value)) for value in grid]
    n = min(len(column.levels), _LEVELS)
    return np.arange(n, dtype=np.float64), list(column.levels[:n])


def _predicted(
    cells: ParsedTable,
    index: int,
    grid: Floats,
    predict: Callable[[ParsedTable], Floats],
    output: int,
) -> Floats:
    """(rows, values) predictions, all asked for at once."""
    n = cells.n_rows
    repeated = cells.take(np.tile(np.arange(n), len(grid)))
    column = np.repeat(grid, n).astype(np.asarray(cells.values[index]).dtype)
    changed = ParsedTable(repeated.n_rows, {**repeated.values, index: column})
    prediction = predict(changed)
    own = prediction[:, output] if prediction.ndim == 2 else prediction
    return np.asarray(own.reshape(len(grid), n).T)
