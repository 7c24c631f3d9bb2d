"""Dates as operators of ONNX: ISO 8601 texts to days since 1970-01-01, and days to their parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from automl.export._onnx_graph import Array, Graph

_CLOCK: Final = "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
_ISO: Final = (
    f"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_CLOCK}( ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?))?)?"
)
_NO_DATE: Final = "1970-01-01"  # stands in where there is none, so that it can be taken apart
_MS: Final = 86_400_000.0
_EPOCH: Final = 719_162  # days from 0001-01-01 to 1970-01-01
_ERA: Final = 400
_ERA_DAYS: Final = 146_097  # years and days after which the calendar repeats itself
_NAN: Final = float("nan")
_MONTH_DAYS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


# --- from texts to days -----------------------------------------------------------------------


def days_of(graph: Graph, cell: str) -> str:
    """Days of texts like 2016-07-02T10:30:00.5+02:00, in UTC without a zone; NaN for others."""
    texts = _Texts(graph)
    # A row of its own at the top, so that there are parts to take even of no row.
    cell = graph.op("Concat", np.array([[_NO_DATE]], dtype=object), cell, axis=0)
    written = graph.op("RegexFullMatch", cell, pattern=_ISO)
    dated = graph.op("Where", written, cell, np.array(_NO_DATE, dtype=object))
    begin, middle, end = texts.parts(dated, " ", 3)
    date, clock = texts.parts(begin, "T", 2)
    clock = texts.joined(clock, middle, end)
    year, month, day = (texts.whole(part) for part in texts.parts(date, "-", 3))
    clock, east, west = _zones(texts, clock)
    hour, minute, second = texts.parts(clock, ":", 3)
    second, fraction = texts.parts(second, ".", 2)
    micros = _micros(texts, fraction)
    hour, minute, second = (texts.whole(part) for part in (hour, minute, second))
    known = [written, *_in_calendar(graph, year, month, day)]
    known += [texts.below(hour, 24), texts.below(minute, 60), texts.below(second, 60)]
    seconds = texts.total(((hour, 3600), (minute, 60), (second, 1)))
    for zone, sign in ((east, -1), (west, 1)):
        zone_hours, zone_minutes = _zone(texts, zone)
        known += [texts.below(zone_hours, 24), texts.below(zone_minutes, 60)]
        seconds = texts.total(((seconds, 1), (zone_hours, 3600 * sign), (zone_minutes, 60 * sign)))
    days = _day_number(texts, year, month, day)
    total = texts.total(((days, 86_400_000_000), (seconds, 1_000_000), (micros, 1)))
    valid = known[0]
    for each in known[1:]:
        valid = graph.op("And", valid, each)
    days = graph.op("Div", graph.cast(total, np.float64), 1000.0 * _MS)
    return graph.below_first(graph.op("Where", valid, days, _NAN))


class _Texts:
    """Texts of shape (rows, 1) taken apart, and whole numbers of int64 made of them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def parts(self, text: str, mark: str, n: int) -> list[str]:
        """The first n parts between marks, '' for those that are not there."""
        # With marks behind it, every text has as many parts.
        ended = self.joined(text, np.array(mark * n, dtype=object))
        split, _ = self.graph.ops("StringSplit", ended, n_outputs=2, delimiter=mark)
        return [self.graph.op("Gather", split, np.array(i), axis=2) for i in range(n)]

    def joined(self, *texts: str | Array) -> str:
        whole = texts[0]
        for text in texts[1:]:
            whole = self.graph.op("StringConcat", whole, text)
        return str(whole)

    def whole(self, digits: str) -> str:
        """The number that digits say; 0 for none."""
        return self.graph.cast(self.joined(np.array("0", dtype=object), digits), np.int64)

    def below(self, number: str, limit: int) -> str:
        return self.graph.op("Less", number, np.array(limit))

    def total(self, terms: tuple[tuple[str, int], ...]) -> str:
        """The sum of numbers, each times its factor."""
        made = [
            each if factor == 1 else self.graph.op("Mul", each, np.array(factor))
            for each, factor in terms
        ]
        whole = made[0]
        for each in made[1:]:
            whole = self.graph.op("Add", whole, each)
        return whole


def _zones(texts: _Texts, clock: str) -> tuple[str, str, str]:
    """(clock, what stands behind a plus, what stands behind a minus)."""
    clock = texts.parts(clock, "Z", 1)[0]
    before, east = texts.parts(clock, "+", 2)
    west = texts.parts(clock, "-", 2)[1]
    return texts.parts(before, "-", 1)[0], east, west


def _zone(texts: _Texts, zone: str) -> tuple[str, str]:
    """Hours and minutes of 02, 0200 or 02:00."""
    first, minutes = (texts.whole(part) for part in texts.parts(zone, ":", 2))
    together = texts.graph.op("RegexFullMatch", zone, pattern="[0-9]{4}")
    hundred = np.array(100)
    hours = texts.graph.op("Where", together, texts.graph.op("Div", first, hundred), first)
    inner = texts.graph.op("Where", together, texts.graph.op("Mod", first, hundred), minutes)
    return hours, inner


def _micros(texts: _Texts, digits: str) -> str:
    """Whole microseconds of the digits behind the point of a second."""
    graph = texts.graph
    before, behind = (np.array(text, dtype=object) for text in ("0.", "0"))
    share = graph.cast(texts.joined(before, digits, behind), np.float64)
    nanos = graph.cast(graph.op("Round", graph.op("Mul", share, 1e9)), np.int64)
    return graph.op("Div", nanos, np.array(1000))


def _in_calendar(graph: Graph, year: str, month: str, day: str) -> list[str]:
    """Whether there is such a day, as conditions that must all hold."""
    last = graph.op(
        "Add",
        graph.op("Gather", _MONTH_DAYS, _place(graph, month)),
        _leap_day(graph, year, graph.op("Equal", month, np.array(2))),
    )
    return [
        graph.op("GreaterOrEqual", month, np.array(1)),
        graph.op("LessOrEqual", month, np.array(12)),
        graph.op("GreaterOrEqual", day, np.array(1)),
        graph.op("LessOrEqual", day, last),
    ]


def _place(graph: Graph, month: str) -> str:
    """0 to 11, also of what is no month."""
    return graph.op("Mod", graph.op("Add", month, np.array(11)), np.array(12))


def _leap_day(graph: Graph, year: str, wanted: str) -> str:
    """1 where it is `wanted` and the year has one, else 0."""

    def divides(n: int) -> str:
        return graph.op("Equal", graph.op("Mod", year, np.array(n)), np.array(0))

    common = graph.op("And", divides(100), graph.op("Not", divides(400)))
    leap = graph.op("And", divides(4), graph.op("Not", common))
    return graph.cast(graph.op("And", leap, wanted), np.int64)


def _day_number(texts: _Texts, year: str, month: str, day: str) -> str:
    """Days since 1970-01-01."""
    graph = texts.graph
    full = graph.op("Add", year, np.array(_ERA - 1))  # so that it is not below 0
    fourth, hundredth, fourth_hundredth = (
        graph.op("Div", full, np.array(n)) for n in (4, 100, 400)
    )
    before = np.cumsum(_MONTH_DAYS) - _MONTH_DAYS
    of_year = graph.op("Gather", before, _place(graph, month))
    leap = _leap_day(graph, year, graph.op("Greater", month, np.array(2)))
    days = texts.total(
        ((full, 365), (fourth, 1), (hundredth, -1), (fourth_hundredth, 1), (of_year, 1), (leap, 1))
    )
    return graph.op("Add", graph.op("Add", days, day), np.array(-1 - _EPOCH - _ERA_DAYS))


# --- from days to parts -----------------------------------------------------------------------


def parts_of(graph: Graph, days: str, parts: tuple[str, ...], start: float) -> list[str]:
    """The parts of `automl.features.dates.PARTS` of days; NaN stays NaN.

    Everything is whole numbers below 2**53, so that float64 is exact.
    """
    missing = graph.op("IsNaN", days)
    made = _Calendar(graph, graph.op("Where", missing, 0.0, days)).parts()
    made["elapsed"] = lambda: graph.op("Sub", days, start)
    return [graph.op("Where", missing, _NAN, made[part]()) for part in parts]


class _Calendar:
    """The calendar of days since 1970-01-01 without NaN.

    Source: dates of day numbers by eras of 400 years that begin in March, the common arithmetic
    of the proleptic Gregorian calendar.
    """

    def __init__(self, graph: Graph, days: str) -> None:
        self._graph = graph
        ms = graph.op("Round", graph.op("Mul", days, _MS))
        self.date = self._floor(ms, _MS)
        self.of_day = graph.op("Sub", ms, graph.op("Mul", self.date, _MS))
        self.weekday = self._rest(graph.op("Add", self.date, 3.0), 7.0)
        shifted = graph.op("Add", self.date, 719_468.0)  # days since 0000-03-01
        era = self._floor(shifted, float(_ERA_DAYS))
        of_era = graph.op("Sub", shifted, graph.op("Mul", era, float(_ERA_DAYS)))
        year = self._year_of_era(of_era)
        of_year = graph.op("Sub", of_era, self._days_before(year))
        march = self._floor(graph.op("Add", graph.op("Mul", of_year, 5.0), 2.0), 153.0)
        before = self._floor(graph.op("Add", graph.op("Mul", march, 153.0), 2.0), 5.0)
        self.day = graph.op("Add", graph.op("Sub", of_year, before), 1.0)
        self.month = graph.op("Add", self._rest(graph.op("Add", march, 2.0), 12.0), 1.0)
        year = graph.op("Add", year, graph.op("Mul", era, float(_ERA)))
        early = graph.cast(graph.op("Less", self.month, 3.0), np.float64)
        self.year = graph.op("Add", year, early)

    def parts(self) -> dict[str, Callable[[], str]]:
        """How to make each part but "elapsed"."""
        graph = self._graph
        hour = 2.0 * np.pi / _MS
        return {
            "year": lambda: self.year,
            "month": lambda: self.month,
            "day": lambda: self.day,
            "weekday": lambda: self.weekday,
            "yearday_sin": lambda: self._of_year_day(np.sin),
            "yearday_cos": lambda: self._of_year_day(np.cos),
            "hour": lambda: self._floor(self.of_day, 3_600_000.0),
            "hour_sin": lambda: self._rounded(graph.op("Sin", graph.op("Mul", self.of_day, hour))),
            "hour_cos": lambda: self._rounded(graph.op("Cos", graph.op("Mul", self.of_day, hour))),
            "weekend": lambda: graph.cast(
                graph.op("GreaterOrEqual", self.weekday, 5.0), np.float64
            ),
            "month_end": self._month_end,
        }

    def _floor(self, number: str, divisor: float) -> str:
        return self._graph.op("Floor", self._graph.op("Div", number, divisor))

    def _rest(self, number: str, divisor: float) -> str:
        whole = self._graph.op("Mul", self._floor(number, divisor), divisor)
        return self._graph.op("Sub", number, whole)

    def _sum(self, plus: tuple[str, ...], minus: str) -> str:
        total = plus[0]
        for each in plus[1:]:
            total = self._graph.op("Add", total, each)
        return self._graph.op("Sub", total, minus)

    def _year_of_era(self, of_era: str) -> str:
        fourth, whole = self._floor(of_era, 1460.0), self._floor(of_era, 146_096.0)
        days = self._sum((of_era, self._floor(of_era, 36_524.0)), fourth)
        return self._floor(self._graph.op("Sub", days, whole), 365.0)

    def _days_before(self, year: str) -> str:
        """Days before a year of the era, which has no century that is divided by 400."""
        days = self._graph.op("Mul", year, 365.0)
        return self._sum((days, self._floor(year, 4.0)), self._floor(year, 100.0))

    def _of_year_day(self, wave: Callable[[Array], Array]) -> str:
        graph = self._graph
        full = graph.op("Sub", self.year, 1.0)
        first = self._sum(
            (graph.op("Mul", full, 365.0), self._floor(full, 4.0), self._floor(full, 400.0)),
            self._floor(full, 100.0),
        )
        since = graph.op("Sub", graph.op("Add", self.date, float(_EPOCH)), first)
        angles = np.arange(366) * (2.0 * np.pi / 365.25)
        table = np.round(wave(angles), 9).astype(np.float32).astype(np.float64)
        return graph.op("Gather", table, graph.cast(since, np.int64))

    def _rounded(self, wave: str) -> str:
        graph = self._graph
        return graph.single(graph.op("Div", graph.op("Round", graph.op("Mul", wave, 1e9)), 1e9))

    def _month_end(self) -> str:
        graph = self._graph
        year, month = graph.cast(self.year, np.int64), graph.cast(self.month, np.int64)
        days = graph.op("Gather", _MONTH_DAYS, _place(graph, month))
        leap = _leap_day(graph, year, graph.op("Equal", month, np.array(2)))
        last = graph.cast(graph.op("Add", days, leap), np.float64)
        return graph.cast(graph.op("Equal", self.day, last), np.float64)
