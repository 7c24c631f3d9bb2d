"""Leaks and other findings, and what must not be taken for one."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from automl.data.audit import Finding, audit
from automl.data.schema import Column, Kind, ParsedTable, Schema
from automl.task import Task

NAMES = ("no", "yes")


def look(
    y: np.ndarray,
    task: Task = Task.BINARY,
    *,
    classes: tuple[str, ...] = NAMES,
    duplicates: np.ndarray | None = None,
    missing: float = 0.0,
    **columns: object,
) -> tuple[Finding, ...]:
    """Findings on `columns`: floats are numeric, ints are category codes, str Series are text."""
    kinds, values = [], {}
    for i, (name, cells) in enumerate(columns.items()):
        kind = Kind.TEXT if isinstance(cells, pd.Series) else Kind.NUMERIC
        if isinstance(cells, np.ndarray) and np.issubdtype(cells.dtype, np.integer):
            kind, cells = Kind.CATEGORICAL, cells.astype(np.int32)
        kinds.append(Column(name, kind, "text", "", missing=missing))
        values[i] = cells
    parsed, schema = ParsedTable(len(y), values), Schema(tuple(kinds))
    names = classes if task.is_classification else ()
    return audit(parsed, schema, y, task, classes=names, duplicates=duplicates)


def leaks(y: np.ndarray, task: Task = Task.BINARY, **columns: object) -> dict[str | None, str]:
    classes = tuple(str(c) for c in range(int(y.max()) + 1)) if task.is_classification else ()
    found = look(y, task, classes=classes, **columns)
    return {finding.column: finding.text for finding in found if finding.kind == "leak"}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("kind", ["numbers", "codes", "text", "with holes"])
def test_a_copy_of_the_classes_is_called_a_copy(rng: np.random.Generator, kind: str) -> None:
    y = rng.integers(0, 3, 500).astype(float)
    other = (2 - y).astype(int)
    copy = {
        "numbers": y * 10.0,
        "codes": other,
        "text": pd.Series(np.array(["a b", "b c", "c d"])[other], dtype="str"),
        "with holes": np.where(np.arange(500) % 5 == 0, np.nan, y),
    }[kind]
    found = leaks(y, Task.MULTICLASS, noise=rng.normal(size=500), twin=copy)
    assert found.keys() == {"twin"}
    assert "'twin' is a copy of the target under another name" in found["twin"]
    assert "each of its 3 values stands for exactly one class" in found["twin"]
    assert ("have a value" in found["twin"]) == (kind == "with holes")


def test_a_copy_of_the_values_is_called_a_copy(rng: np.random.Generator) -> None:
    y = rng.lognormal(3.0, 1.0, 400)
    found = leaks(
        y,
        Task.REGRESSION,
        same=y.copy(),
        cents=np.where(rng.random(400) < 0.2, np.nan, y * -100.0 + 7.0),
        noisy=y * rng.normal(1.0, 0.1, 400),
    )
    assert found.keys() == {"same", "cents"}
    assert "is a copy of the target under another name: equal in all 400 rows" in found["same"]
    assert "copy of the target in another unit" in found["cents"]


def test_the_hint_says_how_to_drop_the_column(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 100).astype(float)
    (finding,) = look(y, twin=y.copy())
    assert (finding.kind, finding.column) == ("leak", "twin")
    assert "--drop twin" in finding.hint


def test_a_column_that_nearly_gives_the_class_is_a_leak(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 2000).astype(float)
    wrong = rng.random(2000) < 0.003
    found = leaks(
        y,
        almost=np.where(wrong, 1 - y, y),
        paid_back=np.where(y == 1, np.nan, rng.normal(size=2000)),
        bands=np.where(y == 1, rng.integers(1, 4, 2000), rng.integers(4, 6, 2000)),
        hill=np.where(y == 1, rng.uniform(-1, 1, 2000), rng.choice([-2.0, 2.0], 2000)),
        good=y + rng.normal(0.0, 0.6, 2000),
    )
    assert found.keys() == {"almost", "paid_back", "bands", "hill"}
    assert all("alone predicts the target nearly perfectly (ROC AUC" in t for t in found.values())


def test_a_column_that_nearly_gives_the_value_is_a_leak(rng: np.random.Generator) -> None:
    y = rng.uniform(1.0, 9.0, 3000)
    found = leaks(
        y,
        Task.REGRESSION,
        log=np.log(y) + rng.normal(0.0, 0.001, 3000),
        level=np.arange(3000) % 7,
        good=y + rng.normal(0.0, 0.5, 3000),
    )
    assert found.keys() == {"log"}
    assert "R²" in found["log"]
    steps = rng.integers(0, 30, 3000)
    by_level = steps**2 + rng.normal(0.0, 0.1, 3000)
    assert leaks(by_level, Task.REGRESSION, level=steps).keys() == {"level"}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS, Task.REGRESSION])
def test_noise_with_thousands_of_levels_is_no_leak(seed: int, task: Task) -> None:
    rng = np.random.default_rng(seed)
    n = 5000
    y = rng.normal(size=n) if task is Task.REGRESSION else rng.integers(0, 2, n).astype(float)
    columns = {
        "many": rng.integers(0, 2000, n),
        "unique": rng.permutation(n),
        "number": rng.normal(size=n),
        "holes": np.where(rng.random(n) < 0.9, np.nan, rng.normal(size=n)),
        "empty": np.full(n, np.nan),
        "constant": np.full(n, 3.0),
        "text": pd.Series([f"row {i}" for i in rng.integers(0, 3000, n)], dtype="str"),
    }
    assert leaks(y, task, **columns) == {}


def test_rows_written_twice_do_not_make_their_identifier_a_leak(rng: np.random.Generator) -> None:
    y = np.tile(rng.integers(0, 2, 500), 9).astype(float)
    identifier = np.tile(np.arange(500), 9)
    assert leaks(y, id=identifier, duplicates=identifier) == {}
    assert leaks(y, id=identifier).keys() == {"id"}  # without the ids it looks like one


def test_small_tables_give_no_evidence() -> None:
    y = np.array([0.0] * 16 + [1.0] * 4)
    assert leaks(y, twin=y.copy()) == {}
    assert leaks(np.arange(8.0), Task.REGRESSION, twin=np.arange(8.0)) == {}


def test_infinite_and_huge_cells_do_no_harm(rng: np.random.Generator) -> None:
    y = rng.normal(size=300)
    huge = rng.normal(size=300) * 1e300
    huge[::3] = np.inf
    assert leaks(y, Task.REGRESSION, huge=huge) == {}
    assert leaks((y > 0).astype(float), huge=huge) == {}


def test_repeated_rows_are_counted() -> None:
    y = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0] * 5)
    ids = np.arange(30)
    ids[[1, 3]] = 0  # rows 0, 1, 3 are equal; row 1 is of another class
    (finding,) = look(y, duplicates=ids)
    assert finding.kind == "duplicates"
    assert finding.text.startswith("2 of 30 rows repeat an earlier row")
    assert "3 rows have equals of another class" in finding.text
    assert look(y, duplicates=np.arange(30)) == ()


def test_rare_classes_and_imbalance_name_the_class() -> None:
    y = np.repeat([0.0, 1.0], [990, 10])
    (imbalance,) = look(y)
    assert imbalance.kind == "imbalance"
    assert "'yes' is 1.00% of the rows (10 of 1,000)" in imbalance.text
    rare, _ = look(np.repeat([0.0, 1.0], [3, 997]))
    assert (rare.kind, rare.text[:13]) == ("rare_class", "'no' (3 rows)")
    assert look(np.repeat([0.0, 1.0], [100, 10])) == ()
    classes = tuple("abcdefgh")
    (many,) = look(np.repeat(np.arange(8.0), [2] * 7 + [99]), Task.MULTICLASS, classes=classes)
    assert "'e' (2 rows) and 2 more" in many.text


def test_mostly_missing_columns_are_named() -> None:
    y = np.tile([0.0, 1.0], 20)
    (finding,) = look(y, missing=0.75, fax=np.zeros(40))
    assert (finding.kind, finding.column) == ("missing", "fax")
    assert "'fax' (75.0%)" in finding.text
    (finding,) = look(y, missing=0.75, fax=np.zeros(40), telex=np.zeros(40))
    assert finding.column is None
    assert look(y, missing=0.5, fax=np.zeros(40)) == ()


def test_a_usual_table_is_audited_at_once(rng: np.random.Generator) -> None:
    n = 36_000
    y = rng.integers(0, 2, n).astype(float)
    columns = {f"x{i}": rng.normal(size=n) for i in range(8)}
    columns |= {f"c{i}": rng.integers(0, 50, n) for i in range(6)}
    started = time.perf_counter()
    assert leaks(y, **columns) == {}
    assert time.perf_counter() - started < 1.0  # 0.05 s alone on a usual core


def test_the_same_table_gives_the_same_findings(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 300).astype(float)
    near = y + rng.normal(0.0, 0.2, 300)
    assert look(y, near=near) == look(y, near=near)
