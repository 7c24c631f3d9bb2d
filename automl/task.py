"""What is predicted (`Task`) and what a booster minimises to get there (`Objective`)."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """The kind of the target."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        return self is not Task.REGRESSION

    def n_outputs(self, n_classes: int) -> int:
        """Columns of a margin: one raw score per class for multiclass, else one."""
        return n_classes if self is Task.MULTICLASS else 1


class Objective(StrEnum):
    """A training loss that every engine maps to its own parameters.

    The early-stopping loss of a fold is the same function, so that a curve is comparable
    between folds, engines and trials.
    """

    LOGISTIC = "logistic"  # binary log loss on one margin (log-odds)
    SOFTMAX = "softmax"  # multiclass log loss on n_classes margins
    SQUARED = "squared"  # squared error; the curve is the root mean squared error
    ABSOLUTE = "absolute"  # mean absolute error
    QUANTILE = "quantile"  # pinball loss at FitSetup.quantile
