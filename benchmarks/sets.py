"""Data sets of the laboratory: those of `automl benchmark`, and the targets of test rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from automl.benchmark.sets import DataSet as Whole
from automl.benchmark.sets import find_sets as find_whole
from automl.task import Task


class DataSet(Whole):
    """A data set with the name of the tool's metric for its task."""

    @property
    def metric(self) -> str:
        return self.score.metric


def find_sets(folder: Path, only: Sequence[str] = ()) -> list[DataSet]:
    """The data sets FOLDER/NAME/{train,test}.csv, meta.json by name; ConfigError without any."""
    found = find_whole(folder, target=None, only=only, splits=folder)
    return [DataSet(one.name, one.target, one.task, one.folder) for one in found]


def truth(one: DataSet) -> pd.Series:
    """The target of the test rows: texts, or numbers for regression."""
    dtype = float if one.task is Task.REGRESSION else str
    return pd.read_csv(one.test, usecols=[one.target], dtype={one.target: dtype})[one.target]
