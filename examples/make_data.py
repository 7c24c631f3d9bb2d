"""Write the example tables from data that ship with scikit-learn; nothing is downloaded.

    python examples/make_data.py

breast_cancer.csv  569 rows, binary: is a tumour malignant? (Wolberg, Street, Mangasarian 1995)
wine.csv           178 rows, three classes: which grower made a wine? (Aeberhard, Forina 1991)
diabetes.csv       442 rows, a number: progress of a disease in a year (Efron et al. 2004)

In each table one or two measurements are given as bands, as they often are in practice.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

HERE = Path(__file__).parent


def breast_cancer() -> pd.DataFrame:
    """Cell measurements; the mean radius as a band, `diagnosis` is the target."""
    found = load_breast_cancer(as_frame=True)
    table = found.frame.drop(columns="target").rename(columns=lambda name: name.replace(" ", "_"))
    radius = pd.cut(table.pop("mean_radius"), [0, 12, 15, 99], labels=["small", "medium", "large"])
    table.insert(0, "size", radius)
    table["diagnosis"] = found.target_names[found.target]
    return table


def wine() -> pd.DataFrame:
    """Chemical analyses; the alcohol as a band, `grower` is the target."""
    found = load_wine(as_frame=True)
    table = found.frame.drop(columns="target")
    alcohol = pd.cut(table.pop("alcohol"), [0, 12.5, 13.5, 99], labels=["light", "medium", "full"])
    table.insert(0, "body", alcohol)
    table["grower"] = [f"grower {'ABC'[code]}" for code in found.target]
    return table


def diabetes() -> pd.DataFrame:
    """Ten facts per patient in their own units; the age as a band, `progress` is the target."""
    found = load_diabetes(as_frame=True, scaled=False)
    table = found.frame.rename(columns={"target": "progress"})
    bands = ["under 35", "35 to 49", "50 to 64", "65 and over"]
    table["age"] = pd.cut(table["age"], [0, 34, 49, 64, 200], labels=bands)
    # The source says only that there are two codes, so they stay codes.
    table["sex"] = "code " + table["sex"].astype(int).astype(str)
    return table


def main(folder: Path = HERE) -> list[Path]:
    """Write the three tables; comes back with their paths."""
    written = []
    for make in (breast_cancer, wine, diabetes):
        path = folder / f"{make.__name__}.csv"
        make().to_csv(path, index=False, float_format="%.7g", lineterminator="\n")
        written.append(path)
    return written


if __name__ == "__main__":
    for path in main():
        print(path)
