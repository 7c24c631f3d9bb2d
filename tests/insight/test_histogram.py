"""Counts by bins, against numpy's where numpy has some, and where it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from automl.insight.histogram import binned


@pytest.mark.parametrize("weighted", [False, True])
def test_counts_are_those_of_numpy(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=2000)
    weight = rng.exponential(size=2000) if weighted else None
    found = binned(values, -1.0, 2.0, 17, weight)
    expected, _ = np.histogram(values, 17, (-1.0, 2.0), weights=weight)
    assert found == pytest.approx(expected)


def test_numbers_of_a_clock_are_further_apart_than_bins() -> None:
    values = 1.7e18 + 256.0 * np.array([0, 0, 1, 3])
    assert binned(values, values[0], values[-1], 40).nonzero()[0].tolist() == [0, 13, 39]


def test_the_widest_range_and_none() -> None:
    most = np.finfo(np.float64).max
    assert binned(np.array([-most, 0.0, most]), -most, most, 2).tolist() == [1.0, 2.0]
    assert binned(np.full(3, 7.0), 7.0, 7.0, 4).tolist() == [3.0, 0.0, 0.0, 0.0]
