"""`AutoMLClassifier` and `AutoMLRegressor`: the race as scikit-learn estimators."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from automl.errors import AutoMLError
from automl.model.bundle import load_bundle
from automl.model.manifest import RUN
from automl.model.predictor import Predictor
from automl.task import Task
from automl.workflows.fit import fit

DEFAULT_TRIALS = 20
MIN_ROWS = 10  # fewer cannot be split into folds that say anything

# Checks of scikit-learn that these estimators cannot pass, with the reason; for
# `sklearn.utils.estimator_checks.check_estimator(..., expected_failed_checks=...)`.
EXPECTED_FAILED_CHECKS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "folds are drawn over rows, so a row of weight 2 and the same row twice lead to other "
        "folds, and boosters count rows (not weights) in their leaves"
    ),
}


class _AutoML(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators share: settings, the fit, and the predictor with its bundle."""

    def __init__(  # noqa: PLR0913 - scikit-learn wants every setting as an argument of its own
        self,
        n_trials: int | None = None,
        time_budget: float | None = None,
        metric: str | None = None,
        engines: tuple[str, ...] | None = None,
        folds: int | None = None,
        single: bool = False,
        refit: bool = False,
        n_jobs: int | None = None,
        random_state: int | None = None,
    ) -> None:
        self.n_trials = n_trials
        self.time_budget = time_budget
        self.metric = metric
        self.engines = engines
        self.folds = folds
        self.single = single
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def save(self, path: str | Path) -> None:
        """Write the model as a bundle to `path`, for `automl predict` and `automl.load`."""
        check_is_fitted(self)
        _write_files(self._files, Path(path))

    def __getstate__(self) -> dict[str, Any]:
        """The settings and the bundle's files: no booster object is copied."""
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("predictor_", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_files" in state:
            with tempfile.TemporaryDirectory(prefix="automl-") as folder:
                _write_files(self._files, Path(folder) / "bundle")
                self.predictor_: Predictor = load_bundle(Path(folder) / "bundle", trusted=True)

    # -- parts ----------------------------------------------------------------------------------

    def _train(
        self,
        X: Any,
        y: pd.Series[Any],
        task: Task,
        sample_weight: Any,
        class_weight: str = "none",
    ) -> None:
        """Fit on a frame of `X`; `y` holds label texts or target values."""
        frame = self._frame(X)
        target, weight = _free_name("target", frame), _free_name("weight", frame)
        frame = frame.assign(**{target: y.to_numpy()})
        options: dict[str, Any] = {"class_weight": class_weight}
        if sample_weight is not None:
            frame = frame.assign(**{weight: _check_sample_weight(sample_weight, X)})
            options["weight_column"] = weight
        trials = self.n_trials
        if trials is None and self.time_budget is None:
            trials = DEFAULT_TRIALS
        try:
            with tempfile.TemporaryDirectory(prefix="automl-") as folder:
                result = fit(
                    frame,
                    target=target,
                    task=task.value,
                    metric=self.metric,
                    time_budget=self.time_budget,
                    trials=trials,
                    engines=tuple(self.engines or ()),
                    folds=self.folds,
                    single=self.single,
                    refit=self.refit,
                    seed=self.random_state or 0,
                    workers=None if self.n_jobs in (None, -1) else self.n_jobs,
                    output=str(Path(folder) / "bundle"),
                    in_process=self.n_jobs in (None, 1),
                    **options,
                )
                self.predictor_ = result.predictor
                self._files = _read_files(result.path)
        except AutoMLError as error:
            raise ValueError(str(error)) from error
        self.cv_score_ = result.score
        self.leaderboard_ = pd.DataFrame(result.leaderboard)

    def _frame(self, X: Any) -> pd.DataFrame:
        """`X` as a frame with text column names; names and number of columns as in `fit`."""
        if isinstance(X, pd.DataFrame):
            frame = X.reset_index(drop=True)
            frame.columns = pd.Index([str(name) for name in X.columns])
            return frame
        return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])

    def _checked(self, X: Any) -> Any:
        """`X` of a prediction: a frame stays one, anything else becomes an array."""
        check_is_fitted(self)
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=False, skip_check_array=True)
            return X
        return validate_data(self, X, reset=False, dtype=None, ensure_all_finite="allow-nan")


class AutoMLClassifier(ClassifierMixin, _AutoML):  # type: ignore[misc]
    """A blend of boosted trees for two or more classes.

    n_trials: configurations to try (20 unless `time_budget`, in seconds, is given).
    class_weight: None, "balanced", "auto", or a weight for each label.
    metric: a metric's name, by default roc_auc for two classes and log_loss for more.
    n_jobs: None or 1 trains in this process, -1 on all cores.
    The other settings are those of `automl fit`. X may be an array or a frame of numbers, texts,
    dates and categories with missing values.

    classes_: labels in the order of `predict_proba`.  predictor_: the `automl` model.
    cv_score_: its cross-validated score.  leaderboard_: all configurations.
    """

    def __init__(  # noqa: PLR0913 - as above
        self,
        n_trials: int | None = None,
        time_budget: float | None = None,
        metric: str | None = None,
        engines: tuple[str, ...] | None = None,
        folds: int | None = None,
        single: bool = False,
        refit: bool = False,
        class_weight: str | dict[Any, float] | None = None,
        n_jobs: int | None = None,
        random_state: int | None = None,
    ) -> None:
        super().__init__(
            n_trials, time_budget, metric, engines, folds, single, refit, n_jobs, random_state
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        X, y = _validate_training(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only, {self.classes_[0]!r}; two are needed.")
        self._texts = _label_texts(self.classes_)
        task = Task.BINARY if len(self.classes_) == 2 else Task.MULTICLASS
        texts = pd.Series(np.array(self._texts, dtype=object)[codes])
        class_weight = "none" if self.class_weight is None else self.class_weight
        if isinstance(class_weight, dict):
            by_class = compute_sample_weight(class_weight, y)
            sample_weight = by_class * _check_sample_weight(sample_weight, X)
            class_weight = "none"
        self._train(X, texts, task, sample_weight, class_weight)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(n, n_classes) probabilities in the order of `classes_`."""
        X = self._checked(X)
        order = [self.predictor_.classes.index(text) for text in self._texts]
        return self.predictor_.predict_proba(self._frame(X))[:, order]

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) labels."""
        X = self._checked(X)
        place = {text: i for i, text in enumerate(self._texts)}
        labels = self.predictor_.predict(self._frame(X))
        return np.asarray(self.classes_[[place[str(label)] for label in labels]])


class AutoMLRegressor(RegressorMixin, _AutoML):  # type: ignore[misc]
    """A blend of boosted trees for a number; settings and attributes as in AutoMLClassifier."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        X, y = _validate_training(self, X, y, y_numeric=True)
        self._train(X, pd.Series(np.asarray(y, dtype=np.float64)), Task.REGRESSION, sample_weight)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """(n,) target values."""
        X = self._checked(X)
        return np.asarray(self.predictor_.predict(self._frame(X)), dtype=np.float64)


def _validate_training(estimator: Any, X: Any, y: Any, **checks: Any) -> tuple[Any, Any]:
    """scikit-learn's checks; a frame keeps its columns' types and skips those for arrays."""
    if isinstance(X, pd.DataFrame) and y is not None:
        validate_data(estimator, X, skip_check_array=True)
        y = column_or_1d(y, warn=True)
        if len(y) != len(X):
            raise ValueError(f"X has {len(X)} rows and y has {len(y)}.")
        return X, y
    return tuple(
        validate_data(
            estimator,
            X,
            y,
            dtype=None,
            ensure_all_finite="allow-nan",
            ensure_min_samples=MIN_ROWS,
            **checks,
        )
    )


def _label_texts(classes: NDArray[Any]) -> list[str]:
    """A text for each label: its own, or with its place in front where reading could merge two."""
    texts = [str(label).strip() for label in classes]
    if all(texts) and len({_as_number(text) for text in texts}) == len(texts):
        return texts
    return [f"{i}:{text}" for i, text in enumerate(texts)]


def _as_number(text: str) -> float | str:
    """The number that `text` is, so that 1 and 1.0 are equal; else the text."""
    try:
        return float(text)
    except ValueError:
        return text


def _free_name(wish: str, frame: pd.DataFrame) -> str:
    name = wish
    while name in frame.columns:
        name = f"_{name}"
    return name


def _read_files(folder: Path) -> dict[str, bytes]:
    """The files of a bundle that are read to score, by name relative to its folder."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if path.is_file() and not name.startswith(RUN)
    }


def _write_files(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        place = folder.joinpath(*name.split("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
