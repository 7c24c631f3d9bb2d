"""The rows of a table for a predictor: read and parsed chunk by chunk, and counted."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from automl.data.parse import UNSEEN
from automl.data.read import ReadOptions, read_chunks
from automl.data.schema import Kind, ParsedTable
from automl.errors import ConfigError
from automl.model.bundle import load_bundle
from automl.search.cores import usable_cores

if TYPE_CHECKING:
    from automl.model.predictor import Mode, Predictor

T = TypeVar("T")

# Rows in memory at a time; of `SHARED_CHUNK_ROWS` there may be one for each core.
# Contributions hold a number per row, output and feature.
CHUNK_ROWS = 50_000
SHARED_CHUNK_ROWS = 16_384
EXPLAINED_CHUNK_ROWS = 10_000
# From so many rows on, scoring and explaining a chunk is worth several threads.
MANY_ROWS = 10_000
MANY_EXPLAINED_ROWS = 500
# Cells of the wrong type that are named one by one.
SHOWN_CELLS = 5
_LISTED = 8


@dataclass(frozen=True)
class Chunk:
    """Some rows in the order of the file: their cells as read and as typed.

    first_row: number of the first one; 1 = the first row of data.
    """

    frame: pd.DataFrame
    parsed: ParsedTable
    first_row: int


@dataclass(frozen=True)
class BadCell:
    """A cell that does not have its column's type; row 1 is the first row of data."""

    row: int
    column: str
    text: str


@dataclass
class Tally:
    """What was found in the cells of a table so far.

    n_bad: cells scored as missing because they do not have the column's type; bad names the first
    few.  unseen: cells by column whose level was not in the training data.  extra: columns of the
    data that the model does not know.  absent: columns that were filled as missing (lenient).
    """

    n_rows: int = 0
    n_bad: int = 0
    bad: list[BadCell] = field(default_factory=list)
    unseen: Counter[str] = field(default_factory=Counter)
    extra: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def n_unseen(self) -> int:
        return self.unseen.total()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def add(self, predictor: Predictor, chunk: Chunk) -> None:
        """Count one more chunk."""
        schema, parsed = predictor.schema, chunk.parsed
        known = {*schema.names, predictor.target}
        there = set(chunk.frame.columns)
        self.extra = tuple(name for name in chunk.frame.columns if name not in known)
        self.absent = tuple(name for name in predictor.columns if name not in there)
        self.n_rows += parsed.n_rows
        self.n_bad += parsed.n_bad
        for i, row, text in parsed.bad[: SHOWN_CELLS - len(self.bad)]:
            self.bad.append(BadCell(chunk.first_row + row, schema.columns[i].name, text))
        for i in schema.used:
            if schema.columns[i].kind is Kind.CATEGORICAL:
                unseen = int(np.count_nonzero(np.asarray(parsed.values[i]) == UNSEEN))
                if unseen:
                    self.unseen[schema.columns[i].name] += unseen


def open_predictor(bundle: Path | str | Predictor, threads: int | None) -> Predictor:
    """The predictor in `bundle`; a predictor comes back as it is.

    Raises BundleError; ConfigError for a number of threads below 1.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"--threads is {threads}, but must be at least 1.")
    return load_bundle(Path(bundle)) if isinstance(bundle, str | Path) else bundle


def set_threads(predictor: Predictor, asked: int | None, *, many_rows: bool) -> None:
    """Score with the threads asked for, else with all cores if there are many rows.

    Few rows are scored sooner than threads have met: on a busy machine two threads took 0.5 s
    for 1,700 rows, one took 0.2 s.
    """
    predictor.threads = asked or (usable_cores() if many_rows else 1)


def chunks_of(
    predictor: Predictor,
    data: Path | str,
    *,
    read: ReadOptions,
    mode: Mode,
    chunk_rows: int,
    tally: Tally,
    limit: int | None = None,
) -> Iterator[Chunk]:
    """The chunks of the table `data`, each counted in `tally` as it is given out.

    limit: take only so many rows from the top.

    At least one chunk comes out, and none is empty. Raises DataError if a chunk does not fit the
    schema in this mode.
    """
    options = _like_training(predictor, read)
    for table in read_chunks(data, options=options, chunk_rows=chunk_rows):
        left = len(table.frame) if limit is None else limit - tally.n_rows
        if left <= 0:
            return
        chunk = _typed(predictor, table.frame.iloc[:left], table.first_row, mode)
        tally.add(predictor, chunk)
        yield chunk


def worked_chunks(  # noqa: PLR0913 - what `chunks_of` takes, and the work
    predictor: Predictor,
    data: Path | str,
    work: Callable[[Chunk], T],
    *,
    read: ReadOptions,
    mode: Mode,
    chunk_rows: int,
    tally: Tally,
    threads: int,
) -> Iterator[T]:
    """What `work` makes of each chunk, in the order of the file; as `chunks_of` otherwise.

    While the next rows are read, `threads` chunks are typed and worked on: parsing and scoring
    leave Python's lock for most of their time.
    """

    def task(frame: pd.DataFrame, first_row: int) -> tuple[Chunk, T]:
        chunk = _typed(predictor, frame, first_row, mode)
        return chunk, work(chunk)

    def told(future: Future[tuple[Chunk, T]]) -> T:
        chunk, made = future.result()
        tally.add(predictor, chunk)
        return made

    waiting: deque[Future[tuple[Chunk, T]]] = deque()
    options = _like_training(predictor, read)
    with ThreadPoolExecutor(threads) as pool:
        try:
            for table in read_chunks(data, options=options, chunk_rows=chunk_rows):
                waiting.append(pool.submit(task, table.frame, table.first_row))
                if len(waiting) > threads:  # rows in memory stay bounded
                    yield told(waiting.popleft())
            while waiting:
                yield told(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()


def _typed(predictor: Predictor, frame: pd.DataFrame, first_row: int, mode: Mode) -> Chunk:
    first_row += 1  # people count the first row of data as row 1
    return Chunk(frame, predictor.parse(frame, mode, first_row), first_row)


def _like_training(predictor: Predictor, read: ReadOptions) -> ReadOptions:
    """`read` with the missing markers that the training table was read with.

    Delimiter and encoding belong to a file, but what counts as missing belongs to the model.
    """
    config = predictor.manifest.get("config")
    if not isinstance(config, Mapping):
        return read
    markers = (*read.na_values, *(str(text) for text in config.get("na_value") or ()))
    return replace(
        read,
        na_values=tuple(dict.fromkeys(markers)),
        keep_na=read.keep_na or bool(config.get("keep_na")),
    )


def refuse_inputs(output: Path, inputs: Sequence[Path | str]) -> None:
    """Raise ConfigError if writing `output` would change the data or the bundle."""
    target = output.resolve()
    for path in map(Path, inputs):
        source = path.resolve()
        inside = source.is_dir() and source in target.parents
        same = output.exists() and source.exists() and output.samefile(path)
        if target == source or inside or same:
            raise ConfigError(
                f"The output '{output}' would write over the input '{path}'.",
                hint="Pass another --output.",
            )


def listed(columns: Sequence[str]) -> str:
    """A hint that names the first few columns."""
    shown = ", ".join(repr(name) for name in columns[:_LISTED])
    return f"Columns: {shown}{', …' if len(columns) > _LISTED else ''}."
