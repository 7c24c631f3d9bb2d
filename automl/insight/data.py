"""Facts of the section Data: what was read, kinds, what was left out and why, findings."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl.data.schema import Column
from automl.insight.evidence import Evidence, Facts
from automl.insight.histogram import binned
from automl.insight.record import Record
from automl.task import Task

_MOST_COLUMNS = 500
_MOST_CLASSES = 60
_MOST_DROPPED = 200
_BARS, _TARGET_BARS = 20, 40
_LONGEST, _LABEL = 300, 80  # letters of a text, of a label
_TOPICS = ("data", "columns", "task", "folds")


def facts(record: Record, evidence: Evidence) -> Facts:
    """Nothing of it is a cell: shapes are drawn without the values that they are made of."""
    columns = evidence.schema.columns
    data = dict(record.facts.get("data") or {})
    kinds: dict[str, int] = {}
    for column in columns:
        if column.used:
            kinds[column.kind.value] = kinds.get(column.kind.value, 0) + 1
    used = [column for column in columns if column.used]
    dropped = [column for column in columns if not column.used]
    importance = {entry["column"]: entry["share"] for entry in record.importance}
    used.sort(key=lambda column: -importance.get(column.name, 0.0))
    return {
        "name": data.get("name"),
        "rows": data.get("n_rows"),
        "columns": len(columns),
        "used": len(used),
        "kinds": kinds,
        "target": _target(evidence),
        "shown": [_column(column, importance.get(column.name)) for column in used[:_MOST_COLUMNS]],
        "more": max(0, len(used) - _MOST_COLUMNS),
        "dropped": [
            [column.name, column.drop.value if column.drop else "", column.reason[:_LONGEST]]
            for column in dropped[:_MOST_DROPPED]
        ],
        "more_dropped": max(0, len(dropped) - _MOST_DROPPED),
        "notes": [
            {
                "text": str(entry["decision"])[:_LONGEST],
                "reason": str(entry["reason"])[:_LONGEST],
                "warning": bool(entry["warning"]),
            }
            for entry in record.ledger
            if entry["topic"] in _TOPICS and "is not used" not in entry["decision"]
        ],
    }


def _target(evidence: Evidence) -> dict[str, Any]:
    y, name = evidence.y, evidence.target
    if evidence.task is Task.REGRESSION:
        low, high = float(y.min()), float(y.max())
        quantiles = np.quantile(y, [0.0, 0.25, 0.5, 0.75, 1.0])
        return {
            "name": name,
            "counts": binned(y, low, high, _TARGET_BARS).astype(int).tolist(),
            "edges": [low, high],
            "quantiles": quantiles.tolist(),
            "mean": float(y.mean()),
        }
    found = np.bincount(y.astype(np.intp), minlength=len(evidence.classes))
    order = np.argsort(-found, kind="stable")
    return {
        "name": name,
        "classes": [[evidence.classes[i][:_LABEL], int(found[i])] for i in order[:_MOST_CLASSES]],
        "more": max(0, len(found) - _MOST_CLASSES),
        "rows": len(y),
    }


def _column(column: Column, share: float | None) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind.value,
        "missing": column.missing,
        "distinct": column.n_unique,
        "shape": _shape(column),
        "share": share,
    }


def _shape(column: Column) -> list[float]:
    """Heights 0..1: the density between quantiles, or the rows of the most frequent levels."""
    if column.counts:
        counts = np.asarray(column.counts[:_BARS], dtype=np.float64)
        return [round(float(height), 3) for height in counts / max(counts.max(), 1.0)]
    if len(column.bins) < 3:
        return []
    bins = np.asarray(column.bins, dtype=np.float64)
    if not np.isfinite(bins).all():
        return []
    low, high = bins[1], bins[-2]  # the outermost twentieths would squeeze all others
    if not high > low:
        low, high = bins[0], bins[-1]
    # Many quantiles instead of a density: values that many rows share stay what they are.
    values = np.interp(np.linspace(0.0, 1.0, 2001), np.linspace(0.0, 1.0, len(bins)), bins)
    inside = values[(values >= low) & (values <= high)]
    heights = binned(inside, low, high, _BARS)
    return [round(float(height), 3) for height in heights / max(heights.max(), 1)]
