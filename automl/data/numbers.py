"""Numbers written as text: which marks and units a column uses, and the values it means."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from automl.data.cells import Cells, Floats, Mask, Texts

# Compared in lower case. Such a cell among numbers or dates says "no value"; among other texts
# it is a level like any other.
_MARKERS = """- -- --- . ? * na n/a #n/a #na n.a. n.a nan <na> null (null) nil none missing
    (missing) unknown undefined unspecified #value! #div/0!"""
_SOFT_MISSING = frozenset(_MARKERS.split()) | {"not available", "not applicable", "no data"}

_CURRENCIES = (
    *"$€£¥₹₽₩₺฿₫₴₱₪",
    *("usd", "eur", "gbp", "jpy", "chf", "cad", "aud", "nzd", "inr", "rs", "rs.", "cny", "rmb"),
    *("us$", "a$", "c$", "r$", "hk$", "nt$", "sek", "nok", "dkk", "kr", "pln", "zł", "czk", "huf"),
    *("brl", "mxn", "zar", "krw", "rub", "try", "sgd", "hkd", "thb", "idr", "aed", "sar", "ils"),
)
# Singular, lower case. A number with one of these behind it is still a number, as long as the
# whole column agrees on one unit.
_UNIT_WORDS = """% ‰ kg g mg t lb oz km m cm mm mi mile ft in inch l ml cl gal mpg kmpl km/kg km/l
    km/h kmh kph mph cc ccm hp bhp ps kw kwh w v mah ghz mhz khz hz gb mb tb kb gib mib h hr hour
    min minute s sec second ms day week month year yr c f °c °f k ha acre sqft sqm m2 m² ft2 ft²
    m³ pcs px pts pt point star room bed floor people person"""
_UNITS = frozenset(_UNIT_WORDS.split())

# (decimal mark, thousands mark), the likelier reading of an ambiguous column first.
_MARKS = (
    (".", ""),
    (".", ","),
    (".", " "),
    (".", "'"),
    (",", ""),
    (",", "."),
    (",", " "),
    (",", "'"),
)
_SAMPLE = 2_000
_SPLIT = re.compile(
    r"[+-]?\s*(?P<prefix>[^0-9.,+\-]*?)\s*[+-]?"
    r"(?:[0-9][0-9.,' ]*(?:[eE][+-]?[0-9]+)?|[.,][0-9]+)\s*(?P<suffix>[^0-9].*)?"
)
# Non-breaking and thin spaces, the real minus sign and the typographic apostrophe.
_TYPOGRAPHIC = str.maketrans("\u00a0\u202f\u2009\u2212\u2019", "   -'")
_LEADING_ZERO = "0[0-9]+"
_DIGIT = re.compile("[0-9]")


def is_soft_missing(texts: Texts) -> Mask:
    """(n_texts,) True for texts that say "no value" in a column of numbers or dates."""
    found = (len(text) <= 14 and text.lower() in _SOFT_MISSING for text in texts)
    return np.fromiter(found, bool, len(texts))


def wrong_texts(texts: Texts, values: Floats) -> Mask:
    """(n_texts,) True where a text has no value (n_texts,) and does not say "no value" either."""
    wrong = np.isnan(values)
    wrong[wrong] = ~is_soft_missing(texts[wrong])
    return wrong


def has_leading_zeros(texts: Texts) -> bool:
    """Whether a text is digits behind a zero, as in '01234': a code, not an amount."""
    strings = pd.Series(texts, dtype="str")
    return bool(strings.str.fullmatch(_LEADING_ZERO).any())


def number_formats(texts: Texts) -> Mapping[str, Any]:
    """The marks and units under which the most of `texts` are numbers; {} for plain numbers.

    Keys as in `Column.formats`: decimal, thousands ("" = none), prefixes, suffixes. A column that
    may mean both reads '1,234' as 1234 and '1,5' as 1.5.
    """
    step = max(1, len(texts) // _SAMPLE)
    sample = texts[::step]
    sample = sample[~is_soft_missing(sample)]
    if sum(_DIGIT.search(text) is not None for text in sample) * 2 < len(sample):
        return {}  # words: most columns of text end here
    prefixes, suffixes = _affixes(sample)
    candidates = [
        {"decimal": d, "thousands": t, "prefixes": prefixes, "suffixes": suffixes}
        for d, t in _MARKS
    ]
    fits = [int(_matches(_strings(sample), formats).sum()) for formats in candidates]
    if max(fits, default=0) * 2 < len(sample):
        return {}
    # Only the readings that fit the sample well are worth a pass over everything.
    close = [c for c, fit in zip(candidates, fits, strict=True) if fit >= 0.9 * max(fits)]
    strings = _strings(texts)
    best = max(close, key=lambda formats: int(_matches(strings, formats).sum()))
    plain = best["decimal"] == "." and not best["thousands"] and not prefixes and not suffixes
    return {} if plain else best


def parse_numbers(texts: Texts, formats: Mapping[str, Any]) -> Floats:
    """(n_texts,) values; NaN where the text is not a number in these `formats`.

    '12%' is 12 and '$1,200' is 1200: units are left out, never converted.
    """
    out = np.full(len(texts), np.nan)
    strings = _strings(texts)
    fits = _matches(strings, formats)
    if not fits.any():
        return out
    body = strings[fits]
    for affix in (*formats.get("prefixes", ()), *formats.get("suffixes", ())):
        # Formats hold the longest affix first, so that "km" does not leave the k of "km/h".
        body = body.str.replace(affix, "", regex=False)
    if formats:
        body = body.str.replace(" ", "", regex=False)
        if formats["thousands"] not in ("", " "):
            body = body.str.replace(formats["thousands"], "", regex=False)
        if formats["decimal"] != ".":
            body = body.str.replace(formats["decimal"], ".", regex=False)
    # Python's float() is correctly rounded, which pandas' own parser is not always.
    out[fits] = body.to_numpy(dtype=object).astype(np.float64)
    return out


def number_reader(formats: Mapping[str, Any]) -> Callable[[str], float]:
    """What gives of one text the value that `parse_numbers` gives of many."""
    fits = re.compile(_pattern(formats)).fullmatch
    gone = [*formats.get("prefixes", ()), *formats.get("suffixes", ())]
    if formats:
        gone += [" ", *([formats["thousands"]] if formats["thousands"] else [])]
    decimal = formats.get("decimal", ".")

    def value(text: str) -> float:
        if not text.isascii():
            text = text.translate(_TYPOGRAPHIC)
        if fits(text) is None:
            return math.nan
        for affix in gone:
            text = text.replace(affix, "")
        return float(text if decimal == "." else text.replace(decimal, "."))

    return value


def parse_number_cells(cells: Cells, formats: Mapping[str, Any]) -> tuple[Floats, Mask]:
    """((n_rows,) values with NaN = missing, (n_rows,) True for cells that are not numbers).

    Infinities are not numbers either. Soft missing markers are missing, not bad.
    """
    if cells.source == "text":
        table = np.append(parse_numbers(cells.texts, formats), np.nan)
        table[np.isinf(table)] = np.nan  # '1e999'
        wrong = np.append(wrong_texts(cells.texts, table[:-1]), False)
        return table[cells.codes], wrong[cells.codes]
    if cells.source == "datetime":
        return np.full(cells.n_rows, np.nan), ~cells.missing
    bad = np.isinf(cells.values)
    return (np.where(bad, np.nan, cells.values) if bad.any() else cells.values), bad


def _strings(texts: Texts) -> pd.Series[str]:
    strings = pd.Series(texts, dtype="str")
    if len(strings) and strings.str.contains("[\u00a0\u202f\u2009\u2212\u2019]").any():
        strings = strings.str.translate(_TYPOGRAPHIC)
    return strings


def _matches(strings: pd.Series[str], formats: Mapping[str, Any]) -> Mask:
    return strings.str.fullmatch(_pattern(formats)).to_numpy(dtype=bool)


def _pattern(formats: Mapping[str, Any]) -> str:
    decimal = re.escape(formats.get("decimal", "."))
    thousands = formats.get("thousands", "")
    whole = "[0-9]+"
    if thousands:
        mark = re.escape(thousands)
        # Commas also group by two, as in 12,34,567.
        inner = f"(?:{mark}[0-9]{{2,3}})*" if thousands == "," else f"(?:{mark}[0-9]{{3}})*"
        whole = f"(?:[1-9][0-9]{{0,2}}{inner}{mark}[0-9]{{3}}|[0-9]+)"
    number = f"(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    prefix = _either(formats.get("prefixes", ()))
    suffix = _either(formats.get("suffixes", ()))
    head = "[+-]?" if not prefix else f"(?:[+-]?(?: *{prefix} *)?|{prefix} *[+-])"
    return f"{head}{number}(?: *{suffix})?" if suffix else f"{head}{number}"


def _either(affixes: Sequence[str]) -> str:
    return f"(?:{'|'.join(re.escape(a) for a in affixes)})" if affixes else ""


def _affixes(texts: Texts) -> tuple[list[str], list[str]]:
    """Prefixes and suffixes in `texts` that are one currency or one unit, longest first."""
    prefixes: Counter[str] = Counter()
    suffixes: Counter[str] = Counter()
    for text in texts:
        match = _SPLIT.fullmatch(text)
        if match:
            prefixes[(match["prefix"] or "").strip()] += 1
            suffixes[(match["suffix"] or "").strip()] += 1
    known = [p for p in prefixes if p and p.lower() in _CURRENCIES]
    units = [s for s in suffixes if s and (_singular(s) in _UNITS or s.lower() in _CURRENCIES)]
    # Two currencies or units in one column are not comparable: then it is not a number.
    if len({_singular(affix) for affix in known + units}) > 1:
        return [], []
    return sorted(known, key=len, reverse=True), sorted(units, key=len, reverse=True)


def _singular(unit: str) -> str:
    low = unit.lower().rstrip(".")
    return low[:-1] if len(low) > 2 and low.endswith("s") and low[:-1] in _UNITS else low
