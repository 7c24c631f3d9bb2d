"""What the end of a fit refuses to ship."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from automl.errors import ConfigError
from automl.workflows.finish import Finish


def _finish(n_trees: int, loss: float | None, *, by_clock: bool = True) -> Any:
    fold = SimpleNamespace(n_trees=n_trees)
    trial = SimpleNamespace(by_clock=by_clock, objective_loss=loss, prefix=lambda: [fold, fold])
    return SimpleNamespace(
        race=SimpleNamespace(done=[trial], rules=SimpleNamespace(baseline_loss=3.4)),
        plan=SimpleNamespace(
            budget=SimpleNamespace(seconds=10.0),
            too_small=lambda seconds: ConfigError(f"{seconds} is too small", hint=""),
        ),
    )


@pytest.mark.parametrize(("n_trees", "loss"), [(4, 3.2), (4, 1.8), (1, None)])
def test_a_model_that_hardly_learned_is_refused(n_trees: int, loss: float | None) -> None:
    with pytest.raises(ConfigError, match="too small"):
        Finish._check_race(_finish(n_trees, loss))


@pytest.mark.parametrize(
    ("n_trees", "loss", "by_clock"), [(4, 0.5, True), (5, 3.2, True), (4, 3.2, False)]
)
def test_few_trees_that_learned_much_ship(n_trees: int, loss: float, by_clock: bool) -> None:
    Finish._check_race(_finish(n_trees, loss, by_clock=by_clock))
