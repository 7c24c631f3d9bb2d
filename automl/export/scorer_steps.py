"""The steps of a scoring program: columns of numbers from cells, and from other columns."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Mapping

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

_MILLISECONDS = 86_400_000


def _step_number(cells: Cells, step: Facts) -> Array:
    if cells.source == "text":
        return cells.read(number_reader(step))
    if cells.source == "datetime":
        return np.full(cells.n, np.nan)
    return np.where(np.isinf(cells.numbers), np.nan, cells.numbers)


def _step_boolean(cells: Cells, step: Facts) -> Array:
    if cells.source in ("boolean", "number"):
        return np.where(np.isin(cells.numbers, (0, 1)), cells.numbers, np.nan)
    words = dict(step["words"])
    return cells.read(lambda text: words.get(text.lower()))


def _step_days(cells: Cells, step: Facts) -> Array:
    if cells.source == "datetime":
        return cells.numbers
    epoch: float = step["epoch"]
    dates = date_reader(step["patterns"])
    if not epoch:
        return cells.read(dates)
    if cells.source != "text":
        return np.where(np.isinf(cells.numbers), np.nan, cells.numbers / epoch)

    def read(text: str) -> float | None:
        number: float | None = read_plain(text)
        if number is None:
            number = dates(text)
        else:
            number /= epoch
        return number

    return cells.read(read)


def _step_level(cells: Cells, step: Facts) -> Array:
    known = {level: i for i, level in enumerate(step["levels"])}
    meant: dict[float, int | None] = {}
    if step["by_number"] and cells.source == "number":
        for i, level in enumerate(step["levels"]):
            number = read_plain(level)
            if number is not None:
                meant[number] = None if number in meant else i

    def read(text: str) -> int:
        text = _spelt(text, cells.source, step["source"])
        if step["key"]:
            raw = text.encode("utf-8", "surrogatepass")
            text = "h" + hmac.new(bytes.fromhex(step["key"]), raw, hashlib.sha256).hexdigest()[:20]
        place = known.get(text)
        if place is None and meant:
            place = meant.get(float(text))
        return len(known) if place is None else place

    return cells.read(read)


def _spelt(text: str, found: str, source: str) -> str:
    """A text as a column of this source writes its levels."""
    if source in (found, "text"):
        return text
    if source == "boolean":
        return BITS.get(text.lower(), text)
    value = read_plain(text) if source == "number" else read_iso(text)
    return text if value is None else level_text(value, source)


def _step_terms(cells: Cells, step: Facts) -> Array:
    codes, texts = cells.distinct()
    index = {term: i for i, term in enumerate(step["terms"])}
    made = np.full((len(texts) + 1, len(step["out"])), np.nan)
    for i, text in enumerate(texts):
        sizes = {"length": len(text), "words": len(re.findall(r"\w+", text))}
        made[i] = [*(sizes[size] for size in step["sizes"]), *_meaning(text, index, step)]
    return made.astype(np.float32)[codes].T


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


def _step_lookup(table: Array, step: Facts) -> Array:
    cells, keys = table[step["column"]], step["keys"]
    values = np.vstack([step["values"], step["other"], step["missing"]])
    place = np.minimum(np.searchsorted(keys, cells), max(len(keys) - 1, 0))
    known = keys[place] == cells if len(keys) else np.zeros(len(cells), dtype=bool)
    place = np.where(known, place, np.where(np.isnan(cells), len(keys) + 1, len(keys)))
    return values[place].T


def _step_cross(table: Array, step: Facts) -> Array:
    first, *others = step["columns"]
    made = table[first]
    for column, size in zip(others, step["sizes"][1:], strict=True):
        made = made * size + table[column]
    return made


def _step_bins(table: Array, step: Facts) -> Array:
    cells, points = table[step["column"]], step["points"]
    place = np.searchsorted(points, cells, "right")
    if step["exact"]:
        at = np.maximum(place - 1, 0)
        place = np.where((place > 0) & (points[at] == cells), at, len(points))
    return np.where(np.isnan(cells), len(points) + 1, place)


def _step_narrow(table: Array, step: Facts) -> Array:
    with np.errstate(over="ignore"):
        made = table[step["column"]].astype(np.float32)
    return np.where(np.isfinite(made), made, np.nan)


def _step_arithmetic(table: Array, step: Facts) -> Array:
    a, b = table[step["first"]], table[step["second"]]
    with np.errstate(all="ignore"):
        if step["operation"] == "ratio":
            return a / b
        if step["operation"] == "product":
            return a * b
        return a + b if step["operation"] == "sum" else a - b


def _step_dates(table: Array, step: Facts) -> Array:
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


STEPS = {
    "Number": _step_number,
    "Boolean": _step_boolean,
    "Days": _step_days,
    "Level": _step_level,
    "Terms": _step_terms,
    "Lookup": _step_lookup,
    "Cross": _step_cross,
    "Bins": _step_bins,
    "Clip": lambda table, step: np.clip(table[step["column"]], step["low"], step["high"]),
    "Narrow": _step_narrow,
    "Arithmetic": _step_arithmetic,
    "DateParts": _step_dates,
}
