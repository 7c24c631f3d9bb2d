"""`--drop-pii` leaves columns with personal data out of the model and out of the bundle."""

from __future__ import annotations

import numpy as np
import pandas as pd

from automl.config import FitConfig
from automl.data.schema import Drop
from automl.ledger import Ledger, Silent
from automl.workflows.training_table import load_training_table


def people(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "x": x,
            "mail": [f"p{i % 40}@example.org" for i in range(n)],
            "last_name": rng.choice(["Ito", "Meyer", "Okafor"], n),
            "phone": rng.integers(2 * 10**9, 9 * 10**9, n),
            "colour": rng.choice(["red", "blue"], n),
            "y": np.where(x > 0, "yes", "no"),
        }
    )


def used(**options: object) -> tuple[list[str], str]:
    ledger = Ledger(Silent())
    config = FitConfig(target="y", **options)  # type: ignore[arg-type]
    table = load_training_table(people(), config, ledger)
    names = [column.name for column in table.schema.columns if column.used]
    for column in table.schema.columns:
        if not column.used:
            assert column.drop is Drop.USER
            assert column.levels == ()
            assert column.minimum is None
    return names, " ".join(f"{entry.decision} {entry.reason}" for entry in ledger.decisions)


def test_columns_of_personal_data_are_left_out() -> None:
    assert used()[0] == ["x", "mail", "last_name", "phone", "colour"]
    names, said = used(drop_pii=True)
    assert names == ["x", "colour"]
    assert "'mail' is not used --drop-pii: e-mail addresses" in said
    assert "'last_name' is not used --drop-pii: names of persons, by its name" in said


def test_what_the_user_says_of_a_column_wins() -> None:
    names, _ = used(drop_pii=True, column={"last_name": "categorical"}, weight_column=None)
    assert names == ["x", "last_name", "colour"]
