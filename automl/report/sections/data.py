"""The section Data: what was read, the target, each column's shape, what was left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automl.insight.evidence import Facts
from automl.report.page import card, cell, facts, row, shown, table
from automl.report.sections.result import number
from automl.report.svg import fitted, svg

NAME, TITLE = "data", "Data"

_OPEN = 12  # columns shown at once; the others unfold
_LINE = 20
STYLE = """
.data .facts dd { font-size: 1.2rem; overflow-wrap: anywhere; }
svg.spark { width: 110px; height: 22px; margin: 0; display: inline-block; vertical-align: middle; }
ul.notes { list-style: none; margin: 0; padding: 0; }
ul.notes li { padding: .5rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
ul.notes li:last-child { border-bottom: 0; } ul.notes p { margin: 0; }
td.wrap { white-space: normal; text-align: left; min-width: 14rem; overflow-wrap: anywhere; }
td.name { max-width: 16rem; overflow: hidden; text-overflow: ellipsis; }
"""


def html(facts_: Facts) -> str:
    """Figures, the target, the columns by importance, what was left out, notes and findings."""
    parts = [_figures(facts_), _notes(facts_["notes"]), _target(facts_["target"])]
    parts += [_columns(facts_), _dropped(facts_)]
    return "".join(parts)


def _figures(found: Facts) -> str:
    return facts(
        [
            ("table", shown_name(found["name"])),
            ("rows", f"{found['rows']:,}" if found["rows"] is not None else ""),
            ("columns", f"{found['columns']:,}"),
            ("used", f"{found['used']:,}"),
            *((str(kind), f"{count:,}") for kind, count in found["kinds"].items()),
        ]
    )


def shown_name(name: object) -> str:
    return "" if name is None else str(name)[:40]


def _notes(notes: Sequence[Any]) -> str:
    findings = [one for one in notes if one["warning"]]
    others = [one for one in notes if not one["warning"]]
    body = _list(findings, warn=True) or '<p class="hint">Nothing looks wrong.</p>'
    rest = (
        f"<details><summary>How it was read</summary>{_list(others)}</details>" if others else ""
    )
    return card("Findings", "", body + rest)


def _list(notes: Sequence[Any], *, warn: bool = False) -> str:
    badge = '<span class="badge warn">warning</span> ' if warn else ""
    items = "".join(
        f"<li><p>{badge}{shown(one['text'], 400)}</p>"
        + (f'<p class="hint">{shown(one["reason"], 400)}</p>' if one["reason"] else "")
        + "</li>"
        for one in notes
    )
    return f'<ul class="notes">{items}</ul>' if items else ""


def _target(target: Facts) -> str:
    title = f"Target: {str(target['name'])[:60]}"
    if "classes" not in target:
        low, high = target["edges"]
        five = target["quantiles"]
        hint = f"median {number(five[2])}, half of the rows between {number(five[1])} and "
        hint += f"{number(five[3])}, mean {number(target['mean'])}"
        return card(title, hint, _histogram(target["counts"], low, high))
    classes = target["classes"]
    hint = f"{len(classes) + target['more']:,} classes"
    if len(classes) >= 2:
        first, last = classes[0][1], classes[-1][1]
        hint += f", the largest with {first:,} rows, the smallest shown with {last:,}"
    return card(title, hint, _bars(classes, target["rows"], target["more"]))


def _histogram(counts: Sequence[int], low: float, high: float) -> str:
    width, base = 520, 110
    most = max(counts) or 1
    step = (width - 12) / max(1, len(counts))
    parts = [
        f'<rect class="c0" x="{6 + i * step:.1f}" y="{base - max(98 * n / most, 1.5):.1f}" '
        f'width="{max(step - 1, 1):.1f}" height="{max(98 * n / most, 1.5):.1f}">'
        f"<title>{n:,} rows</title></rect>"
        for i, n in enumerate(counts)
        if n
    ]
    parts.append(f'<line class="row" x1="6" x2="{width - 6}" y1="{base}" y2="{base}"/>')
    parts.append(f'<text x="6" y="{base + 18}">{number(low)}</text>')
    parts.append(f'<text class="end" x="{width - 6}" y="{base + 18}">{number(high)}</text>')
    return svg(parts, width, base + 24, "Distribution of the target", "mid")


def _bars(classes: Sequence[Any], n_rows: int, more: int) -> str:
    most = max((n for _, n in classes), default=1) or 1
    parts = []
    for i, (name, n) in enumerate(classes):
        y, width = _LINE * i, max(130 * n / most, 1.5)
        share = n / max(1, n_rows)
        parts.append(
            f'<text class="name" x="140" y="{y + 14}">{fitted(name, 138)}</text>'
            f'<rect class="c0" x="150" y="{y + 4}" width="{width:.1f}" height="12"/>'
            f'<text x="{156 + width:.1f}" y="{y + 14}">{n:,} · {share:.1%}</text>'
        )
    rest = f'<p class="hint">… and {more:,} more classes</p>' if more else ""
    return svg(parts, 420, _LINE * len(classes) + 4, "Rows of each class", "bars") + rest


def _columns(found: Facts) -> str:
    columns = found["shown"]
    if not columns:
        return ""
    hint = (
        "Those that move predictions most first. Small charts: the density between the quantiles "
        "of numbers, rows of the most frequent levels; no cell is shown."
    )
    names = ("column", "kind", "missing", "distinct", "shape", "share of importance")
    body = table(names, "".join(map(_column, columns[:_OPEN])))
    rest = columns[_OPEN:]
    if rest:
        more = table(names, "".join(map(_column, rest)))
        body += f"<details><summary>{len(rest):,} more columns</summary>{more}</details>"
    if found["more"]:
        body += f'<p class="hint">… and {found["more"]:,} further columns</p>'
    return card("Columns that are used", hint, body)


def _column(one: Any) -> str:
    share = one["share"]
    return row(
        [
            f'<td class="name"><bdi>{shown(one["name"], 40)}</bdi></td>',
            cell(one["kind"]),
            cell(f"{one['missing']:.1%}" if one["missing"] else "–"),
            cell(f"{one['distinct']:,}"),
            f"<td>{_spark(one['shape'])}</td>",
            cell("–" if share is None else f"{share:.1%}"),
        ]
    )


def _spark(heights: Sequence[float]) -> str:
    if not heights:
        return ""
    step = min(110 / len(heights), 12.0)
    parts = [
        f'<rect class="c0" x="{i * step:.1f}" y="{21 - 20 * height:.1f}" '
        f'width="{max(step - 1, 0.8):.1f}" height="{max(20 * height, 1):.1f}"/>'
        for i, height in enumerate(heights)
    ]
    return svg(parts, 110, 22, "Shape of the column", "spark")


def _dropped(found: Facts) -> str:
    if not found["dropped"]:
        return ""
    rows = "".join(
        row(
            [
                f'<td class="name"><bdi>{shown(name, 40)}</bdi></td>',
                cell(drop, "left"),
                f'<td class="wrap">{shown(reason, 300)}</td>',
            ]
        )
        for name, drop, reason in found["dropped"]
    )
    more = found["more_dropped"]
    rest = f'<p class="hint">… and {more:,} more</p>' if more else ""
    body = table(("column", "why", "reason"), rows, left=(1, 2)) + rest
    hint = "--column NAME=KIND keeps a column that was left out."
    return card("Columns that are left out", hint, body)
