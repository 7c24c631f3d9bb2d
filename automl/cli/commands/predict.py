"""`automl predict`: score a table with a bundle."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.commands._cells import (
    chosen_mode,
    excel_option,
    mode_options,
    report_option,
    say_cells,
)
from automl.cli.options import (
    console_options,
    digest_option,
    reading_options,
    reading_settings,
)

if TYPE_CHECKING:
    from automl.cli.console import Console


@click.command("predict")
@click.argument("bundle", metavar="BUNDLE")
@click.argument("data", metavar="DATA")
@click.option(
    "-o", "--output", metavar="FILE", help="Write a .csv, .parquet or .jsonl file  [stdout]"
)
@click.option(
    "--format", "file_format", metavar="csv|parquet|jsonl", help="Choose the output format"
)
@click.option("--proba", is_flag=True, help="Add a probability per class")
@click.option(
    "--interval", type=float, metavar="LEVEL", help="Add the ends that hold this share of targets"
)
@click.option(
    "--sets", type=float, metavar="LEVEL", help="Add sets that hold the class this often"
)
@click.option("--keep", multiple=True, metavar="COLUMNS", help="Carry columns along; a,b or all")
@click.option("--explain", type=int, default=0, metavar="K", help="Add the K strongest reasons")
@excel_option
@mode_options
@report_option
@click.option("--chunk-rows", type=int, metavar="N", help="Hold N rows in memory at a time")
@click.option("--threads", type=int, metavar="N", help="Use N threads  [by rows and cores]")
@digest_option
@reading_options
@console_options
def command(
    bundle: str,
    data: str,
    output: str | None,
    file_format: str | None,
    proba: bool,
    interval: float | None,
    sets: float | None,
    keep: tuple[str, ...],
    explain: int,
    excel_safe: bool,
    lenient: bool,
    strict: bool,
    validation_report: Path | None,
    chunk_rows: int | None,
    threads: int | None,
    require_digest: str | None,
    delimiter: str | None,
    encoding: str | None,
    header: bool | None,
    console: Console,
) -> None:
    """Score the rows of DATA with BUNDLE.

    Every row comes out, in its place: kept columns first, then `prediction`, `prediction_lower`
    and `prediction_upper` (--interval), `prediction_set`, a JSON list of labels (--sets),
    `proba_<class>` for each class (--proba), and `reason_<i>`, `reason_<i>_value`,
    `reason_<i>_contribution` (--explain). A kept column that has one of these names gets `_input`
    behind its name.

    A cell of the wrong type is scored as missing and named; --validation-report lists what else
    the table has against the schema. Kept cells and labels are written as they are; with
    --excel-safe, text in CSV that a spreadsheet would run as a formula gets an apostrophe.

    \b
    Example:
        automl predict data-model new.csv --proba --keep id --output scores.csv
    """
    gc.disable()  # what is imported stays: to look for garbage in it takes a tenth of the time
    try:
        from automl.data.read import ReadOptions
        from automl.workflows.predict import PredictOptions, predict_file
    finally:
        gc.enable()

    found = reading_settings(delimiter, encoding, header)
    options = PredictOptions(
        proba=proba,
        interval=interval,
        sets=sets,
        keep=keep,
        explain=explain,
        excel_safe=excel_safe,
        report=validation_report,
        mode=chosen_mode(lenient=lenient, strict=strict),
        format=file_format,
        chunk_rows=chunk_rows,
        threads=threads,
        require_digest=require_digest,
        read=ReadOptions(**found),
    )
    place = console.stdout_bytes() if output is None else Path(output)
    report = predict_file(bundle, data, place, options=options)
    say_cells(console, report.cells)
    where = f" to {output}" if output is not None else ""
    rows = "row" if report.n_rows == 1 else "rows"
    console.say(f"{report.n_rows:,} {rows} scored{where}, {report.rows_per_second:,.0f} rows/s.")
