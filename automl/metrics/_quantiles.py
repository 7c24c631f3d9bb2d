"""Several quantiles at once: their levels, their mean loss, what other metrics take of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from automl.errors import ConfigError
from automl.metrics.base import Floats, Metric
from automl.metrics.regression import pinball
from automl.task import Objective, Task

MOST_LEVELS = 20
_STEM = "quantile@"


def levels_of(name: str) -> tuple[float, ...]:
    """The levels of the metric called `name`, if it is of several; () for any other.

    Raises ValueError unless they are 2 to 20 rising numbers between 0 and 1.
    """
    if not name.startswith(_STEM) or "," not in name:
        return ()
    levels = tuple(float(text) for text in name.removeprefix(_STEM).split(","))
    rise = all(low < high for low, high in zip(levels, levels[1:], strict=False))
    if not (rise and levels[0] > 0.0 and levels[-1] < 1.0 and len(levels) <= MOST_LEVELS):
        raise ValueError(f"{name!r:.100} does not name 2 to {MOST_LEVELS} rising levels")
    return levels


def metric_name(levels: Sequence[float]) -> str:
    """`quantile@0.9`, or `quantile@0.1,0.5,0.9`."""
    return _STEM + ",".join(f"{level:g}" for level in levels)


def quantiles_metric(levels: Sequence[float]) -> Metric:
    """The pinball loss averaged over rows and levels; its prediction is (n, k) values.

    Raises ConfigError unless there are 2 to 20 different levels between 0 and 1.
    """
    known = tuple(sorted(levels))
    name = metric_name(known)
    try:
        if levels_of(name) != known:
            raise ValueError("levels with more than six digits")
    except ValueError as error:
        raise ConfigError(
            f"The levels of metric 'quantile' do not fit: {error}.",
            hint="For the 10 %, 50 % and 90 % quantiles write quantile@0.1,0.5,0.9.",
        ) from None
    return Metric(
        name=name,
        tasks=frozenset({Task.REGRESSION}),
        needs="value",
        higher_is_better=False,
        best=0.0,
        fn=partial(_mean_pinball, levels=known),
        objective={Task.REGRESSION: Objective.QUANTILE},
        title=f"Mean pinball loss at {', '.join(f'{level:g}' for level in known)}",
        quantiles=known,
    )


def _mean_pinball(
    y: Floats, values: Floats, weight: Floats | None, *, levels: tuple[float, ...]
) -> float:
    return float(np.mean([one["loss"] for one in by_level(y, values, levels, weight)]))


def by_level(
    y: Floats, values: Floats, levels: Sequence[float], weight: Floats | None = None
) -> list[dict[str, Any]]:
    """Per level the share of targets at or below their predicted quantile, and its pinball loss.

    values: (n, k), a column per level.
    """
    return [
        {
            "level": level,
            "below": float(np.average(y <= values[:, j], weights=weight)),
            "loss": pinball(y, values[:, j], weight, level=level),
        }
        for j, level in enumerate(levels)
    ]


def middle(levels: Sequence[float]) -> int:
    """The place of the level nearest to the median, which stands for all where one must."""
    return int(np.argmin(np.abs(np.asarray(levels) - 0.5)))


def suited(metric: Metric, prediction: Floats, levels: Sequence[float]) -> Floats:
    """What `metric` takes of a prediction: of several quantiles its own, else the middle one.

    prediction: (n, k) with several `levels`, as it is without.
    """
    if not levels or metric.quantiles:
        return prediction
    stem, _, level = metric.name.partition("@")
    if stem == "quantile" and level and float(level) in levels:
        return np.asarray(prediction[:, list(levels).index(float(level))])
    return np.asarray(prediction[:, middle(levels)])
