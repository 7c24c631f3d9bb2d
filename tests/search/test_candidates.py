"""The portfolio, and whose turn it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_run import candidates, make_studies

from automl import plugins
from automl.engines.base import TableSize
from automl.ledger import Ledger
from automl.search.candidates import Candidates
from automl.search.costs import Costs
from automl.search.portfolio import HASTENED, MOST_HASTE, Candidate, hastened, portfolio
from automl.search.trial import Trial

SMALL = TableSize(n_rows=300, n_features=4, n_categorical=1, n_classes=2)
ENGINES = ("catboost", "lightgbm", "xgboost")


def turns(*entries: Candidate) -> tuple[Candidates, Ledger]:
    ledger = Ledger()
    return Candidates(entries, make_studies("fake", "other"), Costs(1.0), ledger), ledger


def closed(candidate: Candidate, state: str, loss: float | None = None) -> Trial:
    trial = Trial(0, candidate, Path(), 3, state=state)  # type: ignore[arg-type]
    trial.objective_loss = loss
    return trial


def test_portfolio_holds_the_engines_and_recipes_asked_for(fake: str) -> None:
    entries = portfolio(("catboost", "lightgbm", fake), ("plain",), SMALL)
    assert {c.engine for c in entries} == {"catboost", "lightgbm", "fake"}
    assert {c.recipe for c in entries} == {"plain"}
    assert Candidate("fake", "plain", {}) in entries[:5]  # its own defaults
    both = portfolio(ENGINES, ("plain", "encoded"), SMALL)
    assert {c.recipe for c in both} == {"plain", "encoded"}
    assert {c.engine for c in both[:6]} == set(ENGINES)


@pytest.mark.parametrize("n_categorical", [0, 3])
@pytest.mark.parametrize("n_rows", [100, 1000, 100_000])
def test_portfolio_has_no_configuration_twice(n_rows: int, n_categorical: int) -> None:
    size = replace(SMALL, n_rows=n_rows, n_categorical=n_categorical)
    entries = portfolio(ENGINES, ("plain", "encoded"), size)
    seen = [(c.engine, c.recipe, sorted(c.params.items())) for c in entries]
    assert all(seen.count(one) == 1 for one in seen)
    assert all(c.cost > 0 and c.origin == "portfolio" for c in entries)
    assert entries[0].cost == 1.0


def test_a_category_of_many_levels_is_encoded_for_all_trees_but_one() -> None:
    recipes = ("plain", "encoded", "derived", "combined")
    many = replace(SMALL, most_levels=101)
    entries = portfolio((*ENGINES, "linear"), recipes, many)
    assert portfolio(ENGINES, recipes, replace(many, most_levels=100)) == portfolio(
        ENGINES, recipes, SMALL
    )
    unencoded = [
        c.engine
        for c in entries
        if c.recipe in ("plain", "derived")
        and c.engine != "linear"
        and "max_ctr_complexity" not in c.params
    ]
    assert unencoded == ["lightgbm"]
    assert (entries[0].engine, entries[0].recipe) == ("lightgbm", "encoded")
    no_numbers = portfolio(ENGINES, ("plain", "encoded"), many)
    assert "combined" not in {c.recipe for c in no_numbers}
    # What there is no recipe for stays plain.
    assert {c.recipe for c in portfolio(ENGINES, ("plain",), many)} == {"plain"}


def test_every_portfolio_parameter_is_one_that_its_engine_knows() -> None:
    from automl.engines import catboost, lightgbm, xgboost

    known = {"catboost": catboost, "lightgbm": lightgbm, "xgboost": xgboost}
    for candidate in portfolio(ENGINES, ("plain", "encoded"), SMALL):
        assert plugins.load("automl.engines", candidate.engine, "ENGINE")
        assert set(candidate.params) <= known[candidate.engine]._PARAMS


@pytest.mark.parametrize("factor", [1.5, MOST_HASTE, 100.0])
def test_hastened_entry_learns_faster_and_costs_less(factor: float) -> None:
    for entry in portfolio(ENGINES, ("plain",), SMALL):
        fast = hastened(entry, factor)
        (rate,) = set(entry.params) & {"learning_rate", "eta"}
        if entry.params[rate] == 0.3:  # as fast as may be
            assert fast.params == entry.params
            continue
        assert entry.params[rate] < fast.params[rate] <= 0.3
        assert {**fast.params, rate: 0} == {**entry.params, rate: 0}
        faster = fast.params[rate] / entry.params[rate]
        assert faster == pytest.approx(min(factor, MOST_HASTE, 0.3 / entry.params[rate]))
        assert fast.cost == pytest.approx(entry.cost / faster)
        assert fast.origin == HASTENED


def test_batch_takes_the_portfolio_in_order_and_then_asks() -> None:
    entries = candidates({"slope": 0.1}, {"slope": 0.2}, {"slope": 0.3})
    given, _ = turns(*entries)
    assert given.batch(2) == list(entries[:2])
    third, fourth = given.batch(2)
    assert third == entries[2]
    assert fourth.origin == "optuna"


def test_entry_that_needs_a_little_more_than_there_is_is_hastened() -> None:
    rated = Candidate("lightgbm", "plain", {"learning_rate": 0.05})
    given, ledger = turns(*[rated] * 3)
    ends = lambda seconds: lambda c: seconds * 0.05 / c.params["learning_rate"]  # noqa: E731
    assert given.fitting(ends(9.0), 10.0, first=False) == rated
    fast = given.fitting(ends(19.0), 10.0, first=False)
    assert fast is not None
    assert fast.params == {"learning_rate": 0.1}
    assert [d.decision for d in ledger.decisions] == ["lightgbm (plain) learns faster"]
    assert given.fitting(lambda c: 50.0, 10.0, first=False) is None
    assert ledger.decisions[-1].decision == "lightgbm (plain) is left out"
    assert "50.0 s" in ledger.decisions[-1].reason


def test_best_trial_is_repeated_where_the_studies_are_too_slow() -> None:
    good, fair, cut = candidates({"slope": 0.2}, {"slope": 0.1}, {"slope": 0.3})
    given, _ = turns()
    trials = [closed(fair, "done", 0.6), closed(good, "done", 0.5), closed(cut, "pruned", 0.7)]
    for number, trial in enumerate(trials):
        trial.number, trial.loss = number, trial.objective_loss if trial.state == "done" else None
    given.tell(trials)

    def ends(candidate: Candidate) -> float:
        return 1.0 if candidate in (good, fair) else 9.0

    found = [given.fitting(ends, 5.0, first=False) for _ in range(4)]
    assert [(c.params["slope"], c.seed, c.origin) for c in found if c is not None] == [
        (0.2, 1, "again"),
        (0.1, 1, "again"),
        (0.2, 2, "again"),
        (0.1, 2, "again"),
    ]
    assert given.fitting(lambda c: 9.0, 5.0, first=False) is None


def test_first_entry_is_always_tried() -> None:
    given, _ = turns(Candidate("lightgbm", "plain", {"learning_rate": 0.05}))
    found = given.fitting(lambda c: 1e6, 0.1, first=True)
    assert found is not None
    assert found.params["learning_rate"] == pytest.approx(0.05 * MOST_HASTE)


def test_searched_candidate_must_fit_too() -> None:
    given, _ = turns()
    slow_fake = {"fake": 9.0, "other": 1.0}
    found = given.fitting(lambda c: slow_fake[c.engine], 5.0, first=False)
    assert found is not None
    assert found.engine == "other"
    assert given.fitting(lambda c: 9.0, 5.0, first=False) is None
    assert given.fitting(lambda c: 0.0, 0.0, first=False) is None


def test_engine_is_benched_after_three_failures_without_a_success() -> None:
    (entry,) = candidates({})
    given, ledger = turns(*[entry] * 5)
    given.tell([closed(entry, "failed")] * 2)
    assert given.batch(1) == [entry]
    given.tell([closed(entry, "failed")] * 2)
    assert {c.engine for c in given.batch(6)} == {"other"}
    (decision,) = ledger.decisions
    assert decision.decision == "fake is not tried again"
    assert decision.reason.startswith("3 trials in a row failed")


def test_success_keeps_an_engine_longer_in_the_race() -> None:
    (entry,) = candidates({})
    given, ledger = turns(*[entry] * 5)
    given.tell([closed(entry, "done", 0.5), *[closed(entry, "failed")] * 5])
    given.tell([closed(entry, "pruned"), *[closed(entry, "failed")] * 5])
    assert given.batch(1) == [entry]
    assert not ledger.decisions
    given.tell([closed(entry, "failed")])
    assert {c.engine for c in given.batch(6)} == {"other"}


def test_nothing_left_to_try_is_an_empty_batch() -> None:
    entries = [Candidate(name, "plain", {}) for name in ("fake", "other")]
    given, _ = turns()
    given.tell([closed(entry, "failed") for entry in entries * 3])
    assert given.batch(1) == []
