"""What kind a column is, judged by its name and its cells, with the reason in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.cells import Cells, Floats, Mask, Texts
from automl.data.dates import date_formats, is_compact_date, number_date_formats, parse_dates
from automl.data.numbers import (
    has_leading_zeros,
    is_soft_missing,
    number_formats,
    parse_numbers,
    wrong_texts,
)
from automl.data.parse import BOOLEAN_WORDS
from automl.data.schema import Drop, Kind
from automl.errors import DataError

# Up to this share of cells may break the rule of a column of numbers or dates; they are bad cells.
_TOLERATED = 0.01
# A column with fewer distinct numbers may be levels such as 0, 1, 2, '3+': there nothing is bad.
_MIN_NUMBERS = 20
_MIN_ROWS_FOR_RUNNING_NUMBER = 20
_NEARLY_UNIQUE = 0.95
# Unnamed integers that fill at least this share of their range without a repeat are a count of
# rows: random draws would have repeated long before.
_DENSE = 0.5
_SAMPLE = 2_000
# Levels of text are composed of shared words if there are this many, at least this share of the
# rows is of a level seen once or twice, this share of their words is in three levels or more, and
# this share of them differs from all others in its words: not in a number or a code alone.
_MIN_COMPOSED = 40
_MIN_RARE = 0.05
_SHARED_WORDS = 0.7
_OWN_WORDS = 0.5
SET_BY_USER = "set by --column"

_ID_WORDS = frozenset(("id", "ids", "uuid", "guid", "key", "pk", "index", "idx", "rownum"))
# Words that end with "id" and are no identifiers.
_ID_ENDINGS = """acid amid aid android asteroid avoid bid covid fluid grid humid hybrid invalid kid
lid liquid mid paid prepaid raid rapid solid squid steroid thyroid unpaid valid void"""
_NOT_IDS = frozenset(_ID_ENDINGS.split())
_DATE_WORDS = frozenset(("date", "day", "dt", "time", "timestamp", "datum"))
# A running number with such a name is a point in time, which later rows go on from.
_TIME_WORDS = _DATE_WORDS | {"year", "yr", "month", "week", "hour", "minute", "second", "period"}


@dataclass(frozen=True)
class Finding:
    """The kind of a column, how its cells are written, and why; `drop` where it is of no use."""

    kind: Kind
    reason: str
    formats: Mapping[str, Any] = field(default_factory=dict)
    drop: Drop | None = None


def find_kind(cells: Cells, name: str) -> Finding:
    """The kind that the cells of column `name` show."""
    if bool(cells.missing.all()):
        return Finding(Kind.CATEGORICAL, "every cell is missing", drop=Drop.EMPTY)
    if cells.declared and cells.source != "boolean":
        return Finding(Kind.CATEGORICAL, "declared categorical by its type")
    if cells.source == "number":
        return _of_numbers(cells, name)
    if cells.source == "boolean":
        return Finding(Kind.BOOLEAN, "true or false by its type")
    if cells.source == "datetime":
        return Finding(Kind.DATETIME, "dates by their type", {"formats": []})
    return _of_texts(cells)


def forced_kind(cells: Cells, name: str, kind: Kind) -> Finding:
    """What `--column name=kind` asks for; raises DataError when no cell can be read that way."""
    reason = SET_BY_USER
    if kind is Kind.NUMERIC:
        formats = number_formats(cells.texts) if cells.source == "text" else {}
        finding = Finding(kind, reason, formats)
        readable = cells.source != "text" or _any(parse_numbers(cells.texts, formats))
    elif kind is Kind.DATETIME:
        written = _forced_dates(cells)
        finding = Finding(kind, reason, {"formats": written})
        readable = cells.source != "text" or _any(parse_dates(cells.texts, written))
    elif kind is Kind.BOOLEAN:
        finding, readable = Finding(kind, reason), _two_values(cells)
    else:
        return Finding(kind, reason)
    if readable or bool(cells.missing.all()):
        return finding
    first = cells.text_at(int(np.argmin(cells.missing)))
    raise DataError(
        f"Column {name!r} cannot be {kind}: its cells cannot be read that way (first: {first!r}).",
        hint=f"Leave out --column {name}={kind}, or choose another kind.",
    )


def boolean_levels(cells: Cells) -> tuple[str, str]:
    """(text of False, text of True) of a boolean column, as most of its cells write them."""
    if cells.source != "text":
        return ("False", "True") if cells.source == "boolean" else ("0", "1")
    soft = is_soft_missing(cells.texts)
    counts = dict(zip(cells.texts[~soft], cells.counts[~soft], strict=True))
    pair = _word_pair(cells.texts[~soft])
    if pair is None:  # forced: any two texts, in their order
        low, high, *_ = [*sorted(counts, key=str.lower), "", ""]
        return low, high
    found = []
    for word in pair:
        spellings = [text for text in counts if text.lower() == word]
        found.append(max(spellings, key=lambda text: counts[text], default=word))
    return found[0], found[1]


def _of_numbers(cells: Cells, name: str) -> Finding:
    present = cells.values[~np.isnan(cells.values)]
    if _words(name) & _DATE_WORDS and is_compact_date(cells.values):
        return Finding(Kind.DATETIME, "dates written as YYYYMMDD", {"formats": ["%Y%m%d"]})
    if not np.isfinite(present).all() or (present % 1 != 0).any():
        return Finding(Kind.NUMERIC, "numbers")
    reason = _running_number(present, name)
    if reason:
        return Finding(Kind.NUMERIC, reason, drop=Drop.IDENTIFIER)
    return Finding(Kind.NUMERIC, "whole numbers")


def _running_number(values: Floats, name: str) -> str | None:
    """Why whole numbers only name their rows, or None."""
    n_rows = len(values)
    if n_rows < 2:
        return None
    n_unique = len(np.unique(values))
    # Beyond 2**53 distinct integers may have become equal floats.
    huge = float(np.abs(values).max()) > 2**53
    if names_an_id(name) and (n_unique >= _NEARLY_UNIQUE * n_rows or (huge and n_unique > 1)):
        return "an identifier by its name, and nearly every value occurs once"
    if n_unique < n_rows or n_rows < _MIN_ROWS_FOR_RUNNING_NUMBER or _words(name) & _TIME_WORDS:
        return None
    span = float(values.max() - values.min()) + 1
    steps = np.diff(values)
    ordered = bool((steps > 0).all() or (steps < 0).all())
    if n_rows == span or n_rows >= _DENSE * span and (ordered or n_rows >= 100):
        return f"a running number: every value from {values.min():.0f} on occurs at most once"
    return None


def _of_texts(cells: Cells) -> Finding:
    texts, counts = cells.texts, cells.counts
    pair = _word_pair(texts)
    if pair is not None:
        return Finding(Kind.BOOLEAN, f"only {pair[0]}/{pair[1]}")
    coded = has_leading_zeros(texts)
    if not coded:
        first, second = _numbers_as_text, _dates_as_text
        # 20160702 is a number, too; a column of text where all such numbers are dates is not.
        if all(len(text) == 8 for text in texts):
            first, second = second, first
        finding = first(cells) or second(cells)
        if finding:
            return finding
    n_rows, n_unique = int(counts.sum()), len(texts)
    if n_unique >= 10 and not coded and _is_prose(texts, n_unique / n_rows):
        return Finding(Kind.TEXT, "free text: several words per cell, and few cells repeat")
    if not coded and _is_composed(texts, counts):
        return Finding(Kind.TEXT, f"{n_unique:,} levels, composed of words that they share")
    if n_unique >= _NEARLY_UNIQUE * n_rows and n_rows >= 10:
        reason = "an identifier: nearly every value occurs once"
        return Finding(Kind.CATEGORICAL, reason, drop=Drop.IDENTIFIER)
    if coded:
        return Finding(Kind.CATEGORICAL, f"codes with leading zeros, {n_unique:,} levels")
    return Finding(Kind.CATEGORICAL, f"text with {n_unique:,} levels")


def _numbers_as_text(cells: Cells) -> Finding | None:
    formats = number_formats(cells.texts)
    wrong = _tolerable(cells, parse_numbers(cells.texts, formats))
    if wrong is None:
        return None
    marks = [*formats.get("prefixes", ()), *formats.get("suffixes", ())]
    if formats.get("thousands"):
        marks.append(f"thousands mark {formats['thousands']!r}")
    if formats.get("decimal", ".") != ".":
        marks.append(f"decimal mark {formats['decimal']!r}")
    told = f" with {', '.join(marks)}" if marks else ""
    reason = f"numbers stored as text{told}{_told_wrong(cells, wrong)}"
    return Finding(Kind.NUMERIC, reason, formats)


def _dates_as_text(cells: Cells) -> Finding | None:
    written = date_formats(cells.texts)
    if not written:
        return None
    wrong = _tolerable(cells, parse_dates(cells.texts, written))
    if wrong is None:
        return None
    reason = f"dates written as {' or '.join(written)}{_told_wrong(cells, wrong)}"
    return Finding(Kind.DATETIME, reason, {"formats": written})


def _tolerable(cells: Cells, values: Floats) -> Mask | None:
    """(n_texts,) True for bad texts if the rest makes a column of numbers or dates, else None.

    values: (n_texts,) what each text means, NaN = nothing.
    """
    n_known = int((~np.isnan(values)).sum())
    if not n_known:
        return None
    wrong = wrong_texts(cells.texts, values)
    n_wrong = int(cells.counts[wrong].sum())
    few = n_wrong <= _TOLERATED * int(cells.counts.sum()) and n_known >= _MIN_NUMBERS
    return wrong if few or not n_wrong else None


def _told_wrong(cells: Cells, wrong: Mask) -> str:
    if not wrong.any():
        return ""
    n = int(cells.counts[wrong].sum())
    noun = "cell is" if n == 1 else "cells are"
    example = str(cells.texts[int(np.argmax(wrong))])
    return f"; {n} other {noun} taken as missing, such as {example!r}"


def _is_prose(texts: Texts, share_unique: float) -> bool:
    sample = texts[:: max(1, len(texts) // _SAMPLE)]
    words = float(np.mean([len(text.split()) for text in sample]))
    if share_unique >= 0.5:
        return words >= 3
    return words >= 8 and share_unique >= 0.1


def _is_composed(texts: Texts, counts: NDArray[np.intp]) -> bool:
    """Whether many rare levels say the same things in other words, such as job titles.

    As text they are told apart by their letters, rare and new ones too; as levels they are not.
    Words stand between blanks and are letters only: parts of codes, addresses or UUIDs are none.
    """
    if len(texts) < _MIN_COMPOSED or counts[counts <= 2].sum() < _MIN_RARE * counts.sum():
        return False
    sample = texts[:: max(1, len(texts) // _SAMPLE)]
    spoken = [text.lower() if " " in text else "" for text in sample]
    found = [frozenset(re.findall(r"\b[^\W\d_]{2,}\b", text)) for text in spoken]
    if len(set(found)) < _OWN_WORDS * len(sample):
        return False
    levels_with = Counter(word for words in found for word in words)
    n_words = levels_with.total()
    shared = sum(n for n in levels_with.values() if n >= 3)
    return n_words >= 2 * len(sample) and shared >= _SHARED_WORDS * n_words


def _word_pair(texts: Texts) -> tuple[str, str] | None:
    """The pair of words that `texts` are spellings of, both or one of them."""
    if not 1 <= len(texts) <= 8:
        return None
    found = {text.lower() for text in texts}
    return next((pair for pair in BOOLEAN_WORDS if found <= set(pair)), None)


def _forced_dates(cells: Cells) -> list[str]:
    if cells.source == "text":
        return date_formats(cells.texts)
    return number_date_formats(cells.values) if cells.source == "number" else []


def _two_values(cells: Cells) -> bool:
    if cells.source == "text":
        texts = cells.texts[~is_soft_missing(cells.texts)]
        return _word_pair(texts) is not None or 1 <= len(texts) <= 2
    present = cells.values[~np.isnan(cells.values)]
    return cells.source != "datetime" and bool(np.isin(present, (0, 1)).all())


def _any(values: Floats) -> bool:
    return bool((~np.isnan(values)).any())


def names_an_id(name: str) -> bool:
    """Whether a column name says identifier: id, user_id, PassengerId, 'Unnamed: 0', …"""
    if not name.strip() or re.fullmatch(r"(?i)unnamed(: ?\d+)?|column ?0|_c0|no\.?|#", name):
        return True
    words = words_of(name)
    if not words:
        return False
    if words[-1] in _ID_WORDS or words[0] in ("id", "uuid", "guid"):
        return True
    return words[-1].endswith("id") and words[-1] not in _NOT_IDS


def _words(name: str) -> frozenset[str]:
    return frozenset(words_of(name))


def words_of(name: str) -> list[str]:
    """Lower-case words of a name in snake_case, camelCase or with blanks."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word for word in re.split(r"[^0-9a-z]+", spaced.lower()) if word]
