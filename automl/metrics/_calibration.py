"""How far probabilities are from the frequencies that they promise."""

from __future__ import annotations

import numpy as np

from automl.metrics.base import Floats

BINS = 15


def calibration_error(
    y: Floats, proba: Floats, weight: Floats | None = None, *, bins: int = BINS
) -> float:
    """Expected calibration error: mean over bins of |mean probability - share of hits|, by weight.

    The bins hold equally many rows in the order of the probability: of the positive class for
    (n,) probabilities, of the likeliest class for (n, n_classes).
    Source: Naeini et al., Obtaining well calibrated probabilities using Bayesian binning, 2015;
    equal-mass bins: Nguyen and O'Connor, Posterior calibration and exploratory analysis, 2015.
    """
    if proba.ndim == 1:
        likely, hit = proba, np.asarray(y > 0.5, dtype=np.float64)
    else:
        top = proba.argmax(axis=1)
        likely = proba[np.arange(len(y)), top]
        hit = np.asarray(top == y.astype(np.intp), dtype=np.float64)
    mass = np.ones(len(y)) if weight is None else weight
    order = np.argsort(likely, kind="stable")
    excess = (mass * (likely - hit))[order]
    starts = np.unique((np.arange(min(bins, len(y))) * len(y)) // min(bins, len(y)))
    return float(np.abs(np.add.reduceat(excess, starts)).sum() / mass.sum())
