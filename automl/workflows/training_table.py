"""From a file or frame to the table that is trained on: target, typed columns, rows that count."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.config import FitConfig
from automl.data.audit import audit
from automl.data.cells import read_cells
from automl.data.duplicates import duplicate_rows
from automl.data.groups import Groups
from automl.data.infer import infer_schema
from automl.data.kinds import find_kind
from automl.data.parse import parse_cells
from automl.data.schema import Column, Kind, ParsedTable, Schema
from automl.data.splits import Split
from automl.data.target import Target, infer_target
from automl.errors import ConfigError, DataError, did_you_mean
from automl.ledger import Ledger, Silent
from automl.metrics._lookup import get_metric
from automl.task import Task
from automl.workflows.aside import Aside, Ordered, aside_of, set_aside
from automl.workflows.fairness import audited_groups
from automl.workflows.memory import MemoryPlan, rows_within
from automl.workflows.personal import hidden, personal_of, with_reasons

Floats = NDArray[np.float64]

# Rows whose cells stay until the report, and cells of all columns together.
_SAMPLED_ROWS, _SAMPLED_CELLS = 20_000, 4_000_000


@dataclass(frozen=True)
class TrainingTable:
    """The rows that are trained on, typed.

    target: with `y` for these rows only.  weight: (n,) row weights or None.  groups: (n,) ids or
    None.  times: (n,) ordered numbers or None.  duplicates: (n,) id of rows that are equal in all
    used columns.  digest: SHA-256 of the file, or of the frame's cells.  rows: (n,) number of each
    row in the table as it was read, 0 = its first.  aside: the rows that `--test-share` keeps out
    of all of this.  sample: the rows that `parsed` holds, in its order; None = all of them.
    sensitive: the groups of the columns that are audited, also of those that are no features.
    """

    name: str
    n_rows: int
    target: Target
    schema: Schema
    parsed: ParsedTable
    weight: Floats | None
    groups: NDArray[np.int64] | None
    times: Floats | None
    duplicates: NDArray[np.int64]
    digest: str
    rows: NDArray[np.int64]
    aside: Aside | None = None
    sample: NDArray[np.int64] | None = None
    sensitive: tuple[Groups, ...] = ()

    def only_sampled(self, splits: Sequence[Split], seed: int) -> TrainingTable:
        """The same table with the cells of random rows only, of those that `splits` validate.

        The matrix holds what training needs; the cells of a large table take as much again.
        """
        validated = np.unique(np.concatenate([split.valid for split in splits]))
        most = max(min(_SAMPLED_ROWS, _SAMPLED_CELLS // max(1, len(self.schema.used))), 1)
        rows = np.random.default_rng(seed).permutation(validated)[:most]
        parsed = self.parsed.take(rows)
        return replace(self, parsed=parsed, sample=np.asarray(rows, dtype=np.int64))


def load_training_table(
    data: Any, config: FitConfig, ledger: Ledger, memory: MemoryPlan | None = None
) -> TrainingTable:
    """Read `data` (a path, "-" for standard input, or a DataFrame) and find target and columns.

    Only some rows are used where `memory` is too short for all.
    Raises DataError or ConfigError, naming what is wrong with which column or row.
    """
    frame, name, digest, headers = _read(data, config, ledger)
    _check_columns(frame, config)
    frame = _sample(frame, config, ledger)
    if memory is not None:
        frame = _within(frame, memory, config)
    frame, aside = _set_aside(frame, config, ledger)
    target = _target(frame[config.target], config, ledger)
    frame = frame.loc[target.kept]
    rows = frame.index.to_numpy(dtype=np.int64)  # until here it says where a row came from
    frame = frame.reset_index(drop=True)
    features = frame.drop(columns=[config.target])
    roles = [
        column
        for column in (config.group_column, config.time_column, config.weight_column)
        if column is not None
    ]
    personal, keys = personal_of(features, config, roles)
    schema, parsed = infer_schema(
        features,
        headers=headers,
        kinds=config.column,
        drop=(*config.drop, *(name for name in personal if name not in keys)),
        roles=roles,
        monotone=config.monotone,
        hash_keys=keys,
    )
    schema = with_reasons(schema, personal, config)
    _tell_columns(schema, parsed, ledger)
    duplicates = duplicate_rows(features.iloc[:, list(schema.used)])
    table = TrainingTable(
        name=name,
        n_rows=len(features),
        target=target,
        schema=schema,
        parsed=parsed,
        weight=_weights(frame, config),
        groups=_groups(frame, config),
        times=_times(frame, config),
        duplicates=np.asarray(duplicates, dtype=np.int64),
        digest=digest,
        rows=rows,
        aside=aside,
        sensitive=audited_groups(hidden(features, schema, parsed), schema, config, ledger),
    )
    _tell_findings(table, ledger)
    return table


def _read(
    data: Any, config: FitConfig, ledger: Ledger
) -> tuple[pd.DataFrame, str, str, Mapping[str, str]]:
    if isinstance(data, pd.DataFrame):
        frame = named_frame(data)
        cells = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        return frame, "data", hashlib.sha256(cells.tobytes()).hexdigest(), {}
    from automl.data.read import ReadOptions, read

    options = ReadOptions(
        delimiter=config.delimiter,
        encoding=config.encoding,
        na_values=config.na_value,
        keep_na=config.keep_na,
        header=config.header,
    )
    table = read(data, options=options, text=(config.target,))
    for note in table.notes:
        ledger.add("data", note)
    name = "stdin" if str(data) == "-" else Path(data).name
    headers = dict(zip(table.frame.columns, table.headers, strict=True))
    ledger.add("data", f"{name}: {len(table.frame):,} rows, {len(table.frame.columns):,} columns")
    return table.frame, name, table.digest, headers


def named_frame(data: pd.DataFrame) -> pd.DataFrame:
    """`data` with unique texts as column names and a plain index; its cells are not copied."""
    frame = data.copy(deep=False)
    frame.columns = pd.Index([str(column) for column in frame.columns])
    if not frame.columns.is_unique:
        repeated = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"Column {repeated!r} is there more than once.", hint="Rename one.")
    return frame.reset_index(drop=True)


def _check_columns(frame: pd.DataFrame, config: FitConfig) -> None:
    """Every column that an option names must be there, and have one role."""
    columns = list(frame.columns)
    named = {
        "--target": config.target,
        "--group-column": config.group_column,
        "--time-column": config.time_column,
        "--weight-column": config.weight_column,
    }
    asked = [*named.items(), *(("--sensitive", name) for name in config.sensitive)]
    for option, column in asked:
        if column is None or column in columns:
            continue
        what = "Target" if option == "--target" else f"{option}"
        raise DataError(
            f"{what} {column!r} is not a column of the table.",
            hint=did_you_mean(column, columns) or list_columns(columns),
        )
    clash = [o for o, c in named.items() if o != "--target" and c == config.target]
    if clash:
        raise ConfigError(f"{clash[0]} and --target name the same column, {config.target!r}.")
    if config.target in config.drop:
        raise ConfigError(f"--drop names the target, {config.target!r}.")
    if len(columns) < 2:
        raise DataError(
            f"The table has only one column, {columns[0]!r}; there is nothing to learn from.",
            hint="If the cells are split by another character, name it with --delimiter.",
        )


def list_columns(columns: list[str]) -> str:
    """The first names, as a hint."""
    shown = ", ".join(repr(column) for column in columns[:8])
    return f"Columns: {shown}{', …' if len(columns) > 8 else ''}."


def _sample(frame: pd.DataFrame, config: FitConfig, ledger: Ledger) -> pd.DataFrame:
    if config.sample is None:
        return frame
    wanted = config.sample * len(frame) if config.sample < 1 else config.sample
    n_rows = min(len(frame), max(1, round(wanted)))
    ledger.add("data", f"{n_rows:,} of {len(frame):,} rows are used", "--sample")
    return _some_rows(frame, n_rows, config.seed)


def _within(frame: pd.DataFrame, memory: MemoryPlan, config: FitConfig) -> pd.DataFrame:
    """`frame`, or as many of its rows as there is memory for."""
    n_rows = rows_within(memory, *frame.shape, config.engines or ("lightgbm",))
    if n_rows == len(frame):
        return frame
    return _some_rows(frame, n_rows, config.seed)


def _some_rows(frame: pd.DataFrame, n_rows: int, seed: int) -> pd.DataFrame:
    chosen = np.random.default_rng(seed).permutation(len(frame))[:n_rows]
    return frame.iloc[np.sort(chosen)]


def _set_aside(
    frame: pd.DataFrame, config: FitConfig, ledger: Ledger
) -> tuple[pd.DataFrame, Aside | None]:
    """The rows to train on, and those that `--test-share` keeps out of everything."""
    if config.test_share is None:
        return frame, None
    target = _target(frame[config.target], config, Ledger(Silent()))
    known = frame.loc[target.kept].reset_index(drop=True)
    ties = Ordered(_groups(known, config), _times(known, config))
    rest, out = set_aside(frame, target, ties, config)
    aside = aside_of(frame, target, out)
    ledger.add("data", f"{len(out):,} rows are kept aside", "--test-share")
    aside = replace(aside, weight=_weights(aside.frame, config))
    return frame.iloc[rest], aside


def _target(column: pd.Series[Any], config: FitConfig, ledger: Ledger) -> Target:
    metric = None if config.score is None else get_metric(config.score)
    target = infer_target(
        column,
        name=config.target,
        task=None if config.task is None else Task(config.task),
        metric_tasks=None if metric is None else metric.tasks,
        metric_name=None if metric is None else metric.name,
    )
    ledger.add("task", f"{target.task.value}: {config.target}", target.reason)
    if target.n_missing:
        ledger.add(
            "data",
            f"{target.n_missing:,} rows without a target are left out",
            warning=target.n_missing > 0.2 * len(column),
        )
    for note in target.notes:
        ledger.add("task", note)
    return target


def _tell_columns(schema: Schema, parsed: ParsedTable, ledger: Ledger) -> None:
    kinds: dict[str, int] = {}
    for column in schema.columns:
        if column.used:
            kinds[column.kind.value] = kinds.get(column.kind.value, 0) + 1
            if column.hash_key:
                ledger.add("columns", f"{column.name!r} is used as keyed hashes", column.reason)
        else:
            ledger.add("columns", f"{column.name!r} is not used", column.reason)
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    ledger.add("columns", f"{sum(kinds.values())} columns used: {found}")
    if parsed.n_bad:
        index, row, text = parsed.bad[0]
        name = schema.columns[index].name
        ledger.add(
            "columns",
            f"{parsed.n_bad:,} cells do not have their column's type and count as missing",
            f"the first is {text!r} in row {row + 1} of {name!r}",
            warning=True,
        )


def _tell_findings(table: TrainingTable, ledger: Ledger) -> None:
    findings = audit(
        table.parsed,
        table.schema,
        table.target.y,
        table.target.task,
        classes=table.target.classes,
        duplicates=table.duplicates,
    )
    for finding in findings:
        ledger.add("data", finding.text, finding.hint, warning=True)


def _role_values(frame: pd.DataFrame, column: str, option: str) -> tuple[Floats, Kind]:
    """(n,) numbers of a role's column and its kind; DataError naming the first row without one.

    A running number is no feature, but it is an order or a weight.
    """
    cells = read_cells(frame[column])
    found = find_kind(cells, column)
    kind = Kind.NUMERIC if cells.source == "number" else found.kind
    if kind not in (Kind.NUMERIC, Kind.DATETIME):
        raise DataError(
            f"{option} {column!r} holds text; it needs numbers or dates.",
            hint="Choose another column, or mend its cells.",
        )
    parsed = parse_cells(cells, Column(column, kind, cells.source, "", formats=found.formats))
    if parsed.missing.any():
        row = int(np.flatnonzero(parsed.missing)[0]) + 1
        raise DataError(
            f"{option} {column!r} is missing in row {row} of the rows with a target.",
            hint="Fill it, or leave those rows out.",
        )
    return np.asarray(parsed.values, dtype=np.float64), kind


def _weights(frame: pd.DataFrame, config: FitConfig) -> Floats | None:
    if config.weight_column is None:
        return None
    weight, kind = _role_values(frame, config.weight_column, "--weight-column")
    if kind is not Kind.NUMERIC:
        raise DataError(
            f"--weight-column {config.weight_column!r} holds dates; it needs numbers.",
            hint="Choose another column.",
        )
    if (weight < 0).any():
        row = int(np.flatnonzero(weight < 0)[0]) + 1
        raise DataError(
            f"--weight-column {config.weight_column!r} is negative in row {row}.",
            hint="Weights are zero or more.",
        )
    if not weight.any():
        raise DataError(f"--weight-column {config.weight_column!r} is zero in every row.")
    if weight.min() == weight.max():
        return None  # equal weights are no weights
    return np.asarray(weight / weight.mean())


def _groups(frame: pd.DataFrame, config: FitConfig) -> NDArray[np.int64] | None:
    if config.group_column is None:
        return None
    codes, _ = pd.factorize(frame[config.group_column], use_na_sentinel=False)
    return np.asarray(codes, dtype=np.int64)


def _times(frame: pd.DataFrame, config: FitConfig) -> Floats | None:
    if config.time_column is None:
        return None
    return _role_values(frame, config.time_column, "--time-column")[0]
