"""What MLflow loads an exported model with: a bundle as an object with `predict`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from automl.model.bundle import load_bundle
from automl.workflows.predict import PredictOptions, predict_table

if TYPE_CHECKING:
    from automl.model.predictor import Mode, Predictor

_SHOWN = 5


@dataclass(frozen=True)
class PyfuncModel:
    """A predictor that scores tables as `automl predict --proba` does."""

    predictor: Predictor

    def predict(
        self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """`prediction`, and the probabilities of a classification, row by row.

        params: mode, explain, interval and sets as `PredictOptions` has them; 0 = none.
        Cells of the wrong type are scored as missing and named in the log, unless the mode is
        "strict". Raises ConfigError and DataError as `predict_table` does.
        """
        asked = params or {}
        options = PredictOptions(
            proba=self.predictor.task.is_classification,
            mode=cast("Mode", asked.get("mode", "default")),
            explain=int(asked.get("explain", 0)),
            interval=asked.get("interval") or None,
            sets=asked.get("sets") or None,
        )
        self._tell_wrong(model_input, options)
        return predict_table(self.predictor, model_input, options)

    def _tell_wrong(self, rows: pd.DataFrame, options: PredictOptions) -> None:
        parsed = self.predictor.parse(rows, options.mode)
        names = self.predictor.schema.names
        cells = [f"row {row + 1}, {names[i]!r}: {text!r}" for i, row, text in parsed.bad[:_SHOWN]]
        if cells:
            log = logging.getLogger("automl")
            log.warning("%d cells scored as missing: %s", parsed.n_bad, "; ".join(cells))


def _load_pyfunc(data_path: str) -> PyfuncModel:
    """The model in the bundle at `data_path`; MLflow asks for this name.

    Raises BundleError unless all of it is as it was written.
    """
    return PyfuncModel(load_bundle(data_path))
