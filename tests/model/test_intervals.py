"""Conformal intervals and sets: exact against the definition, covering, safe to read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from automl.errors import BundleError, ConfigError
from automl.model.intervals import (
    Conformal,
    Difficulty,
    band_scores,
    check_models,
    conformal,
    label_scores,
    residual_scores,
    thinned,
)
from automl.model.link import Link

PLAIN = Link("identity")


def by_definition(margins: np.ndarray, scores: list[np.ndarray], level: float) -> np.ndarray:
    """The upper ends of CV+ as its authors write them: one order statistic of all ends."""
    n = sum(map(len, scores))
    every = np.concatenate(
        [margins[:, [k]] + fold[None, :] for k, fold in enumerate(scores)], axis=1
    )
    place = int(np.ceil(level * (n + 1) - 1e-9)) - 1
    return np.asarray(np.sort(every, axis=1)[:, place])


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_ends_are_those_of_the_definition(level: float) -> None:
    rng = np.random.default_rng(0)
    scores = [np.abs(rng.normal(size=n)) * (1 + k) for k, n in enumerate((80, 100, 60))]
    margins = rng.normal(size=(50, 1)) + 0.3 * rng.normal(size=(50, 3))
    low, high = conformal("cv+", scores).interval(margins, PLAIN, level)
    assert high == pytest.approx(by_definition(margins, scores, level), abs=1e-4)
    assert low == pytest.approx(-by_definition(-margins, scores, level), abs=1e-4)


@pytest.mark.parametrize("kind", ["identity", "log1p"])
def test_new_rows_are_covered_also_where_errors_grow(kind: str) -> None:
    rng = np.random.default_rng(1)
    link = Link(kind)  # type: ignore[arg-type]
    signal = rng.uniform(0.5, 3.0, (4, 500))
    noise = signal * rng.normal(size=signal.shape) * 0.2
    folds, wanted = list(signal[:3]), list(signal[:3] + noise[:3])
    residual = np.concatenate(wanted) - np.concatenate(folds)
    difficulty = Difficulty.fit(np.concatenate(folds), residual)
    assert difficulty is not None
    known = conformal("cv+", residual_scores(folds, wanted, difficulty), difficulty)
    low, high = known.interval(np.column_stack([signal[3]] * 3), link, 0.9)
    y = link.inverse(signal[3] + noise[3])
    assert 0.87 < ((y >= low) & (y <= high)).mean() < 0.93
    hard = signal[3] > 2.0
    assert 0.85 < ((y >= low) & (y <= high))[hard].mean() < 0.95
    assert (link.margin_of(high) - link.margin_of(low))[hard].mean() > 1.5 * (
        link.margin_of(high) - link.margin_of(low)
    )[~hard].mean()


def test_sets_cover_and_are_never_empty() -> None:
    rng = np.random.default_rng(2)
    proba = rng.dirichlet([1.0, 1.0, 1.0], size=(4, 2000))
    y = np.array([[rng.choice(3, p=row) for row in fold] for fold in proba], dtype=float)
    known = conformal("cv+", label_scores(list(proba[:3]), list(y[:3])))
    inside = known.members([proba[3]] * 3, 0.9)
    assert 0.87 < inside[np.arange(2000), y[3].astype(int)].mean() < 0.93
    few = known.members([proba[3]] * 3, 0.05)
    assert (few.sum(axis=1) == 1).all()
    assert (few.argmax(axis=1) == proba[3].argmax(axis=1)).all()


def test_one_model_takes_the_scores_of_all_folds_by_their_rows() -> None:
    few, many = np.full(10, 5.0), np.full(1990, 1.0)
    known = conformal("approximate", [few, many])
    low, high = known.interval(np.zeros((1, 1)), PLAIN, 0.99)
    assert (low[0], high[0]) == (-1.0, 1.0)  # 5 in a thousand have the large score
    assert known.interval(np.zeros((1, 1)), PLAIN, 0.998)[1][0] == 5.0


def test_many_scores_are_thinned_evenly() -> None:
    scores = np.random.default_rng(0).exponential(size=20_000)
    kept = thinned(scores)
    assert len(kept) == 400
    assert np.quantile(kept, 0.9) == pytest.approx(np.quantile(scores, 0.9), rel=0.02)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 90.0, float("nan")])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        conformal("split", [np.arange(30.0)]).share(level)


def test_a_level_beyond_the_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs more rows than the 30") as refused:
        conformal("split", [np.arange(30.0)]).share(0.99)
    assert refused.value.hint == "Ask for 0.96 or less."


def test_json_gives_the_same_intervals() -> None:
    rng = np.random.default_rng(3)
    margins = rng.normal(size=(40, 2))
    difficulty = Difficulty((0.0, 1.0), (0.5, 2.0))
    known = conformal("cv+", [np.abs(rng.normal(size=50)) for _ in range(2)], difficulty)
    again = Conformal.from_json(json.loads(json.dumps(known.to_json())))
    assert again.interval(margins, PLAIN, 0.8)[1] == pytest.approx(
        known.interval(margins, PLAIN, 0.8)[1], abs=1e-6
    )
    check_models(again, [2, 2])
    with pytest.raises(ValueError, match="other numbers of models"):
        check_models(again, [2, 1])


@pytest.mark.parametrize(
    "change",
    [
        {"method": "magic"},
        {"folds": []},
        {"folds": [[]], "counts": [1]},
        {"folds": [[2.0, 1.0]], "counts": [2]},
        {"folds": [["x"]], "counts": [1]},
        {"folds": [[1.0]], "counts": [0]},
        {"difficulty": {"at": [1.0, 0.0], "size": [1.0, 1.0]}},
        {"difficulty": {"at": [0.0], "size": [0.0]}},
        {"difficulty": {"at": [], "size": []}},
        {"difficulty": 3},
    ],
)
def test_json_that_was_edited_is_refused(change: dict[str, object]) -> None:
    data = {**conformal("split", [np.arange(5.0)]).to_json(), **change}
    with pytest.raises((BundleError, ValueError)):  # noqa: PT011, RUF100 - `decoded` names the file
        Conformal.from_json(data)


@pytest.mark.parametrize("reach", [0.3, 1.0, 2.5])
def test_bands_cover_however_wrong_the_quantiles_are(reach: float) -> None:
    rng = np.random.default_rng(0)
    x, new = rng.random((2, 4000))
    y, truth = x + rng.normal(size=4000), new + rng.normal(size=4000)
    known = conformal("split", band_scores([x - reach], [x + reach], [y]))
    for level in (0.5, 0.9):
        low, high = known.band((new - reach)[:, None], (new + reach)[:, None], PLAIN, level)
        assert np.mean((truth >= low) & (truth <= high)) == pytest.approx(level, abs=0.025)


def test_bands_of_folds_lie_between_those_of_each_and_never_cross() -> None:
    rng = np.random.default_rng(1)
    scores = [rng.normal(-0.5, 0.2, 200), rng.normal(-0.4, 0.2, 200)]
    known = conformal("cv+", scores)
    margin = rng.normal(size=(50, 2))
    low, high = known.band(margin - 0.1, margin + 0.1, PLAIN, 0.2)
    assert (low <= high).all()  # far narrower than the quantiles: they meet
    wide = known.band(margin - 3.0, margin + 3.0, PLAIN, 0.9)
    alone = [
        conformal("split", [score]).band(m[:, None] - 3.0, m[:, None] + 3.0, PLAIN, 0.9)
        for score, m in zip(scores, margin.T, strict=True)
    ]
    for side in (0, 1):
        ends = np.array([one[side] for one in alone])
        assert (ends.min(axis=0) - 0.05 <= wide[side]).all()
        assert (wide[side] <= ends.max(axis=0) + 0.05).all()
