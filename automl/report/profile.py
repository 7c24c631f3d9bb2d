"""The page of a profile: findings, the target, relations, missing cells, and each column."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from automl.insight.findings import WARNINGS
from automl.insight.profile import ColumnProfile, Profile
from automl.insight.toward import number_text
from automl.report.charts import (
    bins_chart,
    choose_columns,
    holes_chart,
    matrix_chart,
    scatter_chart,
    shape_chart,
    strength_chart,
)
from automl.report.page import card, cell, document, facts, legend, row, shown, table

_MOST_FINDINGS = 60
_MOST_STRENGTHS = 25
_MOST_BINS = 12
_MOST_PAIRS = 12
_MOST_CARDS = 500  # columns with a chart of their own; the page stays far below 6 MB
_MOST_ROWS = 5000

_STYLE = (
    """
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 0 0 2.2rem; font-size: .92rem; }
nav a { color: var(--c0); text-decoration: none; padding: .2rem 0; }
nav a:hover, nav a:focus-visible { text-decoration: underline; }
section { margin: 0 0 2.8rem; scroll-margin-top: 1rem; }
h2.part { font-size: 1.3rem; margin: 0 0 .9rem; }
.grid2 { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr));
  gap: .9rem; }
.grid2 .card { margin: 0; min-width: 0; }
.card h3 { overflow-wrap: anywhere; }
ul.findings { list-style: none; margin: 0; padding: 0; }
ul.findings li { display: grid; grid-template-columns: 8rem 1fr; gap: .2rem .9rem;
  padding: .7rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
ul.findings li:last-child { border-bottom: 0; }
ul.findings p { margin: 0; }
.badge { align-self: start; justify-self: start; font-size: .76rem; padding: .12rem .55rem;
  border-radius: 99px; border: 1px solid var(--line); color: var(--soft); white-space: nowrap; }
.badge.warn { color: var(--bad); border-color: currentColor; font-weight: 600; }
.badge.aim { color: var(--good); border-color: currentColor; }
.badges { display: flex; flex-wrap: wrap; gap: .3rem; margin: .3rem 0 .5rem; }
.figures { color: var(--soft); font-size: .84rem; margin: .5rem 0 0; overflow-wrap: anywhere; }
.figures b { color: var(--ink); font-weight: 550; font-variant-numeric: tabular-nums; }
code { font-size: .82rem; background: var(--tint); border-radius: 4px; padding: 0 .3em;
  overflow-wrap: anywhere; white-space: pre-wrap; }
svg.small { max-width: 26rem; }
svg.small text, svg.matrix text { font-size: 12px; }
svg.small .tick, svg.matrix .tick { font-size: 11px; }
svg .end { text-anchor: end; } svg .none { fill: var(--line); opacity: .55; }
svg.matrix { max-width: none; }
td.left, th.left { text-align: left; }
svg .ink { fill: var(--ink); }
svg.points circle { stroke: none; fill-opacity: .6; }
svg.small circle { stroke-width: 1; }
"""
    + "".join(f"svg .span.s{i} {{ stroke: var(--c{i}); }} " for i in range(6))
    + """
@media (max-width: 34rem) { ul.findings li { grid-template-columns: 1fr; } }
"""
)


def profile_page(found: Profile) -> str:
    """The whole page. Cells that may tell of persons are masked; nothing on it can run or load."""
    parts = [
        ("findings", "Findings", _findings(found)),
        ("target", "Target", _target(found)),
        ("relations", "Relations", _relations(found)),
        ("missing", "Missing cells", _holes(found)),
        ("columns", "Columns", _columns(found)),
    ]
    there = [(anchor, title, html) for anchor, title, html in parts if html]
    links = "".join(f'<a href="#{anchor}">{title}</a>' for anchor, title, _ in there)
    sections = "".join(
        f'<section id="{anchor}"><h2 class="part">{title}</h2>{html}</section>'
        for anchor, title, html in there
    )
    body = (
        f"<h2>{_headline(found)}</h2>{_facts(found)}"
        f'<nav aria-label="Sections">{links}</nav>{sections}{_notes(found)}'
    )
    heading = f"Profile · <bdi>{shown(found.name)}</bdi>"
    return document(f"Profile: {found.name[:100]}", heading, body, style=_STYLE)


def _headline(found: Profile) -> str:
    n = found.n_warnings
    said = "nothing looks wrong" if not n else f"{n} warning{'s' * (n > 1)}"
    if found.findings and n:
        first = ", ".join(dict.fromkeys(_WORDS[one.kind] for one in found.findings[: min(3, n)]))
        said += f", first of all {first}"
    return f"{found.n_rows:,} rows, {len(found.columns):,} columns: {said}"


_WORDS = {
    "leak": "a suspected leak",
    "order": "the order of the rows",
    "personal": "personal data",
    "duplicates": "copies of rows",
    "contradictions": "contradictions",
    "imbalance": "unequal classes",
    "rare_class": "rare classes",
    "outliers": "outliers",
    "bad_cells": "cells of the wrong type",
    "missing": "missing cells",
    "copy": "copies of columns",
    "redundant": "columns that say the same",
    "constant": "columns that say nothing",
    "identifier": "identifiers",
}


def _facts(found: Profile) -> str:
    kinds: dict[str, int] = {}
    for column in found.columns:
        kinds[column.kind] = kinds.get(column.kind, 0) + 1
    gone = sum(column.missing for column in found.columns) / max(1, len(found.columns))
    target = "" if found.target is None else found.target.name[:24]
    return facts(
        [
            ("rows", f"{found.n_rows:,}"),
            ("columns", f"{len(found.columns):,}"),
            *((kind, f"{count:,}") for kind, count in sorted(kinds.items())),
            ("missing cells", f"{gone:.1%}" if gone else "none"),
            ("target", target),
        ]
    )


def _notes(found: Profile) -> str:
    lines = [
        "Cells of texts and identifiers are shown by their form only (x for a letter, 9 for a "
        "digit), samples of numbers in two digits, levels of fewer than five rows not at all.",
        "Scores are cross-validated: a small booster sees one column and is scored on other rows.",
        *found.notes,
    ]
    if found.n_seen < found.n_rows:
        lines.insert(
            0,
            f"Kinds, texts, distinct values and relations come from {found.n_seen:,} random rows "
            f"of {found.n_rows:,}; rows, missing cells, outliers and copies are counted in all.",
        )
    notes = "".join(f'<p class="hint">{shown(line, 400)}</p>' for line in lines)
    return f"<section><h3>How to read this</h3>{notes}</section>"


def _findings(found: Profile) -> str:
    if not found.findings:
        return card("Nothing looks wrong", "", "")
    items = []
    for finding in found.findings[:_MOST_FINDINGS]:
        kind = "badge warn" if finding.kind in WARNINGS else "badge"
        word = finding.kind.replace("_", " ")
        items.append(
            f'<li><span class="{kind}">{word}</span><div><p>{shown(finding.text, 500)}</p>'
            f'<p class="hint">{shown(finding.hint, 400)}</p></div></li>'
        )
    more = len(found.findings) - len(items)
    rest = f'<p class="hint">… and {more:,} more; --json has them all.</p>' if more else ""
    return f'<div class="card"><ul class="findings">{"".join(items)}</ul>{rest}</div>'


# Target


def _target(found: Profile) -> str:
    target = found.target
    if target is None:
        return ""
    share = target.task.is_classification
    score = "AUC" if share else "R²"
    own = next(column for column in found.columns if column.is_target)
    parts = [card(f"{target.name[:60]}: {target.task.value}", target.reason, _balance(found, own))]
    ranked = [one for one in found.toward if one.score is not None]
    if ranked:
        rows = [(one.name, one.strength, one.score) for one in ranked[:_MOST_STRENGTHS]]
        hint = f"{score} of a small booster on this column alone, cross-validated."
        more = len(found.toward) - len(rows)
        hint += f" The strongest of {len(found.toward):,}." if more > 0 else ""
        parts.append(card("How much each column says", hint, strength_chart(rows, score)))
    parts.append(_each_bin(found, share=share))
    parts.append(_points(found))
    return "".join(parts)


def _balance(found: Profile, own: ColumnProfile) -> str:
    target = found.target
    assert target is not None
    shape = own.shape
    if not target.classes:
        return shape_chart(shape, own.kind, own.name) if shape is not None else ""
    n_rows = len(target.y)
    counts = [0] * len(target.classes)
    for label in target.y.astype(int).tolist():
        counts[label] += 1
    ranked = sorted(zip(counts, target.classes, strict=True), key=lambda pair: -pair[0])
    lines = "".join(
        row([f"<td>{shown(name)}</td>", cell(f"{n:,}"), cell(f"{n / n_rows:.2%}")])
        for n, name in ranked[:40]
    )
    more = f'<p class="hint">… and {len(ranked) - 40:,} more.</p>' if len(ranked) > 40 else ""
    return table(["class", "rows", "share"], lines) + more


def _each_bin(found: Profile, *, share: bool) -> str:
    drawn = [one for one in found.toward if len(one.bins) > 1 and one.strength > 0][:_MOST_BINS]
    if not drawn:
        return ""
    many = len(found.outcomes) > 1
    what = "Share of each class" if many else "Mean of the target"
    if share and not many:
        what = f"Share of {found.outcomes[0][:40]!r}"
    cards = "".join(
        f'<div class="card"><h3><bdi>{shown(one.name)}</bdi></h3>'
        f"{bins_chart(one.bins, found.overall, one.name, share=share)}</div>"
        for one in drawn
    )
    names = legend((name, f"c{i}") for i, name in enumerate(found.outcomes)) if many else ""
    hint = (
        f"{what} by value, with 95 % intervals; dashed: all rows."
        if not many
        else (f"{what} by value, with 95 % intervals.")
    )
    return (
        f'<h3>The target by column</h3><p class="hint">{shown(hint, 200)}</p>{names}'
        f'<div class="grid2" style="margin-bottom:1.4rem">{cards}</div>'
    )


def _points(found: Profile) -> str:
    plots = [plot for plot in found.scatters if plot.x]
    if not plots:
        return ""
    cards = "".join(
        f'<div class="card"><h3><bdi>{shown(plot.y_name, 40)}</bdi> against '
        f"<bdi>{shown(plot.x_name, 40)}</bdi></h3>{scatter_chart(plot)}</div>"
        for plot in plots
    )
    groups = plots[0].groups
    names = legend((name, f"c{i}") for i, name in enumerate(groups)) if groups else ""
    return (
        '<h3>Row by row</h3><p class="hint">A random sample, without the outermost half per cent '
        f'on each side.</p>{names}<div class="grid2">{cards}</div>'
    )


# Relations and missing cells


def _relations(found: Profile) -> str:
    relations = found.relations
    if relations is None:
        return ""
    first = [found.target.name] if found.target is not None else []
    first += [one.name for one in found.toward[:14]]
    chosen = choose_columns(relations, first)
    hint = (
        "Spearman's rank correlation of two numbers (orange: negative), correlation ratio of a "
        "number and a category, Cramér's V of two categories; corrected for chance, on "
        f"{relations.n_rows:,} rows."
    )
    if len(chosen) < len(relations.names) + relations.left_out:
        hint += f" The {len(chosen)} most related columns."
    parts = [card("How columns go together", hint, matrix_chart(relations, chosen))]
    rows = "".join(_pair_row(found, i, j) for i, j in relations.strongest()[:_MOST_PAIRS])
    names = ["column", "and", "strength", "measure", "Pearson"]
    parts.append(card("Strongest pairs", "", table(names, rows, left=(1, 3))))
    if found.target is None:
        parts.append(_points(found))
    return "".join(parts)


def _pair_row(found: Profile, i: int, j: int) -> str:
    relations = found.relations
    assert relations is not None
    strength, pearson = relations.strength[i, j], relations.pearson[i, j]
    if strength != strength:
        return ""
    return row(
        [
            f"<td><bdi>{shown(relations.names[i], 40)}</bdi></td>",
            f'<td class="left"><bdi>{shown(relations.names[j], 40)}</bdi></td>',
            cell(f"{strength:.3f}"),
            cell(relations.measure(i, j), "left"),
            cell("" if pearson != pearson else f"{pearson:.3f}"),
        ]
    )


def _holes(found: Profile) -> str:
    holes = found.holes
    if holes is None:
        return ""
    hint = (
        f"{holes.n_complete:,} of {holes.n_rows:,} rows are complete. A line is a set of columns "
        "that are missing together, the most frequent first."
    )
    if holes.others:
        hint += f" {holes.others:,} rows show other sets."
    if holes.left_out:
        hint += f" {holes.left_out:,} more columns have missing cells."
    shares = {column.name: column.missing for column in found.columns}
    rows = "".join(
        row([f"<td><bdi>{shown(name, 40)}</bdi></td>", cell(f"{shares[name]:.2%}")])
        for name in holes.columns
    )
    return card("Missing together", hint, holes_chart(holes)) + card(
        "By column", "", table(["column", "missing"], rows)
    )


# Columns


def _columns(found: Profile) -> str:
    cards = "".join(_column(column) for column in found.columns[:_MOST_CARDS])
    rest = found.columns[_MOST_CARDS:][:_MOST_ROWS]
    html = f'<div class="grid2">{cards}</div>'
    if rest:
        rows = "".join(
            row(
                [
                    f"<td><bdi>{shown(column.name)}</bdi></td>",
                    cell(column.kind),
                    cell(f"{column.missing:.1%}"),
                    cell(f"{column.distinct:,}"),
                ]
            )
            for column in rest
        )
        names = ["column", "kind", "missing", "distinct"]
        html += card(f"{len(found.columns) - _MOST_CARDS:,} more columns", "", table(names, rows))
    return html


def _column(column: ColumnProfile) -> str:
    badges = [f'<span class="badge">{column.kind}</span>']
    if column.is_target:
        badges.append('<span class="badge aim">target</span>')
    if column.use is not None and not column.is_target:
        badges.append(f'<span class="badge">not used: {shown(column.use, 40)}</span>')
    if column.personal is not None:
        badges.append(f'<span class="badge warn">{escape(column.personal)}</span>')
    chart = ""
    if column.shape is not None and column.shape.counts:
        chart = shape_chart(column.shape, column.kind, column.name[:60])
    figures = " · ".join(f"{name} <b>{text}</b>" for name, text in _figures(column))
    samples = " ".join(f"<code>{shown(text, 40)}</code>" for text in column.samples)
    return (
        f'<div class="card"><h3><bdi>{shown(column.name, 80)}</bdi></h3>'
        f'<div class="badges">{"".join(badges)}</div>{chart}'
        f'<p class="figures">{figures}</p><p class="figures">{samples}</p></div>'
    )


def _figures(column: ColumnProfile) -> Iterator[tuple[str, str]]:
    yield "missing", f"{column.missing:.1%}" if column.missing else "none"
    yield "distinct", f"{'' if column.all_distinct else '&gt; '}{column.distinct:,}"
    for name in ("minimum", "median", "maximum", "mean", "sd"):
        if name in column.facts:
            yield name, number_text(column.facts[name])
    for name in ("first", "last"):
        if name in column.facts:
            yield name, escape(column.facts[name])
    if column.outliers is not None:
        yield "outliers", f"{column.outliers.n:,}"
    shape = column.shape
    if shape is not None and shape.below + shape.above:
        yield "not drawn", f"{shape.below + shape.above:,} rows further out"
    if shape is not None and shape.what:
        yield "drawn", escape(shape.what)
