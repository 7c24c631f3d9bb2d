"""`AutoMLClassifier` and `AutoMLRegressor` are scikit-learn estimators."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import automl
from automl import AutoMLClassifier, AutoMLRegressor
from automl.estimators import EXPECTED_FAILED_CHECKS

QUICK: dict[str, Any] = {"n_trials": 2, "folds": 3, "engines": ("lightgbm",), "random_state": 0}


def check(estimator: Any) -> list[dict[str, Any]]:
    """The results of scikit-learn's checks; one that fails unexpectedly is raised."""
    results: list[dict[str, Any]] = check_estimator(
        estimator, expected_failed_checks=EXPECTED_FAILED_CHECKS, on_fail="raise", on_skip=None
    )
    return results


@pytest.mark.parametrize(
    "kind",
    [AutoMLClassifier, AutoMLRegressor],
)
def test_estimator_passes_the_checks_of_scikit_learn(kind: Any) -> None:
    results = check(kind(**QUICK))
    statuses = {result["check_name"]: result["status"] for result in results}
    assert list(statuses.values()).count("passed") > 40
    failed = {name for name, status in statuses.items() if status == "xfail"}
    assert failed <= set(EXPECTED_FAILED_CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [AutoMLClassifier, AutoMLRegressor],
)
def test_estimator_of_all_engines_passes_the_checks(kind: Any) -> None:
    check(kind(n_trials=3, folds=3))


def test_each_check_that_is_expected_to_fail_exists_and_has_a_reason() -> None:
    from sklearn.utils import estimator_checks

    for name, reason in EXPECTED_FAILED_CHECKS.items():
        assert hasattr(estimator_checks, name), name
        assert len(reason) > 20


# -- tables of everyday ------------------------------------------------------------------------


def pets(n: int = 200, seed: int = 0) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Texts, categories and numbers with gaps; labels of three words."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "weight": rng.gamma(2.0, 4.0, n),
            "colour": rng.choice(["black", "white", "red"], n),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], n)),
            "note": [" ".join(rng.choice(["calm", "loud", "old", "shy"], 6)) for _ in range(n)],
            "born": pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), "D"),
        }
    )
    score = X["weight"] + 4 * (X["colour"] == "red") + rng.normal(0, 1, n)
    y = pd.Series(
        pd.cut(score, [-np.inf, 6, 11, np.inf], labels=["cat", "dog", "horse"]).astype(str)
    )
    X.loc[::9, "weight"] = np.nan
    X.loc[::11, "colour"] = None
    X.loc[::13, "note"] = np.nan
    return X, y


@pytest.fixture(scope="module")
def classifier() -> AutoMLClassifier:
    return AutoMLClassifier(**QUICK).fit(*pets())


@pytest.fixture(scope="module")
def regressor() -> AutoMLRegressor:
    X, _ = pets()
    return AutoMLRegressor(**QUICK).fit(X, X["weight"].fillna(5.0) * 2.0)


def test_classifier_takes_a_frame_of_mixed_columns(classifier: AutoMLClassifier) -> None:
    X, y = pets(150, seed=1)
    assert classifier.classes_.tolist() == ["cat", "dog", "horse"]
    assert classifier.feature_names_in_.tolist() == list(X.columns)
    assert classifier.n_features_in_ == 5
    proba = classifier.predict_proba(X)
    assert proba.shape == (150, 3)
    assert proba.sum(axis=1) == pytest.approx(1.0)
    assert classifier.score(X, y) > 0.6
    assert np.array_equal(classifier.predict(X), classifier.classes_[proba.argmax(axis=1)])
    assert classifier.cv_score_ < 1.0  # log loss
    assert list(classifier.leaderboard_["engine"]) == ["lightgbm"] * 2


def test_regressor_takes_a_frame_of_mixed_columns(regressor: AutoMLRegressor) -> None:
    X, _ = pets(150, seed=1)
    assert regressor.score(X, X["weight"].fillna(5.0) * 2.0) > 0.8
    assert regressor.predict(X).dtype == np.float64


@pytest.mark.parametrize(
    "labels",
    [
        (1, 2),
        (1.0, 2.0),
        (True, False),
        ("b", "a"),
        ("Yes", "yes"),
        ("1", "01"),
        ("NA", "nan"),
        (10**12, -3),
        ("", "x"),
        ("1", "1 "),
        ("1", "1.0"),
    ],
    ids=repr,
)
def test_labels_come_back_as_they_went_in(labels: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = np.array(labels)[(X[:, 0] > 0).astype(int)]
    model = AutoMLClassifier(**QUICK).fit(X, y)
    assert np.array_equal(model.classes_, np.unique(y))
    prediction = model.predict(X)
    assert prediction.dtype == y.dtype
    assert (prediction == y).mean() > 0.9
    expected = (y == model.classes_[1]).astype(float)
    assert np.corrcoef(model.predict_proba(X)[:, 1], expected)[0, 1] > 0.8


def test_threshold_of_a_label_metric_moves_the_labels() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 2))
    y = (X[:, 0] + rng.normal(size=400) > 1.6).astype(int)
    model = AutoMLClassifier(**QUICK, metric="f1").fit(X, y)
    threshold = model.predictor_.threshold
    assert threshold is not None
    assert threshold < 0.45
    assert np.array_equal(
        model.predict(X), (model.predict_proba(X)[:, 1] >= threshold).astype(int)
    )


def test_copies_predict_the_same(
    classifier: AutoMLClassifier, regressor: AutoMLRegressor, tmp_path: Path
) -> None:
    X, _ = pets(60, seed=2)
    proba, value = classifier.predict_proba(X), regressor.predict(X)
    assert np.array_equal(pickle.loads(pickle.dumps(classifier)).predict_proba(X), proba)
    assert np.array_equal(pickle.loads(pickle.dumps(regressor)).predict(X), value)
    classifier.save(tmp_path / "pets-model")
    assert np.array_equal(automl.load(tmp_path / "pets-model").predict_proba(X), proba)
    regressor.save(tmp_path / "weights-model")
    assert np.array_equal(automl.load(tmp_path / "weights-model").predict(X), value)


def test_clone_is_unfitted_and_has_the_same_settings(classifier: AutoMLClassifier) -> None:
    twin = clone(classifier)
    assert (
        twin.get_params()
        == classifier.get_params()
        == {**AutoMLClassifier().get_params(), **QUICK}
    )
    assert not hasattr(twin, "predictor_")
    X, y = pets()
    assert np.array_equal(twin.fit(X, y).predict_proba(X), classifier.predict_proba(X))


def test_another_random_state_is_another_model(classifier: AutoMLClassifier) -> None:
    X, y = pets()
    other = clone(classifier).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(other.predict_proba(X), classifier.predict_proba(X))


def test_weights_of_rows_count() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1))
    heavy = rng.random(300) < 0.5
    y = (x[:, 0] > 0) == heavy  # light rows say the opposite
    weight = np.where(heavy, 50.0, 1.0)
    model = AutoMLClassifier(**QUICK).fit(x, y, sample_weight=weight)
    assert model.predict([[-1.0], [1.0]]).tolist() == [False, True]


def test_estimators_work_inside_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    y = X[:, 0] + 0.2 * rng.normal(size=150)
    model = make_pipeline(StandardScaler(), AutoMLRegressor(**QUICK))
    assert cross_val_score(model, X, y, cv=2).min() > 0.6
    grid = GridSearchCV(AutoMLRegressor(**QUICK), {"single": [True, False]}, cv=2)
    assert grid.fit(X, y).best_score_ > 0.6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "roc_acu"}, "Unknown metric 'roc_acu'"),
        ({"engines": ("lightgmb",)}, "Unknown engine 'lightgmb'"),
        ({"folds": 1}, "--folds"),
        ({"metric": "rmse"}, "rmse"),
    ],
)
def test_wrong_settings_are_value_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoMLClassifier(**{**QUICK, **settings}).fit(*pets(60))


def test_single_class_and_other_columns_are_refused(classifier: AutoMLClassifier) -> None:
    X, y = pets(60)
    with pytest.raises(ValueError, match="one class"):
        AutoMLClassifier(**QUICK).fit(X, ["same"] * 60)
    with pytest.raises(ValueError, match="note"):
        classifier.predict(X.drop(columns="note"))
    with pytest.raises(ValueError, match="rows"):
        AutoMLClassifier(**QUICK).fit(X, y[:50])


def test_time_budget_is_kept() -> None:
    import time

    X, y = pets()
    started = time.monotonic()
    AutoMLClassifier(time_budget=3.0, engines=("lightgbm",)).fit(X, y)
    assert time.monotonic() - started < 3.3


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_jobs_change_nothing(n_jobs: int, classifier: AutoMLClassifier) -> None:
    X, y = pets()
    other = clone(classifier).set_params(n_jobs=n_jobs).fit(X, y)
    assert np.array_equal(other.predict_proba(X), classifier.predict_proba(X))
