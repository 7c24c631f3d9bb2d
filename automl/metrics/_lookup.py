"""Find a metric by the name that people give it."""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType

import numpy as np

from automl import plugins
from automl.errors import ConfigError, DataError, did_you_mean
from automl.metrics.base import Floats, Metric
from automl.task import Task

_PACKAGE = "automl.metrics"
_DEFAULTS = MappingProxyType(
    {Task.BINARY: "roc_auc", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}
)


def get_metric(name: str) -> Metric:
    """The metric called `name`: its own name, an alias, or `quantile@0.9` (also `quantile:0.9`),
    `quantile@0.1,0.5,0.9` for several at once.

    Capitals, dashes for underscores and scikit-learn's `neg_` prefix make no difference.
    Raises ConfigError naming the closest known metrics, or for a quantile level outside (0, 1).
    """
    word = re.sub(r"[\s-]+", "_", name.strip().lower()).removeprefix("neg_")
    stem, _, level = re.sub("[:=]", "@", word.replace(",_", ",")).partition("@")
    known = _by_word()
    metric = known.get(stem)
    if metric is None or (level and metric.name != "quantile"):
        raise ConfigError(
            f"Unknown metric {name!r}.",
            hint=did_you_mean(word, metric_names()) or f"Known: {', '.join(metric_names())}.",
        )
    return _at_level(name, level) if level else metric


def metric_names() -> tuple[str, ...]:
    """Names of all metrics, without aliases, in the order in which reports show them."""
    return tuple(metric.name for metric in _table())


def metrics_for(task: Task) -> tuple[Metric, ...]:
    """The metrics that can score `task`, in the order in which reports show them."""
    return tuple(metric for metric in _table() if task in metric.tasks)


def default_metric(task: Task) -> Metric:
    """The metric used when none is given: roc_auc, log_loss or rmse."""
    return get_metric(_DEFAULTS[task])


def check_target(metric: Metric, y: Floats) -> None:
    """Raise DataError if the metric is not defined for these target values. y: (n,)."""
    if not metric.log_target:
        return
    row = int(np.argmin(y))
    if y[row] < 0:
        raise DataError(
            f"Metric {metric.name!r} needs a target without negative values, but the least one "
            f"is {y[row]:g}.",
            hint="Use rmse or mae.",
        )


@cache
def _table() -> tuple[Metric, ...]:
    """The rows of every file in this package and of installed plug-ins."""
    return tuple(
        metric
        for name in plugins.names(_PACKAGE)
        for metric in plugins.load(_PACKAGE, name, "METRICS")
    )


@cache
def _by_word() -> MappingProxyType[str, Metric]:
    words: dict[str, Metric] = {}
    for metric in _table():
        for word in (metric.name, *metric.aliases):
            if word in words:
                raise ConfigError(
                    f"The name {word!r} stands for two metrics, {words[word].name!r} and "
                    f"{metric.name!r}.",
                    hint="Uninstall or rename the plug-in that adds the second one.",
                )
            words[word] = metric
    return MappingProxyType(words)


def _at_level(name: str, level: str) -> Metric:
    from automl.metrics._quantiles import quantiles_metric
    from automl.metrics.regression import quantile_metric

    try:
        levels = [float(text) for text in level.split(",")]
        return quantile_metric(levels[0]) if len(levels) == 1 else quantiles_metric(levels)
    except ValueError:
        raise ConfigError(
            f"The level {level!r} of metric {name!r} is not a number.",
            hint="For the 90 % quantile write quantile@0.9.",
        ) from None
