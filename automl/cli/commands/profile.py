"""`automl profile`: what is in a table, before any model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl.cli.options import (
    console_options,
    json_option,
    reading_options,
    reading_settings,
    seed_option,
)
from automl.errors import ConfigError

if TYPE_CHECKING:
    from automl.cli.console import Console
    from automl.insight.profile import Profile

_TASKS = ("binary", "multiclass", "regression")
_SHOWN_FINDINGS = 20
_SHOWN_COLUMNS = 40


@click.command("profile")
@click.argument("data", metavar="DATA")
@click.option("-t", "--target", metavar="COLUMN", help="Relate all columns to this one")
@click.option("--task", metavar="|".join(_TASKS), help="Set the task instead of detecting it")
@click.option("-o", "--output", metavar="FILE", help="Write the page here  [DATA-profile.html]")
@seed_option
@reading_options
@json_option
@console_options
def command(
    data: str,
    target: str | None,
    task: str | None,
    output: str | None,
    seed: int,
    delimiter: str | None,
    encoding: str | None,
    header: bool | None,
    as_json: bool,
    console: Console,
) -> None:
    """Show what is in DATA: columns, missing cells, relations, and what looks wrong.

    Findings come first: suspected leaks, personal data, copies of rows and columns, outliers,
    unequal classes. A page in HTML has the distributions and how columns go together; it needs
    no network. Values in it are masked where they may tell of persons. With --json, the page is
    written only where --output is given.

    \b
    Example:
        automl profile data.csv --target y
        automl profile data.csv --json
    """
    from automl.data.read import ReadOptions
    from automl.workflows.profile import profile

    if task is not None and task not in _TASKS:
        raise ConfigError(f"Unknown task {task!r}.", hint=f"Known: {', '.join(_TASKS)}.")
    place = _place(data, output, as_json=as_json)
    options = ReadOptions(**reading_settings(delimiter, encoding, header))
    found = profile(data, target, task=task, output=place, seed=seed, read_options=options)
    for note in found.notes:
        console.say(f"{found.name}: {note}")
    if as_json:
        console.emit_json(found.to_json())
    else:
        _show(console, found)
    if place is not None:
        console.result(f"The page is {place}")


def _place(data: str, output: str | None, *, as_json: bool) -> Path | None:
    if output is not None:
        return Path(output)
    if as_json:
        return None
    stem = "stdin" if data == "-" else Path(data).name.split(".")[0] or "data"
    return Path(f"{stem}-profile.html")


def _show(console: Console, found: Profile) -> None:
    seen = "" if found.n_seen == found.n_rows else f", {found.n_seen:,} of them looked at closely"
    title = f"{found.name}: {found.n_rows:,} rows{seen}, {len(found.columns):,} columns"
    findings = found.findings[:_SHOWN_FINDINGS]
    if not findings:
        console.table([("nothing looks wrong",)], ("finding",), title=title)
    else:
        rows = [(finding.kind.replace("_", " "), finding.text) for finding in findings]
        console.table(rows, ("finding", "what was found"), title=title)
    if len(found.findings) > len(findings):
        console.say(f"… and {len(found.findings) - len(findings)} more findings on the page")
    console.data("")
    scores = {one.name: one.score for one in found.toward}
    columns = sorted(found.columns, key=lambda column: not column.is_target)[:_SHOWN_COLUMNS]
    heads = ["column", "kind", "missing", "distinct", "values"]
    score = (
        []
        if found.target is None
        else ["AUC" if found.outcomes and found.target.classes else "R²"]
    )
    console.table(
        [
            (
                column.name[:60],
                "target" if column.is_target else column.kind,
                f"{column.missing:.1%}" if column.missing else "",
                column.distinct if column.all_distinct else f"> {column.distinct:,}",
                _values(column),
                *([scores.get(column.name)] if score else []),
            )
            for column in columns
        ],
        [*heads, *(f"{name} alone" for name in score)],
    )
    if len(found.columns) > len(columns):
        console.say(f"… and {len(found.columns) - len(columns):,} more columns on the page")


def _values(column: Any) -> str:
    facts = column.facts
    if "first" in facts:
        return f"{facts['first']} to {facts['last']}"
    if "minimum" in facts:
        return f"{facts['minimum']:.5g} to {facts['maximum']:.5g}, median {facts['median']:.5g}"
    return ", ".join(column.samples)[:48]
