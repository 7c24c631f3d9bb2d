"""Parts of charts as inline SVG: scales, round numbers on an axis, the frame with its label."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from html import escape

from automl.report.page import plain, shown

# Widths of letters in parts of the size of the font, rather too wide than too narrow.
_NARROW = frozenset("iljtfrI.,:;'|!()[]{} /\\`\"")
_BROAD = frozenset("mwMWQ@%&—…")
_ADVANCE = 0.64
_LONGEST = 400


def scale(low: float, high: float, left: float, right: float) -> Callable[[float], float]:
    """From values low … high to places left … right."""
    width = right - left
    return lambda value: left + width * (value - low) / (high - low or 1.0)


def ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers between the ends."""
    span = high - low or 1.0
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 8)
    first = math.ceil(low / step - 1e-9)
    found = [(first + i) * step for i in range(10)]
    return [float(f"{value:.12g}") for value in found if value <= high + 1e-9 * span]


def svg(
    parts: Sequence[str],
    width: int,
    height: int,
    label: str,
    kind: str = "",
    *,
    fixed: bool = False,
) -> str:
    """A drawing that takes the width it is given, or its own if `fixed`.

    label: plain text, what it shows, for those who hear it.  kind: its classes.
    """
    named = f' class="{kind}"' if kind else ""
    if fixed:
        named += f' style="width:{width}px"'
    return (
        f'<svg{named} viewBox="0 0 {width} {height}" role="img" aria-label="{shown(label, 120)}">'
        f"{''.join(parts)}</svg>"
    )


def fitted(text: object, width: float, size: float = 12.5) -> str:
    """`text` for a label of so many pixels, in a font of so many: escaped, cut in its middle.

    Names of one family of columns begin alike, and their ends tell them apart.
    """
    whole = str(text)
    if len(whole) > _LONGEST:
        whole = f"{whole[: _LONGEST // 2]}…{whole[-_LONGEST // 2 :]}"
    letters = plain(whole).strip()
    if not letters:
        return "(blank)"
    room = width / size
    if _ems(letters) <= room:
        return escape(letters)
    room -= _ems("…")
    end = _taken(letters[::-1], 0.4 * room)
    start = _taken(letters, room - _ems(letters[len(letters) - end :]))
    return escape(f"{letters[:start].rstrip()}…{letters[len(letters) - end :].lstrip()}")


def _taken(letters: str, room: float) -> int:
    """How many of the first letters fit."""
    n = 0
    while n < len(letters) and _ems(letters[: n + 1]) <= room:
        n += 1
    return n


def _ems(letters: str) -> float:
    return sum(map(_advance, letters))


def _advance(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0.0
    if letter in _NARROW:
        return 0.42
    if letter in _BROAD or unicodedata.east_asian_width(letter) in "WF":
        return 1.02
    return 0.74 if letter.isupper() else _ADVANCE
