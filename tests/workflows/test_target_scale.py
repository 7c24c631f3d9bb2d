"""A fit decides by trying whether boosters train on the logarithm of the target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(500, 3))
SIGNAL = 1.5 * FEATURES[:, 0] + FEATURES[:, 1]


@pytest.mark.parametrize(
    ("target", "transform", "kind"),
    [
        (np.exp(SIGNAL + RNG.normal(scale=0.3, size=500)), "auto", "log1p"),
        (np.exp(SIGNAL + RNG.normal(scale=0.3, size=500)), "none", "identity"),
        (np.exp(SIGNAL) - 1.0, "auto", "identity"),  # negative values are no amounts
    ],
)
def test_scale_is_the_one_that_pays(
    target: np.ndarray, transform: str, kind: str, tmp_path: Path
) -> None:
    table = pd.DataFrame(FEATURES, columns=list("abc")).assign(cost=target)
    result = automl.fit(
        table,
        target="cost",
        trials=1,
        folds=3,
        engines=("lightgbm",),
        target_transform=transform,
        output=str(tmp_path / "model"),
        in_process=True,
    )
    link = result.predictor.link
    assert link.kind == kind
    assert bool(link.shifts) == (kind == "log1p")
