"""Faults that were planted in clean tables are found, and clean tables show none.

Asked of 95 of 100 faults of each kind, and of 98 of 100 clean tables for each kind of warning.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from planted import LEAKS, OUTLIERS, PERSONAL, clean, duplicated, unequal

from automl.insight.findings import WARNINGS
from automl.insight.profile import Profile
from automl.workflows.profile import profile

FOUND, FALSE = 0.95, 0.02


def warned(found: Profile) -> set[tuple[str, str | None]]:
    return {(one.kind, one.column) for one in found.findings if one.kind in WARNINGS}


def shares(n_seeds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Share of the planted faults that were found, and of clean tables that were blamed."""
    hits: Counter[str] = Counter()
    tries: Counter[str] = Counter()
    blamed: Counter[str] = Counter()
    for seed in range(n_seeds):
        table = clean(np.random.default_rng(seed))
        blamed.update({kind for kind, _ in warned(profile(table, "y"))})
        rng = np.random.default_rng([seed, 1])
        for kind, faults in (("personal", PERSONAL), ("leak", LEAKS), ("outliers", OUTLIERS)):
            names = list(faults)
            name = names[seed % len(names)]
            planted = table.copy()
            column = faults[name](planted, rng)
            target = "y" if kind == "leak" else None
            tries[kind] += 1
            hits[kind] += (kind, column) in warned(profile(planted, target))
        for kind, whole in (
            ("duplicates", duplicated(table.copy(), rng)),
            ("imbalance", unequal(table.copy(), rng)),
        ):
            tries[kind] += 1
            hits[kind] += (kind, None) in warned(profile(whole, "y"))
    return (
        {kind: hits[kind] / n for kind, n in tries.items()},
        {kind: n / n_seeds for kind, n in blamed.items()},
    )


def test_faults_are_found_and_clean_tables_are_not_blamed() -> None:
    found, blamed = shares(2)
    assert min(found.values()) == 1.0, found
    assert not blamed


@pytest.mark.slow
def test_shares_of_found_faults_and_false_alarms() -> None:
    found, blamed = shares(100)
    assert min(found.values()) >= FOUND, found
    assert max(blamed.values(), default=0.0) <= FALSE, blamed


@pytest.mark.parametrize("kind", PERSONAL)
def test_personal_data_is_found(kind: str) -> None:
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"x": rng.normal(size=300)})
    column = PERSONAL[kind](table, rng)
    found = profile(table)
    assert warned(found) == {("personal", column)}
    told = next(one for one in found.columns if one.name == column)
    assert told.shape is None or told.shape.what, "no value of a person is drawn"
