"""`automl explain`: say which columns moved each prediction, and what would change it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from automl.workflows.explain import ExplainOptions


@click.command("explain")
@click.argument("bundle", metavar="BUNDLE")
@click.argument("data", metavar="DATA")
@click.option("--top", type=int, default=5, metavar="K", help="Name K columns per row  [5]")
@click.option("--global", "importance", is_flag=True, help="Write the importance of each column")
@click.option("--rows", type=int, metavar="N", help="Explain only the first N rows")
@click.option("--row", type=int, multiple=True, metavar="N", help="Explain row N; 1 = the first")
@click.option(
    "--set", "changes", multiple=True, metavar="COLUMN=VALUE", help="What if the cell were VALUE"
)
@click.option("--counterfactual", is_flag=True, help="Find the nearest change that flips a row")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Never change COLUMN for that")
@click.option("--aim", metavar="LABEL|LOW:HIGH", help="Flip to this class or range of values")
@click.option("--format", "file_format", metavar="csv|json", help="Choose the output format")
@click.option("-o", "--output", metavar="FILE", help="Write a .csv or .json file  [stdout]")
@click.option("--plots", metavar="DIR", help="Draw PNG plots into DIR; rows only with --output")
@click.option(
    "--plot",
    multiple=True,
    metavar="KIND",
    help="Draw only a beeswarm, waterfall, dependence or importance",
)
@excel_option
@mode_options
@click.option("--threads", type=int, metavar="N", help="Use N threads  [by rows and cores]")
@digest_option
@reading_options
@console_options
def command(
    bundle: str,
    data: str,
    console: Console,
    output: str | None,
    row: tuple[int, ...],
    changes: tuple[str, ...],
    counterfactual: bool,
    keep: tuple[str, ...],
    aim: str | None,
    **given: Any,
) -> None:
    """Explain the predictions of BUNDLE for the rows of DATA.

    Writes the columns that moved each prediction most, with their cells and exact SHAP
    contributions. Contributions and base value add up to the margin: log-odds of the positive
    class, the raw score of the predicted class, or (transformed) target units. With --global the
    mean contribution of each column instead, over the first 2,000 rows unless --rows is given.

    Plots: beeswarm of the columns, dependence of the strongest, waterfall of the first rows.

    --row, which may be given again, tells of single rows as text, or in the --format asked for.
    For these --set says what would be predicted of other cells, and --counterfactual looks for
    the nearest change of up to three columns, within the training ranges, that flips the decision
    or reaches --aim; what it proposes is what `automl predict` says of the changed row.

    \b
    Example:
        automl explain data-model new.csv --top 3 --output reasons.csv
        automl explain data-model new.csv --plots plots
        automl explain data-model new.csv --row 7 --set age=40 --counterfactual --keep sex
    """
    options = _options(given)
    if row or changes or counterfactual or keep or aim is not None:
        from automl.workflows.explain_rows import RowOptions

        rows = RowOptions(row, changes, counterfactual, keep, aim, options)
        _tell_rows(bundle, data, output, rows, console)
        return
    from automl.workflows.explain import explain_file

    place = Path(output) if output is not None else None
    to_stdout = place is None and options.plots is None
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


def _options(given: dict[str, Any]) -> ExplainOptions:
    from automl.data.read import ReadOptions
    from automl.workflows.explain import ExplainOptions

    names = ("delimiter", "encoding", "header")
    found = reading_settings(*(given[name] for name in names))
    plots = given["plots"]
    return ExplainOptions(
        top=given["top"],
        rows=given["rows"],
        format=given["file_format"],
        importance=given["importance"],
        plots=None if plots is None else Path(plots),
        plot=given["plot"],
        excel_safe=given["excel_safe"],
        mode=chosen_mode(lenient=given["lenient"], strict=given["strict"]),
        threads=given["threads"],
        require_digest=given["require_digest"],
        read=ReadOptions(**found),
    )


def _tell_rows(bundle: str, data: str, output: str | None, options: Any, console: Console) -> None:
    """Text on stdout unless a format or a file is asked for."""
    from automl.cli.waterfall import row_text
    from automl.workflows.explain_rows import explain_rows

    as_text = output is None and options.explain.format is None
    place = None
    if not as_text:
        place = console.stdout_bytes() if output is None else Path(output)
    report = explain_rows(bundle, data, place, options=options)
    say_cells(console, report.cells)
    if as_text:
        console.data("\n".join(row_text(told) for told in report.told))
    for path in report.plots:
        console.say(f"  {path}")
