"""The page of a benchmark: one HTML file that needs no network and reads well on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from automl.benchmark.chart import colour_of, difference_chart, score_chart
from automl.benchmark.compare import Comparison, SystemRow
from automl.benchmark.summary import (
    NOTES,
    SYSTEM_COLUMNS,
    headline,
    is_best,
    score_text,
    system_cells,
    used_columns,
)

_STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #ffffff; --ink: #1c2024;
  --soft: #666d75; --line: #e6e3de; --c0: #0b6e5c; --c1: #d9822b; --c2: #5b6ee1; --c3: #c2417a;
  --c4: #8a8f98; --c5: #3aa0c4; --good: #0b6e5c; --bad: #b3382c; --tint: #0b6e5c14; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1c2024; --ink: #e9e7e3;
  --soft: #9aa1a9; --line: #2e343a; --c0: #4cc9ac; --c1: #f0a559; --c2: #94a3ff; --c3: #f086b4;
  --c4: #a4abb4; --c5: #6cc8e8; --good: #4cc9ac; --bad: #f08a7d; --tint: #4cc9ac1f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.05rem; font-weight: 600; color: var(--soft); margin: 0 0 2rem; }
section { margin: 0 0 3.5rem; }
h2 { font-size: clamp(1.35rem, 4vw, 1.9rem); line-height: 1.25; margin: 0 0 1.5rem;
  letter-spacing: -0.015em; text-wrap: balance; }
h3 { font-size: 1rem; margin: 0 0 .15rem; }
p { margin: 0 0 .9rem; }
.hint { color: var(--soft); font-size: .88rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem;
  margin: 0 0 1.5rem; }
.facts div, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.facts div { padding: .8rem 1rem; }
.facts dt { color: var(--soft); font-size: .8rem; }
.facts dd { margin: 0; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums;
  letter-spacing: -0.01em; }
.card { padding: 1.1rem 1.2rem 1.2rem; margin: 0 0 1rem; }
.wide { overflow-x: auto; margin: .6rem -1.2rem -.4rem; padding: 0 1.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
th { font-weight: 500; color: var(--soft); font-size: .8rem; }
th, td { padding: .45rem .55rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; position: sticky; left: 0;
  background: var(--card); }
tr:last-child td { border-bottom: 0; }
tr.own td:first-child { font-weight: 600; }
td.best { font-weight: 650; color: var(--good); }
td.failed { color: var(--bad); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: .5rem 0 .2rem; padding: 0;
  list-style: none; font-size: .85rem; }
.legend i { display: inline-block; width: .7em; height: .7em; border-radius: 50%;
  margin-right: .45em; }
svg { display: block; width: 100%; max-width: 52rem; height: auto; margin-top: .4rem; }
svg text { fill: var(--soft); font-size: 13px; }
svg .tick { text-anchor: middle; font-size: 11.5px; }
svg .name { text-anchor: end; fill: var(--ink); }
svg .grid { stroke: var(--line); }
svg .row { stroke: var(--line); }
svg .zero { stroke: var(--soft); stroke-dasharray: 3 3; }
svg .span { stroke: var(--c0); stroke-width: 3; stroke-linecap: round; opacity: .45; }
svg circle { stroke: var(--card); stroke-width: 1.5; }
svg circle.hollow { fill: var(--card) !important; stroke-width: 2; }
@media (max-width: 34rem) { svg text { font-size: 19px; } svg .tick { font-size: 16px; }
  main { padding-top: 1.5rem; } .facts { grid-template-columns: 1fr 1fr; } }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
""" + "".join(
    f".c{i} {{ fill: var(--c{i}); background: var(--c{i}); }} "
    f".hollow.c{i} {{ stroke: var(--c{i}) !important; }}\n"
    for i in range(6)
)


def page(comparisons: Sequence[Comparison], title: str) -> str:
    """The whole page, one section per budget. Names from tables are shown as text."""
    sections = "".join(_section(one) for one in comparisons)
    notes = "".join(f'<p class="hint">{escape(note)}</p>' for note in NOTES)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Benchmark: {escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Benchmark · {escape(title)}</h1>{sections}"
        f"<section><h3>How to read this</h3>{notes}</section></main></body></html>\n"
    )


def _section(one: Comparison) -> str:
    # The unit stays on the line of its number.
    title = escape(headline(one)).replace(f" {one.budget:g} s", f" {one.budget:g}&nbsp;s")
    parts = [f"<h2>{title}</h2>", _facts(one)]
    if len(one.systems) > 1:
        parts.append(
            _card(
                "Set by set",
                "Normalised score: 1 is the best system of the set, 0 a constant prediction. A "
                "hollow dot at the edge lies further left.",
                _legend(one) + score_chart(one),
            )
        )
        parts.append(
            _card(
                f"{one.own} against each",
                "Mean difference of normalised scores with its 95 % interval over data sets; "
                f"right of zero {one.own} is better.",
                difference_chart(one),
            )
        )
    parts += [_card("Systems", "", _systems(one)), _card("Scores", _score_hint(one), _scores(one))]
    if one.failures:
        items = "".join(f"<p>{escape(text)}</p>" for text in one.failures)
        parts.append(_card("Failures", "", items))
    return f"<section>{''.join(parts)}</section>"


def _facts(one: Comparison) -> str:
    mine = next((row for row in one.systems if row.name == one.own), None)
    if mine is None:
        return ""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
        for name, text in _fact_texts(mine, contest=len(one.systems) > 1)
        if text
    )
    return f'<dl class="facts">{items}</dl>'


def _fact_texts(mine: SystemRow, *, contest: bool) -> Iterable[tuple[str, str]]:
    if contest:
        yield "mean rank", f"{mine.mean_rank:.2f}"
    else:
        yield "data sets", f"{mine.n_sets}"
    yield "worst overrun", "" if mine.worst_overrun is None else f"{mine.worst_overrun:+.1%}"
    yield "peak memory", "" if mine.peak_mib is None else f"{mine.peak_mib:,.0f} MiB"
    yield "rows per second", "" if mine.rows_per_s is None else f"{mine.rows_per_s:,.0f}"
    yield "model size", "" if mine.bundle_mb is None else f"{mine.bundle_mb:.1f} MB"
    yield "CPU in training", "" if mine.native_share is None else f"{mine.native_share:.0%}"


def _score_hint(one: Comparison) -> str:
    seeds = f"Mean of {one.n_seeds} seeds on the test rows." if one.n_seeds > 1 else ""
    return f"{seeds} AUC: higher is better; log loss and RMSE: lower.".strip()


def _legend(one: Comparison) -> str:
    colours = colour_of(one)
    names = [one.own, *(row.name for row in one.systems if row.name != one.own)]
    items = "".join(f'<li><i class="{colours[name]}"></i>{escape(name)}</li>' for name in names)
    return f'<ul class="legend">{items}</ul>'


def _systems(one: Comparison) -> str:
    cells = [system_cells(row, one.budget) for row in one.systems]
    keep = used_columns(cells)
    rows = "".join(
        _row([_cell(row[i]) for i in keep], own=system.name == one.own)
        for row, system in zip(cells, one.systems, strict=True)
    )
    return _table([SYSTEM_COLUMNS[i] for i in keep], rows)


def _scores(one: Comparison) -> str:
    names = [row.name for row in one.systems]
    rows = []
    for table in one.sets:
        cells = [_cell(table.name), _cell(table.score), _cell(f"{table.constant:.5g}")]
        for name in names:
            text = score_text(table, name)
            kind = "failed" if text == "failed" else "best" if is_best(table, name) else ""
            cells.append(_cell(text, kind))
        rows.append(_row(cells, own=False))
    return _table(["set", "score", "constant", *names], "".join(rows))


def _card(title: str, hint: str, body: str) -> str:
    said = f'<p class="hint">{escape(hint)}</p>' if hint else ""
    return f'<div class="card"><h3>{escape(title)}</h3>{said}{body}</div>'


def _table(names: Sequence[str], rows: str) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(cells: Sequence[str], *, own: bool) -> str:
    return f"<tr{' class=own' if own else ''}>{''.join(cells)}</tr>"


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"
