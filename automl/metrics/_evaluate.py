"""All metrics of a task at once."""

from __future__ import annotations

from automl.metrics._lookup import metrics_for
from automl.metrics._threshold import labels_of
from automl.metrics.base import Floats
from automl.task import Task


def evaluate_all(
    task: Task,
    y: Floats,
    prediction: Floats,
    weight: Floats | None = None,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Score by name of every metric of the task; nan where these rows do not define it.

    prediction: (n,) positive probability, (n, n_classes) probabilities, or (n,) values.
    threshold: from which probability on a row of a binary task is called positive.
    """
    labels = labels_of(prediction, threshold) if task.is_classification else prediction
    return {
        metric.name: metric.score(y, labels if metric.needs == "label" else prediction, weight)
        for metric in metrics_for(task)
    }
