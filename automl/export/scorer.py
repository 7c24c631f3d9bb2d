"""Scores rows with a model that automl exported; needs NumPy and nothing else.

    python scorer.py input.csv output.csv [--proba]

    from scorer import Model
    model = Model("the/folder")
    model.predict([{"age": 41, "job": "nurse"}, {"age": None, "job": "clerk"}])

This file, model.json and model.npz belong together. Cells are read as `automl predict` reads
them: a cell that is no number or no date is missing, a level that training did not know is new.

Notation: n = rows, k = outputs (classes for several, else 1), T = trees, A = axes: a number's
place among the thresholds of some trees, or whether a category's code is in a set.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import hmac
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Array = Any  # of NumPy
Facts = Mapping[str, Any]

_BLOCK = 1 << 18  # (row, tree) pairs that are walked at a time
_CHUNK_ROWS = 16_384
_MICROSECONDS = 86_400_000_000  # of a day
_MILLISECONDS = 86_400_000
_INTEGRAL = 1e15
_PLAIN = str.maketrans("\u00a0\u202f\u2009\u2212\u2019", "   -'")
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_ISO = (
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    r"(?: ?(?P<z>Z|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BITS = {
    word: str(bool(i))
    for pair in ("no yes", "false true", "f t", "n y", "0 1", "0.0 1.0")
    for i, word in enumerate(pair.split())
}


class Model:
    """A model in a folder that `automl export --to python` wrote."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """folder: where model.json and model.npz are; None = beside this file."""
        place = Path(__file__).parent if folder is None else Path(folder)
        self.facts: Facts = json.loads((place / "model.json").read_text(encoding="utf-8"))
        if self.facts.get("format") != 1:
            raise ValueError(f"This scorer cannot read {place / 'model.json'}: another format.")
        with np.load(place / "model.npz", allow_pickle=False) as arrays:
            self._arrays = {name: arrays[name] for name in arrays.files}
        self.names: list[str] = [column["name"] for column in self.facts["inputs"]]
        self.classes: list[str] = self.facts["classes"]
        self._axes = _Axes(self.facts["axes"], self._arrays)
        self._forests = [_Forest(facts, self._arrays) for facts in self.facts["forests"]]

    def predict(self, records: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The label or the value of each record; a name that a record lacks is a missing cell."""
        return list(self.predict_columns(_columns(records, self.names))[self.facts["value_name"]])

    def predict_proba(self, records: Sequence[Mapping[str, Any]]) -> Array:
        """(n, n_classes) probabilities in the order of `classes`."""
        return self.probabilities(self.margin(_columns(records, self.names)))

    def predict_columns(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Array]:
        """By name, what `automl predict --proba` writes. columns: the cells of each, by name."""
        margin = self.margin(columns)
        if not self.classes:
            return {self.facts["value_name"]: self.values(margin)}
        proba = self.probabilities(margin)
        if len(self.classes) == 2:
            code = (proba[:, 1] >= self.facts["threshold"]).astype(np.intp)
        else:
            code = proba.argmax(axis=1)
        made: dict[str, Array] = {
            self.facts["value_name"]: np.array(self.classes, dtype=object)[code]
        }
        return {**made, **{f"proba_{c}": proba[:, j] for j, c in enumerate(self.classes)}}

    def margin(self, columns: Mapping[str, Sequence[Any]]) -> Array:
        """(n, k) raw scores before the link. Raises ValueError for a column that is not there."""
        absent = [name for name in self.names if name not in columns]
        if absent:
            raise ValueError(f"Missing from the data: {', '.join(map(repr, absent))}.")
        cells = [Cells.of(columns[name]) for name in self.names]
        n = cells[0].n
        if any(each.n != n for each in cells):
            raise ValueError("The columns have different numbers of cells.")
        table = np.empty((self.facts["n_columns"], n))
        for facts in self.facts["steps"]:
            step = {name: self._array(value) for name, value in facts.items()}
            read = cells[step["input"]] if "input" in step else table
            table[step["out"]] = _STEPS[step["kind"]](read, step)
        margin = np.tile(np.array(self.facts["base"]), (n, 1))
        for effect in self.facts["effects"]:
            margin += _effect(
                table[effect["column"]], {k: self._array(v) for k, v in effect.items()}
            )
        if self._forests:
            size = max(1, _BLOCK // max(forest.n_trees for forest in self._forests))
            for start in range(0, n, size):
                rows = slice(start, start + size)
                codes = self._axes.codes(table[:, rows])
                for forest in self._forests:
                    margin[rows] += forest.scores(codes)
        return margin

    def _array(self, value: Any) -> Any:
        return self._arrays[value["npz"]] if isinstance(value, dict) and "npz" in value else value

    def probabilities(self, margin: Array) -> Array:
        """(n, n_classes) calibrated probabilities of margins."""
        link = self.facts["link"]
        scaled = margin / link["temperature"] + link.get("intercept", 0.0)
        if link.get("knots"):
            at, to = np.array(link["knots"]).T
            beyond = np.minimum(scaled - at[0], 0.0) + np.maximum(scaled - at[-1], 0.0)
            scaled = np.interp(scaled, at, to) + beyond
        if link["kind"] == "logit":
            small = np.exp(-np.abs(scaled[:, 0]))
            positive = np.where(scaled[:, 0] >= 0, 1.0, small) / (1.0 + small)
            return np.column_stack([1.0 - positive, positive])
        shifted = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def values(self, margin: Array) -> Array:
        """(n,) target values of margins."""
        link = self.facts["link"]
        if link["kind"] == "identity":
            return margin[:, 0]
        power = link.get("power") if link["kind"] == "yeo-johnson" else None
        shifts = link.get("shifts") or [0.0]
        return sum(_unbent(margin[:, 0] + shift, power) for shift in shifts) / len(shifts)


def _unbent(margin: Array, power: float | None) -> Array:
    """The inverse of log1p, or of the transform of Yeo and Johnson."""
    if power is None:
        return np.expm1(margin)
    exponent = np.where(margin >= 0, power, 2.0 - power)
    size = np.abs(margin)
    curved = np.log1p(exponent * size) / np.where(exponent == 0, 1.0, exponent)
    return np.sign(margin) * np.expm1(np.where(exponent == 0, size, curved))


def _effect(cells: Array, effect: Facts) -> Array:
    """(n, k) what a column adds in a linear model."""
    values = effect["values"]
    if "knots" not in effect:
        codes = np.nan_to_num(cells, nan=len(values) - 1).astype(np.intp)
        return values[np.minimum(codes, len(values) - 1)]
    made = np.column_stack([np.interp(cells, effect["knots"], column) for column in values.T])
    made[np.isnan(cells)] = effect["missing"]
    return made


# --- Trees ------------------------------------------------------------------------------------


class _Axes:
    """What the splits compare: whole numbers, made so that a row goes left up to a limit."""

    def __init__(self, facts: Facts, arrays: Mapping[str, Array]) -> None:
        points, self._numbers, start = arrays["points"], [], 0
        for column, size, narrow, below, nan_left in arrays["number_axes"].tolist():
            own = points[start : start + size]
            start += size
            own = own.astype(np.float32) if narrow else own
            nan = -1 if nan_left else size
            self._numbers.append((column, own, narrow, "right" if below else "left", nan))
        self._sets = []
        for column, n_sets, n_codes, name in facts["sets"]:
            bits = np.unpackbits(arrays[name], count=n_sets * n_codes)
            self._sets.append((column, bits.reshape(n_sets, n_codes)))
        self.n = len(self._numbers) + sum(len(bits) for _, bits in self._sets)

    def codes(self, table: Array) -> Array:
        """(n, A) places of the cells of a (columns, n) table."""
        codes = np.empty((self.n, table.shape[1]), dtype=np.int32)
        for i, (column, points, narrow, side, nan) in enumerate(self._numbers):
            cells = table[column]
            with np.errstate(over="ignore"):
                cells = cells.astype(np.float32) if narrow else cells
            codes[i] = np.searchsorted(points, cells, side)
            codes[i, np.isnan(cells)] = nan
        first = len(self._numbers)
        for column, right in self._sets:  # the last two codes: any other, and NaN
            last = right.shape[1] - 1
            place = np.nan_to_num(np.minimum(table[column], last - 1), nan=last).astype(np.intp)
            codes[first : first + len(right)] = right[:, place]
            first += len(right)
        return np.ascontiguousarray(codes.T)


class _Forest:
    """Trees level by level: the children of the s-th split of all are nodes T + 2s and T + 2s + 1.

    A leaf is its own child, so that a walk may go on there.
    """

    def __init__(self, facts: Facts, arrays: Mapping[str, Array]) -> None:
        n, self.n_trees = facts["n_nodes"], facts["n_trees"]
        self._split = np.unpackbits(arrays[facts["split"]], count=n).astype(bool)
        rank = np.cumsum(self._split) - self._split
        self._first = np.where(self._split, self.n_trees + 2 * rank, np.arange(n)).astype(np.int32)
        self._axis = np.zeros(n, dtype=np.int32)
        self._axis[self._split] = arrays[facts["axis"]]
        self._limit = np.full(n, np.iinfo(np.int32).max, dtype=np.int32)
        self._limit[self._split] = arrays[facts["limit"]]
        leaves = arrays[facts["leaves"]].astype(np.float64)
        self._leaves = np.zeros((n, *leaves.shape[1:]))
        self._leaves[~self._split] = leaves
        self._outputs = None
        if facts["output"] is not None:  # a tree scores one output; else each leaf scores all
            self._outputs = np.zeros((self.n_trees, facts["n_outputs"]))
            self._outputs[np.arange(self.n_trees), arrays[facts["output"]]] = 1.0

    def scores(self, codes: Array) -> Array:
        """(n, k) sums of the leaves that rows with these codes end in."""
        n, n_axes = codes.shape
        flat = codes.reshape(-1)
        found = np.tile(np.arange(self.n_trees, dtype=np.int32), n)
        node, slot = found.copy(), np.arange(len(found), dtype=np.int32)
        row = np.repeat(np.arange(n, dtype=np.int32) * n_axes, self.n_trees)
        while True:
            going = self._split.take(node)
            n_going = int(np.count_nonzero(going))
            if n_going < 0.7 * len(node):
                found[slot] = node
                node, slot, row = node[going], slot[going], row[going]
            if not n_going:
                break
            code = flat.take(row + self._axis.take(node))
            node = self._first.take(node) + (code > self._limit.take(node))
        leaves = self._leaves.take(found, axis=0).reshape(n, self.n_trees, -1)
        if self._outputs is None:
            return leaves.sum(axis=1)
        return leaves[:, :, 0] @ self._outputs


# --- Cells ------------------------------------------------------------------------------------


class Cells:
    """One column: texts, numbers, booleans or dates, whichever all its present cells are.

    numbers: (n,) unless they are texts; NaN = missing, booleans 0 and 1, dates in days.
    """

    def __init__(self, source: str, numbers: Array, codes: Array, texts: list[str]) -> None:
        self.source, self.numbers, self._codes, self._texts = source, numbers, codes, texts
        self.n = len(codes) if source == "text" else len(numbers)

    @classmethod
    def of(cls, values: Sequence[Any]) -> Cells:
        """Of the cells as they come: None, NaN and blank texts are missing."""
        values = values.tolist() if isinstance(values, np.ndarray) else list(values)
        gone = [value is None or value != value for value in values]
        present = [value for value, lost in zip(values, gone, strict=True) if not lost]
        if present and all(isinstance(value, (bool, np.bool_)) for value in present):
            return cls._typed("boolean", values, gone, float)
        if present and all(_is_number(value) for value in present):
            return cls._typed("number", values, gone, _float)
        if present and all(isinstance(value, datetime.date) for value in present):
            return cls._typed("datetime", values, gone, _days)
        known: dict[str, int] = {}
        codes = []
        for value, lost in zip(values, gone, strict=True):
            text = "" if lost else _text(value).strip()
            codes.append(known.setdefault(text, len(known)) if text else -1)
        return cls("text", np.empty(0), np.array(codes, dtype=np.intp), list(known))

    @classmethod
    def _typed(cls, source: str, values: list[Any], gone: list[bool], number: Any) -> Cells:
        made = [math.nan if lost else number(v) for v, lost in zip(values, gone, strict=True)]
        return cls(source, np.array(made, dtype=np.float64), np.empty(0, dtype=np.intp), [])

    def distinct(self) -> tuple[Array, list[str]]:
        """(n,) codes, -1 = missing, and the distinct texts; those of numbers as of levels."""
        if self.source == "text":
            return self._codes, self._texts
        there = ~np.isnan(self.numbers)
        values, places = np.unique(self.numbers[there], return_inverse=True)
        codes = np.full(self.n, -1)
        codes[there] = places
        return codes, [_level_text(value, self.source) for value in values]

    def read(self, number: Any) -> Array:
        """(n,) what a function makes of each distinct text; None and missing cells are NaN."""
        codes, texts = self.distinct()
        found = [math.nan if made is None else made for made in map(number, texts)]
        return np.array([*found, math.nan], dtype=np.float64)[codes]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _days(value: datetime.date) -> float:
    if not isinstance(value, datetime.datetime):
        return float((value - datetime.date(1970, 1, 1)).days)
    stamp = value.replace(tzinfo=None) - (value.utcoffset() or datetime.timedelta())
    return (stamp - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return _level_text(value, "number") if isinstance(value, float) else str(value)


def _level_text(value: float, source: str) -> str:
    if source == "boolean":
        return str(bool(value))
    if source == "datetime":
        micros = datetime.timedelta(microseconds=round(value * _MICROSECONDS))
        stamp = datetime.datetime(1970, 1, 1) + micros
        return stamp.isoformat().removesuffix("T00:00:00")
    value = float(value)
    if value.is_integer() and abs(value) < _INTEGRAL:
        return str(int(value))
    return repr(value)


def _number_reader(step: Facts) -> Any:
    pattern, remove, decimal = re.compile(step["pattern"]), step["remove"], step["decimal"]

    def read(text: str) -> float | None:
        text = text.translate(_PLAIN)
        if not pattern.fullmatch(text):
            return None
        for part in remove:
            text = text.replace(part, "")
        number = float(text if decimal == "." else text.replace(decimal, "."))
        return number if math.isfinite(number) else None

    return read


_read_plain = _number_reader({"pattern": _NUMBER, "remove": (), "decimal": "."})


def _date(match: re.Match[str]) -> float | None:
    """Days since 1970-01-01 UTC of the parts of a date; None for a day that there is not."""
    part = {name: text for name, text in match.groupdict().items() if text}
    year = int(part.get("Y", 1900))
    if "y" in part:
        year = int(part["y"]) + (2000 if int(part["y"]) <= 68 else 1900)
    month = _MONTHS.index(part["b"][:3].lower()) + 1 if "b" in part else int(part.get("m", 1))
    hour = int(part.get("H", 0))
    if "I" in part:
        hour = int(part["I"]) % 12 + 12 * (part.get("p", "am").lower() == "pm")
    fraction = int(part.get("f", "0")[:6].ljust(6, "0"))
    try:
        stamp = datetime.datetime(
            year, month, int(part.get("d", 1)), hour, int(part.get("M", 0)), int(part.get("S", 0))
        )
    except ValueError:
        return None
    since = stamp - datetime.datetime(1970, 1, 1)
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + fraction
    zone = part.get("z", "Z").upper()
    if zone not in ("Z", "UTC"):
        digits = zone[1:].replace(":", "").ljust(6, "0")
        seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6])
        micros -= (1 if zone[0] == "+" else -1) * seconds * 1_000_000
    return micros / _MICROSECONDS


def _date_reader(patterns: Sequence[str]) -> Any:
    known = [re.compile(pattern) for pattern in patterns]

    def read(text: str) -> float | None:
        for pattern in known:
            match = pattern.fullmatch(text)
            found = None if match is None else _date(match)
            if found is not None:
                return found
        return None

    return read


_read_iso = _date_reader([_ISO])


# --- Steps: what the columns are made of ------------------------------------------------------


def _step_number(cells: Cells, step: Facts) -> Array:
    if cells.source == "text":
        return cells.read(_number_reader(step))
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
    epoch, dates = step["epoch"], _date_reader(step["patterns"])
    if not epoch:
        return cells.read(dates)
    if cells.source != "text":
        return np.where(np.isinf(cells.numbers), np.nan, cells.numbers / epoch)

    def read(text: str) -> float | None:
        number = _read_plain(text)
        return dates(text) if number is None else number / epoch

    return cells.read(read)


def _step_level(cells: Cells, step: Facts) -> Array:
    known = {level: i for i, level in enumerate(step["levels"])}
    meant: dict[float, int | None] = {}
    if step["by_number"] and cells.source == "number":
        for i, level in enumerate(step["levels"]):
            number = _read_plain(level)
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
        return _BITS.get(text.lower(), text)
    value = _read_plain(text) if source == "number" else _read_iso(text)
    return text if value is None else _level_text(value, source)


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
        spaced = [f" {word} " for word in words]
        terms = [
            w[i : i + size] for w in spaced for size in (3, 4) for i in range(len(w) - size + 1)
        ]
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


_STEPS = {
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


# --- Tables -----------------------------------------------------------------------------------


def _columns(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    found = {name for record in records for name in record}
    return {name: [r.get(name) for r in records] for name in names if name in found}


def read_csv(path: str | Path, model: Model) -> Iterator[dict[str, list[str | None]]]:
    """The cells of a delimited file by column, some thousand rows at a time.

    Cells are texts without surrounding white space, None = missing. The delimiter is the one that
    divides the first line into the names of the model. Raises ValueError for a row of another
    length, and without rows.
    """
    markers, named = frozenset(model.facts["markers"]), model.facts["named"]
    with open(path, encoding=_encoding(path), newline="") as stream:
        first = stream.readline()
        stream.seek(0)
        wanted = {*model.names, model.facts["target"]}

        def n_known(mark: str) -> tuple[int, int]:
            cells = next(csv.reader([first], delimiter=mark), [])
            return len(wanted.intersection(cell.strip() for cell in cells)), len(cells)

        rows = csv.reader(stream, delimiter=max(",\t;|", key=n_known))
        header = next(rows, [])
        if not named and not wanted.intersection(cell.strip() for cell in header):
            stream.seek(0)
            rows = csv.reader(stream, delimiter=max(",\t;|", key=n_known))
            header = [""] * len(header)
        names = _unique(header)
        for start, block in _blocks(rows, len(names)):
            wrong = next((i for i, row in enumerate(block) if len(row) != len(names)), None)
            if wrong is not None:
                raise ValueError(
                    f"Row {start + wrong + 1} has {len(block[wrong])} cells, not {len(names)}."
                )
            yield {
                name: [None if (text := cell.strip()) in markers else text for cell in column]
                for name, column in zip(names, zip(*block, strict=True), strict=True)
            }


def _encoding(path: str | Path) -> str:
    """UTF-8, or Windows-1252 where the bytes are not that."""
    with open(path, encoding="utf-8", newline="") as stream:
        try:
            while stream.read(1 << 20):
                pass
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _blocks(rows: Iterable[list[str]], width: int) -> Iterator[tuple[int, list[list[str]]]]:
    """(rows before it, rows) of each block; blank lines are none. ValueError without any row."""
    start, block = 0, []
    for row in rows:
        if row or width == 1:
            block.append(row or [""])
        if len(block) == _CHUNK_ROWS:
            yield start, block
            start, block = start + len(block), []
    if block:
        yield start, block
    elif not start:
        raise ValueError("The table has no rows.")


def _unique(header: Sequence[str]) -> list[str]:
    """The names of a header, each once: `column_3` where it is empty, `a_2` for the second `a`."""
    stripped = [name.strip() for name in header]
    taken, names = set(stripped), list[str]()
    for position, name in enumerate(stripped, 1):
        new, number = name, 2 if name else position
        while not new or new in names or (new != name and new in taken):
            new, number = f"{name or 'column'}_{number}", number + 1
        taken.add(new)
        names.append(new)
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a CSV file into another one; 2 is returned for one that cannot be scored."""
    parser = argparse.ArgumentParser(
        description="Score a CSV file with the model beside this file."
    )
    parser.add_argument("input", help="CSV file with the columns of the model")
    parser.add_argument("output", help="CSV file to write")
    parser.add_argument("--proba", action="store_true", help="add a probability per class")
    asked = parser.parse_args(arguments)
    try:
        _score_file(Model(), asked.input, asked.output, proba=asked.proba)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _score_file(model: Model, path: str, output: str, *, proba: bool) -> None:
    with open(output, "x", encoding="utf-8", newline="") as stream:
        writer, header = csv.writer(stream, lineterminator="\n"), True
        for columns in read_csv(path, model):
            made = model.predict_columns(columns)
            if not proba:
                made = {model.facts["value_name"]: made[model.facts["value_name"]]}
            if header:
                writer.writerow(made)
            header = False
            writer.writerows(zip(*(column.tolist() for column in made.values()), strict=True))


if __name__ == "__main__":
    sys.exit(main())
