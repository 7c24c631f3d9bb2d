"""Greedy blending, and the choice of what ships."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import candidates, make_data, make_scorer

from automl.metrics._lookup import get_metric
from automl.model.link import Link
from automl.search.blend import Limits, blended, greedy_blend, names_by_loss, row_sample
from automl.search.scoring import Scorer
from automl.search.select import ChoiceRules, choose
from automl.search.store import RunData
from automl.search.trial import Trial
from automl.task import Objective

TRUTH = np.random.default_rng(0).normal(size=(400, 1))


def noisy(scale: float, seed: int) -> np.ndarray:
    return TRUTH + np.random.default_rng(seed).normal(scale=scale, size=TRUTH.shape)


def loss(margin: np.ndarray) -> float:
    return float(np.sqrt(np.mean((margin - TRUTH) ** 2)))


def test_blend_of_independent_errors_beats_the_best_single() -> None:
    margins = {f"m{i}": noisy(1.0, i) for i in range(1, 6)}
    blend = greedy_blend(margins, loss)
    best = min(loss(margin) for margin in margins.values())
    assert blend.loss < 0.6 * best  # five equal ones would reach 1 / sqrt(5)
    assert sum(blend.weights.values()) == pytest.approx(1.0, abs=1e-12)
    assert loss(blended(blend.weights, margins)) == blend.loss


@pytest.mark.parametrize("seed", range(8))
def test_blend_is_never_worse_than_the_best_single(seed: int) -> None:
    rng = np.random.default_rng(seed)
    margins = {f"m{i}": noisy(rng.uniform(0.1, 3.0), 100 * seed + i) for i in range(6)}
    blend = greedy_blend(margins, loss, limits=Limits(members=3))
    assert blend.loss <= min(loss(margin) for margin in margins.values())
    assert 1 <= len(blend.weights) <= 3
    assert sum(blend.weights.values()) == pytest.approx(1.0, abs=1e-12)


def test_search_ends_with_the_best_so_far_when_its_time_is_up() -> None:
    margins = {f"m{i}": noisy(1.0 + 0.1 * i, i) for i in range(1, 6)}
    losses = {name: loss(margin) for name, margin in margins.items()}
    best, asked = min(losses, key=lambda name: losses[name]), 0

    def slow(margin: np.ndarray) -> float:
        nonlocal asked
        asked += 1
        time.sleep(0.02)
        return loss(margin)

    late = greedy_blend(margins, slow, losses=losses, deadline=time.monotonic() - 1.0)
    assert (late.weights, asked) == ({best: 1.0}, 1)
    # In the middle of the first round: what was tried of it counts.
    soon = greedy_blend(margins, slow, losses=losses, deadline=time.monotonic() + 0.03)
    assert asked <= 5
    assert soon.loss <= losses[best]


def test_useless_member_gets_nothing() -> None:
    margins = {"noise": noisy(40.0, 3), "good": noisy(0.2, 1), "fair": noisy(0.25, 2)}
    assert set(greedy_blend(margins, loss).weights) == {"good", "fair"}
    margins = {"copy": margins["good"].copy(), "good": margins["good"]}
    assert len(greedy_blend(margins, loss).weights) == 1


def test_member_must_buy_more_than_the_tolerance() -> None:
    margins = {"good": noisy(0.3, 1), "other": noisy(0.3, 2)}
    assert len(greedy_blend(margins, loss, scale=1.0).weights) == 2
    assert len(greedy_blend(margins, loss, scale=1e6).weights) == 1


def test_small_weight_is_found_though_first_steps_are_too_long() -> None:
    # Only about a tenth of `other` helps: halves and thirds of it make things worse.
    error = np.random.default_rng(1).normal(scale=0.1, size=TRUTH.shape)
    margins = {"good": TRUTH + error, "other": TRUTH - 9.0 * error}
    weights = greedy_blend(margins, loss).weights
    assert weights["other"] == pytest.approx(0.1, abs=0.03)


def test_single_trial_is_its_own_blend() -> None:
    blend = greedy_blend({"only": noisy(1.0, 1)}, loss)
    assert blend.weights == {"only": 1.0}
    with pytest.raises(ValueError, match="at least one member"):
        blended({}, {})


def test_order_of_equals_is_the_order_given() -> None:
    assert names_by_loss({"b": 1.0, "a": 1.0, "c": 0.5}, 2) == ["c", "b"]


def test_row_sample_is_all_rows_or_sorted_random_ones() -> None:
    assert row_sample(10, 10, 0) == slice(None)
    rows = row_sample(1000, 50, 3)
    assert isinstance(rows, np.ndarray)
    assert len(np.unique(rows)) == 50
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, row_sample(1000, 50, 3))


# -- choosing what ships ------------------------------------------------------------------------


def stacked_margin(data: RunData, scale: float, seed: int) -> np.ndarray:
    rows = np.concatenate([split.valid for split in data.splits])
    noise = np.random.default_rng(seed).normal(scale=scale, size=len(rows))
    return ((2 * data.y[rows] - 1) + noise).astype(np.float32)[:, None]


def make_trials(folder: Path, scorer: Scorer, margins: dict[str, np.ndarray]) -> list[Trial]:
    trials = []
    for i, (name, stacked) in enumerate(margins.items()):
        trial = Trial(i, candidates({})[0], folder, 3, state="done")
        assert trial.name == name
        trial.loss = scorer.loss(scorer.pooled(stacked))
        trials.append(trial)
    return trials


def rules(**changes: Any) -> ChoiceRules:
    usual = {"single": False, "calibrate": False, "crossfit_seconds": float("inf"), "seed": 0}
    return ChoiceRules(**{**usual, **changes})


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "f1"])
def test_choice_is_scored_as_it_ships(metric: str, tmp_path: Path) -> None:
    data = make_data(n=900, folds=5)
    scorer = make_scorer(data, metric)
    margins = {f"fake-{i + 1}": stacked_margin(data, 1.0 + i / 3, i) for i in range(4)}
    trials = make_trials(tmp_path, scorer, margins)
    choice = choose(
        trials,
        margins,
        scorer,
        rules(limits=Limits(members=3), baseline_loss=0.7, calibrate=True),
    )
    assert 2 <= len(choice.weights) <= 3
    assert sum(choice.weights.values()) == pytest.approx(1.0)
    assert np.array_equal(choice.pooled, scorer.pooled(blended(choice.weights, margins)))
    assert choice.score == pytest.approx(np.mean(choice.fold_scores))
    assert len(choice.fold_scores) == 5
    final = scorer.with_link(choice.link)
    assert choice.threshold == final.threshold(choice.pooled)
    best = min(float(trial.loss or 0) for trial in trials)
    assert scorer.metric.loss(scorer.score(choice.pooled, scorer.threshold(choice.pooled))) <= best
    assert choice.score_crossfitted is not None
    # Weights that never saw the split score a little worse, not something else altogether.
    assert choice.score_crossfitted == pytest.approx(choice.score, abs=0.06)


@pytest.mark.usefixtures("fake")
def test_crossfitted_score_of_repeats_is_of_one_model_too(tmp_path: Path) -> None:
    data = make_data(n=900, folds=3, repeats=3)
    scorer = make_scorer(data, "roc_auc")
    margins = {f"fake-{i + 1}": stacked_margin(data, 1.5, i) for i in range(3)}
    choice = choose(
        make_trials(tmp_path, scorer, margins),
        margins,
        scorer,
        rules(limits=Limits(members=3), baseline_loss=-0.5),
    )
    # Weights chosen on fewer rows cannot be clearly better than those chosen on all.
    assert choice.score_crossfitted is not None
    assert choice.score_crossfitted <= choice.score + 0.005


@pytest.mark.parametrize(("max_trees", "ships"), [(9.0, "fake-2"), (3.0, "fake-1")])
def test_single_ships_the_best_trial_within_the_limits(
    max_trees: float, ships: str, tmp_path: Path
) -> None:
    data = make_data(n=300)
    scorer = make_scorer(data, "roc_auc")
    margins = {"fake-1": stacked_margin(data, 2.0, 1), "fake-2": stacked_margin(data, 0.5, 2)}
    choice = choose(
        make_trials(tmp_path, scorer, margins),
        margins,
        scorer,
        rules(
            single=True,
            limits=Limits(members=1, trees={"fake-1": 2.0, "fake-2": 4.0}, max_trees=max_trees),
            baseline_loss=-0.5,
        ),
    )
    assert dict(choice.weights) == {ships: 1.0}
    assert choice.link == scorer.link
    assert choice.score_crossfitted is None


def test_crossfitted_score_counts_outliers_as_they_are(tmp_path: Path) -> None:
    data = make_data(Objective.SQUARED, n=300)
    y = data.y.copy()
    y[0] = 1e4
    parts = get_metric("rmse"), data.task, Link("identity"), y, None, data.splits
    scorer = Scorer(*parts, fences=(-3.0, 3.0))
    margins = {f"fake-{i + 1}": stacked_margin(data, 0.5, i) for i in range(2)}
    choice = choose(
        make_trials(tmp_path, scorer, margins),
        margins,
        scorer,
        rules(limits=Limits(members=2), baseline_loss=1.0),
    )
    assert choice.score > 100
    assert choice.score_crossfitted == pytest.approx(choice.score, rel=0.01)
