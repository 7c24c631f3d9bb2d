"""From a file or frame to its profile: what is in this table, before any model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from automl.data.read import ReadOptions, read
from automl.data.target import Target, infer_target
from automl.data.write import placed
from automl.errors import ConfigError, DataError, did_you_mean
from automl.insight.profile import Profile, profile_table
from automl.task import Task

_DEFAULTS = ReadOptions()


def profile(
    data: Any,
    target: str | None = None,
    *,
    task: str | None = None,
    output: Path | str | None = None,
    seed: int = 0,
    read_options: ReadOptions = _DEFAULTS,
) -> Profile:
    """The profile of `data`: a path, "-" for standard input, or a DataFrame.

    target: column that all others are related to.  task: "binary", "multiclass" or "regression"
    instead of what its values show.  output: an HTML page of the profile is written there.
    seed: of the rows that are sampled.
    Raises DataError or ConfigError, naming what is wrong with which column or row.
    """
    if task is not None and target is None:
        raise ConfigError("--task says what a target is, but there is none.", hint="Add --target.")
    frame, name, headers, notes = _read(data, target, read_options)
    if target is not None and target not in frame.columns:
        from automl.workflows.training_table import list_columns  # imports all that a fit needs

        columns = list(frame.columns)
        raise DataError(
            f"Target {target!r} is not a column of the table.",
            hint=did_you_mean(target, columns) or list_columns(columns),
        )
    found = profile_table(
        frame,
        name=name,
        headers=headers,
        target=None if target is None else _target(frame[target], target, task),
        notes=notes,
        seed=seed,
    )
    if output is not None:
        write_page(found, Path(output))
    return found


def write_page(found: Profile, output: Path) -> None:
    """Write the HTML page of a profile; it appears under its name when it is whole."""
    from automl.report.profile import profile_page

    page = profile_page(found).encode("utf-8")
    with placed(output) as stream:
        stream.write(page)


def _read(
    data: Any, target: str | None, options: ReadOptions
) -> tuple[pd.DataFrame, str, Mapping[str, str], tuple[str, ...]]:
    if isinstance(data, pd.DataFrame):
        from automl.workflows.training_table import named_frame

        return named_frame(data), "data", {}, ()
    table = read(data, options=options, text=() if target is None else (target,))
    name = "stdin" if str(data) == "-" else Path(data).name
    headers = dict(zip(table.frame.columns, table.headers, strict=True))
    return table.frame, name, headers, table.notes


def _target(column: pd.Series[Any], name: str, task: str | None) -> Target:
    return infer_target(column, name=name, task=None if task is None else Task(task))
