"""The corrected score: on pools of guesses, where something was learnt, and its rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_run import make_data, make_scorer

from automl.metrics._lookup import get_metric
from automl.search import honest
from automl.search.blend import Limits, blended
from automl.search.honest import Corrected, Pool, Rules, corrected_score
from automl.search.scoring import Scorer, mean_score
from automl.search.select import Choice
from automl.search.store import RunData
from automl.workflows.evaluate import bootstrap_interval

Margins = Mapping[str, np.ndarray]


def pool_of(scorer: Scorer, margins: Margins) -> Pool:
    chooser = scorer.with_echoes()
    pool = Pool(chooser, 0)
    for name, stacked in margins.items():
        pool.take(name, chooser.pooled(stacked))
    return pool


def choice_of(scorer: Scorer, margins: Margins, weights: Mapping[str, float]) -> Choice:
    stacked = blended(weights, margins)
    chooser = scorer.with_echoes()
    threshold = chooser.threshold(chooser.pooled(stacked))
    scores = scorer.split_scores(stacked, threshold)
    pooled = scorer.pooled(stacked)
    return Choice(weights, scorer.link, threshold, pooled, mean_score(scores), scores, None)


def best_of(scorer: Scorer, margins: Margins) -> str:
    return min(margins, key=lambda name: scorer.loss(scorer.pooled(margins[name])))


def corrected(
    data: RunData, scorer: Scorer, margins: Margins, choice: Choice, **more: Any
) -> Corrected | None:
    rules = Rules(
        single=more.pop("single", True),
        limits=Limits(members=8),
        baseline_loss=scorer.loss(np.zeros((len(scorer.rows), 1))),
        seconds=more.pop("seconds", math.inf),
        seed=0,
        resamples=more.pop("resamples", 40),
    )
    pool = pool_of(scorer, margins)
    return corrected_score(choice, margins, scorer, pool, data.groups, rules)


def test_best_of_fifty_guesses_is_corrected_and_its_own_interval_is_not() -> None:
    within = naive = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        data = replace(make_data(n=120), y=rng.permutation(np.repeat([0.0, 1.0], 60)))
        scorer = make_scorer(data, "roc_auc")
        margins = {f"guess-{i}": rng.normal(size=(120, 1)).astype("f4") for i in range(50)}
        best = best_of(scorer, margins)
        choice = choice_of(scorer, margins, {best: 1.0})
        found = corrected(data, scorer, margins, choice)
        assert found is not None
        assert found.score < choice.score
        within += found.low <= 0.5 <= found.high
        proba = scorer.link.predict(choice.pooled)
        plain = bootstrap_interval(get_metric("roc_auc"), data.y, proba)
        assert plain is not None
        naive += plain.low <= 0.5 <= plain.high
    assert within >= 18
    assert naive < 10


@pytest.mark.parametrize("metric", ["roc_auc", "f1", "log_loss"])
def test_a_blend_and_its_threshold_are_chosen_again(metric: str) -> None:
    rng = np.random.default_rng(3)
    data = replace(make_data(n=150), y=rng.permutation(np.repeat([0.0, 1.0], 75)))
    scorer = make_scorer(data, metric)
    margins = {f"guess-{i}": rng.normal(size=(150, 1)).astype("f4") for i in range(12)}
    best = best_of(scorer, margins)
    choice = choice_of(scorer, margins, {best: 0.5, "guess-1": 0.5})
    one = corrected(data, scorer, margins, choice, single=False)
    assert one is not None
    assert not scorer.metric.better(one.score, choice.score)
    assert one.low <= one.score <= one.high
    assert corrected(data, scorer, margins, choice, single=False) == one  # nothing reads a clock


def test_a_clear_winner_is_hardly_corrected() -> None:
    data = make_data(n=400)
    scorer = make_scorer(data, "roc_auc")
    rng = np.random.default_rng(1)
    signal = np.concatenate([data.matrix.values[split.valid, :1] for split in data.splits])
    margins = {
        f"m-{i}": (signal + i * rng.normal(size=signal.shape)).astype("f4") for i in range(5)
    }
    choice = choice_of(scorer, margins, {"m-0": 1.0})
    found = corrected(data, scorer, margins, choice, resamples=100)
    assert found is not None
    assert found.score == pytest.approx(choice.score, abs=0.003)
    plain = bootstrap_interval(get_metric("roc_auc"), data.y, scorer.link.predict(choice.pooled))
    assert plain is not None
    width = (found.high - found.low) / (plain.high - plain.low)
    assert 0.9 < width < 2.0


def test_interval_of_many_rows_is_that_of_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(n=4000)
    scorer = make_scorer(data, "roc_auc")
    stacked = np.concatenate([data.matrix.values[split.valid, :1] for split in data.splits])
    margins = {"m": stacked.astype("f4")}
    choice = choice_of(scorer, margins, {"m": 1.0})
    every = corrected(data, scorer, margins, choice, resamples=100)
    monkeypatch.setattr(honest, "_FIXED_ROWS", 800)
    some = corrected(data, scorer, margins, choice, resamples=100)
    assert every is not None
    assert some is not None
    assert (every.rows, some.rows) == (3000, 800)
    assert some.high - some.low == pytest.approx(every.high - every.low, rel=0.4)


def test_rows_that_belong_together_are_left_out_together() -> None:
    data = make_data(n=300)
    copies = replace(data, groups=np.arange(300) // 10, y=np.repeat([0.0, 1.0, 0.0], 100))
    scorer = make_scorer(copies, "roc_auc")
    rng = np.random.default_rng(0)
    by_row = np.repeat(rng.normal(size=30), 10)[:, None] + 0.5 * copies.y[:, None]
    stacked = np.concatenate([by_row[split.valid] for split in copies.splits]).astype("f4")
    choice = choice_of(scorer, {"m": stacked}, {"m": 1.0})
    apart = replace(copies, groups=np.arange(300))
    wide = corrected(copies, scorer, {"m": stacked}, choice, resamples=100)
    narrow = corrected(apart, scorer, {"m": stacked}, choice, resamples=100)
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 2.0 * (narrow.high - narrow.low)


def test_a_constant_has_the_interval_of_what_else_might_have_been_chosen() -> None:
    data = make_data(n=200)
    data = replace(data, y=np.random.default_rng(0).permutation(np.repeat([0.0, 1.0], 100)))
    scorer = make_scorer(data, "roc_auc")
    rng = np.random.default_rng(1)
    margins = {f"guess-{i}": rng.normal(size=(200, 1)).astype("f4") for i in range(9)}
    margins["constant"] = np.zeros((200, 1), dtype=np.float32)
    found = corrected(data, scorer, margins, choice_of(scorer, margins, {"constant": 1.0}))
    assert found is not None
    assert found.low < 0.5 < found.high
    assert found.score == 0.5  # no luck in it


def test_without_time_there_is_no_corrected_score() -> None:
    data = make_data(n=200)
    scorer = make_scorer(data, "roc_auc")
    margins = {"m": np.random.default_rng(0).normal(size=(200, 1)).astype("f4")}
    choice = choice_of(scorer, margins, {"m": 1.0})
    assert corrected(data, scorer, margins, choice, seconds=0.0) is None
    limited = corrected(data, scorer, margins, choice, seconds=2.0)
    assert limited is not None
    assert 20 <= limited.resamples <= 200
