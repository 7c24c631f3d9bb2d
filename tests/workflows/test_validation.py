"""Holdout validation of large tables: when the models are refitted, and what stops training."""

from __future__ import annotations

import numpy as np
import pytest

from automl.data.splits import Folds, Split
from automl.workflows import validation


def holdout(n_train: int) -> Folds:
    split = Split(np.arange(n_train), np.arange(n_train, n_train + 10), 0)
    return Folds((split,), "holdout", "One split.", (), refit=True)


@pytest.mark.parametrize(
    ("n_rows", "budget", "refit"),
    [
        (1_000_000, 300.0, False),
        (1_000_000, 3600.0, True),
        (1_000_000, None, True),
        (100_000, 10.0, True),
    ],
)
def test_a_large_table_is_refitted_only_where_the_budget_has_the_time(n_rows, budget, refit):
    folds = validation._spare_refit(holdout(90), n_rows, 30, budget)
    assert folds.refit is refit
    assert ("ship as trained" in folds.reason) is not refit


def test_rows_that_stop_training_are_a_share_up_to_a_number():
    assert validation.inner_stop(holdout(10_000)) == 0.15
    assert validation.inner_stop(holdout(1_000_000)) == pytest.approx(0.05)
