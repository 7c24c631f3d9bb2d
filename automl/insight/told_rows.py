"""Rows that are explained one by one: a few typical ones and those that were missed most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.insight.evidence import Evidence
from automl.model.explain import Explanation, cell_texts
from automl.task import Task

Floats = NDArray[np.float64]

_EACH = 3  # rows of a kind
_PARTS = 8  # contributions that are shown one by one
_PLACES = (0.1, 0.5, 0.9)  # of the predictions, where typical rows are taken


def told_rows(
    evidence: Evidence, explanation: Explanation, shown: Callable[[int, str], str]
) -> list[dict[str, Any]]:
    """Waterfalls of typical and of worst rows; shown(column, text): what may be told of a cell."""
    loss, certainty = _loss(evidence)
    typical = _typical(evidence, explanation, loss, certainty)
    worst = [row for row in np.argsort(-loss, kind="stable")[:_EACH].tolist() if loss[row] > 0]
    return [
        _told(evidence, explanation, row, why, shown)
        for why, rows in (("typical", typical), ("worst", worst))
        for row in rows
    ]


def _loss(evidence: Evidence) -> tuple[Floats, Floats]:
    """(how wrong, what was predicted) for each explained row."""
    y, prediction = evidence.y[evidence.explained], evidence.prediction[evidence.explained]
    if evidence.task is Task.BINARY:
        return np.abs(y - prediction), prediction
    if evidence.task is Task.MULTICLASS:
        rows = np.arange(len(y))
        return 1.0 - prediction[rows, y.astype(np.intp)], prediction.max(axis=1)
    return np.abs(y - prediction), prediction


def _typical(
    evidence: Evidence, explanation: Explanation, loss: Floats, certainty: Floats
) -> list[int]:
    """Rows of low, middle and high predictions, or of the most frequent classes.

    Of those, the rows whose loss is the median one or less, and so are told as they usually are.
    """
    usual = np.flatnonzero(loss <= np.median(loss))
    if explanation.predicted is None:
        ranked = usual[np.argsort(certainty[usual], kind="stable")]
        picked = [int(ranked[round(place * (len(ranked) - 1))]) for place in _PLACES]
        return list(dict.fromkeys(picked))
    predicted = explanation.predicted[usual]
    labels, counts = np.unique(predicted, return_counts=True)
    found = []
    for label in labels[np.argsort(-counts, kind="stable")][:_EACH].tolist():
        own = usual[predicted == label]
        ranked = own[np.argsort(certainty[own], kind="stable")]
        found.append(int(ranked[len(ranked) // 2]))
    return found


def _told(
    evidence: Evidence,
    explanation: Explanation,
    row: int,
    why: str,
    shown: Callable[[int, str], str],
) -> dict[str, Any]:
    output = 0 if explanation.predicted is None else int(explanation.predicted[row])
    values = explanation.cube[row, :, output]
    order = np.argsort(-np.abs(values), kind="stable")
    parts = []
    for i in order[:_PARTS].tolist():
        text = str(cell_texts(explanation.data.iloc[[row], i])[0])
        parts.append(
            {
                "column": explanation.columns[i],
                "value": shown(i, text),
                "contribution": float(values[i]),
            }
        )
    rest = order[_PARTS:]
    base, margin = explanation.base_values[row], explanation.margin[row]
    multi = explanation.predicted is not None
    return {
        "why": why,
        "row": int(evidence.rows[evidence.explained[row]]) + 1,
        **_outcome(evidence, row),
        "output": explanation.outputs[output],
        "base": float(base[output] if multi else base),
        "margin": float(margin[output] if multi else margin),
        "parts": parts,
        "rest": {"n": len(rest), "contribution": float(values[rest].sum())},
    }


def _outcome(evidence: Evidence, row: int) -> dict[str, Any]:
    """What was predicted, and what is true."""
    place = evidence.explained[row]
    y, prediction = evidence.y[place], evidence.prediction[place]
    if evidence.task is Task.REGRESSION:
        return {"predicted": float(prediction), "truth": float(y), "probability": None}
    code = int(evidence.codes[place])
    if evidence.task is Task.BINARY:
        probability = float(prediction if code else 1.0 - prediction)
    else:
        probability = float(prediction[code])
    return {
        "predicted": evidence.classes[code],
        "truth": evidence.classes[int(y)],
        "probability": probability,
    }
