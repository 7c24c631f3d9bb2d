"""`automl explain`: say which columns moved each prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.commands._cells import chosen_mode, excel_option, mode_options, say_cells
from automl.cli.options import (
    console_options,
    digest_option,
    reading_options,
    reading_settings,
)

if TYPE_CHECKING:
    from automl.cli.console import Console


@click.command("explain")
@click.argument("bundle", metavar="BUNDLE")
@click.argument("data", metavar="DATA")
@click.option("--top", type=int, default=5, metavar="K", help="Name K columns per row  [5]")
@click.option("--global", "importance", is_flag=True, help="Write the importance of each column")
@click.option("--rows", type=int, metavar="N", help="Explain only the first N rows")
@click.option("--format", "file_format", metavar="csv|json", help="Choose the output format")
@click.option("-o", "--output", metavar="FILE", help="Write a .csv or .json file  [stdout]")
@click.option("--plots", metavar="DIR", help="Draw PNG plots into DIR; rows only with --output")
@excel_option
@mode_options
@click.option("--threads", type=int, metavar="N", help="Use N threads  [by rows and cores]")
@digest_option
@reading_options
@console_options
def command(
    bundle: str,
    data: str,
    top: int,
    importance: bool,
    rows: int | None,
    file_format: str | None,
    output: str | None,
    plots: str | None,
    excel_safe: bool,
    lenient: bool,
    strict: bool,
    threads: int | None,
    require_digest: str | None,
    delimiter: str | None,
    encoding: str | None,
    header: bool | None,
    console: Console,
) -> None:
    """Explain the predictions of BUNDLE for the rows of DATA.

    Writes the columns that moved each prediction most, with their cells and exact SHAP
    contributions. Contributions and base value add up to the margin: log-odds of the positive
    class, the raw score of the predicted class, or (transformed) target units. With --global the
    mean contribution of each column instead, over the first 2,000 rows unless --rows is given.

    Plots: beeswarm of the columns, dependence of the strongest, waterfall of the first rows.

    \b
    Example:
        automl explain data-model new.csv --top 3 --output reasons.csv
        automl explain data-model new.csv --plots plots
    """
    from automl.data.read import ReadOptions
    from automl.workflows.explain import ExplainOptions, explain_file

    found = reading_settings(delimiter, encoding, header)
    options = ExplainOptions(
        top=top,
        rows=rows,
        format=file_format,
        importance=importance,
        plots=None if plots is None else Path(plots),
        excel_safe=excel_safe,
        mode=chosen_mode(lenient=lenient, strict=strict),
        threads=threads,
        require_digest=require_digest,
        read=ReadOptions(**found),
    )
    place = Path(output) if output is not None else None
    to_stdout = place is None and plots is None
    report = explain_file(
        bundle, data, console.stdout_bytes() if to_stdout else place, options=options
    )
    say_cells(console, report.cells)
    noun = "row" if report.n_rows == 1 else "rows"
    where = f" to {output}" if output is not None else ""
    console.say(
        f"{report.n_rows:,} {noun} explained{where} in {report.seconds:.1f}s; contributions add "
        f"up to the margin within {report.additivity_error:.1g}"
    )
    for path in report.plots:
        console.say(f"  {path}")
