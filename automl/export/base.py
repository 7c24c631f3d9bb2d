"""An export format writes a predictor into a folder, and scores rows with what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.model.predictor import Predictor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ExportOptions:
    """What a format may need beside the predictor.

    bundle: the verified folder that the predictor was loaded from, for formats that carry it.
    name: a short plain name of the model, of ASCII letters, digits, `-`, `_` and `.`.
    """

    bundle: Path
    name: str


@dataclass(frozen=True)
class Scores:
    """What an exported model says of n rows; what it does not say is None.

    labels: (n,) texts.  probabilities: (n, n_classes) in the order of the bundle's classes.
    values: (n,) of a regression.
    """

    labels: NDArray[np.object_] | None = None
    probabilities: Floats | None = None
    values: Floats | None = None


@dataclass(frozen=True)
class ExportFormat:
    """One format; `FORMAT` of the module automl/export/<name>.py is one of these.

    write: writes the predictor's files into an empty folder, which gets its final name only when
        the verification has passed, and returns notes for the user. It raises ConfigError that
        names the member and a way out when the model cannot be expressed, before it works long.
    score: scores rows with the files in that folder. The cells are those of a delimited file:
        every column of dtype `str`, NaN = missing; columns that the model does not use may be
        there.
    """

    name: str
    summary: str
    write: Callable[[Predictor, Path, ExportOptions], list[str]]
    score: Callable[[Path, pd.DataFrame], Scores]
