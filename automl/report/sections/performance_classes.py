"""A model of several classes: the confusion matrix, the pairs most confused, a row per class."""

from __future__ import annotations

import math

from automl.insight.evidence import Facts
from automl.report.page import card, cell, row, shown, table
from automl.report.sections.performance_reliability import reliability_card

_FEW = 12  # classes whose cells are larger
_TITLED = 40  # classes up to which a cell says its classes when pointed at


def classes_html(facts: Facts) -> str:
    """Who is taken for whom, then every class, then whether the top probability is right."""
    calibration = reliability_card(facts["calibration"], "the likeliest class")
    return (
        _confusion(facts["confusion"])
        + f'<div class="grid2">{_pairs(facts["pairs"])}{calibration}</div>'
        + _per_class(facts)
    )


def _confusion(facts: Facts) -> str:
    labels, cells = list(facts["labels"]), facts["cells"]
    hint = "Rows: the true class. Columns: the predicted one. Colour: share of the true class."
    if facts["others"]:
        hint += f" The {len(labels)} largest classes; {facts['others']:,} others are one."
        labels.append(f"{facts['others']:,} others")
    head = "".join(
        f"<th scope=col><span title='{shown(name, 60)}'>{shown(name, 24)}</span></th>"
        for name in labels
    )
    few = " few" if len(labels) <= _FEW else ""
    titles = labels if len(labels) <= _TITLED else None
    lines = "".join(
        f"<tr><th scope=row title='{shown(name, 60)}'><bdi>{shown(name, 24)}</bdi></th>"
        f"{_cells(i, cells[i], titles)}</tr>"
        for i, name in enumerate(labels)
    )
    body = (
        '<div class="tall"><div class="wide" tabindex="0" role="region" aria-label="Confusion '
        f'matrix"><table class="who{few}"><thead><tr><th scope=col class=corner>is ↓ taken for →'
        f"</th>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div></div>"
    )
    return card("Confusion matrix", hint, body)


def _cells(i: int, counts: list[float], titles: list[str] | None) -> str:
    total = sum(counts)
    parts = []
    for j, count in enumerate(counts):
        kind = " class=hit" if i == j else ""
        if not count:
            parts.append(f"<td{kind}></td>")
            continue
        # The root, so that a few mistakes in a hundred can be seen.
        tone = f' style="--a:{0.7 * math.sqrt(count / total):.2f}"'
        said = ""
        if titles is not None:
            said = f' title="{shown(titles[i], 24)} → {shown(titles[j], 24)}: {count / total:.1%}"'
        parts.append(f"<td{kind}{tone}{said}>{_short(count)}</td>")
    return "".join(parts)


def _short(count: float) -> str:
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if count >= size:
            return f"{count / (1e3 if letter == 'k' else 1e6):.3g}{letter}"
    return f"{count:.0f}" if count == int(count) or count >= 100 else f"{count:.1f}"


def _pairs(pairs: list[Facts]) -> str:
    if not pairs:
        return card("Most confused", "No row is taken for another class.", "")
    lines = "".join(
        row(
            [
                f"<td><bdi>{shown(one['true'], 20)}</bdi></td>",
                f'<td class="left"><bdi>{shown(one["predicted"], 20)}</bdi></td>',
                cell(f"{one['rows']:,.6g}"),
                cell(f"{one['share']:.1%}"),
            ]
        )
        for one in pairs
    )
    names = ["is", "taken for", "rows", "of the class"]
    body = table(names, lines, left=(1,))
    return card("Most confused", "The most frequent mistakes.", body)


def _per_class(facts: Facts) -> str:
    rows = sorted(facts["per_class"], key=lambda one: (one["f1"], one["name"]))
    lines = "".join(
        row(
            [
                f"<td><bdi>{shown(one['name'], 40)}</bdi></td>",
                cell(f"{one['support']:,.6g}"),
                *(cell(_score(one[key])) for key in ("precision", "recall", "f1", "auc")),
            ]
        )
        for one in rows
    )
    hint = "Weakest F1 first. AUC: the class against all others."
    if len(rows) < facts["n_classes"]:
        hint += f" The {len(rows)} largest of {facts['n_classes']:,} classes."
    names = ["class", "rows", "precision", "recall", "F1", "AUC"]
    return card("Every class", hint, f'<div class="tall">{table(names, lines)}</div>')


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
