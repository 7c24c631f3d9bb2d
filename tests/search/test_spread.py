"""Quantiles are moved to where as many targets lie below as should, if that pays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_run import make_data

from automl.metrics._lookup import get_metric
from automl.model.link import Link
from automl.search.scoring import Scorer
from automl.search.spread import spread, spread_link
from automl.task import Objective

LEVELS = (0.05, 0.5, 0.95)
Z = 1.6448536


def setting(
    width: float, *, weighted: bool = False, n: int = 6000, seed: int = 0
) -> tuple[Scorer, np.ndarray]:
    """Normal targets with a spread of their own each, and quantiles `width` times as wide."""
    rng = np.random.default_rng(seed)
    mean, size = rng.normal(size=n), np.exp(rng.normal(size=n))
    data = make_data(Objective.QUANTILE, n=n, weighted=weighted)
    data = replace(data, y=mean + size * rng.normal(size=n), quantiles=LEVELS)
    metric = get_metric("quantile@0.05,0.5,0.95")
    link = Link("identity")
    scorer = Scorer(metric, data.task, link, data.y, data.weight, data.splits)
    return scorer, mean[:, None] + size[:, None] * np.array([-Z, 0.0, Z]) * width


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("width", [0.5, 2.0])
def test_factors_undo_what_is_too_narrow_or_too_wide(width: float, weighted: bool) -> None:
    scorer, pooled = setting(width, weighted=weighted)
    found = spread(scorer, pooled, 0)
    assert found is not None
    assert found.pays
    low, centre, high = found.factors
    assert centre == 0.0
    assert low == pytest.approx(1.0 / width, rel=0.12)
    assert high == pytest.approx(1.0 / width, rel=0.12)
    values = spread_link(scorer, found).values(pooled)
    y, weight = scorer.truth()
    below = [np.average(y <= values[:, j], weights=weight) for j in range(3)]
    assert below == pytest.approx(LEVELS, abs=0.02)


def test_what_is_right_stays_mostly() -> None:
    stays, most = 0, []
    for seed in range(12):
        scorer, pooled = setting(1.0, n=600, seed=seed)
        found = spread(scorer, pooled, 0)
        assert found is not None
        stays += spread_link(scorer, found) == scorer.link
        most.append(found.before / found.after)
    assert stays >= 4
    assert max(most) < 1.02  # what chance finds is little


def test_few_rows_are_left_alone() -> None:
    scorer, pooled = setting(0.5, n=60)
    assert spread(scorer, pooled, 0) is None
    assert spread_link(scorer, None) == scorer.link
