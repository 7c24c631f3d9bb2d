"""What a search has learnt of its params."""

from __future__ import annotations

import numpy as np

from automl.engines.base import Choice, Float, Int
from automl.search.portfolio import Candidate
from automl.search.studies import Studies
from automl.search.tuning import tuned

SPACE = {
    "rate": Float(0.01, 1.0, default=0.1, log=True),
    "leaves": Int(2, 64, default=31),
    "mode": Choice(("fast", "slow"), default="fast"),
}


def searched(n: int) -> Studies:
    """A study whose loss follows from the rate alone."""
    studies = Studies({("made", "plain"): SPACE}, seed=0, baseline_loss=1.0)
    rng = np.random.default_rng(0)
    for _ in range(n):
        params = {
            "rate": float(10 ** rng.uniform(-2, 0)),
            "leaves": int(rng.integers(2, 65)),
            "mode": str(rng.choice(["fast", "slow"])),
        }
        studies.seen(Candidate("made", "plain", params), loss=abs(np.log10(params["rate"]) + 1))
    return studies


def test_the_param_that_decides_comes_first() -> None:
    (found,) = tuned(searched(60))
    assert found["engine"] == "made"
    assert found["importances"][0][0] == "rate"
    assert found["importances"][0][1] > 0.6
    assert np.isclose(sum(share for _, share in found["importances"]), 1.0)


def test_trials_are_lines_through_the_axes() -> None:
    (found,) = tuned(searched(60))
    assert [axis["name"] for axis in found["axes"]] == [name for name, _ in found["importances"]]
    assert len(found["lines"]) == 60
    assert all(0.0 <= at <= 1.0 for line in found["lines"] for at in line["at"])
    best = min(found["lines"], key=lambda line: line["rank"])
    assert best["rank"] == 0.0
    assert abs(best["at"][0] - 0.5) < 0.1  # a rate of 0.1 is half way on its log scale


def test_few_trials_tell_nothing() -> None:
    assert tuned(searched(5)) == []
