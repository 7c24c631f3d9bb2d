"""How strictly the cells of a table are taken, and what a person is told about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from automl.cli.console import Console
    from automl.workflows._rows import Tally

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMED = 5


def mode_options(command: Command) -> Command:
    """`--lenient` and `--strict`, to be read with `chosen_mode`."""
    strict = click.option(
        "--strict", is_flag=True, help="Stop at the first wrong cell or unseen level"
    )
    lenient = click.option(
        "--lenient", is_flag=True, help="Score missing columns as missing cells"
    )
    return lenient(strict(command))


def chosen_mode(*, lenient: bool, strict: bool) -> Literal["default", "lenient", "strict"]:
    """The mode that the two flags ask for; a usage error for both at once."""
    if lenient and strict:
        raise click.UsageError("--lenient and --strict exclude each other.")
    return "lenient" if lenient else "strict" if strict else "default"


def say_cells(console: Console, cells: Tally) -> None:
    """Warn of wrong cells and filled columns; say unseen levels and ignored columns."""
    if cells.n_bad:
        first = ", ".join(
            f"row {cell.row} column {cell.column!r}: {cell.text!r}" for cell in cells.bad
        )
        noun = "cell does not have its" if cells.n_bad == 1 else "cells do not have their"
        dots = ", …" if cells.n_bad > len(cells.bad) else ""
        console.warn(f"{cells.n_bad:,} {noun} column's type, scored as missing: {first}{dots}")
    if cells.absent:
        console.warn(f"Columns missing from the data, scored as missing: {_names(cells.absent)}")
    if cells.unseen:
        columns = [f"{name!r} ({n:,})" for name, n in cells.unseen.most_common(_NAMED)]
        dots = ", …" if len(cells.unseen) > _NAMED else ""
        noun = "cell holds" if cells.n_unseen == 1 else "cells hold"
        console.say(
            f"{cells.n_unseen:,} {noun} a level that was not in the training data: "
            f"{', '.join(columns)}{dots}"
        )
    if cells.extra:
        console.say(f"Columns that the model does not know: {_names(cells.extra)}")


def _names(names: Sequence[str]) -> str:
    dots = ", …" if len(names) > _NAMED else ""
    return ", ".join(repr(name) for name in names[:_NAMED]) + dots
