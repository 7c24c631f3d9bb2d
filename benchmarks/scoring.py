"""How fast a bundle scores, beside what its boosters and pyarrow alone need for the same rows.

python -m benchmarks.scoring BUNDLE DATA [--rows 1000000] [--rounds 3]

The rows of DATA, a CSV, are repeated. "bare" reads that file with pyarrow, lets each library
predict on a matrix that is ready, with all cores, and writes a file of the columns that the tool
writes with pyarrow. "tool" is the whole command `automl predict` in a process of its own, its
start included. Both take turns; the ratio of each turn and their median are said, of wall and of
CPU seconds. Then the seconds of single records and of small batches in one loaded predictor.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
from pyarrow import csv

from automl.cores import usable_cores
from automl.data.read import read_table
from automl.engines.base import Booster
from automl.features.matrix import Matrix
from automl.model.bundle import load_bundle
from automl.model.predictor import Predictor

BATCHES = (1, 16, 256)
_CHUNK = 65_536
_REPEATS = 200


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of all cores together."""

    wall: float
    cpu: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)

    def __str__(self) -> str:
        return f"{self.wall:.2f} s wall, {self.cpu:.2f} s CPU"


def timed(work: Callable[[], object]) -> Cost:
    """What `work` takes in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def repeated(data: Path, n_rows: int, output: Path) -> None:
    """Write the header of `data`, and its rows again and again up to `n_rows`."""
    with data.open(encoding="utf-8") as file, output.open("w", encoding="utf-8") as copy:
        copy.write(file.readline())
        copy.writelines(islice(cycle(file.readlines()), n_rows))


def library_margin(booster: Booster, matrix: Matrix, threads: int) -> object:
    """The raw scores of a ready matrix by the library's own call; ours where there is none."""
    model: Any = getattr(booster, "_model", None)
    if booster.engine == "lightgbm":
        return model.predict(matrix.values, raw_score=True, num_threads=threads)
    if booster.engine == "xgboost":
        model.set_param({"nthread": threads})
        values = booster._known_levels(matrix)  # type: ignore[attr-defined]
        return model.inplace_predict(values, predict_type="margin", validate_features=False)
    if booster.engine == "catboost" and not booster._native:  # type: ignore[attr-defined]
        values = matrix.values.astype(np.float32)
        return model.predict(values, prediction_type="RawFormulaVal", thread_count=threads)
    booster.threads = threads
    return booster.margin(matrix)


def bare_boosters(predictor: Predictor, matrices: Sequence[Matrix], threads: int) -> Cost:
    """What the boosters alone take; their recipes' features are made before the clock starts."""
    total = Cost(0.0, 0.0)
    for member in predictor.members:
        for fold in member.boosters:
            for plain in matrices:
                matrix = plain if fold.recipe is None else fold.recipe.transform(plain)

                def work(booster: Booster = fold.booster, matrix: Matrix = matrix) -> object:
                    return library_margin(booster, matrix, threads)

                total += timed(work)
    return total


def tool(bundle: Path, data: Path, output: Path) -> tuple[Cost, float]:
    """(cost, peak MiB) of the command in a process of its own."""
    command = [sys.executable, "-m", "automl", "predict", str(bundle), str(data)]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--output", str(output), "--quiet"])
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{' '.join(command)} ended with {process.returncode}.")
    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Cost(wall, usage.ru_utime + usage.ru_stime), usage.ru_maxrss / scale


def turns(bundle: Path, data: Path, n_rows: int, n_turns: int) -> None:
    """Let both score the same rows in turns, and say what each took."""
    predictor, threads = load_bundle(bundle), usable_cores()
    ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        rows, scores, copy = (
            Path(folder, name) for name in ("rows.csv", "scores.csv", "copy.csv")
        )
        repeated(data, n_rows, rows)
        small = predictor.matrix(read_table(data))
        places = np.resize(np.arange(small.n_rows), n_rows)
        matrices = [small.take(places[i : i + _CHUNK]) for i in range(0, n_rows, _CHUNK)]
        for turn in range(1, n_turns + 1):
            cost, peak = tool(bundle, rows, scores)
            table: pa.Table = csv.read_csv(scores)
            reading = timed(lambda: csv.read_csv(rows))
            boosters = bare_boosters(predictor, matrices, threads)
            writing = timed(lambda table=table: csv.write_csv(table, copy))  # type: ignore[misc]
            bare = reading + boosters + writing
            ratios.append((cost.wall / bare.wall, cost.cpu / bare.cpu))
            click.echo(
                f"turn {turn}: bare {bare} (read {reading.cpu:.2f}, boosters {boosters.cpu:.2f}, "
                f"write {writing.cpu:.2f}); tool {cost}, {n_rows / cost.wall:,.0f} rows/s, "
                f"peak {peak:.0f} MiB; ratio {ratios[-1][0]:.2f} wall, {ratios[-1][1]:.2f} CPU"
            )
    wall, cpu = (statistics.median(side) for side in zip(*ratios, strict=True))
    click.echo(f"median ratio: {wall:.2f} wall, {cpu:.2f} CPU")


def small_batches(bundle: Path, data: Path) -> None:
    """Say what records take in a loaded predictor, one by one and in small batches."""
    predictor = load_bundle(bundle)
    predict = predictor.predict_proba if predictor.classes else predictor.predict
    # As a service gets them: cells of Python's own types.
    records = json.loads(read_table(data).head(max(BATCHES)).to_json(orient="records"))
    for n in BATCHES:
        batch = records[:n]
        predict(batch)
        costs = [timed(lambda batch=batch: predict(batch)) for _ in range(_REPEATS)]  # type: ignore[misc]
        wall = statistics.median(cost.wall for cost in costs)
        cpu = statistics.median(cost.cpu for cost in costs)
        click.echo(f"{n:4} records: {1e3 * wall:.2f} ms wall, {1e3 * cpu:.2f} ms CPU")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--rows", type=int, default=1_000_000, help="Rows of the file  [1000000]")
@click.option("--rounds", type=int, default=3, help="Turns; 0 = small batches only  [3]")
def main(bundle: Path, data: Path, rows: int, rounds: int) -> None:
    """Say how fast BUNDLE scores the rows of DATA."""
    if rounds:
        turns(bundle, data, rows, rounds)
    small_batches(bundle, data)


if __name__ == "__main__":
    main()
