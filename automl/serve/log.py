"""Requests and their answers, kept as Parquet files for later monitoring.

A table per model: time, model, the used columns as text, the prediction and its probabilities.
Columns that hold personal data are left out, and so is the answer's text of reasons. Rows are
kept in memory for a while and written as one file; old files go when the folder grows too large.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from automl.data.cells import level_text, read_cells
from automl.data.personal import find_personal
from automl.data.schema import Column, Kind
from automl.errors import ConfigError
from automl.serve.metrics import Metrics
from automl.serve.models import Model
from automl.serve.rows import Rows

_WAITING_ROWS = 100_000  # in memory; what comes beyond them is counted and not kept
_LONGEST_CELL = 2000


@dataclass(frozen=True)
class LogOptions:
    """Where requests are kept, and how much of them.

    sample: share of the requests.  max_mb: of all files; the oldest go first.
    rows, seconds: a file is written when it has so many rows, or so long after the first.
    """

    folder: Path
    sample: float = 1.0
    max_mb: int = 1024
    rows: int = 20_000
    seconds: float = 30.0

    def __post_init__(self) -> None:
        if not 0.0 < self.sample <= 1.0:
            raise ConfigError(f"--log-sample is {self.sample}.", hint="Give 0.01 to 1.")
        if self.max_mb < 1:
            raise ConfigError(f"--log-max-mb is {self.max_mb}, but must be at least 1.")


class Log:
    """Takes rows from any thread and writes them in a thread of its own."""

    def __init__(self, options: LogOptions, metrics: Metrics, say: Callable[[str], None]) -> None:
        self._options = options
        self._metrics = metrics
        self._say = say
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[float, Model, Rows, Sequence[Mapping[str, Any]]]]] = {}
        self._n_rows = 0
        self._wake = threading.Event()
        self._ended = False
        self._personal: dict[str, frozenset[str]] = {}
        self._random = random.Random()  # noqa: S311 - a sample, no secret
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def add(self, model: Model, rows: Rows, answers: Sequence[Mapping[str, Any]]) -> None:
        """Keep a request and its answer, if the sample wants it."""
        sample = self._options.sample
        if sample < 1.0 and self._random.random() >= sample:
            return
        with self._lock:
            if self._n_rows + rows.n > _WAITING_ROWS:
                self._metrics.count("automl_log_dropped_rows_total", rows.n, model=model.name)
                return
            self._waiting.setdefault(model.name, []).append((time.time(), model, rows, answers))
            self._n_rows += rows.n
            if self._n_rows >= self._options.rows:
                self._wake.set()

    def close(self) -> None:
        """Write what waits, and end."""
        self._ended = True
        self._wake.set()
        self._thread.join(30.0)

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(self._options.seconds)
            self._wake.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        with self._lock:
            waiting, self._waiting, self._n_rows = self._waiting, {}, 0
        for name, entries in waiting.items():
            by_bundle: dict[str, list[Any]] = {}
            for entry in entries:
                by_bundle.setdefault(entry[1].id, []).append(entry)
            for found in by_bundle.values():
                n = sum(entry[2].n for entry in found)
                try:
                    self._write_file(found)
                except (OSError, pa.ArrowException) as error:
                    self._metrics.count("automl_log_dropped_rows_total", n, model=name)
                    self._say(f"The log could not be written: {error}")
                    continue
                self._metrics.count("automl_logged_rows_total", n, model=name)

    def _write_file(self, entries: list[Any]) -> None:
        model: Model = entries[0][1]
        table = self._table(model, entries)
        folder = self._options.folder / model.name
        folder.mkdir(parents=True, exist_ok=True)
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        file = folder / f"{moment}-{model.id[:12]}-{secrets.token_hex(4)}.parquet"
        part = file.with_suffix(".part")
        parquet.write_table(table, part, compression="zstd")
        part.replace(file)
        self._remove_old()

    def _table(self, model: Model, entries: list[Any]) -> Any:
        if model.id not in self._personal:
            self._personal[model.id] = personal_columns(model.reader.columns)
        hidden = self._personal[model.id]
        moments = [
            datetime.fromtimestamp(at, UTC) for at, _, rows, _ in entries for _ in range(rows.n)
        ]
        columns: dict[str, Any] = {
            "_time": pa.array(moments, pa.timestamp("us", "UTC")),
            "_model": pa.array([model.id] * len(moments), pa.string()),
        }
        for j, column in enumerate(model.reader.columns):
            if column.name in hidden:
                continue
            cells = [_text(cell) for _, _, rows, _ in entries for cell in rows.given[j]]
            columns[column.name] = pa.array(cells, pa.string())
        answers = [answer for *_, found in entries for answer in found]
        kind = pa.string() if model.predictor.classes else pa.float64()
        columns["_prediction"] = pa.array([answer["prediction"] for answer in answers], kind)
        for label in model.predictor.classes:
            shares = [answer["probabilities"][label] for answer in answers]
            columns[f"_proba_{label}"] = pa.array(shares, pa.float64())
        return pa.Table.from_arrays(list(columns.values()), names=list(columns))

    def _remove_old(self) -> None:
        files = sorted(self._options.folder.glob("*/*.parquet"), key=lambda file: file.name)
        sizes = [file.stat().st_size for file in files]
        total = sum(sizes)
        for file, size in zip(files[:-1], sizes, strict=False):
            if total <= self._options.max_mb << 20:
                return
            file.unlink(missing_ok=True)
            total -= size


def personal_columns(columns: Sequence[Column]) -> frozenset[str]:
    """Names of columns with personal data, as far as the schema tells: by name and by levels."""
    found = set()
    for column in columns:
        if column.hash_key:
            found.add(column.name)
            continue
        known: Sequence[Any] = column.levels or column.bins
        if column.kind is Kind.TEXT:
            known = ["some words"]
        if known and find_personal(column.name, read_cells(pd.Series(list(known))), column.kind):
            found.add(column.name)
    return frozenset(found)


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, (dict, list)):
        return None
    if isinstance(cell, float):
        return level_text(cell)
    return str(cell)[:_LONGEST_CELL]
