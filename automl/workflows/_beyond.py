"""What `predict` gives beyond a prediction: intervals of values, sets of classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.schema import ParsedTable
from automl.features.matrix import Matrix

if TYPE_CHECKING:
    from automl.model.predictor import Predictor


def check_beyond(predictor: Predictor, *, interval: float | None, sets: float | None) -> None:
    """Raise ConfigError unless the model has what is asked of it, at these levels."""
    if interval is not None:
        predictor.conformal_for(interval=True).share(interval)
    if sets is not None:
        predictor.conformal_for(interval=False).share(sets)


def set_texts(
    predictor: Predictor, rows: ParsedTable | Matrix, proba: NDArray[np.float64], level: float
) -> pd.Series[str]:
    """(n,) JSON lists of the labels in each row's set, the likeliest first.

    proba: (n, n_classes) of the rows. JSON, because a label may hold any separator.
    """
    inside = predictor.prediction_sets(rows, level)
    order = np.argsort(-proba, axis=1, kind="stable")
    labels = predictor.classes
    texts = [
        json.dumps([labels[j] for j in ranked if held[j]], ensure_ascii=False)
        for ranked, held in zip(order, inside, strict=True)
    ]
    return pd.Series(texts, dtype="str")
