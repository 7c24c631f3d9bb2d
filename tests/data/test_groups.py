"""Groups of a sensitive column: levels, bins of numbers, rare ones merged; names that sound so."""

from __future__ import annotations

import numpy as np
import pandas as pd

from automl.data.groups import LEAST_ROWS, group_rows, protected


def test_levels_are_groups_and_rare_ones_are_one() -> None:
    column = pd.Series(["a"] * 300 + ["b"] * 100 + ["c"] * 30 + ["d"] * 25, name="kind")
    groups = group_rows(column)
    assert groups.labels == ("a", "b", "other")
    assert np.bincount(groups.codes).tolist() == [300, 100, 55]


def test_too_few_rows_are_in_no_group() -> None:
    column = pd.Series(["a"] * 300 + ["b"] * (LEAST_ROWS - 1) + [None] * 10, name="kind")
    groups = group_rows(column)
    assert groups.labels == ("a", "other")  # few rows, and few missing cells, are enough together
    assert group_rows(column[:340]).labels == ("a",)
    assert (group_rows(column[:340]).codes[300:] == -1).all()


def test_missing_cells_are_a_group_of_their_own_where_they_are_many() -> None:
    column = pd.Series(["a"] * 300 + [None] * 80 + ["b"] * 90, name="kind")
    groups = group_rows(column)
    assert groups.labels == ("a", "b", "missing")
    assert (groups.codes[300:380] == 2).all()


def test_numbers_are_quarters_at_round_values() -> None:
    age = pd.Series(np.arange(2000) % 80 + 18, name="age")  # 18 to 97, 25 rows each
    groups = group_rows(age)
    assert groups.labels == ("under 38", "38 to 57", "58 to 76", "77 and over")
    assert groups.labels[groups.codes[age.tolist().index(57)]] == "38 to 57"
    assert groups.labels[groups.codes[age.tolist().index(58)]] == "58 to 76"


def test_few_numbers_are_groups_by_size() -> None:
    groups = group_rows(pd.Series([2, 0, 1, 0] * 100, name="sex"))
    assert groups.labels == ("0", "1", "2")
    assert groups.codes[:4].tolist() == [2, 0, 1, 0]


def test_dates_are_bins_of_days() -> None:
    born = pd.Series(pd.date_range("1960-01-01", periods=1000, freq="D"), name="born")
    groups = group_rows(born)
    assert groups.labels[0].startswith("under 1960-")
    assert len(groups.labels) == 4


def test_levels_that_are_called_as_ours_stay_apart() -> None:
    column = pd.Series(["other"] * 60 + ["x"] * 60 + ["y"] * 40 + ["z"] * 40, name="kind")
    assert group_rows(column).labels == ("other", "x", "other (2)")


def test_names_that_sound_protected() -> None:
    sound = ["sex", "Gender", "personal_status_sex", "race", "Age", "age_group", "customerAge"]
    assert protected([*sound, "native-country", "country_of_birth"]) == (
        *sound,
        "native-country",
        "country_of_birth",
    )
    plain = ["median_house_age", "page", "mileage", "country", "trace", "engine_age", "sexton"]
    assert protected(plain) == ()
