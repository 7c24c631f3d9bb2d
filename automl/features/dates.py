"""Datetime columns as elapsed days, calendar parts and differences of two columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import ParsedTable, Schema
from automl.errors import BundleError
from automl.features.matrix import Feature
from automl.features.strict import Fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MS_PER_DAY = 86_400_000
# datetime64 has no years beyond this range worth telling apart; int64 milliseconds hold it.
FARTHEST_DAY = 3.6e9
PARTS = (
    "elapsed",
    "year",
    "month",
    "day",
    "weekday",
    "yearday_sin",
    "yearday_cos",
    "hour",
    "hour_sin",
    "hour_cos",
    "weekend",
    "month_end",
)
_TITLES = {
    "elapsed": "days",
    "day": "day of month",
    "weekday": "day of week",
    "yearday_sin": "day of year (sin)",
    "yearday_cos": "day of year (cos)",
    "hour_sin": "hour (sin)",
    "hour_cos": "hour (cos)",
    "weekend": "is weekend",
    "month_end": "is end of month",
}


@dataclass(frozen=True)
class DateColumn:
    """Days since `start` (the training minimum, at midnight) and those calendar parts that vary.

    A column with a monotone direction makes elapsed days only: its calendar parts could bend the
    prediction the other way.
    """

    kind: ClassVar[str] = "date"
    column: int
    name: str
    start: float
    parts: tuple[str, ...] = PARTS
    monotone: int = 0

    @classmethod
    def fit(cls, parsed: ParsedTable, schema: Schema, index: int) -> DateColumn:
        column = schema.columns[index]
        days = np.asarray(parsed.values[index], dtype=np.float64)
        present = days[np.isfinite(days)]
        start = float(np.floor(present.min())) if len(present) else 0.0
        parts = PARTS[:1] if column.monotone else PARTS
        return cls(index, column.name, start, parts, column.monotone)

    @property
    def features(self) -> tuple[Feature, ...]:
        return tuple(
            Feature(
                f"{self.name}: {_TITLES.get(part, part)}",
                (self.column,),
                monotone=self.monotone if part == "elapsed" else 0,
            )
            for part in self.parts
        )

    def only(self, kept: Sequence[int]) -> DateColumn:
        """The same transformer making only the features at these positions."""
        return replace(self, parts=tuple(self.parts[i] for i in kept))

    def transform(self, parsed: ParsedTable) -> list[Floats]:
        """One (n_rows,) array per feature; NaN where the cell is missing."""
        days = _finite_days(parsed, self.column)
        missing = np.isnan(days)
        made = _calendar(np.where(missing, 0.0, days), set(self.parts))
        made["elapsed"] = days - self.start
        for part in self.parts:
            made[part] = np.where(missing, np.nan, made[part])
        return [made[part] for part in self.parts]

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "name": self.name,
            "start": self.start,
            "parts": list(self.parts),
            "monotone": self.monotone,
        }

    @classmethod
    def from_json(cls, fields: Fields) -> DateColumn:
        parts = fields.texts("parts")
        if not set(parts) <= set(PARTS):
            raise BundleError(
                f"{fields.where}: unknown date part in {list(parts)}.",
                hint="The bundle was written by a newer version or was edited.",
            )
        return cls(
            fields.integer("column"),
            fields.text("name"),
            fields.number("start"),
            parts,
            fields.integer("monotone", low=-1, high=1),
        )


@dataclass(frozen=True)
class DateDifference:
    """Days from one datetime column to another; missing if either is."""

    kind: ClassVar[str] = "date_difference"
    first: int
    second: int
    name: str

    @classmethod
    def fit(cls, schema: Schema, first: int, second: int) -> DateDifference:
        names = schema.columns[first].name, schema.columns[second].name
        return cls(first, second, f"days from {names[0]} to {names[1]}")

    @property
    def features(self) -> tuple[Feature, ...]:
        return (Feature(self.name, (self.first, self.second)),)

    def only(self, kept: Sequence[int]) -> DateDifference:
        """Itself: there is just one feature to keep."""
        return self

    def transform(self, parsed: ParsedTable) -> list[Floats]:
        """One (n_rows,) array."""
        return [_finite_days(parsed, self.second) - _finite_days(parsed, self.first)]

    def to_json(self) -> dict[str, Any]:
        return {"first": self.first, "second": self.second, "name": self.name}

    @classmethod
    def from_json(cls, fields: Fields) -> DateDifference:
        return cls(fields.integer("first"), fields.integer("second"), fields.text("name"))


def _finite_days(parsed: ParsedTable, column: int) -> Floats:
    """(n_rows,) days since 1970-01-01 within a range that datetime64 can hold."""
    days = np.asarray(parsed.values[column], dtype=np.float64)
    return np.clip(days, -FARTHEST_DAY, FARTHEST_DAY)


def _calendar(days: Floats, wanted: set[str]) -> dict[str, Floats]:
    """The wanted calendar parts of (n,) days since 1970-01-01 without NaN, each (n,) float64."""
    # Rounding to milliseconds undoes the error of a time of day stored as a fraction of a day.
    ms = np.rint(days * _MS_PER_DAY).astype(np.int64)
    date: Ints = ms // _MS_PER_DAY
    stamp = date.astype("datetime64[D]")
    month = stamp.astype("datetime64[M]")
    year = stamp.astype("datetime64[Y]")
    weekday = (date + 3) % 7  # 1970-01-01 was a Thursday; Monday = 0
    yearday = _angle((stamp - year.astype("datetime64[D]")).astype(np.int64), 365.25)
    of_day = ms - date * _MS_PER_DAY
    hour = _angle(of_day, _MS_PER_DAY)
    parts: dict[str, Callable[[], NDArray[Any]]] = {
        "year": lambda: year.astype(np.int64) + 1970,
        "month": lambda: month.astype(np.int64) % 12 + 1,
        "day": lambda: (stamp - month.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": lambda: weekday,
        "yearday_sin": lambda: _rounded(np.sin(yearday)),
        "yearday_cos": lambda: _rounded(np.cos(yearday)),
        "hour": lambda: of_day // 3_600_000,
        "hour_sin": lambda: _rounded(np.sin(hour)),
        "hour_cos": lambda: _rounded(np.cos(hour)),
        "weekend": lambda: weekday >= 5,
        "month_end": lambda: (stamp + 1).astype("datetime64[M]") != month,
    }
    return {part: np.asarray(make(), np.float64) for part, make in parts.items() if part in wanted}


def _angle(position: Ints, period: float) -> Floats:
    return np.asarray(position * (2.0 * np.pi / period), dtype=np.float64)


def _rounded(values: Floats) -> Floats:
    """Values that float32 holds exactly, so that the training matrix may stay float32.

    Nine decimals first: the last bits of sin and cos may differ between platforms.
    """
    return np.round(values, 9).astype(np.float32).astype(np.float64)
