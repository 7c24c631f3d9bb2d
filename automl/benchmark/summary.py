"""The tables of a benchmark as texts, for the terminal, Markdown and the page."""

from __future__ import annotations

from collections.abc import Sequence

from automl.benchmark.compare import Against, Comparison, SetRow, SystemRow

SYSTEM_COLUMNS = (
    "system",
    "sets",
    "mean rank",
    "normalised",
    "won-tied-lost",
    "difference [95 %]",
    "fit s",
    "overrun",
    "worst",
    "peak MiB",
    "rows/s",
    "model MB",
    "native CPU",
)
NOTES = (
    "Mean rank: 1 is the best; equal scores share a rank, a failure ranks last.",
    "Normalised: share of the best system's gain over a constant prediction (the mean or the "
    "class shares of the training rows); a failure counts as 0.",
    "Won-tied-lost and difference: the first system against this one, set by set. The difference "
    "is of normalised scores, with a paired bootstrap interval over data sets.",
    "Fit s and overrun: wall time of the whole `automl fit`, start of the interpreter included; "
    "of a peer from reading the table to the fitted model, its import not counted.",
    "Peak MiB: proportional memory of the process and its children together, looked at twice a "
    "second; empty where the system does not tell it. Of a peer, predicting is included.",
    "Rows/s: the test rows, repeated to 50,000, read and predicted; for the tool the whole "
    "command. Native CPU: share of the run's CPU seconds inside the boosters' training.",
)


def headline(one: Comparison) -> str:
    """What a comparison says in one sentence."""
    n_sets = f"{len(one.sets)} data set" + ("s" if len(one.sets) != 1 else "")
    rows = {row.name: row for row in one.systems}
    mine = rows.get(one.own)
    if mine is None:
        return f"No results of {one.own} at {one.budget:g} s"
    if len(rows) == 1:
        return f"{one.own} on {n_sets} at {one.budget:g} s"
    others = [row.mean_rank for row in one.systems if row.name != one.own]
    place = 1 + sum(rank < mine.mean_rank for rank in others)
    return (
        f"{one.own} is {_ordinal(place)} of {len(rows)} over {n_sets} at {one.budget:g} s: "
        f"mean rank {mine.mean_rank:.2f}, best of the others {min(others):.2f}"
    )


def system_cells(row: SystemRow, budget: float) -> list[str]:
    """The cells of `SYSTEM_COLUMNS`."""
    name = row.name
    if row.budget is not None and row.budget != budget:
        name += f" ({row.budget:g} s)"
    return [
        name,
        f"{row.n_sets}" + (f", {row.failed} failed" if row.failed else ""),
        f"{row.mean_rank:.2f}",
        f"{row.normalised:.3f}",
        _won(row.against),
        _difference(row.against),
        _cell(row.fit_s, ".1f"),
        _cell(row.overrun, "+.1%"),
        _cell(row.worst_overrun, "+.1%"),
        _cell(row.peak_mib, ",.0f"),
        _cell(row.rows_per_s, ",.0f"),
        _cell(row.bundle_mb, ".2f"),
        _cell(row.native_share, ".0%"),
    ]


def score_columns(one: Comparison) -> list[str]:
    return ["set", "score", "constant", *(row.name for row in one.systems)]


def score_cells(one: Comparison, table: SetRow) -> list[str]:
    """The cells of `score_columns` for one set."""
    scores = [score_text(table, row.name) for row in one.systems]
    return [table.name, table.score, f"{table.constant:.5g}", *scores]


def score_text(table: SetRow, name: str) -> str:
    if name not in table.scores:
        return ""
    value = table.scores[name]
    return "failed" if value is None else f"{value:.5g}"


def is_best(table: SetRow, name: str) -> bool:
    """Whether nobody was better on this set, and it is a contest."""
    value = table.scores.get(name)
    if value is None or len(table.scores) < 2:
        return False
    known = [score for score in table.scores.values() if score is not None]
    return value == (max(known) if table.higher_is_better else min(known))


def used_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """Columns in which some row says something."""
    return [i for i in range(len(SYSTEM_COLUMNS)) if any(row[i] for row in rows)]


def markdown(comparisons: Sequence[Comparison]) -> str:
    """All tables as Markdown."""
    parts: list[str] = []
    for one in comparisons:
        cells = [system_cells(row, one.budget) for row in one.systems]
        keep = used_columns(cells)
        parts += [f"## {headline(one)}", ""]
        parts += _table(
            [SYSTEM_COLUMNS[i] for i in keep], [[row[i] for i in keep] for row in cells]
        )
        bold = [
            score_cells(one, table)[:3] + [_bold(table, row.name) for row in one.systems]
            for table in one.sets
        ]
        parts += ["", *_table(score_columns(one), bold), ""]
        parts += [f"- {text}" for text in one.failures]
        parts += [""] if one.failures else []
    return "\n".join([*parts, *(f"- {note}" for note in NOTES)]) + "\n"


def _bold(table: SetRow, name: str) -> str:
    text = score_text(table, name)
    return f"**{text}**" if is_best(table, name) else text


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    line = ["---"] + ["---:"] * (len(names) - 1)
    return [f"| {' | '.join(_escaped(cells))} |" for cells in (names, line, *rows)]


def _escaped(cells: Sequence[str]) -> list[str]:
    return [" ".join(cell.replace("|", r"\|").split()) for cell in cells]


def _won(against: Against | None) -> str:
    return "" if against is None else f"{against.wins}-{against.ties}-{against.losses}"


def _difference(against: Against | None) -> str:
    if against is None:
        return ""
    text = f"{against.difference:+.3f}"
    if against.low is None or against.high is None:
        return text
    return f"{text} [{against.low:+.3f}, {against.high:+.3f}]"


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _ordinal(place: int) -> str:
    words = ("first", "second", "third", "fourth", "fifth", "sixth")
    return words[place - 1] if place <= len(words) else f"number {place}"
