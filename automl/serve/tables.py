"""CSV in, CSV out: rows as `automl predict` reads a file, answers as it writes them."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automl.data.parse import UNSEEN
from automl.data.read import ReadOptions, Table, read_chunks
from automl.data.schema import Kind
from automl.data.write import writing
from automl.errors import DataError
from automl.model.predictor import Predictor
from automl.serve.body import check_delimited, check_rows
from automl.serve.limits import Limits
from automl.serve.refusal import SHOWN_VIOLATIONS, Violation, broken_contract
from automl.serve.rows import RowReader, Rows
from automl.serve.scoring import Asked

_SHOWN = 60


def reading_of(predictor: Predictor) -> ReadOptions:
    """How tables for the model are read: what is missing was decided when it was trained."""
    columns = predictor.schema.columns
    named = any(column.header for column in columns)
    names = frozenset(column.header.strip() or column.name for column in columns)
    config = predictor.manifest.get("config")
    config = config if isinstance(config, Mapping) else {}
    return ReadOptions(
        encoding="utf-8",
        na_values=tuple(str(text) for text in config.get("na_value") or ()),
        keep_na=bool(config.get("keep_na")),
        known_names=names | {predictor.target},
        nameless=not named,
    )


def csv_rows(
    body: bytes, predictor: Predictor, reader: RowReader, limits: Limits, mode: str
) -> Rows:
    """The rows of a CSV text. Raises Refusal or DataError."""
    check_delimited(body, limits)
    table = _read(body, reading_of(predictor), limits)
    frame = table.frame
    check_rows(len(frame), limits)
    _refuse_repeated(predictor, table.headers)
    names: dict[str, Any] = dict.fromkeys(str(name) for name in frame.columns)
    warnings = reader.check_names(names, len(frame), mode)
    parsed = predictor.parse(frame, "lenient")
    found = []
    for i, row, text in parsed.bad:
        column = predictor.schema.columns[i]
        message = f"{text[:_SHOWN]!r} is not {_EXPECTED.get(column.kind, 'a level')}"
        found.append(Violation(row + 1, column.name, message))
    given = [_cells(frame, column.name) for column in reader.columns]
    rows = Rows(len(frame), given, [], warnings, parsed)
    for j, i in enumerate(predictor.schema.used):
        new = _unseen(rows, j, np.asarray(parsed.values[i]), reader)
        if new and mode == "strict":
            message = f"{new['example']!r} was not seen in training"
            found.append(Violation(new["row"], new["column"], message))
        elif new:
            warnings.append(new)
        warnings += _beyond(reader, j, parsed.values[i])
    if found and mode != "lenient":
        found.sort(key=lambda one: one.row or 0)
        raise broken_contract(found, max(parsed.n_bad, len(found)))
    if found:
        shown = [one.to_json() for one in found[:SHOWN_VIOLATIONS]]
        warnings.append({"kind": "wrong_type", "n": parsed.n_bad, "cells": shown})
    return rows


_EXPECTED = {
    Kind.NUMERIC: "a finite number",
    Kind.DATETIME: "a date",
    Kind.BOOLEAN: "one of the column's two words",
}


def _read(body: bytes, options: ReadOptions, limits: Limits) -> Table:
    """The first rows of the text, at most one more than are taken."""
    descriptor, name = tempfile.mkstemp(suffix=".csv", prefix="automl-serve-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        for table in read_chunks(name, options=options, chunk_rows=limits.max_rows + 1):
            return table
    except DataError as error:  # it names a file that nobody knows
        raise DataError(error.message.replace(repr(name), "The CSV"), hint=error.hint) from None
    finally:
        Path(name).unlink(missing_ok=True)
    raise AssertionError("a table has at least one chunk")


def _refuse_repeated(predictor: Predictor, headers: Sequence[str]) -> None:
    found = Counter(header.strip() for header in headers)
    columns = predictor.schema.columns
    trained = Counter((column.header or column.name).strip() for column in columns)
    for i in predictor.schema.used:
        header = (columns[i].header or columns[i].name).strip()
        if found[header] > max(trained[header], 1):
            message = "the column is there more than once"
            raise broken_contract([Violation(None, columns[i].name, message)])


def _cells(frame: pd.DataFrame, name: str) -> list[Any]:
    if name not in frame.columns:
        return [None] * len(frame)
    return [cell if isinstance(cell, str) else None for cell in frame[name].tolist()]


def _unseen(rows: Rows, j: int, values: Any, reader: RowReader) -> dict[str, Any] | None:
    if reader.columns[j].kind is not Kind.CATEGORICAL:
        return None
    places = np.flatnonzero(values == UNSEEN)
    if not len(places):
        return None
    return {
        "kind": "unseen_level",
        "column": reader.columns[j].name,
        "n": len(places),
        "row": int(places[0]) + 1,
        "example": str(rows.given[j][places[0]])[:200],
    }


def _beyond(reader: RowReader, j: int, values: Any) -> list[dict[str, Any]]:
    column = reader.columns[j]
    low, high = column.minimum, column.maximum
    if column.kind not in (Kind.NUMERIC, Kind.DATETIME) or low is None or high is None:
        return []
    rows = np.flatnonzero((values < low) | (values > high))
    if not len(rows):
        return []
    trained = [low, high] if column.kind is Kind.NUMERIC else None
    what = {"kind": "out_of_range", "column": column.name, "n": len(rows)}
    return [{**what, "row": int(rows[0]) + 1, "trained": trained}]


def csv_answer(
    predictor: Predictor,
    answers: Sequence[Mapping[str, Any]],
    asked: Asked,
    *,
    excel_safe: bool = False,
) -> bytes:
    """The answers as CSV, with the columns of `automl predict --proba`."""

    table: dict[str, Any] = {"prediction": [answer["prediction"] for answer in answers]}
    if asked.interval is not None:
        for k, end in enumerate(("lower", "upper")):
            table[f"prediction_{end}"] = [answer["interval"][k] for answer in answers]
    if asked.sets is not None:
        table["prediction_set"] = [
            json.dumps(answer["set"], ensure_ascii=False) for answer in answers
        ]
    for label in predictor.classes:
        table[f"proba_{label}"] = [answer["probabilities"][label] for answer in answers]
    for k in range(min(asked.reasons, len(predictor.columns))):
        for name, key in (("", "column"), ("_value", "value"), ("_contribution", "contribution")):
            cells = [answer["reasons"][k][key] for answer in answers]
            table[f"reason_{k + 1}{name}"] = cells
    stream = io.BytesIO()
    with writing(stream, "csv", excel_safe=excel_safe) as writer:
        writer.write(pd.DataFrame(table))
    return stream.getvalue()
