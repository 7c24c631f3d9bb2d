"""Data sets to benchmark on: folders of train.csv, test.csv, meta.json, or CSV files to split."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.read import read_table
from automl.data.target import infer_target
from automl.errors import ConfigError, DataError, did_you_mean
from automl.task import Task

_TEST_SHARE = 0.25
_META = "meta.json"
_LAYOUT = (
    "A suite is a folder of NAME/train.csv, NAME/test.csv and NAME/meta.json, a folder of CSV "
    "files with --target, or one CSV file with --target."
)


@dataclass(frozen=True)
class Score:
    """What a task is scored by: its name in results, the tool's metric, its direction."""

    name: str
    metric: str
    title: str
    higher_is_better: bool

    def loss(self, value: float) -> float:
        return -value if self.higher_is_better else value


# AMLB's choices (Gijsbers et al., AMLB: an AutoML Benchmark, JMLR 2024).
SCORES: Mapping[Task, Score] = MappingProxyType(
    {
        Task.BINARY: Score("auc", "roc_auc", "AUC", True),
        Task.MULTICLASS: Score("logloss", "log_loss", "log loss", False),
        Task.REGRESSION: Score("rmse", "rmse", "RMSE", False),
    }
)


@dataclass(frozen=True)
class DataSet:
    """One data set: a table to train on, a table to score, and what is predicted."""

    name: str
    target: str
    task: Task
    folder: Path

    @property
    def train(self) -> Path:
        return self.folder / "train.csv"

    @property
    def test(self) -> Path:
        return self.folder / "test.csv"

    @property
    def score(self) -> Score:
        return SCORES[self.task]


def find_sets(
    suite: Path, *, target: str | None, only: Sequence[str], splits: Path
) -> tuple[DataSet, ...]:
    """The data sets of `suite` by name; single CSV files are split into `splits` first.

    only: names to take; all if empty.  Raises ConfigError where there is none, DataError where
    one is not whole.
    """
    found = _whole_sets(suite) if suite.is_dir() else []
    if not found:
        found = list(_split_sets(suite, target, only, splits))
    known = [one.name for one in found]
    for name in only:
        if name not in known:
            hint = did_you_mean(name, known) or f"Sets: {', '.join(known)}."
            raise ConfigError(f"There is no set {name!r} in {suite}.", hint=hint)
    chosen = tuple(one for one in found if not only or one.name in only)
    if not chosen:
        raise ConfigError(f"There is no data set in {suite}.", hint=_LAYOUT)
    return chosen


def _whole_sets(suite: Path) -> list[DataSet]:
    if (suite / _META).is_file():
        return [_read_meta(suite / _META)]
    return [_read_meta(path) for path in sorted(suite.glob(f"*/{_META}"))]


def _read_meta(path: Path) -> DataSet:
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        one = DataSet(
            str(meta.get("name", path.parent.name)),
            str(meta["target"]),
            Task(meta["task"]),
            path.parent,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} does not describe a data set: {type(error).__name__}: {error}.",
            hint='It holds {"name": …, "target": …, "task": "binary|multiclass|regression"}.',
        ) from None
    for table in (one.train, one.test):
        if not table.is_file():
            raise DataError(f"{table} is missing.", hint=_LAYOUT)
    return one


def _split_sets(
    suite: Path, target: str | None, only: Sequence[str], splits: Path
) -> Iterator[DataSet]:
    files = [suite] if suite.is_file() else sorted(suite.glob("*.csv"))
    if files and target is None:
        raise ConfigError(
            f"{suite} has no {_META}, so the target is not known.", hint="Pass --target COLUMN."
        )
    for path in files:
        if not only or path.stem in only:
            yield _split(path, str(target), splits / path.stem)


def _split(path: Path, target: str, home: Path) -> DataSet:
    """Three quarters of the rows to train on and the rest to score, the same ones every time.

    Classes keep their shares. Rows without a target are left out.
    """
    if (home / _META).is_file():
        one = _read_meta(home / _META)
        if one.target == target and one.test.stat().st_mtime >= path.stat().st_mtime:
            return one
    table = read_table(path)
    if target not in table.columns:
        hint = did_you_mean(target, map(str, table.columns))
        raise DataError(f"{path} has no column {target!r}.", hint=hint)
    table = table[table[target].notna()].reset_index(drop=True)
    task = infer_target(table[target], name=target).task
    rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
    strata = None if task is Task.REGRESSION else table[target]
    test = _test_rows(rng, len(table), strata)
    home.mkdir(parents=True, exist_ok=True)
    for rows, stem in ((~test, "train"), (test, "test")):
        table[rows].to_csv(home / f"{stem}.csv", index=False, encoding="utf-8")
    meta = {"name": path.stem, "target": target, "task": task.value}
    (home / _META).write_text(json.dumps(meta), encoding="utf-8")
    return _read_meta(home / _META)


def _test_rows(
    rng: np.random.Generator, n: int, strata: pd.Series[str] | None
) -> NDArray[np.bool_]:
    """(n,) mask of the rows to score: every fourth of a random order, stratum after stratum."""
    order = rng.permutation(n)
    if strata is not None:
        codes = pd.factorize(strata)[0]
        order = order[np.argsort(codes[order], kind="stable")]
    every = round(1.0 / _TEST_SHARE)
    mask = np.zeros(n, dtype=np.bool_)
    mask[order[every - 1 :: every]] = True
    return mask
