"""Facts of the section Where it is wrong: the worst slices of rows, and the worst rows.

Slices are found on one half of the sampled rows and measured on the other: the worst of many
looks worse than it is on the rows that it was chosen by.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from automl.insight.evidence import Evidence, Facts
from automl.insight.losses import mean_of, row_losses, score_of
from automl.insight.segments import Segment, find_segments, places_of
from automl.task import Task

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MOST_ROWS = 20_000
_MOST_SEGMENTS = 5
_LEAST_ROWS, _LEAST_SHARE = 30, 0.02  # of a slice, in the half that finds it
_TIMES = 1.2  # the mean loss, from which on a slice is worth a person's time
_BY_CHANCE = 0.05  # how often a table without bad slices may show one
_HELD = 0.99  # quantile of the loss above which a single row counts as that
_WORST = 12


def facts(evidence: Evidence) -> Facts:
    """Slices with size, loss and score, and the rows with the highest loss, by number."""
    if not len(evidence.rows):
        return {}
    losses, name = row_losses(evidence)
    return {
        "loss": name,
        "metric": evidence.metric.name,
        "task": evidence.task.value,
        "classes": [one[:60] for one in evidence.classes[:2]],
        "rows": len(losses),
        "out_of_fold": evidence.fold is not None,
        "mean_loss": mean_of(losses)[0],
        "slices": _slices(evidence, losses),
        "worst": _worst_rows(evidence, losses),
    }


def _slices(evidence: Evidence, losses: Floats) -> Facts:
    """What was found on which rows, and how it did on the others."""
    n = min(len(evidence.sample), _MOST_ROWS)
    rows = np.asarray(evidence.sample[:n], dtype=np.int64)
    own = losses[rows]
    cells = evidence.cells.take(np.arange(n))
    known = np.zeros(n, dtype=bool)
    # The sample is in random order, or in that of the table.
    known[np.random.default_rng(0).permutation(n)[: n // 2]] = True
    found: list[Segment] = []
    # One row that is very wrong makes no slice.
    held = np.minimum(own, np.quantile(own[known], _HELD)) if known.any() else own
    if known.any():
        columns = places_of(cells, evidence.schema, held, known)
        least = max(_LEAST_ROWS, math.ceil(_LEAST_SHARE * int(known.sum())))
        found = find_segments(
            columns, held, known, least_rows=least, most=_MOST_SEGMENTS, times=_TIMES
        )
    rest = ~known
    proven = [one for one in found if _is_worse(held, one.inside, rest, _BY_CHANCE / len(found))]
    measured = np.flatnonzero(rest)
    entries = [_measured(evidence, rows, own, one, rest) for one in proven]
    return {
        "found_on": int(known.sum()),
        "measured_on": len(measured),
        "tried": len(found),
        "mean_loss": mean_of(own[measured]) if len(measured) else None,
        "score": score_of(evidence, rows[measured]) if len(measured) else None,
        "found": sorted(entries, key=lambda one: -one["extra"]),
    }


def _is_worse(losses: Floats, inside: Mask, rest: Mask, level: float) -> bool:
    """Whether the slice is worse than the other rows, among those that did not find it.

    Welch's test (1947), one-sided, with the normal tail; the slice's loss has to be `_TIMES` that
    of all as well.
    """
    own, others = losses[inside & rest], losses[~inside & rest]
    if len(own) < _LEAST_ROWS or len(others) < _LEAST_ROWS:
        return False
    if float(own.mean()) < _TIMES * float(losses[rest].mean()):
        return False
    spread = math.sqrt(own.var(ddof=1) / len(own) + others.var(ddof=1) / len(others))
    apart = float(own.mean() - others.mean())
    return spread == 0.0 or 0.5 * math.erfc(apart / spread / math.sqrt(2.0)) < level


def _measured(
    evidence: Evidence, rows: NDArray[np.int64], losses: Floats, one: Segment, rest: Mask
) -> Facts:
    inside = np.flatnonzero(one.inside & rest)
    own = rows[inside]
    mean, overall = mean_of(losses[inside]), float(losses[rest].mean())
    found: Facts = {
        "conditions": list(one.conditions),
        "rows": len(inside),
        "share": len(inside) / int(rest.sum()),
        "loss": mean,
        "times": mean[0] / overall if overall > 0.0 else None,
        # Of all loss, the share that would go if the slice were as good as the whole.
        "extra": (mean[0] - overall) * len(inside) / max(float(losses[rest].sum()), 1e-300),
        "score": score_of(evidence, own),
    }
    if evidence.task is not Task.MULTICLASS:
        found["actual"] = mean_of(evidence.y[own])[0]
        found["predicted"] = mean_of(evidence.prediction[own])[0]
        found["bias"] = mean_of(evidence.prediction[own] - evidence.y[own])
    return found


def _worst_rows(evidence: Evidence, losses: Floats) -> list[Facts]:
    """The rows with the highest loss; of their cells only the target's."""
    order = np.argsort(-losses, kind="stable")[:_WORST]
    found = []
    for i in order.tolist():
        entry: Facts = {"row": int(evidence.rows[i]) + 1, "loss": float(losses[i])}
        prediction = evidence.prediction[i]
        if evidence.task is Task.REGRESSION:
            entry |= {"actual": float(evidence.y[i]), "predicted": float(prediction)}
        else:
            true, called = int(evidence.y[i]), int(evidence.codes[i])
            shares = (
                np.array([1.0 - prediction, prediction])
                if evidence.task is Task.BINARY
                else prediction
            )
            entry |= {
                "actual": evidence.classes[true][:60],
                "predicted": evidence.classes[called][:60],
                "probability": float(shares[true]),
            }
        found.append(entry)
    return found
