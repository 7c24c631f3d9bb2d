"""What is kept for the end of a run, on an idle machine and on a busy one."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from automl.budget import Budget
from automl.config import FitConfig
from automl.errors import ConfigError
from automl.task import Task
from automl.workflows.plan import Plan
from automl.workflows.reserves import Reserves


def reserves(*, slowness: float = 1.0, left: float = 0.0, budget: float | None = 20.0) -> Reserves:
    config = FitConfig(target="y", trials=1)
    table: Any = SimpleNamespace(
        n_rows=10_000, target=SimpleNamespace(task=Task.BINARY, classes=("no", "yes"))
    )
    goal: Any = SimpleNamespace(calibrate=True)
    found = Reserves(config, Budget(budget), table, goal)
    race: Any = SimpleNamespace(
        pace=SimpleNamespace(slowness=slowness),
        judge=SimpleNamespace(loss_seconds=0.01),
        scorer=SimpleNamespace(rows=range(10_000)),
        rules=SimpleNamespace(seconds_left=lambda: left),
        done=[SimpleNamespace()] * 5,
    )
    found._race = race
    return found


@pytest.mark.parametrize("step", ["honest_seconds", "explain_seconds", "test_seconds"])
def test_a_busy_machine_gets_more_seconds_for_the_same(step: str) -> None:
    idle, busy, stuck = (getattr(reserves(slowness=by), step)() for by in (1.0, 1.5, 5.0))
    assert busy == pytest.approx(1.5 * idle)
    assert stuck == pytest.approx(2.0 * idle)  # the race must have a share, too


def test_all_steps_are_in_the_reserve() -> None:
    for slowness in (1.0, 2.0):
        one = reserves(slowness=slowness)
        parts = one.honest_seconds() + one.explain_seconds() + one.end_seconds()
        parts += one.learning_seconds()
        assert one.reserve() > parts
        assert one.end_seconds() > one.report_seconds() + one.write_seconds()


def test_the_search_of_the_blend_leaves_the_rest_its_time() -> None:
    # 5 candidates and 10 ms: 1.2 s for the search of the blend, 0.24 for its calibration.
    choosing = 0.1 + 5 * 24 * 0.01 + 24 * 0.01
    assert reserves(left=0.0).blend_seconds() == pytest.approx(choosing - 0.24)
    assert reserves(left=1.0).blend_seconds() == pytest.approx(choosing + 0.76)
    late = reserves(left=-9.0).blend_seconds()
    assert 0.0 < late < 0.5 * choosing
    assert reserves(budget=None).blend_seconds() == math.inf


def test_the_learning_curve_has_a_small_share_of_larger_budgets() -> None:
    kept = [reserves(budget=seconds).learning_seconds() for seconds in (15.0, 60.0, 3600.0)]
    assert kept == pytest.approx([0.0, 0.8, 3.0])
    assert reserves(budget=None).learning_seconds() == math.inf


@pytest.mark.parametrize(
    ("left", "n_splits"), [(9.0, 5), (2.0, 1), (1.1, 1), (0.96, 1), (0.9, None)]
)
def test_a_first_model_may_use_what_is_kept_for_explanations(
    left: float, n_splits: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of six seconds a split, a tenth is worth having; two splits at a time."""
    chosen: Any = SimpleNamespace(folds=None, holdout=None, trials=None)
    plan: Any = object.__new__(Plan)
    plan.config, plan.n_workers = chosen, 2
    plan.budget = SimpleNamespace(limited=True, seconds=10.0, left=lambda: left)
    monkeypatch.setattr(Plan, "_guess", lambda self, data: 6.0)
    monkeypatch.setattr(Plan, "reserve", lambda self: 0.0)
    monkeypatch.setattr(Plan, "_spare", lambda self: 0.25)
    monkeypatch.setattr(Plan, "too_small", lambda self, missing: ConfigError("too small"))
    monkeypatch.setattr(Plan, "with_splits", lambda self, data, reason, **how: (one, one))
    five: Any = SimpleNamespace(splits=[None] * 5)
    one: Any = SimpleNamespace(splits=[None])
    if n_splits is None:
        with pytest.raises(ConfigError, match="too small"):
            plan.within_budget(five, five)
    else:
        assert len(plan.within_budget(five, five)[0].splits) == n_splits
