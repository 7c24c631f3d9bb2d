"""Cells of a column as the scorer reads them: texts, numbers, booleans or dates."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = Any  # of NumPy
Facts = Mapping[str, Any]

_MICROSECONDS = 86_400_000_000  # of a day
_INTEGRAL = 1e15
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_DAYS_OF_400_YEARS = 146_097
_PLAIN = str.maketrans("\u00a0\u202f\u2009\u2212\u2019", "   -'")
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_ISO = (
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:[T ](?P<H>[01][0-9]|2[0-3]):(?P<M>[0-5][0-9])"
    r"(?::(?P<S>[0-5][0-9])(?:\.(?P<f>[0-9]{1,9}))?)?"
    r"(?: ?(?P<z>Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?)?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
BITS = {
    word: str(bool(i))
    for pair in ("no yes", "false true", "f t", "n y", "0 1", "0.0 1.0")
    for i, word in enumerate(pair.split())
}


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
            return cls._typed("datetime", values, gone, _since)
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
        return codes, [level_text(value, self.source) for value in values]

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


def _since(value: datetime.date) -> float:
    if not isinstance(value, datetime.datetime):
        return float(value.toordinal() - _EPOCH)
    stamp = value.replace(tzinfo=None) - (value.utcoffset() or datetime.timedelta())
    return (stamp - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return level_text(value, "number") if isinstance(value, float) else str(value)


def level_text(value: float, source: str) -> str:
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


def number_reader(step: Facts) -> Any:
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


read_plain = number_reader({"pattern": _NUMBER, "remove": (), "decimal": "."})


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
    try:  # in a year that Python has, and with the same leap days
        days = datetime.date(year or 400, month, int(part.get("d", 1))).toordinal() - _EPOCH
    except ValueError:
        return None
    days -= 0 if year else _DAYS_OF_400_YEARS
    seconds = hour * 3600 + int(part.get("M", 0)) * 60 + int(part.get("S", 0))
    seconds += days * 86_400 - _offset(part.get("z", "Z"))
    fraction = int(part.get("f", "0")[:6].ljust(6, "0"))
    return (seconds * 1_000_000 + fraction) / _MICROSECONDS


def _offset(zone: str) -> int:
    """Seconds that a time zone is ahead."""
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(6, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])
    return seconds if zone[0] == "+" else -seconds


def date_reader(patterns: Sequence[str]) -> Any:
    known = [re.compile(pattern) for pattern in patterns]

    def read(text: str) -> float | None:
        for pattern in known:
            match = pattern.fullmatch(text)
            if match is not None and (found := _date(match)) is not None:
                return found
        return None

    return read


read_iso = date_reader([_ISO])
