"""What a trial adds to the running blend, and when nothing does any more."""

from __future__ import annotations

import numpy as np
import pytest

from automl.search.gains import Gains

TRUTH = np.sin(np.arange(40.0))[:, None]


def rmse(margin: np.ndarray) -> float:
    return float(np.sqrt(np.mean((margin - TRUTH) ** 2)))


def noisy(seed: int) -> np.ndarray:
    return TRUTH + np.random.default_rng(seed).normal(scale=0.3, size=TRUTH.shape)


def test_a_trial_gains_what_it_lowers_the_loss_of_the_blend() -> None:
    gains = Gains(rmse)
    first, second = noisy(0), noisy(1)
    assert gains.take(first) == 1.0
    mean = np.broadcast_to(first.mean(axis=0), first.shape)
    half = rmse((first + second) / 2)
    assert gains.take(second) == pytest.approx((rmse(first) - half) / (rmse(mean) - half))
    assert gains.take(second + 5.0) == 0.0  # no weight makes that one useful
    assert gains.waited == 1


def test_it_is_stale_after_half_as_many_trials_again_as_led_to_the_last_gain() -> None:
    gains = Gains(rmse)
    for k in range(4):
        gains.take(noisy(k))
    for k in range(14):
        gains.take(TRUTH + 9.0 + k)
        assert not gains.stale
    gains.take(TRUTH + 9.0)
    assert gains.stale
    assert gains.take(TRUTH) > 0.1
    assert not gains.stale
