"""Which candidates are within noise of the best: against what is known of generated margins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_run import make_data, make_scorer

from automl.search import noise
from automl.search.noise import Noise


def margins_of(data: object, quality: float, rng: np.random.Generator) -> np.ndarray:
    y = data.y  # type: ignore[attr-defined]
    return (quality * (2 * y - 1) + rng.normal(size=len(y)))[:, None]


def test_equal_candidates_are_within_noise_and_clearly_worse_ones_are_not() -> None:
    equal = worse = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        data = replace(make_data(n=500), y=rng.permutation(np.repeat([0.0, 1.0], 250)))
        scorer = make_scorer(data, "roc_auc")
        found, scores = Noise(scorer, 0), {}
        for name, quality in (("a", 0.6), ("b", 0.6), ("weak", 0.2)):
            pooled = margins_of(data, quality, rng)
            stacked = np.concatenate([pooled[split.valid] for split in data.splits])
            found.take(name, stacked)
            scores[name] = scorer.score(pooled)
        within = found.within(scores)
        best = max(scores, key=lambda name: scores[name])
        assert within[best]
        equal += within["a"] and within["b"]
        worse += within["weak"]
    assert equal >= 21
    assert worse <= 1


def test_pairs_are_compared_on_the_same_rows() -> None:
    """A small difference everywhere is more than noise, though both scores vary much more."""
    rng = np.random.default_rng(0)
    data = replace(make_data(n=400), y=rng.permutation(np.repeat([0.0, 1.0], 200)))
    scorer = make_scorer(data, "log_loss")
    good = margins_of(data, 1.0, rng)
    poor = good - 0.3 * (2 * data.y - 1)[:, None]
    found = Noise(scorer, 0)
    stacked = {
        name: np.concatenate([one[split.valid] for split in data.splits])
        for name, one in (("good", good), ("poor", poor))
    }
    for name, one in stacked.items():
        found.take(name, one)
    scores = {"good": scorer.score(good), "poor": scorer.score(poor)}
    assert found.within(scores) == {"good": True, "poor": False}
    assert found.within({**scores, "unknown": 0.0}) == {"good": True, "poor": False}


def test_fewer_rows_than_there_are_tell_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    data = replace(make_data(n=3000), y=rng.permutation(np.repeat([0.0, 1.0], 1500)))
    scorer = make_scorer(data, "roc_auc")
    pools = {name: margins_of(data, q, rng) for name, q in (("a", 0.6), ("b", 0.5))}
    scores = {name: scorer.score(pool) for name, pool in pools.items()}
    for rows in (3000, 600):
        monkeypatch.setattr(noise, "_MOST_ROWS", rows)
        found = Noise(scorer, 0)
        for name, pool in pools.items():
            found.take(name, np.concatenate([pool[split.valid] for split in data.splits]))
        assert found.within(scores) == {"a": True, "b": False}


def test_rows_that_belong_together_are_drawn_together() -> None:
    rng = np.random.default_rng(2)
    y = np.repeat([0.0, 1.0], 150)
    data = replace(make_data(n=300), y=y)
    scorer = make_scorer(data, "log_loss")
    luck = np.repeat(rng.normal(size=15), 20) * 0.4  # of whole groups
    good = (2 * y - 1)[:, None]
    poor = good + (luck - luck.mean() - 0.06)[:, None] * good
    scores = {"good": scorer.score(good), "poor": scorer.score(poor)}
    told = []
    for groups in (None, np.arange(300) // 20):
        found = Noise(scorer, 0, groups)
        for name, one in (("good", good), ("poor", poor)):
            found.take(name, np.concatenate([one[split.valid] for split in data.splits]))
        best = min(scores, key=lambda name: scores[name])
        other = "poor" if best == "good" else "good"
        told.append(found.within(scores)[other])
    assert told[1]
