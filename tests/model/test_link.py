"""Scales of the target: there and back, the mean behind a bent scale, strict JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.model.link import MAX_SHIFTS, Link, best_power

values = st.floats(-1e6, 1e6, allow_subnormal=False)


def column(y: np.ndarray) -> np.ndarray:
    return np.asarray(y, dtype=np.float64)[:, None]


@settings(deadline=None, max_examples=60)
@given(st.lists(values, min_size=1, max_size=20), st.sampled_from([0.0, 0.3, 1.0, 1.7, 2.0]))
def test_yeo_johnson_comes_back_and_keeps_the_order(y: list[float], power: float) -> None:
    target = np.sort(np.array(y))
    link = Link("yeo-johnson", power=power)
    margin = link.margin_of(target)
    assert (np.diff(margin) >= 0).all()
    assert link.values(column(margin)) == pytest.approx(target, rel=1e-6, abs=1e-6)


def test_yeo_johnson_is_sklearns() -> None:
    from sklearn.preprocessing import PowerTransformer

    y = np.random.default_rng(0).gamma(2.0, 3.0, 500) - 2.0
    theirs = PowerTransformer(standardize=False).fit(y[:, None])
    assert best_power(y) == pytest.approx(theirs.lambdas_[0], abs=0.03)
    ours = Link("yeo-johnson", power=float(theirs.lambdas_[0])).margin_of(y)
    assert ours == pytest.approx(theirs.transform(y[:, None])[:, 0], rel=1e-9)


def test_power_of_a_log_normal_target_stays_where_every_margin_has_a_value() -> None:
    y = np.exp(np.random.default_rng(0).normal(3.0, 1.5, 1000))
    link = Link("yeo-johnson", power=best_power(1.0 / y))
    assert 0.0 <= link.power <= 2.0
    assert np.isfinite(link.values(column(np.array([-300.0, 0.0, 300.0])))).all()


@pytest.mark.parametrize("link", [Link("log1p"), Link("yeo-johnson", power=0.3)])
def test_smearing_gives_the_mean_of_the_target(link: Link) -> None:
    # Known scatter around a constant margin: the value must be the mean, not the median.
    rng = np.random.default_rng(1)
    residuals = rng.normal(scale=0.5, size=20_000)
    y = link.values(column(2.0 + residuals))
    margin = np.full((1, 1), 2.0)
    plain, smeared = link.values(margin)[0], link.smeared(residuals).values(margin)[0]
    assert smeared == pytest.approx(y.mean(), rel=2e-3)
    assert plain < 0.97 * y.mean()


def test_smearing_with_huge_residuals_is_finite() -> None:
    assert np.isfinite(Link("log1p").smeared(np.array([-900.0, 800.0])).shifts).all()


@pytest.mark.parametrize(
    "link",
    [
        Link("logit", 0.7),
        Link("softmax", 1.2),
        Link("logit", 0.9, intercept=-0.3),
        Link("logit", knots=((-2.0, -1.5), (0.0, 0.25), (3.0, 2.0))),
        Link("identity"),
        Link("log1p", shifts=(0.1,)),
        Link("yeo-johnson", power=0.25, shifts=(-0.5, 0.0, 0.7)),
    ],
)
def test_json_round_trip(link: Link) -> None:
    assert Link.from_json(link.to_json()) == link


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "probit"}, "no link 'probit'"),
        ({"kind": "log1p", "scale": 2}, "no 'scale'"),
        ({"kind": "yeo-johnson", "power": -0.5}, "power of a link is -0.5"),
        ({"kind": "yeo-johnson", "power": float("nan")}, "power of a link is nan"),
        ({"kind": "identity", "power": 0.5}, "a link of kind 'identity' has no power"),
        ({"kind": "identity", "shifts": [1.0]}, "a link of kind 'identity' has no shifts"),
        ({"kind": "log1p", "shifts": [float("inf")]}, "few finite numbers"),
        ({"kind": "logit", "temperature": 0.0}, "temperature of a link is 0, not above 0"),
        ({"kind": "logit", "temperature": -1.0}, "not above 0"),
        ({"kind": "softmax", "temperature": float("nan")}, "not above 0"),
        ({"kind": "logit", "intercept": float("inf")}, "intercept of a link is inf"),
        ({"kind": "softmax", "intercept": 0.5}, "has no intercept and no knots"),
        ({"kind": "identity", "knots": [[0, 0], [1, 1]]}, "has no intercept and no knots"),
        ({"kind": "logit", "knots": [[0, 0]]}, "2 to 100 finite pairs"),
        ({"kind": "logit", "knots": [[i, i] for i in range(101)]}, "2 to 100 finite pairs"),
        ({"kind": "logit", "knots": [[0, 0], [1, float("nan")]]}, "2 to 100 finite pairs"),
        ({"kind": "logit", "knots": [[0, 0], [0, 1]]}, "do not rise"),
        ({"kind": "logit", "knots": [[0, 0], [1, -1]]}, "do not rise"),
        ({"kind": "log1p", "shifts": [0.0] * (MAX_SHIFTS + 1)}, "few finite numbers"),
    ],
)
def test_damaged_json_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Link.from_json({"temperature": 1.0, **data})


def test_yeo_johnson_without_a_power_is_refused() -> None:
    with pytest.raises(KeyError, match="power"):
        Link.from_json({"kind": "yeo-johnson", "temperature": 1.0})


def test_a_target_beyond_the_squares_of_floats_has_a_power():
    assert 0.0 <= best_power(np.array([1e300, 1.0, 2.0])) <= 2.0


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-50, 50, width=16), min_size=2, max_size=30, unique=True),
    st.floats(0.3, 3.0),
    st.floats(-2.0, 2.0),
)
def test_calibration_keeps_the_order(margins: list[float], slope: float, shift: float) -> None:
    plain = column(np.sort(np.array(margins)))
    for link in (
        Link("logit", 0.7, intercept=1.0),
        Link("logit", knots=((-2.0, -1.5), (0.0, -1.49), (3.0, 40.0))),
    ):
        moved = link.stretched(slope, shift).calibrated(plain)
        assert (np.diff(moved[:, 0]) > 0).all()
        inside = np.abs(plain[:, 0]) < 2.0
        wanted = slope * link.calibrated(plain) + shift
        assert moved[inside, 0] == pytest.approx(wanted[inside, 0], abs=1e-9)


def test_links_of_older_bundles_are_read() -> None:
    link = Link.from_json({"kind": "logit", "temperature": 1.1})
    assert link == Link("logit", 1.1)
    assert link.calibrates
    assert not Link("logit").calibrates


@pytest.mark.parametrize("link", [Link("identity"), Link("log1p"), Link("yeo-johnson", power=0.3)])
def test_quantiles_that_cross_are_put_in_order(link: Link) -> None:
    margin = np.random.default_rng(0).normal(size=(200, 4))
    found = link.values(margin)
    assert found.shape == (200, 4)
    assert (np.diff(found, axis=1) >= 0).all()
    each = np.column_stack([link.values(margin[:, j : j + 1]) for j in range(4)])
    assert np.array_equal(found, np.sort(each, axis=1))


def test_spreads_move_quantiles_away_from_the_middle_one() -> None:
    link = Link("identity", spreads=(2.0, 0.0, 0.5))
    found = link.values(np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 1.0]]))
    assert found.tolist() == [[0.0, 2.0, 2.5], [1.0, 1.0, 1.0]]
    assert Link.from_json(link.to_json()) == link


@pytest.mark.parametrize(
    ("kind", "spreads"),
    [
        ("identity", [1.0, 2.0]),
        ("identity", [0.0, 0.0, 1.0]),
        ("identity", [-1.0, 0.0]),
        ("identity", [math.inf, 0.0]),
        ("logit", [1.0, 0.0]),
    ],
)
def test_spreads_of_a_bundle_are_not_believed(kind: str, spreads: list[float]) -> None:
    with pytest.raises(ValueError, match="spreads"):
        Link.from_json({"kind": kind, "temperature": 1.0, "spreads": spreads})
