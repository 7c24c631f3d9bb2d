"""Metrics of regression, weighted, in vectorised numpy.

Definitions are those of scikit-learn, which the tests compare with. A score that the rows do not
define (a negative target under rmsle) is nan.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from automl.errors import ConfigError
from automl.metrics.base import Floats, Metric
from automl.task import Objective, Task

Fn = Callable[[Floats, Floats, Floats | None], float]

_EPS = float(np.finfo(np.float64).eps)
_TASKS = frozenset({Task.REGRESSION})


def mse(y: Floats, value: Floats, weight: Floats | None = None) -> float:
    """Mean squared error, in squared units of the target."""
    error = value - y
    return _mean(error * error, weight)


def rmse(y: Floats, value: Floats, weight: Floats | None = None) -> float:
    """Root mean squared error, in units of the target."""
    return float(np.sqrt(mse(y, value, weight)))


def mae(y: Floats, value: Floats, weight: Floats | None = None) -> float:
    """Mean absolute error, in units of the target."""
    return _mean(np.abs(value - y), weight)


def median_ae(y: Floats, value: Floats, weight: Floats | None = None) -> float:
    """Median absolute error: half of the weight lies on smaller errors."""
    error = np.abs(value - y)
    if weight is None:
        return float(np.median(error))
    order = np.argsort(error)
    error, passed = error[order], np.cumsum(weight[order])
    half = 0.5 * passed[-1]
    low = int(np.searchsorted(passed, half))
    # Half of the weight ends exactly at `low`: the median lies midway to the next error.
    high = min(int(np.searchsorted(passed, half, "right")), len(error) - 1)
    return float(0.5 * (error[low] + error[high]))


def mape(y: Floats, value: Floats, weight: Floats | None = None) -> float:
    """Mean absolute error relative to |y|, as a share; targets of 0 make it huge."""
    return _mean(np.abs(value - y) / np.maximum(np.abs(y), _EPS), weight)


def smape(y: Floats, value: Floats, weight: Floats | None = None) -> float:
    """Mean of 2·|error| / (|y| + |value|), 0 to 2; two zeros count as no error."""
    size = np.abs(y) + np.abs(value)
    share = np.divide(2.0 * np.abs(value - y), size, out=np.zeros_like(size), where=size > 0)
    return _mean(share, weight)


def r2(y: Floats, value: Floats, weight: Floats | None = None) -> float:
    """Share of the target's variance explained; for a constant target 1 if exact, else 0."""
    spread = _mean((y - _mean(y, weight)) ** 2, weight)
    error = mse(y, value, weight)
    if spread == 0.0:
        return 1.0 if error == 0.0 else 0.0
    return 1.0 - error / spread


def rmsle(y: Floats, value: Floats, weight: Floats | None = None) -> float:
    """Root mean squared error of log(1 + target); nan if a target is negative.

    Negative predictions are scored as 0, the least value that such a target can have.
    """
    if y.min() < 0:
        return np.nan
    return rmse(np.log1p(y), np.log1p(np.maximum(value, 0.0)), weight)


def pinball(
    y: Floats, value: Floats, weight: Floats | None = None, *, level: float = 0.5
) -> float:
    """Mean pinball loss of `value` as the `level` quantile (Koenker and Bassett, 1978)."""
    error = y - value
    return _mean(np.maximum(level * error, (level - 1.0) * error), weight)


def max_error(y: Floats, value: Floats, weight: Floats | None = None) -> float:
    """Largest absolute error among the rows that have a weight."""
    error = np.abs(value - y)
    return float(error.max() if weight is None else error[weight > 0].max(initial=0.0))


def quantile_metric(level: float) -> Metric:
    """The pinball loss at `level`, named `quantile@<level>`.

    Raises ConfigError unless 0 < level < 1.
    """
    if not 0.0 < level < 1.0:
        raise ConfigError(
            f"The level of metric 'quantile' is {level:g}, which is not between 0 and 1.",
            hint="For the 90 % quantile write quantile@0.9.",
        )
    return Metric(
        name=f"quantile@{level:g}",
        tasks=_TASKS,
        needs="value",
        higher_is_better=False,
        best=0.0,
        fn=partial(pinball, level=level),
        objective={Task.REGRESSION: Objective.QUANTILE},
        title=f"Pinball loss at {level:g}",
        quantile=level,
    )


def _mean(values: Floats, weight: Floats | None) -> float:
    return float(values.mean() if weight is None else values @ weight / weight.sum())


def _metric(
    fn: Fn,
    name: str,
    title: str,
    objective: Objective,
    aliases: tuple[str, ...],
    *,
    log_target: bool = False,
    relative: bool = False,
) -> Metric:
    return Metric(
        name=name,
        tasks=_TASKS,
        needs="value",
        higher_is_better=fn is r2,
        best=1.0 if fn is r2 else 0.0,
        fn=fn,
        objective={Task.REGRESSION: objective},
        title=title,
        log_target=log_target,
        relative=relative,
        aliases=aliases,
    )


METRICS: tuple[Metric, ...] = (
    _metric(
        rmse,
        "rmse",
        "RMSE",
        Objective.SQUARED,
        ("root_mean_squared_error", "root_mean_square_error"),
    ),
    _metric(
        mae, "mae", "MAE", Objective.ABSOLUTE, ("mean_absolute_error", "absolute_error", "l1")
    ),
    _metric(r2, "r2", "R²", Objective.SQUARED, ("r2_score", "r_squared", "rsquared")),
    _metric(
        mape,
        "mape",
        "MAPE",
        Objective.ABSOLUTE,
        ("mean_absolute_percentage_error",),
        relative=True,
    ),
    _metric(
        smape,
        "smape",
        "Symmetric MAPE",
        Objective.ABSOLUTE,
        ("symmetric_mean_absolute_percentage_error",),
        relative=True,
    ),
    _metric(
        median_ae,
        "median_ae",
        "Median absolute error",
        Objective.ABSOLUTE,
        ("median_absolute_error", "medae", "median_error"),
    ),
    _metric(mse, "mse", "MSE", Objective.SQUARED, ("mean_squared_error", "squared_error", "l2")),
    _metric(
        rmsle,
        "rmsle",
        "RMSLE",
        Objective.SQUARED,
        ("root_mean_squared_log_error", "root_mean_squared_logarithmic_error"),
        log_target=True,
    ),
    _metric(
        pinball,
        "quantile",
        "Pinball loss at 0.5",
        Objective.QUANTILE,
        ("pinball", "pinball_loss", "quantile_loss", "mean_pinball_loss"),
    ),
    _metric(max_error, "max_error", "Largest error", Objective.SQUARED, ()),
)
