"""Typed rows to answers: predictions, intervals, sets, reasons, explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import ParsedTable
from automl.features.matrix import Matrix
from automl.model.predictor import Predictor
from automl.serve.cells import Cell, array_of
from automl.serve.rows import Rows
from automl.task import Task

Floats = NDArray[np.float64]
_LONGEST_VALUE = 500  # characters of a cell in an explanation


@dataclass(frozen=True)
class Asked:
    """What an answer holds beyond the prediction. reasons: how many columns; explain: all."""

    interval: float | None = None
    sets: float | None = None
    reasons: int = 0
    explain: bool = False

    @property
    def explains(self) -> bool:
        """Whether contributions are computed, which takes far longer than a prediction."""
        return self.explain or self.reasons > 0


PLAIN = Asked()


def parsed_table(predictor: Predictor, parts: Sequence[Rows]) -> ParsedTable:
    """The rows of several requests, one after the other."""
    if len(parts) == 1 and parts[0].parsed is not None:
        return parts[0].parsed
    values: dict[int, Any] = {}
    for j, i in enumerate(predictor.schema.used):
        if len(parts) == 1:
            cells = parts[0].typed[j]
        else:
            cells = [cell for part in parts for cell in part.typed[j]]
        values[i] = array_of(predictor.schema.columns[i], cells)
    return ParsedTable(sum(part.n for part in parts), values)


def answered(
    predictor: Predictor, parsed: ParsedTable, parts: Sequence[Rows], asked: Asked
) -> list[dict[str, Any]]:
    """One JSON object per row of `parsed`. parts: the same rows, for the cells as given."""
    matrix = predictor.preprocessor.transform(parsed)
    margin = predictor.margin_of(matrix)
    if asked.explain:
        return _explained(predictor, matrix, margin, parts)
    answers = _predicted(predictor, margin)
    if asked.interval is not None:
        ends = predictor.interval(matrix, asked.interval)
        for answer, low, high in zip(answers, *(end.tolist() for end in ends), strict=True):
            answer["interval"] = [_number(low), _number(high)]
    if asked.sets is not None:
        inside = predictor.prediction_sets(matrix, asked.sets)
        order = np.argsort(-predictor.link.probabilities(margin), axis=1, kind="stable")
        for answer, ranked, held in zip(answers, order, inside, strict=True):
            answer["set"] = [predictor.classes[j] for j in ranked if held[j]]
    if asked.reasons:
        values, _ = predictor.contributions_of(matrix)
        own = values[np.arange(len(answers)), :, _explained_output(predictor, margin)]
        for row, answer in enumerate(answers):
            answer["reasons"] = _contributions(
                predictor, own[row], _cells_at(parts, row), asked.reasons
            )
    return answers


def _predicted(predictor: Predictor, margin: Floats) -> list[dict[str, Any]]:
    if not predictor.task.is_classification:
        values = predictor.link.values(margin).tolist()
        return [{"prediction": _number(value)} for value in values]
    proba = predictor.link.probabilities(margin)
    labels, classes = predictor.labels(proba).tolist(), predictor.classes
    return [
        {
            "prediction": label,
            "probabilities": dict(zip(classes, map(_number, shares), strict=True)),
        }
        for label, shares in zip(labels, proba.tolist(), strict=True)
    ]


def _explained_output(predictor: Predictor, margin: Floats) -> NDArray[np.intp]:
    """(n,) index of the output that reasons speak for: the predicted class, or the only one."""
    if predictor.task is not Task.MULTICLASS:
        return np.zeros(len(margin), dtype=np.intp)
    return np.asarray(predictor.link.probabilities(margin).argmax(axis=1), dtype=np.intp)


def _explained(
    predictor: Predictor, matrix: Matrix, margin: Floats, parts: Sequence[Rows]
) -> list[dict[str, Any]]:
    values, base = predictor.contributions_of(matrix)
    own = _explained_output(predictor, margin)
    answers = _predicted(predictor, margin)
    for row, answer in enumerate(answers):
        cells = _cells_at(parts, row)

        def side(k: int, row: int = row, cells: list[Cell] = cells) -> dict[str, Any]:
            return {
                "base_value": _number(base[k]),
                "margin": _number(margin[row, k]),
                "contributions": _contributions(predictor, values[row, :, k], cells, None),
            }

        answer |= side(int(own[row]))
        if predictor.task is Task.MULTICLASS:
            answer["classes"] = [
                {"class": label, **side(k)} for k, label in enumerate(predictor.classes)
            ]
    return answers


def _contributions(
    predictor: Predictor, contributions: Floats, cells: Sequence[Cell], top: int | None
) -> list[dict[str, Any]]:
    """Columns by falling size of their contribution."""
    order = np.argsort(-np.abs(contributions), kind="stable")[:top]
    names = predictor.columns
    return [
        {
            "column": names[j],
            "value": _shown(cells[j]),
            "contribution": _number(contributions[j]),
        }
        for j in order.tolist()
    ]


def _cells_at(parts: Sequence[Rows], row: int) -> list[Cell]:
    for part in parts:
        if row < part.n:
            return [column[row] for column in part.given]
        row -= part.n
    raise IndexError(row)


def _shown(cell: Any) -> Cell:
    if isinstance(cell, float) and not isfinite(cell):
        return None
    if isinstance(cell, str) and len(cell) > _LONGEST_VALUE:
        return f"{cell[:_LONGEST_VALUE]}…"
    return cell if isinstance(cell, (str, int, float, bool)) else None


def _number(value: float) -> float | None:
    """A number that JSON can hold."""
    value = float(value)
    return value if isfinite(value) else None
