"""Values read out of a bundle's JSON, each refused with a BundleError if its type is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.errors import BundleError


@dataclass(frozen=True)
class Fields:
    """One JSON object of a bundle; `where` says which one, for the text of an error."""

    data: Mapping[str, Any]
    where: str

    @classmethod
    def of(cls, data: object, where: str) -> Fields:
        """Raises BundleError if `data` is not a JSON object."""
        if not isinstance(data, Mapping):
            raise _wrong(where, "a JSON object", data)
        return cls(data, where)

    def _value(self, name: str) -> Any:
        if name not in self.data:
            raise BundleError(f"{self.where}: {name!r} is missing.", hint=_HINT)
        return self.data[name]

    def _path(self, name: str) -> str:
        return f"{self.where}: {name!r}"

    def text(self, name: str, *, known: tuple[str, ...] = ()) -> str:
        """A string, one of `known` if any are given."""
        value = self._value(name)
        if not isinstance(value, str):
            raise _wrong(self._path(name), "a string", value)
        if known and value not in known:
            raise _wrong(self._path(name), f"one of {', '.join(known)}", value)
        return value

    def integer(self, name: str, *, low: int = 0, high: int | None = None) -> int:
        """An integer in [low, high]."""
        value = self._value(name)
        if type(value) is not int or value < low or (high is not None and value > high):
            limit = "" if high is None else f" and at most {high}"
            raise _wrong(self._path(name), f"an integer of at least {low}{limit}", value)
        return value

    def optional_integer(self, name: str, *, low: int = 0, high: int | None = None) -> int | None:
        return None if self._value(name) is None else self.integer(name, low=low, high=high)

    def number(self, name: str) -> float:
        """A finite number."""
        value = self._value(name)
        if not _is_number(value):
            raise _wrong(self._path(name), "a finite number", value)
        return float(value)

    def boolean(self, name: str) -> bool:
        """True or false."""
        value = self._value(name)
        if not isinstance(value, bool):
            raise _wrong(self._path(name), "true or false", value)
        return value

    def items(self, name: str) -> list[Any]:
        """A list of anything."""
        value = self._value(name)
        if not isinstance(value, list | tuple):
            raise _wrong(self._path(name), "a list", value)
        return list(value)

    def objects(self, name: str) -> list[Fields]:
        """A list of JSON objects."""
        return [
            Fields.of(item, f"{self._path(name)}[{i}]") for i, item in enumerate(self.items(name))
        ]

    def texts(self, name: str) -> tuple[str, ...]:
        items = self.items(name)
        for i, item in enumerate(items):
            if not isinstance(item, str):
                raise _wrong(f"{self._path(name)}[{i}]", "a string", item)
        return tuple(items)

    def integers(self, name: str, *, low: int = 0, high: int | None = None) -> tuple[int, ...]:
        """A list of integers in [low, high]."""
        items = self.items(name)
        for i, item in enumerate(items):
            if type(item) is not int or item < low or (high is not None and item > high):
                raise _wrong(f"{self._path(name)}[{i}]", "an integer in range", item)
        return tuple(items)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        items = self.items(name)
        for i, item in enumerate(items):
            if not _is_number(item):
                raise _wrong(f"{self._path(name)}[{i}]", "a finite number", item)
        return tuple(float(item) for item in items)

    def table(self, name: str, *, n_columns: int) -> NDArray[np.float64]:
        """(n, n_columns) finite float64 from a list of lists of numbers."""
        rows = self.items(name)
        for i, row in enumerate(rows):
            if not isinstance(row, list | tuple) or len(row) != n_columns:
                raise _wrong(f"{self._path(name)}[{i}]", f"a list of {n_columns} numbers", row)
            for item in row:
                if not _is_number(item):
                    raise _wrong(f"{self._path(name)}[{i}]", "a list of finite numbers", item)
        return np.array(rows, dtype=np.float64).reshape(len(rows), n_columns)


_HINT = "The bundle is damaged or was edited; use an intact copy."


def _is_number(value: object) -> bool:
    """A finite JSON number; true and false are none."""
    if type(value) is int:
        return abs(value) < 2**1023
    return isinstance(value, float) and math.isfinite(value)


def _wrong(where: str, expected: str, found: object) -> BundleError:
    shown = repr(found)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return BundleError(f"{where} must be {expected}, found {shown}.", hint=_HINT)
