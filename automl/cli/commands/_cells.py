"""What a person is told about the cells of a table that was scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automl.cli.console import Console
    from automl.workflows._rows import Tally

_NAMED = 5


def say_cells(console: Console, cells: Tally) -> None:
    """Warn of wrong cells and filled columns; say unseen levels and ignored columns."""
    if cells.n_bad:
        first = ", ".join(
            f"row {cell.row} column {cell.column!r}: {cell.text!r}" for cell in cells.bad
        )
        noun = "cell does not have its" if cells.n_bad == 1 else "cells do not have their"
        dots = ", …" if cells.n_bad > len(cells.bad) else ""
        console.warn(f"{cells.n_bad:,} {noun} column's type, scored as missing: {first}{dots}.")
    if cells.absent:
        console.warn(f"Columns missing from the data, scored as missing: {_names(cells.absent)}.")
    if cells.unseen:
        columns = [f"{name!r} ({n:,})" for name, n in cells.unseen.most_common(_NAMED)]
        dots = ", …" if len(cells.unseen) > _NAMED else ""
        console.say(
            f"{cells.n_unseen:,} cells hold a level that was not in the training data: "
            f"{', '.join(columns)}{dots}."
        )
    if cells.extra:
        console.say(f"Columns that the model does not use: {_names(cells.extra)}.")


def _names(names: Sequence[str]) -> str:
    dots = ", …" if len(names) > _NAMED else ""
    return ", ".join(repr(name) for name in names[:_NAMED]) + dots
