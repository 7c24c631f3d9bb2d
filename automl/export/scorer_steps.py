"""The steps of a scoring program: columns of numbers from cells, and from other columns."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from automl.export.scorer_cells import (
    BITS,
    Array,
    Cells,
    Facts,
    date_reader,
    level_text,
    number_reader,
    read_iso,
    read_plain,
)

Make = Callable[[Any], Array]

_MILLISECONDS = 86_400_000


# --- Steps that read cells: what is needed again for other rows is made once. ---


def _number(step: Facts) -> Make:
    read = number_reader(step)

    def make(cells: Cells) -> Array:
        if cells.source == "text":
            return cells.read(read)
        if cells.source == "datetime":
            return np.full(cells.n, np.nan)
        return np.where(np.isinf(cells.numbers), np.nan, cells.numbers)

    return make


def _boolean(step: Facts) -> Make:
    words = dict(step["words"])

    def make(cells: Cells) -> Array:
        if cells.source in ("boolean", "number"):
            return np.where(np.isin(cells.numbers, (0, 1)), cells.numbers, np.nan)
        return cells.read(lambda text: words.get(text.lower()))

    return make


def _days(step: Facts) -> Make:
    epoch, dates = step["epoch"], date_reader(step["patterns"])

    def read(text: str) -> float | None:
        number: float | None = read_plain(text) if epoch else None
        if number is None:
            number = dates(text)
        else:
            number /= epoch
        return number

    def make(cells: Cells) -> Array:
        if cells.source == "datetime":
            return cells.numbers
        if epoch and cells.source != "text":
            return np.where(np.isinf(cells.numbers), np.nan, cells.numbers / epoch)
        return cells.read(read)

    return make


def _level(step: Facts) -> Make:
    known = {level: i for i, level in enumerate(step["levels"])}
    meant: dict[float, int | None] = {}
    for level, i in known.items() if step["by_number"] else ():
        number = read_plain(level)
        if number is not None:
            meant[number] = None if number in meant else i

    def make(cells: Cells) -> Array:
        def read(text: str) -> int:
            place = known.get(_spelt(text, cells.source, step))
            if place is None and meant and cells.source == "number":
                place = meant.get(float(text))
            return len(known) if place is None else place

        return cells.read(read)

    return make


def _spelt(text: str, found: str, step: Facts) -> str:
    """A text as the column of the step writes its levels."""
    source, key = step["source"], step["key"]
    if source == "boolean" and source != found:
        text = BITS.get(text.lower(), text)
    elif source not in (found, "text"):
        value = read_plain(text) if source == "number" else read_iso(text)
        text = text if value is None else level_text(value, source)
    if not key:
        return text
    raw = text.encode("utf-8", "surrogatepass")
    return "h" + hmac.new(bytes.fromhex(key), raw, hashlib.sha256).hexdigest()[:20]


def _terms(step: Facts) -> Make:
    index = {term: i for i, term in enumerate(step["terms"])}

    def make(cells: Cells) -> Array:
        codes, texts = cells.distinct()
        made = np.full((len(texts) + 1, len(step["out"])), np.nan)
        for i, text in enumerate(texts):
            sizes = {"length": len(text), "words": len(re.findall(r"\w+", text))}
            made[i] = [*(sizes[size] for size in step["sizes"]), *_meaning(text, index, step)]
        return made.astype(np.float32)[codes].T

    return make


def _meaning(text: str, index: Mapping[str, int], step: Facts) -> Array:
    """(a,) the place of a text on the axes of its terms."""
    words = re.findall(r"\w+", text[: step["most"]].lower())
    if step["analyzer"] == "words":
        terms = [*words, *map(" ".join, zip(words, words[1:], strict=False))]
    else:
        terms = []
        for word in (f" {word} " for word in words):
            terms += [word[i : i + size] for size in (3, 4) for i in range(len(word) - size + 1)]
    found = [index[term] for term in terms if term in index]
    ids, counts = np.unique(np.array(found, dtype=np.intp), return_counts=True)
    weights = (1.0 + np.log(counts)) * step["idf"][ids]
    length = math.sqrt(float((weights**2).sum()))
    return step["axes"][:, ids] @ (weights / length if length else weights)


# --- Steps that read columns. ---


def _lookup(table: Array, step: Facts) -> Array:
    cells, keys = table[step["column"]], step["keys"]
    values = np.vstack([step["values"], step["other"], step["missing"]])
    place = np.minimum(np.searchsorted(keys, cells), max(len(keys) - 1, 0))
    known = keys[place] == cells if len(keys) else np.zeros(len(cells), dtype=bool)
    place = np.where(known, place, np.where(np.isnan(cells), len(keys) + 1, len(keys)))
    return values[place].T


def _cross(table: Array, step: Facts) -> Array:
    first, *others = step["columns"]
    made = table[first]
    for column, size in zip(others, step["sizes"][1:], strict=True):
        made = made * size + table[column]
    return made


def _bins(table: Array, step: Facts) -> Array:
    cells, points = table[step["column"]], step["points"]
    place = np.searchsorted(points, cells, "right")
    if step["exact"]:
        at = np.maximum(place - 1, 0)
        place = np.where((place > 0) & (points[at] == cells), at, len(points))
    return np.where(np.isnan(cells), len(points) + 1, place)


def _narrow(table: Array, step: Facts) -> Array:
    with np.errstate(over="ignore"):
        made = table[step["column"]].astype(np.float32)
    return np.where(np.isfinite(made), made, np.nan)


def _arithmetic(table: Array, step: Facts) -> Array:
    a, b = table[step["first"]], table[step["second"]]
    with np.errstate(all="ignore"):
        if step["operation"] == "ratio":
            return a / b
        if step["operation"] == "product":
            return a * b
        return a + b if step["operation"] == "sum" else a - b


def _date_parts(table: Array, step: Facts) -> Array:
    days = table[step["column"]]
    gone = np.isnan(days)
    ms = np.rint(np.where(gone, 0.0, days) * _MILLISECONDS).astype(np.int64)
    date = ms // _MILLISECONDS
    stamp = date.astype("datetime64[D]")
    month, year = stamp.astype("datetime64[M]"), stamp.astype("datetime64[Y]")
    of_day, weekday = ms - date * _MILLISECONDS, (date + 3) % 7
    yearday = (stamp - year.astype("datetime64[D]")).astype(np.int64) * (2.0 * np.pi / 365.25)
    hour = of_day * (2.0 * np.pi / _MILLISECONDS)
    parts = {
        "elapsed": days - step["start"],
        "year": year.astype(np.int64) + 1970,
        "month": month.astype(np.int64) % 12 + 1,
        "day": (stamp - month.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": weekday,
        "yearday_sin": np.round(np.sin(yearday), 9).astype(np.float32),
        "yearday_cos": np.round(np.cos(yearday), 9).astype(np.float32),
        "hour": of_day // 3_600_000,
        "hour_sin": np.round(np.sin(hour), 9).astype(np.float32),
        "hour_cos": np.round(np.cos(hour), 9).astype(np.float32),
        "weekend": weekday >= 5,
        "month_end": (stamp + 1).astype("datetime64[M]") != month,
    }
    return [np.where(gone, np.nan, parts[part]) for part in step["parts"]]


def _clip(table: Array, step: Facts) -> Array:
    return np.clip(table[step["column"]], step["low"], step["high"])


def _of_columns(make: Callable[[Array, Facts], Array]) -> Callable[[Facts], Make]:
    return lambda step: lambda table: make(table, step)


# By kind of step, from its facts to a function of the cells of its input, or of all columns.
STEPS: dict[str, Callable[[Facts], Make]] = {
    "Number": _number,
    "Boolean": _boolean,
    "Days": _days,
    "Level": _level,
    "Terms": _terms,
    "Lookup": _of_columns(_lookup),
    "Cross": _of_columns(_cross),
    "Bins": _of_columns(_bins),
    "Clip": _of_columns(_clip),
    "Narrow": _of_columns(_narrow),
    "Arithmetic": _of_columns(_arithmetic),
    "DateParts": _of_columns(_date_parts),
}
