"""A model of several classes: who is taken for whom, every class by itself, calibration."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from automl.insight.evidence import Evidence, Facts, Floats
from automl.insight.reliability import reliability
from automl.insight.rounding import all_rounded, rounded
from automl.metrics._confusion import confusion_matrix, per_class
from automl.metrics.classification import roc_auc

MOST_CLASSES = 100  # of the matrix; the others are one
MOST_LISTED = 300  # of the table
_MOST_PAIRS = 15
LONGEST = 80  # letters of a label; more are never shown
_AUC_CELLS = 600_000


def class_facts(evidence: Evidence, *, seed: int) -> Facts:
    """Confusion matrix of the 100 largest classes, the pairs most confused, a row per class."""
    k = len(evidence.classes)
    names = tuple(name[:LONGEST] for name in evidence.classes)
    codes = evidence.codes.astype(np.float64)
    matrix = confusion_matrix(evidence.y, codes, k, evidence.weight)
    by_size = np.argsort(-matrix.sum(axis=1), kind="stable")
    right = (codes == evidence.y).astype(np.float64)
    top = np.clip(evidence.prediction.max(axis=1), 0.0, 1.0)
    found = reliability(right, top, evidence.weight, seed=seed)
    return {
        "n_classes": k,
        "confusion": _confusion(matrix, by_size, names),
        "pairs": _pairs(matrix, names),
        "per_class": _per_class(evidence, matrix, by_size, seed),
        "calibration": {
            name: all_rounded(value) if isinstance(value, tuple) else rounded(value)
            for name, value in asdict(found).items()
        },
    }


def _confusion(matrix: Floats, by_size: NDArray[np.intp], classes: tuple[str, ...]) -> Facts:
    """Labels and cells; classes keep their order, those that have no place are one last one."""
    k = len(classes)
    shown = np.sort(by_size[:MOST_CLASSES])
    rest = np.setdiff1d(np.arange(k), shown)
    labels = [classes[i] for i in shown]
    cells = matrix[np.ix_(shown, shown)]
    if len(rest):
        cells = np.block(
            [
                [cells, matrix[np.ix_(shown, rest)].sum(axis=1, keepdims=True)],
                [matrix[np.ix_(rest, shown)].sum(axis=0, keepdims=True), np.zeros((1, 1))],
            ]
        )
        cells[-1, -1] = matrix[np.ix_(rest, rest)].sum()
    return {
        "labels": labels,
        "others": len(rest),
        "cells": [all_rounded(row, 6) for row in cells],
    }


def _pairs(matrix: Floats, classes: tuple[str, ...]) -> list[Facts]:
    """The most frequent mistakes, with their share of the rows of the true class."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0.0)
    support = matrix.sum(axis=1)
    found = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]:
        true, said = np.unravel_index(place, wrong.shape)
        if wrong[true, said] <= 0:
            break
        found.append(
            {
                "true": classes[true],
                "predicted": classes[said],
                "rows": rounded(float(wrong[true, said]), 6),
                "share": rounded(float(wrong[true, said] / support[true])),
            }
        )
    return found


def _per_class(
    evidence: Evidence, matrix: Floats, by_size: NDArray[np.intp], seed: int
) -> list[Facts]:
    rows = per_class(matrix)
    listed = np.sort(by_size[:MOST_LISTED])
    auc = _one_against_rest(evidence, listed, seed)
    return [
        {
            "name": evidence.classes[i][:LONGEST],
            "auc": auc[j],
            **{name: rounded(value) for name, value in asdict(rows[i]).items()},
        }
        for j, i in enumerate(listed)
    ]


def _one_against_rest(
    evidence: Evidence, classes: NDArray[np.intp], seed: int
) -> list[float | None]:
    """AUC of each class's probability; None for one that has no rows, or all."""
    y, proba, weight = evidence.y, evidence.prediction, evidence.weight
    most = max(_AUC_CELLS // len(classes), 1000)
    if len(y) > most:
        some = np.sort(np.random.default_rng(seed).choice(len(y), most, replace=False))
        y, proba, weight = y[some], proba[some], None if weight is None else weight[some]
    found: list[float | None] = []
    for i in classes:
        found.append(rounded(roc_auc((y == i).astype(np.float64), proba[:, i], weight)))
    return found
