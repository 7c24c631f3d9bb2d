"""Dates written as text or whole numbers: which formats a column uses, and the days it means.

A date is days since 1970-01-01 (UTC) as a float; the fraction is the time of day.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from automl.data.cells import Cells, Floats, Mask, Texts, days, level_texts
from automl.data.numbers import is_soft_missing, wrong_texts

ISO = "ISO8601"  # 2016-07-02, 2016-07-02T10:30:00.5+02:00 and what lies between
_ISO_TEXT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
_ISO_TEXT += r"(?: ?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
_EPOCH = "epoch:"
_PER_DAY = {"s": 86_400.0, "ms": 86_400e3, "us": 86_400e6, "ns": 86_400e9}

_TIME = re.compile(
    r"(?P<date>.*?)(?P<gap>T|, | )?(?P<clock>[0-9]{1,2}:[0-9]{2}(?P<seconds>:[0-9]{2})?)"
    r"(?P<fraction>\.[0-9]{1,9})?(?P<half> ?[AaPp][Mm])?(?P<zone> ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?"
)
_WEEKDAY = re.compile(r"(?P<day>[A-Z][a-z]{2,8})(?P<mark>,? )(?=\S)")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Each mark \1 must be the same in one text. Two-digit years after '-' and '.' need padded parts,
# so that versions such as 1.2.10 are not dates.
_SHAPES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}"), (r"%Y\1%m\1%d",)),
    (re.compile(r"[0-9]{1,2}(/)[0-9]{1,2}/[0-9]{4}"), (r"%m/%d/%Y", r"%d/%m/%Y")),
    (re.compile(r"[0-9]{1,2}([-.])[0-9]{1,2}\1[0-9]{4}"), (r"%d\1%m\1%Y", r"%m\1%d\1%Y")),
    (re.compile(r"[0-9]{1,2}(/)[0-9]{1,2}/[0-9]{2}"), (r"%m/%d/%y", r"%d/%m/%y")),
    (re.compile(r"[0-9]{2}([-.])[0-9]{2}\1[0-9]{2}"), (r"%d\1%m\1%y", r"%m\1%d\1%y")),
    (
        re.compile(r"[0-9]{1,2}([-/ ]?)[A-Za-z]{3,9}\1[0-9]{4}"),
        (r"%d\1%b\1%Y", r"%d\1%B\1%Y"),
    ),
    (re.compile(r"[0-9]{1,2}([-/ ])[A-Za-z]{3,9}\1[0-9]{2}"), (r"%d\1%b\1%y", r"%d\1%B\1%y")),
    (re.compile(r"[A-Za-z]{3,9} [0-9]{1,2}(,?) [0-9]{4}"), (r"%b %d\1 %Y", r"%B %d\1 %Y")),
    (re.compile(r"[A-Za-z]{3,9}([- ])[0-9]{4}"), (r"%b\1%Y", r"%B\1%Y")),
    (re.compile(r"[0-9]{4}([-/])[0-9]{2}"), (r"%Y\1%m",)),
    (re.compile(r"(?:1[89]|2[01])[0-9]{2}(0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"), ("%Y%m%d",)),
)
# Parts of a format that are read one by one; in years this near float64 holds microseconds.
_DIGITS = {
    "Y": "(?P<year>[0-9]{4})",
    "m": "(?P<month>[0-9]{2})",
    "d": "(?P<day>[0-9]{2})",
    "H": "(?P<hour>[0-9]{2})",
    "M": "(?P<minute>[0-9]{2})",
    "S": "(?P<second>[0-9]{2})",
}
_PLAIN_ISO = "{Y}-{m}-{d}(?:[T ]{H}:{M}(?::{S})?)?".format_map(_DIGITS)
_NEAR_YEARS = (1700, 2200)
_FIRST_DAY = dt.date(1970, 1, 1).toordinal()
_SAMPLE = 300
_MAX_FORMATS = 4


def date_formats(texts: Texts) -> list[str]:
    """The formats that read the most of `texts`, the commonest first; [] when they do not look so.

    strptime formats or "ISO8601". Day or month first is decided by all texts together, never
    cell by cell: by the values above 12, else by a part that is always 1, else by the habit that
    goes with the mark (month first for '/', day first for '.' and '-').
    """
    step = max(1, len(texts) // _SAMPLE)
    sample = texts[::step]
    sample = sample[~is_soft_missing(sample)]
    candidates = list(dict.fromkeys(f for text in sample for f in _guess(text)))
    if not candidates or sum(bool(_guess(text)) for text in sample) * 2 < len(sample):
        return []
    if len(candidates) == 1:
        return candidates
    return _choose(pd.Series(texts, dtype="str"), candidates)


def parse_dates(texts: Texts, formats: Sequence[str]) -> Floats:
    """(n_texts,) days; NaN where no format fits. ISO dates are read in every column."""
    out = np.full(len(texts), np.nan)
    strings = pd.Series(texts, dtype="str")
    for pattern in dict.fromkeys((*formats, ISO)):
        open_ = np.flatnonzero(np.isnan(out))
        if not len(open_):
            break
        out[open_] = _parse(strings.iloc[open_], pattern)
    return out


def date_reader(patterns: Sequence[str]) -> Callable[[str], float]:
    """What gives of one text in the first of `patterns` the day that `parse_dates` gives.

    NaN where it is not certain of that: for other texts, rare formats and far years.
    """
    first = patterns[0] if patterns else ISO
    shape = _PLAIN_ISO if first == ISO else _plain_shape(first)
    if shape is None:
        return lambda text: math.nan
    fits = re.compile(shape).fullmatch

    def value(text: str) -> float:
        match = fits(text)
        if match is None:
            return math.nan
        parts = {name: int(part) for name, part in match.groupdict("0").items()}
        try:
            stamp = dt.datetime(**parts)  # type: ignore[arg-type]
        except ValueError:  # no such day
            return math.nan
        seconds = stamp.hour * 3600 + stamp.minute * 60 + stamp.second
        if not _NEAR_YEARS[0] <= stamp.year <= _NEAR_YEARS[1]:
            return math.nan
        whole = (stamp.toordinal() - _FIRST_DAY) * 86_400 + seconds
        return float(whole * 1_000_000) / 86_400e6

    return value


def _plain_shape(pattern: str) -> str | None:
    """A regular expression for padded texts in a strptime format of digits alone, else None."""
    codes = re.findall("%(.)", pattern)
    if not {"Y", "m", "d"} <= set(codes) <= set(_DIGITS) or len(codes) > len(set(codes)):
        return None
    pieces = re.split("%(.)", pattern)
    return "".join(_DIGITS[piece] if k % 2 else re.escape(piece) for k, piece in enumerate(pieces))


def parse_date_cells(cells: Cells, formats: Mapping[str, Any]) -> tuple[Floats, Mask]:
    """((n_rows,) days with NaN = missing, (n_rows,) True for cells that are not dates)."""
    if cells.source == "datetime":
        return cells.values, np.zeros(cells.n_rows, dtype=bool)
    patterns = list(formats.get("formats", ()))
    if cells.source != "text" and patterns and patterns[0].startswith(_EPOCH):
        values = cells.values / _PER_DAY[patterns[0].removeprefix(_EPOCH)]
        bad = np.isinf(values)
        return np.where(bad, np.nan, values), bad
    codes, texts = cells.distinct()
    table = np.append(_from_texts(texts, patterns), np.nan)
    wrong = np.append(wrong_texts(texts, table[:-1]), False)
    return table[codes], wrong[codes]


def number_date_formats(values: Floats) -> list[str]:
    """How whole numbers mean dates: as 20160702, as years, or as an epoch in s, ms, us or ns."""
    present = values[np.isfinite(values)]
    if not len(present):
        return []
    if is_compact_date(values):
        return ["%Y%m%d"]
    if present.min() >= 1000 and present.max() <= 2999 and (present % 1 == 0).all():
        return ["%Y"]
    # 1e11 seconds is the year 5138, 1e11 milliseconds is 1973; the other units follow suit.
    size = float(np.median(np.abs(present)))
    unit = "s" if size < 1e11 else "ms" if size < 1e14 else "us" if size < 1e17 else "ns"
    return [f"{_EPOCH}{unit}"]


def is_compact_date(values: Floats) -> bool:
    """Whether all present values are days of 1800 to 2199 written as 20160702."""
    present = values[~np.isnan(values)]
    if not len(present) or present.min() < 18000101 or present.max() > 21991231:
        return False
    if (present % 1 != 0).any():
        return False
    texts = np.array(level_texts(np.unique(present), "number"), dtype=object)
    return not np.isnan(parse_dates(texts, ["%Y%m%d"])).any()


def _from_texts(texts: Texts, patterns: Sequence[str]) -> Floats:
    if not patterns or not patterns[0].startswith(_EPOCH):
        return parse_dates(texts, patterns)
    numbers = pd.to_numeric(pd.Series(texts, dtype="str"), errors="coerce").to_numpy(np.float64)
    epoch = np.where(np.isfinite(numbers), numbers, np.nan)
    out = epoch / _PER_DAY[patterns[0].removeprefix(_EPOCH)]
    written = parse_dates(texts, ())
    return np.where(np.isnan(out), written, out)


def _parse(strings: pd.Series[str], pattern: str) -> Floats:
    if pattern == ISO:  # pandas reads more as ISO, such as the bare year 2016
        strings = strings.where(strings.str.fullmatch(_ISO_TEXT))
    return days(pd.to_datetime(strings, format=pattern, errors="coerce", utc=True))


def _guess(text: str) -> list[str]:
    """Formats that `text` may be written in."""
    if re.fullmatch(_ISO_TEXT, text):
        return [ISO]
    date, clock = text, ""
    match = _TIME.fullmatch(text)
    if match:
        date, clock = match["date"], _clock_format(match)
        if not date:
            return [] if match["gap"] else [clock]
    weekday, date = _split_weekday(date)
    for shape, formats in _SHAPES:
        found = shape.fullmatch(date)
        if found:
            return [weekday + f.replace(r"\1", found[1]) + clock for f in formats]
    return []


def _clock_format(match: re.Match[str]) -> str:
    half = match["half"] or ""
    seconds = ":%S" if match["seconds"] else ""
    fraction = ".%f" if match["fraction"] else ""
    tail = (" " if half.startswith(" ") else "") + "%p" if half else ""
    zone = match["zone"] or ""
    tail += (" " if zone.startswith(" ") else "") + "%z" if zone else ""
    return f"{match['gap'] or ''}{'%I' if half else '%H'}:%M{seconds}{fraction}{tail}"


def _split_weekday(date: str) -> tuple[str, str]:
    """('%a, ', '05 Jul 2021') of 'Mon, 05 Jul 2021'; ('', date) without a weekday."""
    match = _WEEKDAY.match(date)
    if match is None:
        return "", date
    day = match["day"].lower()
    if day in _WEEKDAYS:
        return f"%A{match['mark']}", date[match.end() :]
    if any(day == full[:3] for full in _WEEKDAYS):
        return f"%a{match['mark']}", date[match.end() :]
    return "", date


def _choose(strings: pd.Series[str], candidates: list[str]) -> list[str]:
    """Greedy cover of `strings` by formats that agree on whether the day comes first."""
    parsed = {f: _parse(strings, f) for f in candidates}
    fits = {f: ~np.isnan(values) for f, values in parsed.items()}
    day_first = sum(int(fits[f].sum()) for f in candidates if _order(f) == "day")
    month_first = sum(int(fits[f].sum()) for f in candidates if _order(f) == "month")
    order = "day" if day_first > month_first else "month"
    if day_first == month_first and day_first:
        order = _tied_order(parsed)
    rest = [f for f in candidates if _order(f) in ("", order)]
    chosen: list[str] = []
    left = np.ones(len(strings), dtype=bool)
    while rest and len(chosen) < _MAX_FORMATS:
        best = max(rest, key=lambda f: int((fits[f] & left).sum()))
        if not (fits[best] & left).any():
            break
        chosen.append(best)
        left &= ~fits[best]
        rest.remove(best)
    return chosen


def _order(pattern: str) -> str:
    """ "day" or "month" where the other order could read the same text, else ""."""
    if not re.search(r"%d[-/.]%m|%m[-/.]%d", pattern) or pattern.startswith("%Y"):
        return ""
    return "day" if pattern.index("%d") < pattern.index("%m") else "month"


def _tied_order(parsed: Mapping[str, Floats]) -> str:
    """The order under which every date is the first of its month, else that of the mark."""
    ordered = [f for f in parsed if _order(f)]
    for order in ("day", "month"):
        joined = np.concatenate([parsed[f] for f in ordered if _order(f) == order])
        stamps = pd.DatetimeIndex(np.floor(joined[~np.isnan(joined)]).astype("datetime64[D]"))
        if len(stamps) > 1 and (stamps.day == 1).all() and stamps.month.nunique() > 1:
            return order
    return _order(ordered[0])  # candidates come with the habit of their mark first
