"""The scale and the objective that serve a metric: transforms, robustness, and their refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_run import make_data, make_splits

from automl.errors import ConfigError
from automl.metrics._lookup import get_metric
from automl.model.link import Link
from automl.search.scale import may_be_skewed, pays
from automl.search.scoring import Scorer
from automl.search.select import with_smearing
from automl.search.setup import Goal, pursue
from automl.task import Objective, Task

NORMAL = np.random.default_rng(0).normal(size=400)
AMOUNTS = np.exp(NORMAL)


def goal(y: np.ndarray, metric: str = "rmse", **options: object) -> Goal:
    return pursue(get_metric(metric), Task.REGRESSION, y, None, class_weight="none", **options)  # type: ignore[arg-type]


def test_transform_is_what_boosters_train_on() -> None:
    assert np.array_equal(goal(AMOUNTS).y, AMOUNTS)
    assert np.array_equal(goal(AMOUNTS, target_transform="log1p").y, np.log1p(AMOUNTS))
    bent = goal(NORMAL - AMOUNTS, target_transform="yeo-johnson")
    back = bent.link.values(bent.y[:, None])
    assert back == pytest.approx(NORMAL - AMOUNTS)
    assert goal(AMOUNTS, "rmsle").link.kind == "log1p"
    assert goal(AMOUNTS, "rmsle", target_transform="none").link.kind == "identity"


def test_relative_metric_has_no_weights_on_a_relative_scale() -> None:
    assert goal(AMOUNTS, "mape").weight is not None
    assert goal(AMOUNTS, "mape", target_transform="log1p").weight is None


def test_robust_holds_the_target_within_its_fences() -> None:
    y = NORMAL.copy()
    y[:3] = [1e6, -1e5, 3e7]
    robust = goal(y, robust=True)
    assert robust.objective is Objective.ABSOLUTE
    assert robust.fences == (y[3:].min(), y[3:].max())
    assert np.abs(robust.y).max() < 5
    assert np.array_equal(robust.y[3:], y[3:])
    assert goal(y, "quantile@0.9", robust=True).objective is Objective.QUANTILE
    # Half of the values are one: nothing says what is far from it.
    assert goal(np.where(NORMAL > 1, NORMAL, 0.0), robust=True).fences is None


@pytest.mark.parametrize(
    ("options", "message"),
    [({"target_transform": "log1p"}, "a target above -1"), ({}, None)],
)
def test_log_of_a_negative_target_is_refused(options: dict[str, str], message: str) -> None:
    if message is None:
        assert goal(NORMAL - 3, **options).link.kind == "identity"
        return
    with pytest.raises(ConfigError, match=message):
        goal(NORMAL - 3, **options)


@pytest.mark.parametrize("options", [{"robust": True}, {"target_transform": "log1p"}])
def test_classes_have_no_scale(options: dict[str, object]) -> None:
    y = (NORMAL > 0).astype(float)
    with pytest.raises(ConfigError, match="needs numbers to predict, and this is a binary"):
        pursue(get_metric("roc_auc"), Task.BINARY, y, None, class_weight="none", **options)  # type: ignore[arg-type]


def test_choices_count_the_held_target_and_reports_the_real_one() -> None:
    y = NORMAL.copy()
    y[0] = 1e6
    parts = get_metric("rmse"), Task.REGRESSION, Link("identity"), y, None, make_splits(400, 4)
    scorer = Scorer(*parts, fences=(-3.0, 3.0))
    zeros = np.zeros((400, 1))
    assert scorer.score(zeros) > 1e4
    assert scorer.with_echoes().score(zeros) < 2
    assert scorer.with_echoes().with_link(Link("identity")).score(zeros) < 2


def test_log_scale_is_scored_by_its_means() -> None:
    rng = np.random.default_rng(1)
    y = np.expm1(2.0 + rng.normal(scale=0.8, size=400))
    link, splits = Link("log1p"), make_splits(400, 4)
    scorer = Scorer(get_metric("rmse"), Task.REGRESSION, link, y, None, splits)
    margin = np.full((400, 1), 2.0)
    # The constant that minimises RMSE is the mean, which is what smearing makes of the median.
    assert scorer.score(margin) == pytest.approx(y.std(), rel=1e-6)
    settled = scorer.with_link(with_smearing(link, scorer, margin))
    assert settled.link.values(margin)[0] == pytest.approx(y.mean())
    assert np.mean(settled.split_scores(margin)) == pytest.approx(
        np.mean(scorer.split_scores(margin))
    )
    medians = Scorer(get_metric("mae"), Task.REGRESSION, link, y, None, splits)
    assert not medians.smears
    assert medians.score(margin) == pytest.approx(np.abs(y - np.expm1(2.0)).mean())


def test_only_amounts_with_a_long_tail_are_tried_on_a_log_scale() -> None:
    data = make_data(Objective.SQUARED, n=400)
    assert may_be_skewed(replace(data, y=AMOUNTS))
    assert not may_be_skewed(replace(data, y=NORMAL - NORMAL.min()))
    assert not may_be_skewed(replace(data, y=AMOUNTS - 1.0))
    assert not may_be_skewed(replace(data, y=AMOUNTS, objective=Objective.ABSOLUTE))
    assert not pays(None)
    assert not pays(0.995)
    assert pays(0.97)
