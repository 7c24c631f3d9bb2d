"""`--drop-pii` and `--hash-pii`: what becomes of columns with personal data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from automl.config import FitConfig
from automl.data.cells import read_cells
from automl.data.hashing import column_key
from automl.data.kinds import find_kind
from automl.data.personal import Personal, find_personal
from automl.data.schema import Drop, Kind, ParsedTable, Schema

_LOOKED_AT = 50_000  # rows that are searched for personal data


def personal_of(
    features: pd.DataFrame, config: FitConfig, roles: list[str]
) -> tuple[dict[str, Personal], dict[str, str]]:
    """Columns that --drop-pii or --hash-pii change, and the keys of those that are hashed.

    No role, and no column that the user gave a kind, unless it is to be a hashed category.
    """
    found: dict[str, Personal] = {}
    keys: dict[str, str] = {}
    if not (config.drop_pii or config.hash_pii):
        return found, keys
    for name in features.columns:
        told = config.column.get(name)
        if name in roles or name in config.drop or (told and not _may_hash(told, config)):
            continue
        cells = read_cells(features[name].iloc[:: max(1, len(features) // _LOOKED_AT)])
        kind = find_kind(cells, name)
        personal = find_personal(name, cells, kind.kind)
        if personal is None:
            continue
        found[name] = personal
        is_category = kind.kind is Kind.CATEGORICAL and kind.drop is None
        if config.hash_pii and (told or is_category):
            keys[name] = column_key(read_cells(features[name]), config.seed)
    return found, keys


def _may_hash(told: str, config: FitConfig) -> bool:
    return config.hash_pii and told == Kind.CATEGORICAL


def with_reasons(schema: Schema, personal: Mapping[str, Personal], config: FitConfig) -> Schema:
    """The schema whose columns say why they are left out, or hashed."""
    columns = []
    for column in schema.columns:
        one = personal.get(column.name)
        if one is not None and (column.hash_key or column.drop is Drop.USER):
            option = "--hash-pii" if config.hash_pii else "--drop-pii"
            how = "; its levels are keyed hashes" if column.hash_key else ""
            column = replace(column, reason=f"{option}: {one.what}, {one.evidence}{how}")
        columns.append(column)
    return Schema(tuple(columns))


def hidden(features: pd.DataFrame, schema: Schema, parsed: ParsedTable) -> pd.DataFrame:
    """`features` with the hashes in place of the cells of hashed columns, as all else is told."""
    shown = {}
    for i, column in enumerate(schema.columns):
        if column.hash_key and i in parsed.values:
            levels = np.asarray([*column.levels, None], dtype=object)
            codes = np.asarray(parsed.values[i])
            shown[column.name] = levels[np.where(codes < 0, len(column.levels), codes)]
    return features.assign(**shown) if shown else features
