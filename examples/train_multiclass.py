"""Which grower made a wine? Three classes, probabilities that can be trusted.

python examples/train_multiclass.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.metrics import log_loss

import automl

DATA = Path(__file__).with_name("wine.csv")


def main(output: str = "wine-model", **settings: Any) -> float:
    """The log loss on every fourth row, which training did not see."""
    table = pd.read_csv(DATA)
    held_back = table.index % 4 == 0
    settings = {"time_budget": 30.0, "force": True, **settings}
    result = automl.fit(table[~held_back], target="grower", output=output, **settings)
    print(f"cross-validated {result.metric}: {result.score:.4f}, model in {result.path}")

    predictor = automl.load(result.path)
    new = table[held_back].drop(columns="grower")
    scored = pd.DataFrame(predictor.predict_proba(new), columns=list(predictor.classes))
    scored.insert(0, "prediction", predictor.predict(new))
    print(scored.head().to_string(index=False, float_format="%.3f"))
    truth = table["grower"][held_back]
    score = float(log_loss(truth, scored[list(predictor.classes)], labels=predictor.classes))
    print(f"on {len(new)} new rows: log loss {score:.4f}")
    return score


if __name__ == "__main__":
    main()
