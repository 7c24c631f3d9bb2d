"""What a student is taught: a blend's margins and a part of the truth, as a target to regress."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.task import Objective

Floats = NDArray[np.float64]

# The part of the truth in a lesson; the rest is the blend's word.
TRUTH = 0.2
# Least slope of the logistic function that counts: the truth then moves a margin by at most
# TRUTH / 0.05 = 4, the bound that Friedman, Hastie and Tibshirani set (below).
_LEAST_SLOPE = 0.05


def lesson_target(
    margin: Floats, y: Floats, weight: Floats | None, objective: Objective
) -> tuple[Floats, Floats | None]:
    """(target, weight), (n,) each, whose squared error a student minimises.

    margin: (n, 1) of the blend.  y: (n,) class indices or target on the margin's scale.
    Of a squared error: (1 - TRUTH) blend + TRUTH truth. Of a log loss: the working response and
    weights of one Newton step from the blend towards that mixture of probabilities (Friedman,
    Hastie, Tibshirani, Additive Logistic Regression, 2000); the weights keep a student's
    curvature, and so its regularisation, what they are for the log loss. Medians and quantiles
    are the blend's alone: averaged with the truth they would become means.
    """
    known = margin[:, 0]
    if objective is Objective.SQUARED:
        return np.asarray((1.0 - TRUTH) * known + TRUTH * y), weight
    if objective is not Objective.LOGISTIC:
        return known, weight
    small = np.exp(-np.abs(known))
    share = np.where(known >= 0, 1.0, small) / (1.0 + small)
    slope = np.maximum(share * (1.0 - share), _LEAST_SLOPE)
    target = known + TRUTH * (y - share) / slope
    return np.asarray(target), np.asarray(slope if weight is None else weight * slope)
