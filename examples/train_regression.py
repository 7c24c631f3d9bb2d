"""How far does a disease progress in a year? A number, and what moves it overall.

python examples/train_regression.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.metrics import root_mean_squared_error

import automl

DATA = Path(__file__).with_name("diabetes.csv")


def main(output: str = "diabetes-model", **settings: Any) -> float:
    """The root mean squared error on every fifth row, which training did not see."""
    table = pd.read_csv(DATA)
    held_back = table.index % 5 == 0
    settings = {"time_budget": 30.0, "force": True, **settings}
    result = automl.fit(table[~held_back], target="progress", output=output, **settings)
    print(f"cross-validated {result.metric}: {result.score:.2f}, model in {result.path}")

    predictor = automl.load(result.path)
    new = table[held_back].drop(columns="progress")
    score = float(root_mean_squared_error(table["progress"][held_back], predictor.predict(new)))
    print(f"on {len(new)} new rows: {score:.2f}")

    importance = predictor.explain(new).global_importance().table()
    print(importance.head().to_string(index=False, float_format="%.3f"))
    return score


if __name__ == "__main__":
    main()
