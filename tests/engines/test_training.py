"""What the adapters share: parameter names, rounds, and splits kept in memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from automl.engines._training import Rounds, Splits, check_names, round_limit, words
from automl.engines.base import FitSetup
from automl.errors import ConfigError
from automl.task import Objective, Task


def setup(**changes: object) -> FitSetup:
    return FitSetup(Task.REGRESSION, Objective.SQUARED, **changes)  # type: ignore[arg-type]


def rounds_until_stop(losses: list[float], **changes: object) -> int:
    rounds = Rounds(setup(**changes))
    for done, loss in enumerate(losses, start=1):
        if not rounds.go_on(loss):
            return done
    return len(losses)


@pytest.mark.parametrize(
    ("losses", "patience", "stops_after"),
    [
        ([5, 4, 3, 4, 4, 2], 2, 5),
        ([5, 4, 4, 4, 4, 4], 3, 5),  # equal is not better
        ([5, 6, 7, 8, 9, 9], 0, 6),  # 0 = never
        ([math.nan, math.nan, 1, 0], 2, 2),
        ([5, 4, 3, 2, 1, 0], 1, 6),
    ],
)
def test_patience(losses: list[float], patience: int, stops_after: int) -> None:
    assert rounds_until_stop(losses, patience=patience) == stops_after


def test_patience_is_shorter_where_the_best_round_came_early() -> None:
    early = [2.0] * 3 + [1.0] + [2.0] * 100
    assert rounds_until_stop(early, patience=40) == 4 + 11  # 10 + a tenth of 4, rounded up
    late = [*range(300, 0, -1), *[999] * 100]
    assert rounds_until_stop(list(map(float, late)), patience=40) == 340


def test_the_clock_is_asked_once_a_round() -> None:
    left = iter([2.0, 1.0, 0.0])
    assert rounds_until_stop([3.0, 2.0, 1.0, 0.0], seconds_left=lambda: next(left)) == 3


def test_rounds_without_validation_have_no_curve() -> None:
    rounds = Rounds(setup(patience=1))
    assert rounds.go_on(None)
    assert rounds.go_on(None)
    assert rounds.curve.shape == (0,)


@pytest.mark.parametrize(("n", "limit"), [(None, 40), (7, 7), (900, 40), (0, 1)])
def test_params_may_lower_but_not_raise_the_round_limit(n: int | None, limit: int) -> None:
    params = {} if n is None else {"n_estimators": n}
    assert round_limit(params, setup(max_trees=40)) == limit


def test_an_unknown_name_is_answered_with_close_ones() -> None:
    known = words("num_leaves learning_rate")
    check_names("lightgbm", {"num_leaves": 3}, known)
    with pytest.raises(ConfigError, match="Did you mean 'num_leaves'") as caught:
        check_names("lightgbm", {"num_leafs": 3}, known)
    assert "'num_leafs'" in caught.value.message


def test_a_split_is_made_once_and_the_oldest_is_dropped() -> None:
    made: list[int] = []
    splits: Splits[int] = Splits(max_splits=2)

    def get(i: int) -> int:
        rows = np.array([i, i + 1])

        def make() -> int:
            made.append(i)
            return i

        return splits.get(rows, rows[:1], n_bytes=1, make=make)

    assert [get(i) for i in (1, 2, 1, 3, 1, 2)] == [1, 2, 1, 3, 1, 2]
    assert made == [1, 2, 3, 2]
    assert len(splits) == 2


def test_splits_are_bounded_in_bytes_but_one_is_always_kept() -> None:
    splits: Splits[str] = Splits(max_bytes=100)
    for i, n_bytes in enumerate((60, 30, 500, 40)):
        splits.get(np.array([i]), None, n_bytes=n_bytes, make=lambda: "split")
        assert len(splits) == (1, 2, 1, 1)[i]


def test_splits_tell_training_from_validation_rows() -> None:
    splits: Splits[int] = Splits()
    keys = [([1, 2], [3]), ([1], [2, 3]), ([1, 2, 3], None), ([1, 2, 3], []), ([2, 1], [3])]
    for i, (train, valid) in enumerate(keys):
        rows = None if valid is None else np.array(valid, dtype=int)
        assert splits.get(np.array(train), rows, n_bytes=1, make=lambda i=i: i) == i
