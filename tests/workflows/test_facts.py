"""Sections of a report within the time there is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from automl.report.report import LEFT_OUT
from automl.task import Task
from automl.workflows import facts
from automl.workflows.facts import Clock, all_facts


def test_a_section_without_time_does_not_take_the_cheaper_ones_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facts, "facts_of", lambda name, *_: {"name": name})
    monkeypatch.setattr(facts.Section, "html", lambda self, found: "")
    classes = tuple(map(str, range(32)))
    evidence: Any = SimpleNamespace(rows=range(1400), task=Task.MULTICLASS, classes=classes)
    record: Any = SimpleNamespace(facts={"target": "y", "task": "multiclass", "data": None})
    # Of 32 classes the figures of Performance take longest.
    found = all_facts(record, evidence, Clock(lambda: 0.2))
    assert found["about"][LEFT_OUT] == ["performance", "wrong"]
    assert set(found) >= {"result", "data", "race", "explanation", "fairness", "decisions"}
    assert LEFT_OUT not in all_facts(record, evidence, Clock())["about"]
