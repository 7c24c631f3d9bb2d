"""What a person should know of a table before a model: findings, the most serious first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from automl.data.audit import Finding, class_findings, leak_findings
from automl.data.duplicates import duplicate_rows
from automl.data.schema import Drop, Kind, ParsedTable, Schema
from automl.insight.outliers import Outliers
from automl.insight.relations import SAME, Relations, natural_copies
from automl.insight.toward import Aim, Toward, number_text, score_alone
from automl.insight.view import Codes, Floats, View

# In the order in which they are told.
WARNINGS = (
    *("leak", "order", "personal", "duplicates", "contradictions", "imbalance", "rare_class"),
    *("outliers", "bad_cells"),
)
NOTES = ("missing", "copy", "redundant", "constant", "identifier")

_ORDERS_AUC, _ORDERS_R2 = 0.75, 0.4
_GOOD_AUC, _GOOD_R2 = 0.98, 0.97  # of one column, held out: better than honest ones are
_MANY_MISSING = 0.5
_LONGEST_NAME = 80
_NATURAL = 0.002  # copies that chance explains to this share are none


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, the most serious kinds first; very long names are cut in their texts."""
    findings = [_cut(finding) for finding in findings]
    rank = {kind: i for i, kind in enumerate((*WARNINGS, *NOTES))}
    return tuple(sorted(findings, key=lambda finding: rank[finding.kind]))


def _cut(finding: Finding) -> Finding:
    name = finding.column
    if name is None or len(name) <= _LONGEST_NAME:
        return finding
    short = f"{name[: _LONGEST_NAME - 1]}…"
    text = finding.text.replace(repr(name), repr(short))
    return replace(finding, text=text, hint=finding.hint.replace(name, short))


def about_columns(
    views: Sequence[View],
    outliers: Mapping[str, Outliers],
    same: Sequence[tuple[str, str]],
    relations: Relations | None,
) -> list[Finding]:
    """Findings that need no target."""
    found = [finding for view in views for finding in _about_one(view, outliers.get(view.name))]
    for name, other in same:
        text = f"Column {name!r} is equal to {other!r} in every row."
        found.append(Finding("copy", name, text, "fit leaves it out by itself."))
    told = {frozenset(pair) for pair in same}
    target = next((view.name for view in views if view.target), None)
    return found + _redundant(relations, told, target)


def _about_one(view: View, outliers: Outliers | None) -> list[Finding]:
    name = view.name
    found: list[Finding] = []
    if view.personal is not None:
        text = f"Column {name!r} looks like {view.personal.what} ({view.personal.evidence})."
        hint = "automl fit --drop-pii leaves such columns out."
        found.append(Finding("personal", name, text, hint))
    if outliers is not None:
        found.append(_outlying(view, outliers))
    if view.bad:
        text = f"Column {name!r} has {view.bad:,} cells that are not {view.kind}."
        found.append(Finding("bad_cells", name, text, "They count as missing; correct them."))
    if view.missing > _MANY_MISSING and view.column.drop is not Drop.EMPTY:
        text = f"Column {name!r} is missing in {view.missing:.1%} of the rows."
        hint = "It is used as it is; check whether the file writes missing cells in its own way."
        found.append(Finding("missing", name, text, hint))
    if view.column.drop in (Drop.EMPTY, Drop.CONSTANT) and not view.target:
        text = f"Column {name!r} says nothing: {view.column.reason}."
        found.append(Finding("constant", name, text, "fit leaves it out by itself."))
    if view.is_id and not view.target:
        text = f"Column {name!r} is {view.column.reason}."
        hint = f"fit leaves it out by itself; --column {name}=KIND would keep it."
        found.append(Finding("identifier", name, text, hint))
    return found


def _outlying(view: View, outliers: Outliers) -> Finding:
    many = "number lies" if outliers.n == 1 else "numbers lie"
    text = f"Column {view.name!r}: {outliers.n:,} {many} far from all others"
    hint = (
        "Check whether they are mistakes; trees bear them, a numeric target does not (--robust)."
    )
    if outliers.code is not None:
        code = f"{outliers.code:g}"
        text += f", most of them {code}"
        hint = f"If {code} means missing, pass --na-value {code}."
    return Finding("outliers", view.name, f"{text} (expected: {_span(view, outliers)}).", hint)


def _span(view: View, outliers: Outliers) -> str:
    values = view.values if view.whole is None else view.whole
    assert values is not None
    low, high = number_text(outliers.low), number_text(outliers.high)
    if np.nanmin(values) >= outliers.low:
        return f"at most {high}"
    return f"at least {low}" if np.nanmax(values) <= outliers.high else f"{low} to {high}"


def _redundant(
    relations: Relations | None, told: set[frozenset[str]], target: str | None
) -> list[Finding]:
    if relations is None:
        return []
    found: list[Finding] = []
    for i, j in relations.strongest():
        size = abs(relations.strength[i, j])
        a, b = relations.names[i], relations.names[j]
        if not size >= SAME or len(found) >= 10:
            break
        if frozenset((a, b)) not in told and target not in (a, b):
            text = f"Columns {a!r} and {b!r} say nearly the same"
            text += f" ({relations.measure(i, j)} {relations.strength[i, j]:.3f})."
            found.append(Finding("redundant", a, text, "One of them may be enough."))
    return found


def about_rows(frame: pd.DataFrame, views: Sequence[View], aim: Aim | None) -> list[Finding]:
    """Copies of rows, and copies with another target; identifiers do not count."""
    asked = [i for i, view in enumerate(views) if not view.target and not view.is_id]
    told = [views[i] for i in asked if views[i].varies]
    if not told:
        return []
    groups = np.asarray(duplicate_rows(frame.iloc[:, asked]), dtype=np.int64)
    n_rows, n_distinct = len(groups), int(groups.max()) + 1
    sizes = np.bincount(groups).astype(np.float64)
    pairs = float((sizes * (sizes - 1)).sum()) / 2
    if n_distinct == n_rows:
        return []
    expected = natural_copies(told) * n_rows * (n_rows - 1) / 2
    if expected > _NATURAL * pairs:
        return []
    found: list[Finding] = []
    if aim is None:
        extra, mixed = n_rows - n_distinct, 0
    else:
        extra, mixed = _copies(groups[aim.target.kept], aim.target.y)
    if extra:
        noun = "row repeats" if extra == 1 else "rows repeat"
        text = f"{extra:,} {noun} an earlier row in all columns ({extra / n_rows:.2%})."
        hint = "Remove them if they were written twice by mistake; fit keeps copies in one fold."
        found.append(Finding("duplicates", None, text, hint))
    if mixed:
        text = f"{mixed:,} rows equal another row in all columns, but have another target."
        hint = "No model can tell them apart: is a column missing, or a target wrong?"
        found.append(Finding("contradictions", None, text, hint))
    return found


def _copies(groups: Codes, y: Floats) -> tuple[int, int]:
    """Rows that repeat another with its target, and rows of groups with several targets."""
    _, label = np.unique(y, return_inverse=True)
    pairs = groups * (int(label.max()) + 1) + label
    distinct = np.unique(pairs)
    several = np.bincount(distinct // (int(label.max()) + 1), minlength=int(groups.max()) + 1) > 1
    return len(pairs) - len(distinct), int(several[groups].sum())


def about_target(
    views: Sequence[View], aim: Aim, toward: Sequence[Toward], seed: int
) -> list[Finding]:
    """Leaks, orders and unequal classes."""
    target = aim.target
    found = class_findings(target.y, target.classes) if target.task.is_classification else []
    leaks = _leaks(views, aim, seed)
    told = {finding.column for finding in leaks}
    good = _GOOD_AUC if aim.is_classes else _GOOD_R2
    name = "AUC" if aim.is_classes else "R²"
    ids = {view.name for view in views if view.is_id}
    for one in toward:
        if one.score is None or one.name in told:
            continue
        if one.name in ids:
            if one.score >= (_ORDERS_AUC if aim.is_classes else _ORDERS_R2):
                text = f"Identifier {one.name!r} orders the target ({name} {one.score:.3f} alone)."
                hint = "It tells how the table was put together; fit leaves it out by itself."
                leaks.append(Finding("leak", one.name, text, hint))
        elif one.score >= good:
            text = f"Column {one.name!r} alone predicts the target too well ({name} "
            text += f"{one.score:.4f} on rows held out)."
            hint = f"If it is not known at the time of prediction, use --drop {one.name}."
            leaks.append(Finding("leak", one.name, text, hint))
    return found + leaks + _row_order(aim, seed)


def _leaks(views: Sequence[View], aim: Aim, seed: int) -> list[Finding]:
    """Those that `automl fit` would warn of."""
    kept = ~np.isnan(aim.y)
    used = [view for view in views if not view.target and view.varies and not view.is_id]
    cells = {}
    for i, view in enumerate(used):
        whole = view.codes if view.codes is not None else view.values
        assert whole is not None
        cells[i] = whole[kept]
    if not cells:
        return []
    columns = tuple(
        # Texts are compared by their codes here, as the levels of categories are.
        view.column if view.codes is None else replace(view.column, kind=Kind.CATEGORICAL)
        for view in used
    )
    frame = pd.DataFrame(cells)
    return leak_findings(
        ParsedTable(int(kept.sum()), cells),  # type: ignore[arg-type]
        Schema(columns),
        aim.y[kept],
        duplicate_rows(frame),
        len(aim.target.classes),
        seed,
    )


def _row_order(aim: Aim, seed: int) -> list[Finding]:
    n = len(aim.y)
    score = score_alone([(np.arange(n, dtype=np.float64), False)], aim, seed)[0]
    if score is None or score < (_ORDERS_AUC if aim.is_classes else _ORDERS_R2):
        return []
    name = "AUC" if aim.is_classes else "R²"
    text = f"The rows are in an order that tells the target ({name} {score:.3f} by row number)."
    hint = "Folds are drawn at random; if the order is one of time, use --time-column."
    return [Finding("order", None, text, hint)]
