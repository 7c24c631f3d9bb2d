"""Scores of stacked and pooled margins."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from small_run import make_data, make_scorer, make_splits

from automl.data.splits import Split
from automl.search.scoring import Scorer, mean_score, spread_of
from automl.task import Objective


def stacked_of(scorer: Scorer, by_row: np.ndarray) -> np.ndarray:
    return np.concatenate([by_row[split.valid] for split in scorer.splits])


def test_pooled_margin_averages_repeats() -> None:
    scorer = make_scorer(make_data(repeats=3))
    by_row = np.random.default_rng(0).normal(size=(60, 1))
    stacked = stacked_of(scorer, by_row)
    assert scorer.pooled(stacked) == pytest.approx(by_row)
    stacked[60:120] += 3.0  # the second of three repeats
    assert scorer.pooled(stacked) == pytest.approx(by_row + 1.0)


def test_pooled_margin_covers_validated_rows_only() -> None:
    data = make_data(Objective.SOFTMAX)
    # Row 5 is validated twice, rows from 40 on never.
    splits = (
        Split(np.arange(20, 60), np.arange(20)),
        Split(np.arange(20), np.array([5, *range(20, 40)])),
    )
    scorer = make_scorer(replace(data, splits=splits))
    assert scorer.rows.tolist() == list(range(40))
    by_row = np.random.default_rng(0).normal(size=(60, 3))
    stacked = stacked_of(scorer, by_row)
    stacked[20] += 1.0  # row 5 the second time
    expected = by_row[:40].copy()
    expected[5] += 0.5
    assert scorer.pooled(stacked) == pytest.approx(expected)
    assert scorer.truth()[0].tolist() == data.y[:40].tolist()


def test_split_scores_see_their_own_rows_and_weights() -> None:
    data = make_data(Objective.SQUARED, weighted=True)
    scorer = make_scorer(data, "mae")
    margin = np.random.default_rng(0).normal(size=(60, 1))
    scores = scorer.split_scores(stacked_of(scorer, margin))
    weight = data.weight
    assert weight is not None
    expected = [
        np.average(np.abs(data.y[s.valid] - margin[s.valid, 0]), weights=weight[s.valid])
        for s in data.splits
    ]
    assert scores == pytest.approx(expected)


def test_threshold_is_tuned_for_label_metrics_only() -> None:
    data = make_data(n=200)
    margin = data.matrix.values[:, :1].astype(np.float64) - 2.0  # far too low throughout
    for metric in ("roc_auc", "log_loss"):
        assert make_scorer(data, metric).threshold(margin) == 0.5
    scorer = make_scorer(data, "f1")
    tuned = scorer.threshold(margin)
    assert tuned is not None
    assert tuned < 0.3
    assert scorer.score(margin, tuned) > scorer.score(margin, 0.5) + 0.1
    tries = [scorer.score(margin, t) for t in np.linspace(0.001, 0.999, 500)]
    assert scorer.score(margin, tuned) == pytest.approx(max(tries))
    assert scorer.loss(margin) == -scorer.score(margin, tuned)
    assert make_scorer(make_data(Objective.SOFTMAX), "f1_macro").threshold(margin) is None


def test_sample_are_positions_within_the_validated_rows() -> None:
    data = make_data(n=90)
    shifted = replace(data, splits=(Split(np.arange(30), np.arange(30, 90)),))
    scorer = make_scorer(shifted, "log_loss")
    margin = np.random.default_rng(1).normal(size=(60, 1))
    some = np.array([3, 10, 11, 50])
    p = 1 / (1 + np.exp(-margin[some, 0]))
    y = data.y[30 + some]
    expected = -np.mean(np.log(np.where(y == 1, p, 1 - p)))
    assert scorer.loss(margin[some], some) == pytest.approx(expected)
    assert scorer.score(margin[some], None, some) == pytest.approx(expected)


def test_split_of_one_class_has_no_auc() -> None:
    data = make_data()
    y = data.y.copy()
    y[data.splits[1].valid] = 1.0
    scorer = make_scorer(replace(data, y=y), "roc_auc")
    scores = scorer.split_scores(np.random.default_rng(0).normal(size=(60, 1)))
    assert [math.isnan(score) for score in scores] == [False, True, False]
    assert mean_score(scores) == pytest.approx((scores[0] + scores[2]) / 2)
    assert spread_of(scores) == pytest.approx(abs(scores[0] - scores[2]) / math.sqrt(2))


def test_mean_and_spread_of_few_scores() -> None:
    assert math.isnan(mean_score([math.nan]))
    assert mean_score([2.0]) == 2.0
    assert spread_of([2.0]) is None
    assert spread_of([1.0, 3.0]) == pytest.approx(math.sqrt(2))


def test_splits_of_the_tests_are_folds() -> None:
    splits = make_splits(10, 3, 2)
    for repeat in (0, 1):
        valid = np.concatenate([s.valid for s in splits if s.repeat == repeat])
        assert sorted(valid.tolist()) == list(range(10))
