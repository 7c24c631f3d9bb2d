"""The body of a request: read within its bounds, and taken apart."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NoReturn

from automl.serve.limits import Limits
from automl.serve.refusal import Refusal, Violation, broken_contract
from automl.serve.rows import RowReader, Rows

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
TYPES: Final = {
    JSON: JSON,
    NDJSON: NDJSON,
    "application/ndjson": NDJSON,
    "application/jsonl": NDJSON,
    "application/jsonlines": NDJSON,
    CSV: CSV,
}
_HALF_PAIR = re.compile(rb"\\u[dD][89abAB]|\\u[dD][c-fC-F]")
_DELIMITERS = ",;\t|"


@lru_cache(maxsize=256)
def media_type(header: str, taken: tuple[str, ...]) -> str:
    """The kind of body that the header Content-Type names. Raises Refusal (415)."""
    name, _, parameters = header.partition(";")
    kind = TYPES.get(name.strip().lower())
    charset = re.search(r"charset\s*=\s*\"?([\w.:-]+)", parameters, re.IGNORECASE)
    if kind is None or kind not in taken:
        found = f"is {name.strip()[:100]!r}" if name.strip() else "is missing"
        raise Refusal(
            415, f"The Content-Type {found}.", hint=f"Send {' or '.join(taken)}.", close=True
        )
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Refusal(415, f"The charset {charset[1][:50]!r} is not taken.", hint="Send UTF-8.")
    return kind


def parse_json(body: bytes) -> Any:
    """The value of a JSON text. Raises Refusal (400) for what is none, repeated keys, NaN."""
    try:
        value = _DECODER.decode(body.decode())
    except RecursionError:
        raise Refusal(400, "The JSON is nested too deeply.", hint="A cell is no list.") from None
    except UnicodeDecodeError:
        raise Refusal(400, "The JSON is not UTF-8.") from None
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            where = f"line {error.lineno}, column {error.colno}"
            raise Refusal(400, f"This is no JSON: {error.msg}, {where}.") from None
        raise Refusal(400, "A number of the JSON is too long.") from None
    if _HALF_PAIR.search(body):
        _refuse_half_pairs(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refusal(400, f"An object of the JSON has the key {key[:200]!r} twice.")
            seen.add(key)
    return found


def _no_constant(word: str) -> NoReturn:
    raise Refusal(400, f"{word} is no JSON.", hint="Send null for a missing number.")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _refuse_half_pairs(value: Any) -> None:
    """Raise Refusal for a text that no file could hold: half of a surrogate pair."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            try:
                one.encode()
            except UnicodeEncodeError:
                raise Refusal(400, "A text of the JSON holds half of a surrogate pair.") from None
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one


def json_rows(value: Any, reader: RowReader, limits: Limits, mode: str) -> Rows:
    """The rows of `{"records": [...]}` or `{"columns": {...}}`. Raises Refusal."""
    if not isinstance(value, dict) or len(value.keys() & {"records", "columns"}) != 1:
        raise broken_contract(
            [Violation(None, None, 'the body is no object with either "records" or "columns"')]
        )
    unknown = sorted(value.keys() - {"records", "columns"})
    if unknown:
        raise broken_contract(
            [Violation(None, None, f"the body has the unknown key {unknown[0][:200]!r}")]
        )
    if "records" in value:
        records = value["records"]
        check_records(records, limits)
        return reader.records(records, mode)
    columns = value["columns"]
    n = check_columns(columns, limits)
    return reader.table(columns, n, mode)


def check_records(records: Any, limits: Limits) -> None:
    """Raise Refusal unless `records` is a list of some objects, within the limits."""
    if not isinstance(records, list) or not records:
        raise broken_contract([Violation(None, None, '"records" is no list of objects')])
    check_rows(len(records), limits)
    wrong = [i for i, record in enumerate(records, 1) if type(record) is not dict]
    if wrong:
        found = [Violation(i, None, "the record is no object") for i in wrong[:100]]
        raise broken_contract(found, len(wrong))
    if max(map(len, records)) > limits.max_columns:
        raise too_wide(max(map(len, records)), limits)


def check_columns(columns: Any, limits: Limits) -> int:
    """Rows of a JSON object of columns. Raises Refusal unless all are lists of one length."""
    if not isinstance(columns, Mapping) or not columns:
        raise broken_contract([Violation(None, None, '"columns" is no object of lists')])
    if len(columns) > limits.max_columns:
        raise too_wide(len(columns), limits)
    n: int | None = None
    for name, cells in columns.items():
        if not isinstance(cells, list) or not cells:
            raise broken_contract([Violation(None, name, "the column is no list of cells")])
        n = len(cells) if n is None else n
        if len(cells) != n:
            message = f"the column has {len(cells):,} cells, the first one {n:,}"
            raise broken_contract([Violation(None, name, message)])
    assert n is not None
    check_rows(n, limits)
    return n


def check_rows(n: int, limits: Limits) -> None:
    """Raise Refusal (413) for more rows than one request may have."""
    if n > limits.max_rows:
        raise Refusal(
            413,
            f"The request has {n:,} rows; at most {limits.max_rows:,} are taken.",
            hint="Send them in parts.",
        )


def too_wide(n: int, limits: Limits) -> Refusal:
    return Refusal(
        413,
        f"The table has {n:,} columns; at most {limits.max_columns:,} are taken.",
        hint="Leave out the columns that the model does not use: see GET schema.",
    )


def check_delimited(body: bytes, limits: Limits) -> None:
    """Raise Refusal for a CSV that is no UTF-8 text, or far too wide or long to be read."""
    if not body.strip():
        raise Refusal(400, "The body is empty.", hint="Send a header and at least one row.")
    if b"\0" in body[:4096]:
        raise Refusal(400, "The body is no text.", hint="Send UTF-8.")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Refusal(400, f"Byte {error.start:,} of the body is no UTF-8.") from None
    if body.count(b"\n") + body.count(b"\r") > 2 * limits.max_rows + 2:
        check_rows(max(body.count(b"\n"), body.count(b"\r")), limits)
    head = body[: 1 << 22].decode("utf-8", "ignore")
    for mark in _DELIMITERS:
        if head.count(mark) >= limits.max_columns:
            try:
                width = len(next(csv.reader(io.StringIO(head), delimiter=mark), ()))
            except csv.Error as error:
                raise Refusal(400, f"The CSV cannot be read: {error}.") from None
            if width > limits.max_columns:
                raise too_wide(width, limits)
