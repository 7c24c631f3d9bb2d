"""`automl export`: a bundle in a format that other programs score with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.options import (
    console_options,
    digest_option,
    json_option,
    reading_options,
    reading_settings,
)
from automl.export.registry import format_names

if TYPE_CHECKING:
    from automl.cli.console import Console
    from automl.export.check import Difference
    from automl.workflows.export import Exported


@click.command("export")
@click.argument("bundle", metavar="BUNDLE")
@click.option(
    "--to", "to", required=True, metavar="|".join(format_names()), help="Choose the format"
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write into this folder  [<bundle>-<format>]",
)
@click.option("--check", metavar="DATA", help="Score the rows of DATA with both, too")
@click.option("--force", is_flag=True, help="Replace an older export")
@digest_option
@reading_options
@json_option
@console_options
def command(
    bundle: str,
    to: str,
    output: Path | None,
    check: str | None,
    force: bool,
    require_digest: str | None,
    delimiter: str | None,
    encoding: str | None,
    header: bool | None,
    as_json: bool,
    console: Console,
) -> None:
    """Write the model of BUNDLE so that it scores without this program, or as a service.

    The output appears only when it has been verified: rows drawn from the schema, with missing
    cells, unseen levels and numbers out of range, and the rows of --check are scored by the
    bundle and by what was exported. They must agree within 1e-5 x max(1, |value|).

    A model that a format cannot express is refused, with the member that is the reason.

    \b
    Example:
        automl export data-model --to python --check new.csv
    """
    from automl.data.read import ReadOptions
    from automl.workflows.export import export

    found = export(
        bundle,
        to,
        output,
        check=check,
        force=force,
        require_digest=require_digest,
        read=ReadOptions(**reading_settings(delimiter, encoding, header)),
    )
    if as_json:
        console.emit_json(found.to_json())
        return
    _show(console, found)


def _show(console: Console, found: Exported) -> None:
    from automl.cli.commands._cells import say_cells

    if found.cells is not None:
        say_cells(console, found.cells)
    rows = []
    for one in found.checks:
        largest = "-" if one.largest is None else f"{one.largest.size:.2g}"
        where = "" if one.largest is None or not one.largest.size else _where(one.largest)
        rows.append((one.rows, f"{one.n_rows:,}", largest, where))
    console.table(rows, ("verified on", "rows", "largest difference", "where"))
    for note in found.notes:
        console.say(note)
    size = found.n_bytes / 1e6
    text = f"{size:.2f} MB" if size >= 0.1 else f"{size * 1e3:.1f} kB"
    console.result(
        f"'{found.path}' holds the model as {found.format}: {text} in {found.n_files:,} files, "
        f"{found.rows_per_second:,.0f} rows/s."
    )


def _where(found: Difference) -> str:

    return f"row {found.row:,}, {found.column}"
