"""How strictly the cells of a table are taken, and what a person is told about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from automl.cli.console import Console
    from automl.workflows._rows import Tally

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMED = 5
_LONGEST = 200  # letters of a name or cell


def mode_options(command: Command) -> Command:
    """`--lenient` and `--strict`, to be read with `chosen_mode`."""
    strict = click.option(
        "--strict", is_flag=True, help="Stop at the first wrong cell or unseen level"
    )
    lenient = click.option(
        "--lenient", is_flag=True, help="Score missing columns as missing cells"
    )
    return lenient(strict(command))


def report_option(command: Command) -> Command:
    """`--validation-report`, a path."""
    return click.option(
        "--validation-report",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write what differs from the training table, as JSON",
    )(command)


def excel_option(command: Command) -> Command:
    """`--excel-safe`, a flag."""
    return click.option(
        "--excel-safe", is_flag=True, help="Disarm spreadsheet formulas in CSV text"
    )(command)


def chosen_mode(*, lenient: bool, strict: bool) -> Literal["default", "lenient", "strict"]:
    """The mode that the two flags ask for; a usage error for both at once."""
    if lenient and strict:
        raise click.UsageError("--lenient and --strict exclude each other.")
    return "lenient" if lenient else "strict" if strict else "default"


def say_cells(console: Console, cells: Tally) -> None:
    """Warn of wrong cells, filled columns and changed formats; say how the file was read, unseen
    levels, numbers out of range and ignored columns."""
    if cells.notes:
        console.say(f"Read as: {'; '.join(cells.notes)}")
    if cells.n_bad:
        first = ", ".join(
            f"row {cell.row} column {_cut(cell.column)!r}: {_cut(cell.value)!r}"
            for cell in cells.bad
        )
        noun = "cell does not have its" if cells.n_bad == 1 else "cells do not have their"
        dots = ", …" if cells.n_bad > len(cells.bad) else ""
        console.warn(f"{cells.n_bad:,} {noun} column's type, scored as missing: {first}{dots}")
    for change in cells.changes()[:_NAMED]:
        console.warn(change.text)
    if cells.absent:
        console.warn(f"Columns missing from the data, scored as missing: {_names(cells.absent)}")
    if cells.unseen:
        _say_counts(console, cells.unseen, "a level that was not in the training data")
    if cells.out_of_range:
        _say_counts(console, cells.out_of_range, "a value outside of the training range")
    if cells.extra:
        console.say(f"Columns that the model does not know: {_names(cells.extra)}")


def _say_counts(console: Console, by_column: Counter[str], what: str) -> None:
    n = by_column.total()
    columns = [f"{_cut(name)!r} ({count:,})" for name, count in by_column.most_common(_NAMED)]
    dots = ", …" if len(by_column) > _NAMED else ""
    noun = "cell holds" if n == 1 else "cells hold"
    console.say(f"{n:,} {noun} {what}: {', '.join(columns)}{dots}")


def _names(names: Sequence[str]) -> str:
    dots = f", … ({len(names):,})" if len(names) > _NAMED else ""
    return ", ".join(repr(_cut(name)) for name in names[:_NAMED]) + dots


def _cut(name: str) -> str:
    """The name, unless it would fill the screen."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
