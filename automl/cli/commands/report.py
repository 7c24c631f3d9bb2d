"""`automl report`: draw the page of a bundle again, or on new labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.commands._cells import chosen_mode, mode_options, report_option, say_cells
from automl.cli.options import (
    console_options,
    digest_option,
    json_option,
    reading_options,
    reading_settings,
    seed_option,
)

if TYPE_CHECKING:
    from automl.cli.console import Console


@click.command("report")
@click.argument("bundle", metavar="BUNDLE")
@click.argument("data", metavar="[DATA]", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the page here  [BUNDLE-report.html]",
)
@click.option("--weight-column", metavar="COLUMN", help="Weigh the rows  [as in training]")
@mode_options
@report_option
@click.option("--threads", type=int, metavar="N", help="Use N threads  [by rows and cores]")
@digest_option
@seed_option
@reading_options
@json_option
@console_options
def command(
    bundle: str,
    data: str | None,
    output: Path | None,
    weight_column: str | None,
    lenient: bool,
    strict: bool,
    validation_report: Path | None,
    threads: int | None,
    require_digest: str | None,
    seed: int,
    delimiter: str | None,
    encoding: str | None,
    header: bool | None,
    as_json: bool,
    console: Console,
) -> None:
    """Draw the report of BUNDLE again, or on the labelled rows of DATA.

    One page in HTML: result, data, race, performance, explanation, where it is wrong, fairness
    and decisions. It needs no network. Without DATA it shows what the fit found out of fold; with
    DATA all but data, race and decisions tells of its rows, read and taken as `automl evaluate`
    does. The bundle itself stays as it is. --json prints the facts on the page as well.

    \b
    Example:
        automl report data-model
        automl report data-model labelled.csv --output page.html
    """
    from automl.data.read import ReadOptions
    from automl.workflows.evaluate import EvaluateOptions
    from automl.workflows.report import report

    options = EvaluateOptions(
        weight_column=weight_column,
        report=validation_report,
        mode=chosen_mode(lenient=lenient, strict=strict),
        threads=threads,
        require_digest=require_digest,
        seed=seed,
        read=ReadOptions(**reading_settings(delimiter, encoding, header)),
    )
    drawn = report(bundle, data, output, options=options)
    if drawn.rows is not None:
        say_cells(console, drawn.rows.tally)
        rows = drawn.rows
        console.say(f"{len(rows.y):,} of {rows.tally.n_rows:,} rows measured")
    if as_json:
        console.emit_json(drawn.facts)
    console.result(f"The report is {drawn.path}")
