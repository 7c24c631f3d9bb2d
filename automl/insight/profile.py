"""The profile of a table: its columns, how they go together, what is missing or looks wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from automl.cores import over_columns
from automl.data.audit import Finding
from automl.data.schema import Kind
from automl.data.target import Target
from automl.insight.findings import WARNINGS, about_columns, about_rows, about_target, ordered
from automl.insight.holes import Holes, find_holes
from automl.insight.outliers import Outliers, find_outliers, number_facts
from automl.insight.relations import Relations, relate, twins
from automl.insight.scatter import Scatter, scatters
from automl.insight.shapes import Shape, shape_of
from automl.insight.toward import Aim, Toward, relate_to_target
from automl.insight.view import Codes, View, day_text, look_at, samples

# Rows that kinds, distributions of text and relations are found on; the rest is counted only.
SAMPLE_ROWS = 100_000


@dataclass(frozen=True)
class ColumnProfile:
    """What is known of one column; cells as `samples` show them are masked.

    facts: minimum, quantiles, mean and standard deviation of numbers; first and last date.
    use: None if `automl fit` would use it, else why not.
    """

    name: str
    kind: str
    is_target: bool
    reason: str
    use: str | None
    missing: float
    distinct: int
    all_distinct: bool
    personal: str | None
    samples: tuple[str, ...]
    facts: Mapping[str, Any]
    shape: Shape | None
    outliers: Outliers | None


@dataclass(frozen=True)
class Profile:
    """A table, before any model.

    n_rows: all rows.  n_seen: rows looked at where not all were.  notes: what was read and how.
    toward: strongest column first; () without a target.
    """

    name: str
    n_rows: int
    n_seen: int
    notes: tuple[str, ...]
    columns: tuple[ColumnProfile, ...]
    findings: tuple[Finding, ...]
    relations: Relations | None
    holes: Holes | None
    target: Target | None
    toward: tuple[Toward, ...]
    outcomes: tuple[str, ...]
    overall: tuple[float, ...]
    scatters: tuple[Scatter, ...]

    @property
    def n_warnings(self) -> int:
        return sum(finding.kind in WARNINGS for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The whole profile but the points of its scatter plots, as JSON values."""
        target = self.target
        relations = None if self.relations is None else _relations_json(self.relations)
        facts: dict[str, Any] = {
            "name": self.name,
            "rows": self.n_rows,
            "rows_looked_at": self.n_seen,
            "notes": list(self.notes),
            "findings": [
                {"level": "warning" if finding.kind in WARNINGS else "note", **asdict(finding)}
                for finding in self.findings
            ],
            "columns": [asdict(column) for column in self.columns],
            "relations": relations,
            "missing": None if self.holes is None else asdict(self.holes),
        }
        if target is not None:
            facts["target"] = {
                "name": target.name,
                "task": target.task.value,
                "classes": list(target.classes),
                "missing": target.n_missing,
                "reason": target.reason,
                "outcomes": list(self.outcomes),
                "overall": list(self.overall),
                "columns": [asdict(one) for one in self.toward],
            }
        return facts


def profile_table(
    frame: pd.DataFrame,
    *,
    name: str,
    headers: Mapping[str, str],
    target: Target | None,
    notes: Sequence[str],
    seed: int,
) -> Profile:
    """The profile of `frame`, whose column names are unique texts.

    target: of the column of that name, as `infer_target` found it.
    Beyond 100,000 rows, kinds, texts, distinct values and relations are those of that many random
    rows; rows, missing cells, plain numbers, copies and classes are counted in all.
    """
    rows = _sample(len(frame), seed)
    named = None if target is None else target.name
    views = look_at(frame, rows, headers=headers, target=named)
    outliers = _outliers(views)
    relations = relate(views, seed)
    same = twins(frame, views)
    findings = about_columns(views, outliers, same, relations)
    aim = None if target is None else _aim(target, rows)
    findings += about_rows(frame, views, aim)
    toward: list[Toward] = []
    if aim is not None:
        toward = relate_to_target(views, aim, seed)
        findings += about_target(views, aim, toward, seed)
    return Profile(
        name=name,
        n_rows=len(frame),
        n_seen=len(frame) if rows is None else len(rows),
        notes=tuple(notes),
        columns=tuple(
            over_columns(
                lambda view: _column(view, outliers.get(view.name), same), views, n_rows=len(frame)
            )
        ),
        findings=ordered(findings),
        relations=relations,
        holes=find_holes(frame, views),
        target=target,
        toward=tuple(toward),
        outcomes=() if aim is None else aim.names,
        overall=() if aim is None else tuple(np.nanmean(aim.outcomes(), axis=0).tolist()),
        scatters=scatters(views, toward, aim, relations, seed),
    )


def _sample(n_rows: int, seed: int) -> Codes | None:
    if n_rows <= SAMPLE_ROWS:
        return None
    return np.sort(np.random.default_rng([seed, 5]).choice(n_rows, SAMPLE_ROWS, replace=False))


def _aim(target: Target, rows: Codes | None) -> Aim:
    y = np.full(len(target.kept), np.nan)
    y[target.kept] = target.y
    return Aim(target, y if rows is None else y[rows])


def _outliers(views: Sequence[View]) -> dict[str, Outliers]:
    found = {
        view.name: find_outliers(view.present)
        for view in views
        if view.kind is Kind.NUMERIC and view.values is not None and not view.is_id
    }
    return {name: one for name, one in found.items() if one is not None}


def _column(
    view: View, outliers: Outliers | None, same: Sequence[tuple[str, str]]
) -> ColumnProfile:
    twin = dict(same).get(view.name)
    use = None if view.column.drop is None else str(view.column.drop)
    return ColumnProfile(
        name=view.name,
        kind=view.kind.value,
        is_target=view.target,
        reason=view.column.reason,
        use=f"equal to {twin!r}" if use is None and twin is not None else use,
        missing=view.missing,
        distinct=view.distinct,
        all_distinct=view.all_distinct,
        personal=None if view.personal is None else view.personal.what,
        samples=samples(view),
        facts=_facts(view),
        shape=shape_of(view, outliers),
        outliers=outliers,
    )


def _facts(view: View) -> dict[str, Any]:
    if view.values is None or view.personal is not None or view.kind is Kind.BOOLEAN or view.is_id:
        return {}
    values = view.present
    if not len(values):
        return {}
    if view.kind is Kind.DATETIME:
        return {"first": day_text(values.min()), "last": day_text(values.max())}
    return number_facts(values)


def _relations_json(relations: Relations) -> dict[str, Any]:
    pairs = []
    for i, j in relations.strongest()[:200]:
        strength = float(relations.strength[i, j])
        if np.isnan(strength):
            continue
        pair = {"a": relations.names[i], "b": relations.names[j], "value": strength}
        pair["measure"] = relations.measure(i, j)
        if not np.isnan(relations.pearson[i, j]):
            pair["pearson"] = float(relations.pearson[i, j])
        pairs.append(pair)
    return {"rows": relations.n_rows, "columns_left_out": relations.left_out, "pairs": pairs}
