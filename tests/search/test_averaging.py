"""What averaging the models of the folds gains, against what it gains on new rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from small_run import make_data, make_scorer

from automl.model.link import Link
from automl.search.averaging import Averaged
from automl.search.blend import Limits
from automl.search.honest import Corrected, Pool, Rules, corrected_score
from automl.search.scoring import Scorer, mean_score
from automl.search.select import Choice
from automl.task import Objective, Task

N, FOLDS = 600, 5


def setting(metric: str, seed: int = 0) -> tuple[Scorer, np.ndarray, np.ndarray]:
    """A scorer, what is known of the target, and the fold of each row."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=N)
    data = make_data(n=N, folds=FOLDS)
    if metric == "rmse":
        data = replace(
            data, y=signal + rng.normal(size=N), task=Task.REGRESSION, objective=Objective.SQUARED
        )
    else:
        data = replace(data, y=(rng.uniform(size=N) < 1 / (1 + np.exp(-2 * signal))).astype(float))
        signal = 2 * signal
    own = np.empty(N, dtype=np.int64)
    for k, split in enumerate(data.splits):
        own[split.valid] = k
    return make_scorer(data, metric), signal, own


def models(signal: np.ndarray, apart: float, seed: int = 1) -> np.ndarray:
    """(folds, n, 1) margins of models that differ by chance alone."""
    noise = np.random.default_rng([seed, 1]).normal(size=(FOLDS, len(signal), 1))
    return signal[None, :, None] + apart * noise


@pytest.mark.parametrize("metric", ["rmse", "log_loss", "roc_auc"])
def test_gain_is_that_of_the_mean_of_the_models(metric: str) -> None:
    gains, real = [], []
    for seed in range(6):
        scorer, signal, own = setting(metric, seed)
        margins = models(signal, 0.8, seed)
        pooled = margins[own, np.arange(N)]
        averages = Averaged(np.arange(N), own, margins)
        gains.append(averages.gain(scorer, pooled, None))
        each = [scorer.score(margins[k]) for k in range(FOLDS)]
        real.append(scorer.score(margins.mean(axis=0)) - float(np.mean(each)))
    gain, truth = float(np.mean(gains)), float(np.mean(real))
    assert scorer.metric.better(gain, 0.0)
    assert 0.6 < gain / truth < 1.15  # rather too small


def test_models_that_agree_gain_nothing() -> None:
    for metric in ("rmse", "log_loss", "roc_auc"):
        scorer, signal, own = setting(metric)
        margins = models(signal, 0.0)
        averages = Averaged(np.arange(N), own, margins)
        assert averages.gain(scorer, margins[0], None) == pytest.approx(0.0, abs=1e-12)


def test_log_loss_gain_is_that_of_calibrated_margins() -> None:
    scorer, signal, own = setting("log_loss")
    margins, every = models(signal, 0.8), np.arange(N)
    averages = Averaged(every, own, margins)
    pooled = margins[own, every]
    line = scorer.with_link(Link("logit", temperature=0.7, intercept=-2.0))
    seen = np.stack([margins[(own + a) % FOLDS, every] for a in range(1, FOLDS)])
    exact = line.score(seen.mean(axis=0)) - np.mean([line.score(one) for one in seen])
    assert averages.gain(line, pooled, None) == pytest.approx(exact)
    # As knots, the same line is no straight line to it: it is measured, not derived.
    bent = scorer.with_link(Link("logit", temperature=0.7, knots=((-1.0, -3.0), (1.0, -1.0))))
    assert averages.gain(bent, pooled, None) == pytest.approx(exact, rel=0.5)


def found(scorer: Scorer, pooled: np.ndarray, averages: Averaged | None) -> Corrected:
    stacked = np.concatenate([pooled[split.valid] for split in scorer.splits]).astype("f4")
    scores = scorer.split_scores(stacked, None)
    choice = Choice({"m": 1.0}, scorer.link, None, pooled, mean_score(scores), scores, None)
    pool = Pool(scorer.with_echoes(), 0)
    pool.take("m", pooled)
    y, _ = scorer.truth()
    constant = np.full((N, 1), y.mean() if scorer.task is Task.REGRESSION else 0.0)
    rules = Rules(True, Limits(), scorer.loss(constant), math.inf, 0, 25)
    result = corrected_score(choice, {"m": stacked}, scorer, pool, np.arange(N), rules, averages)
    assert result is not None
    return result


@pytest.mark.parametrize("metric", ["rmse", "roc_auc"])
def test_score_moves_by_the_gain_and_so_does_its_interval(metric: str) -> None:
    scorer, signal, own = setting(metric)
    margins = models(signal, 0.6)
    pooled = margins[own, np.arange(N)]
    plain = found(scorer, pooled, None)
    moved = found(scorer, pooled, Averaged(np.arange(N), own, margins))
    assert scorer.metric.better(moved.score, plain.score)
    assert moved.score - plain.score == pytest.approx(moved.averaging)
    assert moved.low - plain.low == pytest.approx(moved.averaging)
    assert plain.averaging == plain.repeats == 0.0


def test_luck_is_not_averaged_away() -> None:
    """Guesses lose by what is added to them, too, if they were the lucky ones of many."""
    scorer, _, own = setting("roc_auc")
    y, _ = scorer.truth()
    rng = np.random.default_rng([0, 1])
    tries = [rng.normal(size=(FOLDS, N, 1)) for _ in range(60)]
    lucky = max(tries, key=lambda t: scorer.score(t[own, np.arange(N)]))
    pooled = lucky[own, np.arange(N)]
    pool = Pool(scorer.with_echoes(), 0)
    stacked = {}
    for i, each in enumerate(tries):
        one = each[own, np.arange(N)]
        pool.take(f"{i}", one)
        stacked[f"{i}"] = np.concatenate([one[s.valid] for s in scorer.splits]).astype("f4")
    name = next(f"{i}" for i, each in enumerate(tries) if each is lucky)
    scores = scorer.split_scores(stacked[name], None)
    choice = Choice({name: 1.0}, scorer.link, None, pooled, mean_score(scores), scores, None)
    rules = Rules(True, Limits(), -0.5, math.inf, 0, 40)
    averages = Averaged(np.arange(N), own, lucky)
    result = corrected_score(
        choice, {name: stacked[name]}, scorer, pool, np.arange(N), rules, averages
    )
    assert result is not None
    assert choice.score > 0.54
    assert averages.gain(scorer, pooled, None) > 0.008
    assert result.averaging < 0.005
    assert result.low <= 0.5 <= result.high
