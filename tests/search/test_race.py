"""The race: how many trials, which are pruned, what a failure costs, when the clock ends it."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_run import Shuffled, candidates, make_data, make_studies

from automl.errors import SearchError
from automl.search.executors.base import Executor, Report
from automl.search.executors.inline import InlineExecutor
from automl.search.journal import read_journal
from automl.search.judge import BATCH
from automl.search.portfolio import Candidate
from automl.search.race import Race
from automl.search.studies import Studies

Arena = Callable[..., Race]

# Of the fake engine: a slope of 0.2 to 0.3 with 6 trees is good on this table, 0 is the prior.
GOOD, FAIR, PRIOR = {"slope": 0.25, "trees": 6}, {"slope": 0.1, "trees": 6}, {"slope": 0.0}


def clock(seconds: float) -> Callable[[], float]:
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()


def facts(race: Race) -> list[dict[str, Any]]:
    """What must not depend on the workers: all of a trial but the seconds."""
    timed = ("seconds", "predict_seconds", "n_trees", "model_bytes")
    rows = []
    for trial in race.trials:
        row = {k: v for k, v in trial.to_json().items() if k not in timed}
        row["n_trees"] = [f.n_trees for f in trial.prefix()] if trial.state == "done" else []
        rows.append({**row, "pruned_after": trial.pruned_after})
    return rows


def told(studies: Studies) -> list[Any]:
    """What was learnt, in its order."""
    return [
        (arm, [(t.number, t.state.name, t.value, t.params) for t in trials])
        for arm, trials in studies.trials()
    ]


# -- with a number of trials --------------------------------------------------------------------


@pytest.mark.parametrize("n_trials", [1, 3, 4, 9])
def test_number_of_trials_is_exact(n_trials: int, arena: Arena) -> None:
    race = arena(trials=n_trials, portfolio=candidates(GOOD, PRIOR))
    trials = race.run()
    assert [trial.number for trial in trials] == list(range(n_trials))
    assert {trial.state for trial in trials} <= {"done", "pruned"}
    origins = [trial.candidate.origin for trial in trials]
    assert origins == (["portfolio"] * 2 + ["optuna"] * 7)[:n_trials]
    assert not race.ended_by_clock


def test_finished_trial_has_scores_models_and_margins(arena: Arena) -> None:
    race = arena(trials=1, portfolio=candidates(GOOD))
    (trial,) = race.run()
    assert trial.state == "done"
    assert trial.name == "fake-1"
    assert len(trial.fold_scores) == 3
    assert trial.score == pytest.approx(np.mean(trial.fold_scores))
    assert trial.loss is not None
    assert trial.loss < race.rules.baseline_loss - 0.1
    assert race.margins["fake-1"].shape == (60, 1)
    assert race.scorer.loss(race.scorer.pooled(race.margins["fake-1"])) == trial.loss
    for fold in trial.prefix():
        assert 1 <= fold.n_trees <= fold.n_trained
        assert f'"n_trees": {fold.n_trees}' in fold.model.read_text()
    events = Counter(
        event["event"] for event in read_journal(race.record.folder.parent / "journal.jsonl")
    )
    assert events == {"trial": 1, "fold": 3, "closed": 1}


def test_tree_counts_of_a_trial_are_honest(arena: Arena) -> None:
    race = arena(trials=1, portfolio=candidates({"slope": 0.5, "trees": 8}))
    (trial,) = race.run()
    curves = [fold.curve for fold in trial.prefix()]
    expected = [
        int(np.argmin(np.mean([c for j, c in enumerate(curves) if j != k], axis=0))) + 1
        for k in range(3)
    ]
    assert [fold.n_trees for fold in trial.prefix()] == expected
    assert max(expected) < 8  # it was trained past its best tree
    ends = [curve[count - 1] for curve, count in zip(curves, expected, strict=True)]
    assert trial.objective_loss == pytest.approx(np.mean(ends))


def test_hopeless_trial_is_pruned_after_its_first_fold(arena: Arena) -> None:
    first_batch = [GOOD, FAIR, FAIR, PRIOR]
    race = arena(trials=6, portfolio=candidates(*first_batch, {"slope": -0.3}, GOOD))
    trials = race.run()
    # Within the first batch there is nobody to compare with.
    assert [t.state for t in trials] == ["done", "done", "done", "done", "pruned", "done"]
    assert trials[4].pruned_after == 1
    assert len(trials[4].folds) == 1
    assert trials[4].score is None


def test_pruned_trial_is_told_with_its_likely_loss_over_all_folds(arena: Arena) -> None:
    studies = make_studies()
    race = arena(trials=16, portfolio=candidates(GOOD, GOOD, GOOD, GOOD), studies=studies)
    pruned = [t for t in race.run() if t.state == "pruned"]
    race._tell()
    values = {t.number: t.value for _, trials in studies.trials() for t in trials}
    assert pruned
    for trial in pruned:
        assert trial.candidate.study_trial is not None
        told_loss, k = values[trial.candidate.study_trial], trial.pruned_after
        rivals = [t for t in race.done if t.number < trial.number - trial.number % BATCH]
        best = min(rivals, key=lambda rival: rival.early_loss(k))
        assert best.objective_loss is not None
        gap = trial.early_loss(k) - best.early_loss(k)
        assert told_loss == pytest.approx(best.objective_loss + gap)


def test_equal_trial_is_not_pruned_where_the_first_split_is_hard(arena: Arena) -> None:
    data = make_data()
    y, hard = data.y.copy(), data.splits[0].valid
    y[hard] = 1.0 - y[hard]  # there the constant beats what is right elsewhere
    race = arena(data=replace(data, y=y), trials=6, portfolio=candidates(*[GOOD] * 6))
    assert [trial.state for trial in race.run()] == ["done"] * 6


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("n_workers", [2, 5])
def test_workers_and_their_order_change_nothing(n_workers: int, order: int, arena: Arena) -> None:
    entries = candidates(GOOD, PRIOR, FAIR, {"slope": 0.4}, {"slope": -0.2}, {"slope": 0.05})

    def run(executor: Executor) -> tuple[Race, list[Any]]:
        studies = make_studies()
        race = arena(executor=executor, trials=15, portfolio=entries, studies=studies)
        race.run()
        race._tell()
        return race, told(studies)

    alone, learnt_alone = run(InlineExecutor())
    many, learnt = run(Shuffled(n_workers, seed=order))
    assert facts(many) == facts(alone)
    assert learnt == learnt_alone
    assert {t.state for t in alone.trials} == {"done", "pruned"}
    ended = many.executor.order  # type: ignore[attr-defined]
    assert ended != sorted(ended, key=lambda task: task[0])


@pytest.mark.parametrize("n_workers", [1, 3])
def test_seed_decides_what_is_asked(n_workers: int, arena: Arena) -> None:
    def params(seed: int) -> list[Any]:
        race = arena(executor=Shuffled(n_workers), trials=6, studies=make_studies(seed=seed))
        return [trial.candidate.params for trial in race.run()]

    assert params(1) == params(1)
    assert params(2) != params(1)


# -- failures -----------------------------------------------------------------------------------


def test_failed_fold_fails_its_trial_and_the_race_goes_on(arena: Arena) -> None:
    broken = {**GOOD, "fail": "no more trees", "only": [1]}
    race = arena(trials=3, portfolio=candidates(broken, GOOD, FAIR))
    trials = race.run()
    assert [trial.state for trial in trials] == ["failed", "done", "done"]
    assert trials[0].cause == "RuntimeError: no more trees"
    assert not trials[0].pending
    warning = next(d for d in race.record.ledger.decisions if d.warning)
    assert (warning.decision, warning.reason) == ("fake-1 failed", "RuntimeError: no more trees")
    events = read_journal(race.record.folder.parent / "journal.jsonl")
    trace = next(event for event in events if event["event"] == "traceback")
    assert "no more trees" in trace["traceback"]
    assert trace["trial"] == 0


def test_memory_that_is_not_there_fails_one_trial(arena: Arena) -> None:
    race = arena(trials=2, portfolio=candidates({"memory": 1 << 60}, GOOD))
    trials = race.run()
    assert [trial.state for trial in trials] == ["failed", "done"]
    assert trials[0].cause.startswith("MemoryError")


def test_engine_that_only_fails_is_benched(arena: Arena) -> None:
    broken = [Candidate("lightgbm", "plain", {"no_such_parameter": i}) for i in range(5)]
    entries = [broken[0], *candidates(GOOD), *broken[1:], *candidates(FAIR)]
    race = arena(trials=12, portfolio=entries, studies=make_studies("fake", "lightgbm"))
    trials = race.run()
    states = [(t.candidate.engine, t.state) for t in trials]
    assert len(trials) == 12
    failures = [state for engine, state in states if engine == "lightgbm"]
    assert failures == ["failed"] * len(failures)
    assert 2 <= len(failures) <= 4  # those of the batch in which it was benched included
    assert all(engine == "fake" for engine, _ in states[4:])


def test_engine_with_a_success_is_not_benched(arena: Arena) -> None:
    broken = {**GOOD, "fail": "now and then"}
    race = arena(trials=8, portfolio=candidates(GOOD, *[broken] * 4))
    assert [t.state for t in race.run()][:5] == ["done"] + ["failed"] * 4
    assert len(race.trials) == 8


@pytest.mark.parametrize("n_workers", [1, 3])
def test_if_all_fail_the_first_cause_is_the_error(n_workers: int, arena: Arena) -> None:
    entries = candidates({"fail": "first cause"}, {"fail": "second cause"})
    race = arena(executor=Shuffled(n_workers), trials=2, portfolio=entries)
    with pytest.raises(SearchError, match=r"fake-1: RuntimeError: first cause"):
        race.run()


def test_if_every_engine_is_benched_the_error_says_why(arena: Arena) -> None:
    entries = candidates(*[{"fail": "no libfoo"}] * 4)
    race = arena(trials=20, portfolio=entries)
    with pytest.raises(SearchError, match="no libfoo"):
        race.run()


def test_failed_fold_after_a_hopeless_one_changes_nothing(arena: Arena) -> None:
    class LastFirst(Shuffled):
        def wait(self, timeout: float | None) -> Sequence[Report]:
            self._running.reverse()
            return [r for _ in range(len(self._running)) for r in super(LastFirst, self).wait(0)]

    late = {"slope": -0.3, "fail": "late", "only": [2]}
    entries = candidates(GOOD, PRIOR, FAIR, FAIR, late)
    alone = arena(executor=InlineExecutor(), trials=5, portfolio=entries).run()
    many = arena(executor=LastFirst(3), trials=5, portfolio=entries).run()
    assert [t.state for t in many] == [t.state for t in alone]


def test_engine_without_a_space_ends_the_race_when_its_portfolio_is_tried(arena: Arena) -> None:
    studies = Studies({("fake", "plain"): {}}, seed=0, baseline_loss=50.0)
    race = arena(trials=3, portfolio=candidates(GOOD), studies=studies)
    assert [trial.state for trial in race.run()] == ["done"]


# -- with a clock -------------------------------------------------------------------------------


def test_race_ends_in_time_and_keeps_what_is_done(arena: Arena) -> None:
    started = time.monotonic()
    entries = candidates(GOOD, *[{**FAIR, "sleep": 0.002}] * 2)
    race = arena(seconds_left=clock(0.8), portfolio=entries)
    trials = race.run()
    assert time.monotonic() - started < 1.5
    assert trials[0].state == "done"
    assert len(race.done) >= 3
    assert all(trial.state in ("done", "pruned", "stopped") for trial in trials)
    assert set(race.margins) == {trial.name for trial in race.done}


def test_first_trial_finishes_whatever_its_folds_were_predicted_to_take(arena: Arena) -> None:
    endless = {**GOOD, "trees": 20, "sleep": 0.1}  # 6 s for three folds
    race = arena(seconds_left=clock(0.9), portfolio=candidates(endless))
    (trial,) = race.run()
    assert trial.state == "done"
    assert trial.by_clock
    assert all(1 <= fold.n_trained < 6 for fold in trial.prefix())


def test_candidate_that_cannot_end_in_time_is_left_out(arena: Arena) -> None:
    slow = replace(candidates(PRIOR)[0], cost=10_000.0)
    race = arena(seconds_left=clock(1.2), portfolio=[*candidates(GOOD), slow, *candidates(FAIR)])
    trials = race.run()
    assert [t.candidate.params for t in trials][:2] == [GOOD, FAIR]
    assert PRIOR not in [t.candidate.params for t in trials]
    left_out = [d for d in race.record.ledger.decisions if "left out" in d.decision]
    assert len(left_out) == 1
    assert "would need" in left_out[0].reason


class Stuck(Shuffled):
    """Its second trial never comes back until it is stopped."""

    def __init__(self) -> None:
        super().__init__(2)
        self._held: list[Any] = []
        self.stopped = 0

    @property
    def idle(self) -> int:
        return super().idle - len(self._held)

    def submit(self, task: Any) -> None:
        if task["trial"] == 1:
            self._held.append(task)
        else:
            super().submit(task)

    def wait(self, timeout: float | None) -> Sequence[Report]:
        if self.stopped:
            held, self._held = self._held, []
            return [Report(task, None, "out of time", stopped=True) for task in held]
        if not self._running:
            time.sleep(min(timeout or 0.0, 0.02))
        return super().wait(timeout)

    def stop_running(self) -> None:
        super().stop_running()
        self.stopped += 1


def test_stuck_fold_is_stopped_at_the_end_and_the_rest_counts(arena: Arena) -> None:
    executor, started = Stuck(), time.monotonic()
    race = arena(
        executor=executor, seconds_left=clock(0.4), portfolio=candidates(GOOD, FAIR, PRIOR)
    )
    trials = race.run()
    assert time.monotonic() - started < 1.5
    assert executor.stopped == 1
    assert trials[0].state == "done"
    assert trials[1].state == "stopped"
    assert race.ended_by_clock
    assert race.done
    assert not any(trial.state == "failed" for trial in trials)


def test_trials_and_clock_together_end_at_whichever_comes_first(arena: Arena) -> None:
    race = arena(trials=3, seconds_left=clock(30.0), portfolio=candidates(GOOD, FAIR))
    assert len(race.run()) == 3
    assert not race.ended_by_clock
    race = arena(
        trials=100_000,
        seconds_left=clock(0.3),
        portfolio=candidates(GOOD, FAIR),
    )
    assert 2 <= len(race.run()) < 5000
    assert race.ended_by_clock


def test_clock_that_ends_between_two_batches_is_told(arena: Arena) -> None:
    races: list[Race] = []

    def left() -> float:
        return -0.01 if races and len(races[0].done) == 4 else 100.0

    races.append(arena(trials=9, seconds_left=left, portfolio=candidates(*[GOOD] * 9)))
    assert len(races[0].run()) == 4
    assert races[0].ended_by_clock


@pytest.mark.parametrize("n_workers", [1, 3])
def test_race_ends_early_where_nothing_improves(n_workers: int, arena: Arena) -> None:
    race = arena(executor=Shuffled(n_workers), trials=400, portfolio=candidates(GOOD, PRIOR))
    race.rules = replace(race.rules, stop_early=True)
    alone = arena(trials=400, portfolio=candidates(GOOD, PRIOR))
    alone.rules = race.rules
    assert 15 < len(race.run()) < 400
    alone.run()
    assert facts(race) == facts(alone)
    assert [d.decision for d in race.record.ledger.decisions if d.topic == "race"] == [
        "ends early"
    ]
    assert not race.ended_by_clock


def test_race_that_ended_early_does_not_begin_again(arena: Arena) -> None:
    race = arena()
    race.rules = replace(race.rules, stop_early=True)
    race._start(candidates(GOOD)[0])
    race._gains._trials = 40
    assert race._next_candidate() is None
    race._gains._improved_at = 40  # by the trial that still ran
    assert race._next_candidate() is None
    assert [d.decision for d in race.record.ledger.decisions] == ["ends early"]


def test_rest_of_the_time_goes_into_more_seeds_of_the_best(arena: Arena) -> None:
    races: list[Race] = []

    def left() -> float:
        return -1.0 if races and len(races[0].done) == 8 else 100.0

    studies = Studies({}, seed=0, baseline_loss=0.7)  # with nothing to ask for
    race = arena(seconds_left=left, portfolio=candidates(GOOD, FAIR), studies=studies)
    races.append(race)
    again = [trial for trial in race.run() if trial.candidate.origin == "again"]
    assert {trial.candidate.seed for trial in again} >= {1, 2}
    assert {trial.candidate.params["slope"] for trial in again} == {0.25, 0.1}
    tasks = [again[0].fold_task(1, seed=7, max_trees=2, patience=1, time_limit=None)]
    assert tasks[0]["seed"] == 7 + 1 + 1000 * again[0].candidate.seed


# -- the leaderboard ----------------------------------------------------------------------------


def test_board_shows_the_trials_as_they_stand(arena: Arena) -> None:
    boards = []
    race = arena(trials=3, portfolio=candidates(PRIOR, GOOD, FAIR))
    race._watch = lambda r: boards.append(r.board(spent=1.0, budget=None))
    race.run()
    first, last = boards[0], boards[-1]
    assert first.running == ["fake-1"]
    assert (first.rows[0].state, first.rows[0].score, first.rows[0].folds_done) == (
        "running",
        None,
        1,
    )
    assert (last.trials_done, last.trials_planned, list(last.running)) == (3, 3, [])
    scores = {row.name: row.score for row in last.rows}
    assert scores["fake-2"] < scores["fake-3"] < scores["fake-1"]
    assert (last.metric, last.higher_is_better, last.budget) == ("log_loss", False, None)


def test_scores_do_not_need_a_finite_budget(arena: Arena) -> None:
    race = arena(trials=1, portfolio=candidates(GOOD))
    assert not race.rules.reads_clock
    assert math.isinf(race.rules.seconds_left())
    race.run()
    fold = next(
        e
        for e in read_journal(race.record.folder.parent / "journal.jsonl")
        if e["event"] == "fold"
    )
    assert fold["time_limit"] is None
