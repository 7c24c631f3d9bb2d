"""Is a tumour malignant? Train, score rows that were held back, and say why.

python examples/train_binary.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.metrics import roc_auc_score

import automl

DATA = Path(__file__).with_name("breast_cancer.csv")


def main(output: str = "breast-cancer-model", **settings: Any) -> float:
    """The area under the ROC curve on every fifth row, which training did not see."""
    table = pd.read_csv(DATA)
    held_back = table.index % 5 == 0
    settings = {"time_budget": 30.0, "force": True, **settings}
    result = automl.fit(table[~held_back], target="diagnosis", output=output, **settings)
    print(f"cross-validated {result.metric}: {result.score:.4f}, model in {result.path}")

    predictor = automl.load(result.path)
    new = table[held_back].drop(columns="diagnosis")
    probability = predictor.predict_proba(new)[:, 1]
    score = float(roc_auc_score(table["diagnosis"][held_back] == predictor.positive, probability))
    print(f"on {len(new)} new rows: {score:.4f}")

    reasons = predictor.explain(new.head(1)).top(3)
    why = zip(reasons.columns[0], reasons.values[0], reasons.contributions[0], strict=True)
    print(
        f"probability of {predictor.positive!r} for the first one: {probability[0]:.3f}, because"
    )
    for column, value, contribution in why:
        print(f"  {column} = {value}: {contribution:+.3f} log-odds")
    return score


if __name__ == "__main__":
    main()
