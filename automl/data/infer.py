"""Infer the schema of a training table: kinds, drops and statistics of its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd

from automl.data.cells import Cells, Floats, read_cells
from automl.data.kinds import SET_BY_USER, boolean_levels, find_kind, forced_kind
from automl.data.parse import Parsed, column_levels, parse_cells
from automl.data.schema import Column, Drop, Kind, ParsedTable, Schema
from automl.errors import ConfigError, DataError, did_you_mean

_QUANTILES = np.linspace(0, 1, 21)
_WORDS = (*(str(kind) for kind in Kind), "identifier", "drop")
_MAX_BAD = 100
_ORDERED = (Kind.NUMERIC, Kind.BOOLEAN, Kind.DATETIME)
_NO_KINDS: Mapping[str, str] = {}
_NO_MONOTONE: Mapping[str, int] = {}


def infer_schema(
    frame: pd.DataFrame,
    *,
    headers: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] = _NO_KINDS,
    drop: Collection[str] = (),
    roles: Collection[str] = (),
    monotone: Mapping[str, int] = _NO_MONOTONE,
    hash_keys: Mapping[str, str] = _NO_KINDS,
) -> tuple[Schema, ParsedTable]:
    """The schema of `frame` (without its target), and the typed cells of its used columns.

    headers: text in the file by unique column name.  kinds: kind, "identifier" or "drop" by name,
    over what the cells show.  drop, roles: columns that do not enter the model.
    monotone: -1, 0 or +1 by name of a numeric, boolean or datetime column.  hash_keys: of columns
    that become categorical and whose levels are keyed hashes.
    Raises ConfigError for unknown names and kinds, DataError for repeated column names, for a
    forced kind that no cell has, and when no column is left to learn from.
    """
    names = [str(name) for name in frame.columns]
    _check_names(names, kinds=kinds, drop=drop, roles=roles, monotone=monotone)
    _check_words(kinds, monotone)
    columns: list[Column] = []
    values: dict[int, Parsed] = {}
    bad: list[tuple[int, int, str]] = []  # (row, column, text), sorted by row below
    seen: dict[tuple[Any, ...], list[int]] = {}
    for i, name in enumerate(names):
        header = (headers or {}).get(name, name)
        word = "drop" if name in drop else kinds.get(name)
        asked = Column(
            name, Kind.CATEGORICAL, "text", "", header=header, monotone=monotone.get(name, 0)
        )
        if name in hash_keys and word != "drop":
            word, asked = Kind.CATEGORICAL.value, replace(asked, hash_key=hash_keys[name])
        if word == "drop":
            columns.append(replace(asked, drop=Drop.USER, reason="dropped on request"))
            continue
        cells = read_cells(frame.iloc[:, i])
        column, parsed = infer_column(cells, asked, word, role=name in roles)
        if parsed is not None:
            twin = _find_twin(column, parsed, values=values, seen=seen)
            if twin is None:
                seen.setdefault(_statistics(column), []).append(i)
                values[i] = parsed
                wrong = np.flatnonzero(parsed.bad)[:_MAX_BAD]
                bad += [(int(row), i, cells.text_at(int(row))) for row in wrong]
            else:
                told = f"equal to {names[twin]!r} in every row"
                column = replace(column, drop=Drop.DUPLICATE, reason=told)
        columns.append(column)
    _check_result(columns)
    bad.sort(key=lambda cell: cell[:2])
    listed = tuple((i, row, text) for row, i, text in bad[:_MAX_BAD])
    n_bad = sum(int(parsed.bad.sum()) for parsed in values.values())
    typed = {i: parsed.values for i, parsed in values.items()}
    return Schema(tuple(columns)), ParsedTable(len(frame), typed, listed, n_bad)


def infer_column(
    cells: Cells, asked: Column, word: str | None, *, role: bool
) -> tuple[Column, Parsed | None]:
    """`asked` with kind, formats, levels and statistics; its typed cells if it is used."""
    if word is None or word == "identifier":
        finding = find_kind(cells, asked.name)
    else:
        finding = forced_kind(cells, asked.name, Kind(word))
    if word == "identifier":
        finding = replace(finding, drop=Drop.IDENTIFIER, reason=SET_BY_USER)
    if role:
        finding = replace(finding, drop=Drop.ROLE, reason="has a role of its own")
    column = replace(
        asked,
        kind=finding.kind,
        source=cells.source,
        reason=finding.reason,
        drop=finding.drop,
        formats=dict(finding.formats),
        missing=float(cells.missing.mean()) if cells.n_rows else 0.0,
    )
    if finding.drop is not None:  # its values are nobody's business any more
        n_unique = len(cells.texts) if cells.source == "text" else _n_unique(cells.values)
        return replace(column, n_unique=n_unique), None
    column = _with_levels(column, cells)
    parsed = parse_cells(cells, column)
    column = _drop_constant(_with_statistics(column, parsed))
    return column, parsed if column.used else None


def _n_unique(values: Floats) -> int:
    """Distinct numbers in `values`, NaN not counted."""
    return len(pd.unique(values[~np.isnan(values)]))


def _with_levels(column: Column, cells: Cells) -> Column:
    """`column` with the levels of a categorical or boolean one, by falling count."""
    if column.kind is Kind.BOOLEAN:
        return replace(column, levels=boolean_levels(cells))
    if column.kind is not Kind.CATEGORICAL:
        return column
    codes, texts = column_levels(cells, column)
    rows = np.bincount(codes[codes >= 0], minlength=len(texts)).tolist()
    ordered = sorted(zip(texts, rows, strict=True), key=lambda level: (-level[1], level[0]))
    levels = tuple(text for text, _ in ordered)
    return replace(column, levels=levels, counts=tuple(count for _, count in ordered))


def _with_statistics(column: Column, parsed: Parsed) -> Column:
    missing = parsed.missing
    column = replace(column, missing=float(missing.mean()) if len(missing) else 0.0)
    if column.kind is Kind.CATEGORICAL:
        return replace(column, n_unique=len(column.levels))
    if column.kind is Kind.TEXT:
        return replace(column, n_unique=int(parsed.values.nunique()))
    present = parsed.values[~missing]
    if column.kind is Kind.BOOLEAN:
        true = int(present.sum())
        counts = (len(present) - true, true)
        column = replace(column, counts=counts, n_unique=sum(count > 0 for count in counts))
    else:
        column = replace(column, n_unique=_n_unique(present))
    if not len(present):
        return column
    if column.kind is not Kind.BOOLEAN:
        column = replace(column, bins=tuple(np.quantile(present, _QUANTILES).tolist()))
    return replace(column, minimum=float(present.min()), maximum=float(present.max()))


def _drop_constant(column: Column) -> Column:
    """`column`, dropped if it has one value in all rows or none that can be read."""
    if column.n_unique == 0:
        return replace(column, drop=Drop.EMPTY, reason="every cell is missing")
    if column.n_unique == 1 and column.missing == 0:
        return replace(column, drop=Drop.CONSTANT, reason="the same value in every row")
    return column


def _find_twin(
    column: Column,
    parsed: Parsed,
    *,
    values: Mapping[int, Parsed],
    seen: Mapping[tuple[Any, ...], list[int]],
) -> int | None:
    """Index of a used column with the same values in all rows, or None.

    Only columns with equal statistics (the keys of `seen`) are compared cell by cell.
    """
    alike = seen.get(_statistics(column))
    if not alike:
        return None
    own = _digest(parsed)
    return next((other for other in alike if _digest(values[other]) == own), None)


def _statistics(column: Column) -> tuple[Any, ...]:
    facts = (column.kind, column.n_unique, column.missing, column.minimum, column.maximum)
    return (*facts, column.bins, column.counts, column.levels)


def _digest(parsed: Parsed) -> bytes:
    """Fingerprint of the values of a column."""
    if isinstance(parsed.values, pd.Series):
        return pd.util.hash_pandas_object(parsed.values, index=False).to_numpy().tobytes()
    # Adding zero turns -0.0 into 0.0.
    return blake2b(np.ascontiguousarray(parsed.values + 0).tobytes()).digest()


def _check_names(
    names: list[str],
    *,
    kinds: Iterable[str],
    drop: Iterable[str],
    roles: Iterable[str],
    monotone: Iterable[str],
) -> None:
    """Raise for repeated columns and for options that name columns that are not there."""
    counts = Counter(names)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        message = f"Column {twice[0]!r} is there more than once."
        raise DataError(message, hint="Rename one of them.")
    asked = [("--column names", kinds), ("--drop names", drop), ("--monotone names", monotone)]
    for what, wanted in (*asked, ("The group, time or weight column is", roles)):
        for name in wanted:
            if name not in counts:
                hint = did_you_mean(name, names) or "Spell it as in the header of the file."
                message = f"{what} {name!r}, but the table has no such column."
                raise ConfigError(message, hint=hint)


def _check_words(kinds: Mapping[str, str], monotone: Mapping[str, int]) -> None:
    for name, word in kinds.items():
        if word not in _WORDS:
            message = f"Unknown kind {word!r} for column {name!r}."
            hint = did_you_mean(word, _WORDS) or f"Kinds are {', '.join(_WORDS)}."
            raise ConfigError(message, hint=hint)
    for name, direction in monotone.items():
        if direction not in (-1, 0, 1):
            raise ConfigError(
                f"--monotone {name}={direction} is no direction.", hint="Use -1, 0 or +1."
            )


def _check_result(columns: list[Column]) -> None:
    """Raise unless a column is left, and each monotone one is used and ordered."""
    for column in columns:
        if not column.monotone:
            continue
        if not column.used:
            raise ConfigError(
                f"--monotone names {column.name!r}, which is not used: {column.reason}.",
                hint="Leave it out of --monotone.",
            )
        if column.kind not in _ORDERED:
            raise ConfigError(
                f"--monotone names {column.name!r}, which is {column.kind}.",
                hint="Only numeric, boolean and datetime columns have a direction.",
            )
    if any(column.used for column in columns):
        return
    told = "; ".join(f"{column.name!r}: {column.reason}" for column in columns[:5])
    raise DataError(
        f"No column is left to learn from ({told or 'the table has only its target'}).",
        hint="Keep one with --column NAME=KIND, for example --column NAME=categorical.",
    )
