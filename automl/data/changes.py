"""Signs that new cells are written in another way than the training cells of their column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automl.data.cells import Floats, Texts, text_array
from automl.data.dates import date_formats, parse_dates
from automl.data.numbers import number_formats, parse_numbers
from automl.data.schema import Column, Kind

# So many different cells have to agree before a mark that can be read is doubted.
_LEAST = 3


def spoken_format(column: Column) -> str:
    """How the training cells of a numeric or datetime column are written, for people."""
    if column.kind is Kind.DATETIME:
        return _spoken_dates(column.formats.get("formats", ()))
    return _spoken_numbers(column.formats)


def other_format(column: Column, texts: Sequence[str]) -> tuple[str, int] | None:
    """How `texts`, which are no values of `column`, are written instead, and how many of them.

    None for other kinds than numbers and dates, and where most texts are neither.
    """
    distinct = text_array(dict.fromkeys(texts))
    if column.kind is Kind.NUMERIC:
        formats = number_formats(distinct)
        known, spoken = parse_numbers(distinct, formats), _spoken_numbers(formats)
    elif column.kind is Kind.DATETIME:
        written = date_formats(distinct)
        known, spoken = parse_dates(distinct, written), _spoken_dates(written)
    else:
        return None
    read = {text for text, value in zip(distinct, known, strict=True) if np.isfinite(value)}
    if 2 * len(read) < len(distinct) or spoken == spoken_format(column):
        return None
    return spoken, sum(text in read for text in texts)


def swaps_day_and_month(column: Column, spoken: str) -> bool:
    """Whether dates that fit the training format may be meant in the other order of `spoken`."""
    formats = column.formats.get("formats", ())
    swapped = [f.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m") for f in formats]
    return any(f in spoken.split(" or ") for f in swapped if f not in formats)


def misread_mark(column: Column, texts: Texts, values: Floats) -> str | None:
    """The mark of numbers that fit the training format, but more likely mean something else.

    texts, values: (n,) cells of a numeric column, and what they were read as. '1.234' is a number
    with a decimal point, and a number of thousands. It is doubted if all cells with the mark have
    three digits behind it, most lie outside of the training range, and most lie inside of it when
    read the other way.
    """
    decimal = column.formats.get("decimal", ".")
    thousands = column.formats.get("thousands", "")
    for mark, factor in ((decimal, 1000.0), (thousands, 0.001)):
        if mark not in (".", ","):
            continue
        marked = np.array([mark in text for text in texts], dtype=bool)
        if mark == thousands:  # beside a decimal mark it is certain
            marked &= np.array([decimal not in text for text in texts], dtype=bool)
        group = re.compile(rf"[^0-9]*[0-9]{{1,3}}{re.escape(mark)}[0-9]{{3}}[^0-9]*")
        if len(set(texts[marked])) < _LEAST or not all(map(group.fullmatch, texts[marked])):
            continue
        inside = _share_inside(column, values[marked])
        if inside < 0.5 < _share_inside(column, values[marked] * factor):
            return str(mark)
    return None


def lacks_unit(column: Column, texts: Sequence[str]) -> str | None:
    """The unit or currency of the training cells, if none of `texts` has one."""
    affixes = (*column.formats.get("prefixes", ()), *column.formats.get("suffixes", ()))
    if not affixes or not texts or any(affix in text for text in texts for affix in affixes):
        return None
    return " or ".join(map(repr, affixes))


def _share_inside(column: Column, values: Floats) -> float:
    low, high = column.minimum, column.maximum
    if low is None or high is None:
        return 0.0
    return float(np.mean((values >= low) & (values <= high)))


def _spoken_dates(formats: Sequence[str]) -> str:
    return " or ".join(formats) or "ISO8601"


def _spoken_numbers(formats: Mapping[str, Any]) -> str:
    marks = [f"decimal mark {formats.get('decimal', '.')!r}"]
    if formats.get("thousands"):
        marks.append(f"thousands mark {formats['thousands']!r}")
    marks += [f"{affix!r} in front" for affix in formats.get("prefixes", ())]
    marks += [f"{affix!r} behind" for affix in formats.get("suffixes", ())]
    return ", ".join(marks)
