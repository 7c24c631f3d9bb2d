"""How a setting is written: `Form` reads a text, or a typed value, and says what is expected."""

from __future__ import annotations

import codecs
import math
import operator
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from automl.errors import ConfigError

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_DURATION = re.compile(r"\s*".join(rf"(?:{_NUMBER}\s*{unit})?" for unit in _UNITS))
_SIZE = re.compile(rf"{_NUMBER}\s*([kmgt])(?:i?b)?")
_LEAST_SIZE = 1 << 20  # a smaller one was meant in another unit
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True)
class Form:
    """How a setting is written.

    expected: what to write, for messages: "a whole number of at least 2".
    read: text, or a value that already has the type, -> the field's value, or ValueError.
    types: Python types that a TOML file or a Python caller may use.
    many: a list of values, repeated on the command line.
    """

    expected: str
    read: Callable[[Any], Any]
    types: tuple[type, ...]
    many: bool = False


class Expected(ValueError):
    """What was expected, where that says more than the form does."""


def parse_duration(text: str) -> float:
    """Seconds of `90`, `60s`, `5m`, `1h30m` or `2d`; units in falling order.

    Raises ConfigError if it is none of these, or not above zero.
    """
    try:
        return _read_seconds(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not {TIME_LIMIT.expected}.") from None


def _read_seconds(value: Any) -> float:
    if isinstance(value, str):
        word = value.strip().lower()
        if re.fullmatch(_NUMBER, word):
            seconds = float(word)
        elif word and (match := _DURATION.fullmatch(word)):
            sizes = zip(match.groups(), _UNITS.values(), strict=True)
            seconds = sum(float(count) * size for count, size in sizes if count is not None)
        else:
            raise ValueError
    else:
        seconds = _read_real(value)
    if not 0 < seconds < math.inf:
        raise ValueError
    return seconds


def _read_limit(value: Any) -> float | None:
    """Like a duration; the word `none` lifts a limit that a file or a variable sets."""
    if isinstance(value, str) and value.strip().lower() == "none":
        return None
    return _read_seconds(value)


def _read_size(value: Any) -> int:
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip().lower())
        if match is None:
            raise ValueError
        size = float(match[1]) * 1024.0 ** "kmgt".index(match[2]) * 1024.0
    else:
        size = float(_read_whole(value))
    if not _LEAST_SIZE <= size < math.inf:
        raise ValueError
    return int(size)


def _read_real(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _read_whole(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, str):
        return int(value)
    return operator.index(value)


def _read_text(value: Any) -> str:
    if not isinstance(value, str) or value == "":
        raise ValueError
    return value


def _read_path(value: Any) -> str:
    return _read_text(os.fspath(value))


def _read_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _read_sample(value: Any) -> float:
    sample = _read_real(value)
    if 0 < sample < 1 or (sample > 1 and sample.is_integer()):
        return sample
    raise ValueError


def _read_share(value: Any) -> float:
    share = _read_real(value)
    if not 0 < share < 1:
        raise ValueError
    return share


def _read_shares(value: Any) -> tuple[float, ...]:
    given = value if isinstance(value, list | tuple) else [value]
    parts = [part for one in given for part in (one.split(",") if isinstance(one, str) else [one])]
    if not parts:
        raise ValueError
    return tuple(sorted({_read_share(part) for part in parts}))


def _read_delimiter(value: Any) -> str:
    named = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
    text = named.get(value, value) if isinstance(value, str) else ""
    if len(text) != 1 or text in '"\r\n\0':
        raise ValueError
    return text


def _read_encoding(value: Any) -> str:
    name = _read_text(value)
    try:
        "".encode(name)  # refuses codecs that are not of text, such as hex
    except LookupError:
        raise ValueError from None
    return codecs.lookup(name).name


def whole(minimum: int) -> Form:
    """A whole number that is not below `minimum`."""

    def read(value: Any) -> int:
        number = _read_whole(value)
        if number < minimum:
            raise ValueError
        return number

    return Form(f"a whole number of at least {minimum}", read, (int,))


def choice(*words: str) -> Form:
    """One of a few words, upper or lower case."""

    def read(value: Any) -> str:
        word = _read_text(value).strip().lower()
        if word not in words:
            raise ValueError
        return word

    return Form(f"one of {', '.join(words)}", read, (str,))


def words(*, split: bool) -> Form:
    """A tuple of texts without repetitions; `split` takes each text apart at commas."""

    def read(value: Any) -> tuple[str, ...]:
        given = [value] if isinstance(value, str) else list(value)
        if not all(isinstance(text, str) for text in given):
            raise ValueError
        if split:
            given = [part.strip() for text in given for part in text.split(",") if part.strip()]
        return tuple(dict.fromkeys(given))

    return Form("a list of texts", read, (list, tuple, str), many=True)


def pairs(shape: str, read_one: Callable[[Any], Any]) -> Form:
    """A mapping from column to value, also as texts `column=value` split at the last `=`."""

    def read(value: Any) -> dict[str, Any]:
        given = [value] if isinstance(value, str) else value
        items = list(given.items()) if isinstance(given, Mapping) else [_split(t) for t in given]
        pairs: dict[str, Any] = {}
        for column, one in items:
            if not isinstance(column, str) or column == "":
                raise ValueError
            choice = read_one(one)
            if pairs.setdefault(column, choice) != choice:
                raise Expected(f"one value for column {column!r}")
        return pairs

    def _split(text: Any) -> tuple[str, str]:
        column, equals, one = text.rpartition("=") if isinstance(text, str) else ("", "", "")
        if not equals:
            raise ValueError
        return column, one.strip()

    return Form(f"{shape}, once per column", read, (dict, Mapping, list, tuple), many=True)


def read_direction(value: Any) -> int:
    """-1, 0 or +1."""
    direction = _read_whole(value)
    if direction not in (-1, 0, 1):
        raise ValueError
    return direction


TEXT = Form("a text that is not empty", _read_text, (str,))
PATH = Form("a path", _read_path, (str, os.PathLike))
FLAG = Form("true or false", _read_flag, (bool,))
TIME_LIMIT = Form(
    "a time above zero like 90, 60s, 5m, 1h30m or 2d", _read_limit, (int, float, str)
)
SIZE = Form("a size of at least a megabyte like 1500M or 8G", _read_size, (int, str))
SAMPLE = Form("a number of rows above 1 or a share between 0 and 1", _read_sample, (int, float))
SHARE = Form("a share between 0 and 1", _read_share, (int, float))
SHARES = Form(
    "shares between 0 and 1 like 0.1,0.5,0.9",
    _read_shares,
    (list, tuple, str, int, float),
    many=True,
)
DELIMITER = Form("one character, or the word tab", _read_delimiter, (str,))
ENCODING = Form("a text encoding such as utf-8 or cp1252", _read_encoding, (str,))
