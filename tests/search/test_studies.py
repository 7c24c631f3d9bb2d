"""Optuna's studies: whose turn it is, what is asked, what they learn."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from typing import Any

import pytest

from automl.engines.base import Choice, Float, Int
from automl.errors import ConfigError
from automl.search.portfolio import Candidate
from automl.search.studies import Studies

SPACE = {"rate": Float(0.01, 1.0, log=True), "depth": Int(2, 8), "extra": Choice((False, True))}
TWO = {("one", "plain"): SPACE, ("two", "plain"): SPACE}


def run(studies: Studies, n: int, losses: dict[str, float], **how: Any) -> list[Candidate]:
    """Asks n times; a trial's loss is its engine's, worse with the distance of rate to 0.1."""
    asked = []
    for _ in range(n):
        found = studies.ask(**how)
        assert found is not None
        asked.append(found)
        loss = losses[found.engine] + abs(math.log(found.params["rate"] / 0.1))
        studies.tell(found, loss, pruned=False)
    return asked


def test_asked_candidate_is_complete_and_within_its_space() -> None:
    for candidate in run(Studies(TWO, seed=0, baseline_loss=50.0), 12, {"one": 0.0, "two": 0.0}):
        assert candidate.origin == "optuna"
        assert candidate.recipe == "plain"
        assert candidate.params.keys() == SPACE.keys()
        assert 0.01 <= candidate.params["rate"] <= 1.0
        assert candidate.params["depth"] in range(2, 9)
        assert candidate.params["extra"] in (False, True)
        assert candidate.study_trial is not None


def both_seen(studies: Studies) -> Studies:
    """The studies after one equal portfolio trial of each engine."""
    for engine in ("one", "two"):
        studies.seen(Candidate(engine, "plain", {}), 1.0)
    return studies


def test_same_seed_asks_the_same_and_another_does_not() -> None:
    losses = {"one": 0.0, "two": 0.3}
    first = run(Studies(TWO, seed=3, baseline_loss=50.0), 15, losses)
    assert run(Studies(TWO, seed=3, baseline_loss=50.0), 15, losses) == first
    assert run(Studies(TWO, seed=4, baseline_loss=50.0), 15, losses) != first


def test_search_comes_closer_to_what_works() -> None:
    asked = run(Studies({("one", "plain"): SPACE}, seed=0, baseline_loss=50.0), 60, {"one": 0.0})
    far = [abs(math.log(candidate.params["rate"] / 0.1)) for candidate in asked]
    assert sum(far[-15:]) < 0.6 * sum(far[:15])


def test_better_engine_gets_more_trials_but_not_all() -> None:
    studies = both_seen(Studies(TWO, seed=0, baseline_loss=50.0))
    share = Counter(c.engine for c in run(studies, 40, {"one": 0.0, "two": 2.0}))
    assert share["one"] > 2 * share["two"]
    assert share["two"] >= 2


def test_equal_engines_take_turns() -> None:
    studies = both_seen(Studies(TWO, seed=0, baseline_loss=50.0))
    asked = []
    for _ in range(10):
        found = studies.ask()
        assert found is not None
        asked.append(found.engine)
        studies.tell(found, 1.0, pruned=False)
    assert Counter(asked) == {"one": 5, "two": 5}


def test_slow_engine_gets_fewer_trials() -> None:
    studies = both_seen(Studies(TWO, seed=0, baseline_loss=50.0))
    engines = []
    for _ in range(30):
        found = studies.ask(seconds=lambda c: 16.0 if c.engine == "one" else 1.0)
        assert found is not None
        engines.append(found.engine)
        studies.tell(found, 1.0, pruned=False)
    assert Counter(engines) == {"one": 6, "two": 24}  # the root of the seconds counts: 1 to 4


def test_only_what_is_allowed_is_asked() -> None:
    studies = Studies(TWO, seed=0, baseline_loss=50.0)
    engines = {
        c.engine for c in run(studies, 6, {"two": 9.0}, allowed=lambda c: c.engine == "two")
    }
    assert engines == {"two"}
    assert studies.ask(allowed=lambda c: False) is None
    assert Studies({}, seed=0, baseline_loss=50.0).ask() is None
    assert Studies({("one", "plain"): {}}, seed=0, baseline_loss=50.0).ask() is None


def test_failed_arm_goes_on_to_be_asked_without_harm() -> None:
    studies = Studies(TWO, seed=0, baseline_loss=50.0)
    engines = []
    for _ in range(60):
        found = studies.ask()
        assert found is not None
        engines.append(found.engine)
        loss = None if found.engine == "one" else 1.0 + 0.1 * found.params["rate"]
        studies.tell(found, loss, pruned=False)
    assert Counter(engines)["two"] > 50
    states = {arm: Counter(t.state.name for t in trials) for arm, trials in studies.trials()}
    assert set(states["one", "plain"]) == {"FAIL"}
    assert set(states["two", "plain"]) == {"COMPLETE"}


def test_pruned_trial_teaches_its_sampler_but_is_not_the_best_of_its_arm() -> None:
    studies = Studies(TWO, seed=0, baseline_loss=50.0)
    first = studies.ask(allowed=lambda c: c.engine == "one")
    assert first is not None
    studies.tell(first, -100.0, pruned=True)  # of a few folds only
    for engine in ("one", "two"):
        studies.seen(Candidate(engine, "plain", {}), 1.0)
    trials = dict(studies.trials())["one", "plain"]
    assert [(t.state.name, t.value) for t in trials] == [("COMPLETE", -100.0)]
    # Were -100 the best, "two" would have to wait for dozens of trials.
    assert "two" in {c.engine for c in run(studies, 3, {"one": 1.0, "two": 1.0})}


def test_portfolio_trial_counts_and_is_clipped_into_the_space() -> None:
    studies = Studies(TWO, seed=0, baseline_loss=50.0)
    studies.seen(Candidate("one", "plain", {"rate": 5.0, "depth": 4, "extra": True}), 0.5)
    studies.seen(
        Candidate("one", "plain", {"rate": 0.1}), 0.4
    )  # incomplete: no point of the space
    studies.seen(Candidate("unknown", "plain", {"rate": 0.1}), 0.1)
    trials = dict(studies.trials())["one", "plain"]
    assert [t.params for t in trials] == [{"rate": 1.0, "depth": 4, "extra": True}]
    studies.seen(Candidate("two", "plain", {}), 2.0)
    found = studies.ask()
    assert found is not None
    assert found.engine == "one"


@pytest.mark.parametrize("loss", [0.0, 1e-9, 1e12])
def test_arms_of_one_loss_are_no_division_by_zero(loss: float) -> None:
    studies = Studies(TWO, seed=0, baseline_loss=50.0)
    for engine in ("one", "two"):
        studies.seen(Candidate(engine, "plain", {}), loss)
    assert studies.ask() is not None


def test_grid_has_three_values_of_each_dimension_and_an_end() -> None:
    one = {("one", "plain"): {**SPACE, "more": Float(0.0, 1.0, default=0.25)}}
    studies = Studies(one, seed=3, baseline_loss=50.0, sampler="grid")
    found = run(studies, 3 * 3 * 2, {"one": 0.0})
    assert len({tuple(c.params.items()) for c in found}) == 3 * 3 * 2
    assert sorted({c.params["depth"] for c in found}) == [3, 5, 7]
    rates = sorted({c.params["rate"] for c in found})
    assert rates == pytest.approx([0.01 * 100 ** (k / 6) for k in (1, 3, 5)])
    assert {c.params["more"] for c in found} == {0.25}
    assert studies.ask() is None


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_sampler_follows_its_seed(sampler: str) -> None:
    def asked(seed: int) -> list[Any]:
        studies = Studies(TWO, seed=seed, baseline_loss=50.0, sampler=sampler)
        return [c.params for c in run(studies, 9, {"one": 0.0, "two": 0.1})]

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


def test_trials_in_flight_are_not_asked_for_again() -> None:
    studies = Studies({("one", "plain"): SPACE}, seed=0, baseline_loss=50.0)
    run(studies, 12, {"one": 0.0})
    flying = [studies.ask() for _ in range(8)]
    assert len({c.params["rate"] for c in flying if c is not None}) == 8
    for candidate in reversed(flying):  # told in another order than asked
        assert candidate is not None
        studies.tell(candidate, 1.0, pruned=False)


def test_gaussian_process_without_torch_says_what_to_install() -> None:
    if importlib.util.find_spec("torch") is not None:
        pytest.skip("torch is installed")
    with pytest.raises(ConfigError, match="--sampler gp needs the package 'torch'") as error:
        Studies(TWO, seed=0, baseline_loss=50.0, sampler="gp")
    assert "pip install torch" in error.value.hint
