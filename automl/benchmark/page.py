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
from automl.report.page import card, cell, document, facts, legend, row, table


def page(comparisons: Sequence[Comparison], title: str) -> str:
    """The whole page, one section per budget. Names from tables are shown as text."""
    sections = "".join(_section(one) for one in comparisons)
    notes = "".join(f'<p class="hint">{escape(note)}</p>' for note in NOTES)
    heading = f"Benchmark · {escape(title)}"
    end = f"<section><h3>How to read this</h3>{notes}</section>"
    return document(f"Benchmark: {title}", heading, sections + end)


def _section(one: Comparison) -> str:
    # The unit stays on the line of its number.
    title = escape(headline(one)).replace(f" {one.budget:g} s", f" {one.budget:g}&nbsp;s")
    parts = [f"<h2>{title}</h2>", _facts(one)]
    if len(one.systems) > 1:
        parts.append(
            card(
                "Set by set",
                "Normalised score: 1 is the best system of the set, 0 a constant prediction. A "
                "hollow dot at the edge lies further left.",
                _legend(one) + score_chart(one),
            )
        )
        parts.append(
            card(
                f"{one.own} against each",
                "Mean difference of normalised scores with its 95 % interval over data sets; "
                f"right of zero {one.own} is better.",
                difference_chart(one),
            )
        )
    parts += [card("Systems", "", _systems(one)), card("Scores", _score_hint(one), _scores(one))]
    if one.failures:
        items = "".join(f"<p>{escape(text)}</p>" for text in one.failures)
        parts.append(card("Failures", "", items))
    return f"<section>{''.join(parts)}</section>"


def _facts(one: Comparison) -> str:
    mine = next((system for system in one.systems if system.name == one.own), None)
    if mine is None:
        return ""
    return facts(_fact_texts(mine, contest=len(one.systems) > 1))


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
    names = [one.own, *(other.name for other in one.systems if other.name != one.own)]
    return legend((name, colours[name]) for name in names)


def _systems(one: Comparison) -> str:
    texts = [system_cells(system, one.budget) for system in one.systems]
    keep = used_columns(texts)
    rows = "".join(
        row([cell(line[i]) for i in keep], own=system.name == one.own)
        for line, system in zip(texts, one.systems, strict=True)
    )
    return table([SYSTEM_COLUMNS[i] for i in keep], rows)


def _scores(one: Comparison) -> str:
    names = [system.name for system in one.systems]
    rows = []
    for scored in one.sets:
        cells = [cell(scored.name), cell(scored.score), cell(f"{scored.constant:.5g}")]
        for name in names:
            text = score_text(scored, name)
            kind = "failed" if text == "failed" else "best" if is_best(scored, name) else ""
            cells.append(cell(text, kind))
        rows.append(row(cells))
    return table(["set", "score", "constant", *names], "".join(rows))
