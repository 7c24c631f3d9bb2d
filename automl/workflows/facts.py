"""The facts of a report's sections, within the time there is, and the files they become."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl import plugins
from automl.insight.evidence import Evidence, Facts
from automl.insight.record import Record
from automl.model.jsonfile import json_bytes
from automl.report.report import FAILED, LEFT_OUT, report_page
from automl.report.sections import ORDER, Section

REPORT_JSON, REPORT_HTML = "report.json", "report.html"
# Of the facts: another one where a section reads what an earlier version did not write.
FORMAT = 1
# What matters most first: where time is short, the last ones are left out.
PRIORITY = (
    *("result", "decisions", "data", "performance", "race", "explanation", "wrong"),
    "fairness",
)
# CPU seconds that a section takes at most, its drawing included: fixed, and per row and output.
# Measured on adult, diamonds and hpc, and rounded up; what is expensive is done on some rows only.
_SECONDS: dict[str, tuple[float, float]] = {
    "result": (0.01, 0.0),
    "decisions": (0.01, 0.0),
    "data": (0.01, 0.0),
    "race": (0.03, 0.0),
    "performance": (0.08, 9e-6),
    "explanation": (0.12, 0.0),
    "wrong": (0.10, 3e-6),
    "fairness": (0.05, 3e-6),
}
_MOST_COUNTED = 200_000  # rows times outputs
# What goes wrong in a page must not cost hours of training: it is told as a warning. Tests empty
# this.
_LONGEST = 300
CONTAINED: tuple[type[Exception], ...] = (Exception,)


def expected_seconds(n_rows: int, n_outputs: int, names: Sequence[str] = PRIORITY) -> float:
    """CPU seconds that sections are expected to take."""
    size = min(n_rows * n_outputs, _MOST_COUNTED)
    return sum(fixed + each * size for fixed, each in map(_SECONDS.__getitem__, names))


@dataclass(frozen=True)
class Clock:
    """Seconds that are left for the facts, and how much slower than idle the machine is."""

    left: Callable[[], float] = lambda: math.inf
    slowness: float = 1.0


def all_facts(record: Record, evidence: Evidence, clock: Clock) -> dict[str, Facts]:
    """The facts of every section that has some, and `about` the whole.

    A section that the clock has no time for is left out and named; a cheaper one after it may
    fit. One that cannot be made or drawn is left out, and named with the cause.
    """
    facts: dict[str, Facts] = {}
    about = about_of(record)
    failed: dict[str, str] = {}
    names = known_sections()
    size = len(evidence.rows), evidence.task.n_outputs(len(evidence.classes))
    late: list[str] = []
    for name in names:
        if clock.left() < expected_seconds(*size, [name]) * clock.slowness:
            late.append(name)
            continue
        try:
            found = defined(facts_of(name, record, evidence))
            if found:
                Section(name).html(found)
        except CONTAINED as error:
            failed[name] = f"{type(error).__name__}: {error}"[:_LONGEST]
            continue
        if found:
            facts[name] = found
    if late:
        about[LEFT_OUT] = sorted(late, key=ORDER.index)
    if failed:
        about[FAILED] = failed
    return {"about": about, **facts}


def defined(facts: Any) -> Any:
    """`facts` with None for numbers that are none: JSON has no others."""
    if isinstance(facts, dict):
        return {key: defined(value) for key, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [defined(value) for value in facts]
    if isinstance(facts, float | np.floating) and not math.isfinite(facts):
        return None
    return facts


def facts_of(name: str, record: Record, evidence: Evidence) -> Facts:
    """The facts of one section; empty where it has nothing to say."""
    make = plugins.load("automl.insight", name, "facts")
    given: tuple[Any, ...] = {
        "result": (record, evidence),
        "data": (record, evidence),
        "race": (record, evidence.headline),
        "decisions": (record,),
    }.get(name, (evidence,))
    found: Facts = make(*given)
    return found


def known_sections() -> list[str]:
    """Sections whose facts and drawing are there, what matters most first."""
    there = plugins.own_names("automl.insight") & plugins.own_names("automl.report.sections")
    return [name for name in PRIORITY if name in there]


def about_of(record: Record) -> Facts:
    """What names a report."""
    data = record.facts.get("data")
    return {
        "target": str(record.facts["target"]),
        "task": str(record.facts["task"]),
        "data": str(data.get("name", "")) if isinstance(data, dict) else "",
    }


def report_files(facts: dict[str, Facts]) -> dict[str, bytes]:
    """`report.json` and the page that is drawn from it, by their names in a bundle."""
    text = json_bytes({"format": FORMAT, **facts})
    page = report_page(json.loads(text))  # as it will be drawn again
    return {REPORT_JSON: text, REPORT_HTML: page.encode("utf-8")}
