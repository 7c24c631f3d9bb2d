"""`automl benchmark`: this tool, and others, over many data sets."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.options import console_options, json_option
from automl.errors import ConfigError

if TYPE_CHECKING:
    from automl.benchmark.compare import Comparison
    from automl.cli.console import Console


@click.command("benchmark")
@click.argument("suite", metavar="SUITE")
@click.option(
    "--against", default="", metavar="NAME[=PYTHON],...", help="Run these other systems too"
)
@click.option("--budget", default="60s", metavar="TIME,...", help="Give each fit this time  [60s]")
@click.option("--seeds", default="0", metavar="N,...", help="Repeat with these seeds  [0]")
@click.option("-t", "--target", metavar="COLUMN", help="Column to predict in plain CSV files")
@click.option("--only", multiple=True, metavar="NAME", help="Run only this data set; repeatable")
@click.option("--peers", metavar="FILE", help="Join stored scores, one JSON object per line")
@click.option("--fit-args", default="", metavar="OPTIONS", help="Pass these options to automl fit")
@click.option("--command", "program", default="", metavar="WORDS", help="Run this as automl")
@click.option("--label", default="automl", metavar="NAME", help="Call this tool so  [automl]")
@click.option("-o", "--output", metavar="FOLDER", help="Write results here  [SUITE-benchmark]")
@json_option
@console_options
def command(
    suite: str,
    against: str,
    budget: str,
    seeds: str,
    target: str | None,
    only: tuple[str, ...],
    peers: str | None,
    fit_args: str,
    program: str,
    label: str,
    output: str | None,
    as_json: bool,
    console: Console,
) -> None:
    """Fit, predict and score every data set of SUITE, alone or against other systems.

    SUITE is a folder of NAME/train.csv, NAME/test.csv and NAME/meta.json, a folder of CSV files,
    or one CSV file; those are split once, a quarter of the rows to score. Other systems are
    autogluon, flaml, h2o, lightautoml and mljar, each in the Python given after `=`. Finished
    runs are kept: the same command goes on where it stopped. The folder gets results.json,
    results.md and index.html.

    \b
    Example:
        automl benchmark suite --budget 60s --against flaml=flaml-env/bin/python
    """
    from automl.benchmark.suite import Plan, run_benchmark
    from automl.forms import parse_duration

    plan = Plan(
        budgets=tuple(parse_duration(word) for word in _words(budget, "--budget")),
        seeds=tuple(_seed(word) for word in _words(seeds, "--seeds")),
        against=tuple(_words(against, None)),
        peers=None if peers is None else Path(peers),
        target=target,
        only=only,
        fit_args=tuple(shlex.split(fit_args)),
        command=tuple(shlex.split(program)),
        label=label,
    )
    folder = Path(output or f"{Path(suite).resolve().stem}-benchmark")
    found = run_benchmark(suite, plan, output=folder, progress=console)
    if as_json:
        console.emit_json(found.to_json())
        return
    for comparison in found.comparisons:
        _tell(console, comparison)
    console.result(f"Results in {folder}: index.html, results.json, results.md")


def _tell(console: Console, one: Comparison) -> None:
    from automl.benchmark import summary

    cells = [summary.system_cells(row, one.budget) for row in one.systems]
    keep = summary.used_columns(cells)
    console.table(
        [[row[i] for i in keep] for row in cells],
        [summary.SYSTEM_COLUMNS[i] for i in keep],
        title=summary.headline(one),
    )
    console.data("")
    rows = [summary.score_cells(one, table) for table in one.sets]
    console.table(rows, summary.score_columns(one))


def _words(text: str, needed_by: str | None) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if needed_by and not words:
        raise ConfigError(f"{needed_by} names nothing.")
    return words


def _seed(word: str) -> int:
    if not word.isdecimal():
        raise ConfigError(f"--seeds must be whole numbers of at least 0, not {word!r}.")
    return int(word)
