"""The section Explanation: what moves the predictions, overall, by value, together, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.cells import read_cells
from automl.data.personal import find_personal
from automl.data.schema import Kind
from automl.insight.contributions import (
    OTHER_BINS,
    bins_of,
    dependence,
    explained_spread,
    heights,
    rounded,
    within,
)
from automl.insight.evidence import Evidence, Facts
from automl.insight.partial import partial_dependence
from automl.insight.people import personal_of
from automl.insight.told_rows import told_rows
from automl.model.cells import NUMBERS
from automl.model.explain import Explanation, Importance
from automl.task import Task

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

_BARS = 20  # columns of the importance
_SWARM_COLUMNS, _SWARM_ROWS = 10, 220
_DEPENDENCES, _POINTS = 6, 350
_TOGETHER, _PAIRS = 8, 8  # columns whose pairs are looked at, and pairs shown
_LEAST_SHARE = 0.03  # of a column's spread, for a pair to be shown
_TABLE_CLASSES, _TABLE_COLUMNS = 60, 10
_LABEL = 80  # letters of a class
_MASKED_KINDS = (Kind.TEXT,)  # free text may hold anything


def facts(evidence: Evidence, seed: int = 0) -> Facts:
    """What the page shows of the explanation; empty where no row is explained.

    seed: of the rows that are drawn. Partial dependence is there where the model can be asked.
    """
    explanation = evidence.explanation
    if explanation is None or not len(explanation.values) or not explanation.columns:
        return {}
    importance = explanation.global_importance()
    hidden = _Hidden(evidence, explanation)
    order = [int(i) for i in importance.order]
    pairs = _pairs(explanation, importance, order[:_TOGETHER], hidden)
    found: Facts = {
        "n_rows": len(explanation.values),
        "of_rows": len(evidence.rows),
        "out_of_fold": evidence.fold is not None,
        "task": evidence.task.value,
        "target": evidence.target,
        "unit": _unit(evidence, explanation),
        "n_columns": len(explanation.columns),
        "columns": _bars(explanation, importance, order[:_BARS]),
        "rest": _rest(importance, order[_BARS:]),
        "classes": _by_class(importance, order[:_TABLE_COLUMNS]),
        "swarm": _swarm(explanation, order[:_SWARM_COLUMNS], hidden, seed),
        "dependence": _dependences(explanation, importance, order, hidden, pairs, seed),
        "pairs": pairs,
        "rows": told_rows(evidence, explanation, hidden.cell),
    }
    if evidence.predict is not None:
        found["partial"] = partial_dependence(
            evidence, order, hidden.column, evidence.predict, seed
        )
    return found


class _Hidden:
    """Which columns' cells a page must not show."""

    def __init__(self, evidence: Evidence, explanation: Explanation) -> None:
        self._evidence = evidence
        self._explanation = explanation
        self._known: dict[int, bool] = {}

    def column(self, column: int) -> bool:
        """Whether its cells tell of persons, or are free text."""
        if column not in self._known:
            kind = self._explanation.kinds[column]
            self._known[column] = kind in _MASKED_KINDS or self._tells(column, kind)
        return self._known[column]

    def _tells(self, column: int, kind: Kind) -> bool:
        """By what training knew of the column, or by the cells that would be shown."""
        if personal_of(self._evidence, self._evidence.schema.used[column]) is not None:
            return True
        told = read_cells(self._explanation.data.iloc[:, column])
        return find_personal(self._explanation.columns[column], told, kind) is not None

    def cell(self, column: int, text: str) -> str:
        """What is shown of a cell."""
        if text == "":
            return "missing"
        return "•••" if self.column(column) else text


def _unit(evidence: Evidence, explanation: Explanation) -> str:
    """What a contribution is measured in."""
    if evidence.task is Task.BINARY:
        return f"log-odds of '{evidence.classes[1][:40]}'"
    if evidence.task is Task.MULTICLASS:
        return "raw score of a class"
    prediction = evidence.prediction[evidence.explained]
    away = np.abs(explanation.margin - prediction)
    plain = float(np.median(away)) <= 0.02 * float(np.std(prediction) or 1.0)
    return f"units of '{evidence.target[:40]}'" if plain else "the transformed target's units"


def _bars(
    explanation: Explanation, importance: Importance, columns: Sequence[int]
) -> list[dict[str, Any]]:
    total = importance.total
    whole = float(total.sum()) or 1.0
    single = len(importance.outputs) == 1
    return [
        {
            "column": explanation.columns[i],
            "importance": float(total[i]),
            "share": float(total[i]) / whole,
            "correlation": _known(importance.correlation[i, 0]) if single else None,
        }
        for i in columns
    ]


def _known(value: np.floating[Any]) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)


def _rest(importance: Importance, columns: Sequence[int]) -> dict[str, Any]:
    total = importance.total
    part = float(total[list(columns)].sum()) if columns else 0.0
    return {"n": len(columns), "importance": part, "share": part / (float(total.sum()) or 1.0)}


def _by_class(importance: Importance, columns: Sequence[int]) -> dict[str, Any] | None:
    """Mean absolute contribution of the top columns to each class; None with one output."""
    if len(importance.outputs) == 1:
        return None
    by_class = importance.mean_abs.sum(axis=0)
    chosen = np.sort(np.argsort(-by_class, kind="stable")[:_TABLE_CLASSES])
    return {
        "columns": [importance.columns[i] for i in columns],
        "classes": [importance.outputs[j][:_LABEL] for j in chosen],
        "values": [rounded(importance.mean_abs[list(columns), j]) for j in chosen],
        "left_out": len(importance.outputs) - len(chosen),
    }


def own_values(explanation: Explanation) -> Floats:
    """(n, c) contributions to the only output, or to each row's predicted class."""
    cube = explanation.cube
    if explanation.predicted is None:
        return np.asarray(cube[:, :, 0])
    return np.asarray(cube[np.arange(len(cube)), :, explanation.predicted])


def _drawn(n_rows: int, most: int, seed: int) -> Codes:
    return np.sort(np.random.default_rng(seed).permutation(n_rows)[:most]).astype(np.intp)


def _swarm(
    explanation: Explanation, columns: Sequence[int], hidden: _Hidden, seed: int
) -> list[dict[str, Any]]:
    rows = _drawn(len(explanation.values), _SWARM_ROWS, seed)
    values = own_values(explanation)[rows]
    return [
        {
            "column": explanation.columns[i],
            "x": rounded(values[:, i]),
            "height": [None] * len(rows) if hidden.column(i) else heights(explanation, i, rows),
        }
        for i in columns
    ]


def _pairs(
    explanation: Explanation, importance: Importance, columns: Sequence[int], hidden: _Hidden
) -> list[dict[str, Any]]:
    """Pairs of columns by how much the second spreads the first's contributions.

    Source: the vertical spread of dependence plots as the sign of interactions, Lundberg et al.,
    From local explanations to global understanding with explainable AI for trees, 2020; measured
    here as the part of the variance within bins of the column that bins of the other explain.
    """
    found: dict[tuple[int, int], list[tuple[float, float]]] = {}
    others = {j: bins_of(explanation, j, OTHER_BINS, masked=True).codes for j in columns}
    for i in columns:
        left, own = within(explanation, i, _output(importance, i))
        for j in columns:
            if j == i:
                continue
            pair = (min(i, j), max(i, j))
            found.setdefault(pair, []).append(explained_spread(left, own, others[j]))
    pairs = []
    for (a, b), both in found.items():
        spread, share = max(s for s, _ in both), max(s for _, s in both)
        if share >= _LEAST_SHARE:
            pairs.append(
                {
                    "a": explanation.columns[a],
                    "b": explanation.columns[b],
                    "spread": spread,
                    "share": share,
                    "columns": [a, b],
                }
            )
    pairs.sort(key=lambda pair: (-float(str(pair["spread"])), str(pair["columns"])))
    return pairs[:_PAIRS]


def _output(importance: Importance, column: int) -> int:
    """The output that the column moves most."""
    return int(importance.mean_abs[column].argmax())


def _dependences(  # noqa: PLR0913 - the explanation, what is known of it, and what is drawn
    explanation: Explanation,
    importance: Importance,
    order: Sequence[int],
    hidden: _Hidden,
    pairs: Sequence[dict[str, Any]],
    seed: int,
) -> list[dict[str, Any]]:
    rows = _drawn(len(explanation.values), _POINTS, seed)
    found: list[dict[str, Any]] = []
    for i in order:
        if len(found) == _DEPENDENCES or importance.total[i] <= 0:
            break
        if explanation.kinds[i] is Kind.TEXT:
            continue
        plot = dependence(
            explanation, i, _output(importance, i), masked=hidden.column(i), rows=rows
        )
        partner = _partner(explanation, i, pairs, hidden)
        if plot["points"] is not None:
            drawn = np.asarray(plot["points"].pop("rows"), dtype=np.intp)
            if partner is not None:
                plot["points"]["by"] = explanation.columns[partner]
                plot["points"]["height"] = heights(explanation, partner, drawn)
        found.append(plot)
    return found


def _partner(
    explanation: Explanation, column: int, pairs: Sequence[dict[str, Any]], hidden: _Hidden
) -> int | None:
    """The column of numbers that interacts most with this one and may be shown by colour."""
    for pair in pairs:
        if column in pair["columns"]:
            other = next(j for j in pair["columns"] if j != column)
            if explanation.kinds[other] in NUMBERS and not hidden.column(other):
                return int(other)
    return None
