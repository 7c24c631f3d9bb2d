"""How values are written for people and machines: clean text, numbers, times, strict JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL)
# A line of talk beyond this is data that got into it.
_LONGEST = 8000
_BLANKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# C0 and C1 controls, the marks that turn the direction of text around, and lone surrogates.
_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# The same without line ends and tabs.
_OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: object) -> str:
    """`text` on one line, cut where it is very long, without what a terminal would obey."""
    whole = str(text)
    if len(whole) > _LONGEST:
        whole = f"{whole[: _LONGEST - 99]}… ({len(whole):,} characters)"
    return _CONTROLS.sub("", _BLANKS.sub(" ", _ESCAPES.sub("", whole)))


def visible(text: str) -> str:
    """`text` in its lines, with escapes such as \\x1b for what a terminal would obey."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def escaped_json(text: str) -> str:
    """The same JSON with escapes for what a terminal would obey."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cell(value: Any) -> str:
    """A value of a table as short text: floats with four significant decimals, None empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    return clean(value)


def number(value: float) -> str:
    """A float with four decimals, or five significant digits where that says more."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else str(value)
    size = abs(value)
    return f"{value:.4f}" if size == 0 or 1e-3 <= size < 1e3 else f"{value:.5g}"


def score_text(score: float | None, spread: float | None = None) -> str:
    """`0.8123 ± 0.0040`; a dash without a score."""
    if score is None:
        return "-"
    return number(score) if spread is None else f"{number(score)} ± {number(spread)}"


def duration(seconds: float) -> str:
    """Seconds for people: `4.2s`, `58s`, `1m05s`, `2h03m`."""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}h{minutes % 60:02d}m"


def plain_json(value: Any) -> Any:
    """`value` in JSON's own types: NaN and infinities are None, arrays lists, paths text.

    Raises TypeError for anything else.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_json(one) for one in value]
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return plain_json(value.tolist())
    raise TypeError(f"{type(value).__name__} has no JSON form.")
