"""The rows of a table for a predictor: read and parsed chunk by chunk, and counted."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from automl.cores import usable_cores
from automl.data.contract import Change, Check, WrongCell
from automl.data.read import ReadOptions, Table, TextTable, read_chunks
from automl.data.schema import ParsedTable
from automl.errors import ConfigError, DataError
from automl.model.bundle import load_bundle

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
_CELL_BYTES = 10  # of text, about


@dataclass(frozen=True)
class Chunk:
    """Some rows in the order of the file: their cells as read and as typed.

    first_row: number of the first one; 1 = the first row of data.
    """

    cells: pd.DataFrame | TextTable
    parsed: ParsedTable
    first_row: int

    @property
    def frame(self) -> pd.DataFrame:
        """The cells as read."""
        return self.cells.frame if isinstance(self.cells, TextTable) else self.cells


@dataclass
class Tally:
    """What was found in the cells of a table so far.

    n_bad: cells scored as missing because they do not have the column's type; bad names the first
    few.  unseen, out_of_range: cells by column whose level was not in the training data, or whose
    number is outside of the training range.  extra: columns of the data that the model does not
    know.  absent: columns that were filled as missing (lenient).  moved: columns in another order.
    notes: how the file was read.  digest: SHA-256 of the file.  check: all of it.
    """

    check: Check
    notes: tuple[str, ...] = ()
    digest: str = ""

    @property
    def n_rows(self) -> int:
        return self.check.n_rows

    @property
    def n_bad(self) -> int:
        return self.check.n_wrong.total()

    @property
    def bad(self) -> list[WrongCell]:
        return self.check.wrong[:SHOWN_CELLS]

    @property
    def unseen(self) -> Counter[str]:
        return Counter({name: found.n for name, found in self.check.unseen.items()})

    @property
    def out_of_range(self) -> Counter[str]:
        return Counter({name: found.n for name, found in self.check.out_of_range.items()})

    @property
    def extra(self) -> tuple[str, ...]:
        return self.check.extra

    @property
    def absent(self) -> tuple[str, ...]:
        return self.check.absent

    @property
    def moved(self) -> tuple[str, ...]:
        return self.check.moved

    def changes(self) -> tuple[Change, ...]:
        """Columns whose cells are written in another way than in training."""
        return self.check.changes()

    def to_json(self) -> dict[str, Any]:
        return {
            "n_rows": self.n_rows,
            "n_bad": self.n_bad,
            "bad": [asdict(cell) for cell in self.bad],
            "unseen": self.unseen,
            "out_of_range": self.out_of_range,
            "extra": self.extra,
            "absent": self.absent,
            "changes": [asdict(change) for change in self.changes()],
            "notes": self.notes,
        }

    def report(self, data: str, mode: Mode, error: str | None) -> dict[str, Any]:
        """What `--validation-report` writes; error: why the rows were not scored."""
        found = self.check.to_json()
        sound = not (self.n_bad or self.absent or found["changes"] or error)
        facts = {"format": 1, "data": data, "digest": self.digest, "mode": mode, "ok": sound}
        return {**facts, "error": error, "notes": list(self.notes), **found}


def open_predictor(
    bundle: Path | str | Predictor, threads: int | None, require_digest: str | None = None
) -> Predictor:
    """The predictor in `bundle`; a predictor comes back as it is.

    Raises BundleError, also for a bundle of another digest than the one required; ConfigError
    for a number of threads below 1.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"--threads is {threads}, but must be at least 1.")
    if isinstance(bundle, str | Path):
        return load_bundle(Path(bundle), require_digest=require_digest)
    return bundle


def set_threads(predictor: Predictor, asked: int | None, *, many_rows: bool) -> None:
    """Score with the threads asked for, else with all cores if there are many rows.

    Few rows are scored sooner than threads have met: on a busy machine two threads took 0.5 s
    for 1,700 rows, one took 0.2 s.
    """
    predictor.threads = asked or (usable_cores() if many_rows else 1)


def tally_of(predictor: Predictor) -> Tally:
    """Nothing found yet in rows for `predictor`."""
    return Tally(Check(predictor.schema, predictor.target))


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
    for table in _tables(predictor, data, read=read, chunk_rows=chunk_rows, tally=tally):
        left = len(table.frame) if limit is None else limit - tally.n_rows
        if left <= 0:
            return
        frame = table.frame.iloc[:left]
        with _counting_refused(predictor, frame, table.first_row, tally):
            chunk = _typed(predictor, frame, table.first_row, mode)
        _count(tally, chunk, mode)
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

    def task(table: Table) -> tuple[Chunk, T]:
        chunk = _typed(predictor, table.cells, table.first_row, mode)
        return chunk, work(chunk)

    def told(table: Table, future: Future[tuple[Chunk, T]]) -> T:
        with _counting_refused(predictor, table.cells, table.first_row, tally):
            chunk, made = future.result()
        _count(tally, chunk, mode)
        return made

    waiting: deque[tuple[Table, Future[tuple[Chunk, T]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        large = threads > 1 and _is_large(predictor, data)
        warming = pool.submit(predictor.warm_up) if large else None  # as the first rows are read
        try:
            for table in _tables(predictor, data, read=read, chunk_rows=chunk_rows, tally=tally):
                waiting.append((table, pool.submit(task, table)))
                # One more than threads: none waits for rows while a finished chunk is written.
                # Rows in memory stay bounded.
                while waiting and (len(waiting) > threads + 1 or waiting[0][1].done()):
                    yield told(*waiting.popleft())
            while waiting:
                yield told(*waiting.popleft())
            if warming is not None:
                warming.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _is_large(predictor: Predictor, data: Path | str) -> bool:
    """Whether `data` is a file of so many rows that each booster will make its tables."""
    n_bytes = MANY_ROWS * _CELL_BYTES * len(predictor.schema.columns)
    path = Path(data)
    return path.is_file() and path.suffix.lower() == ".csv" and path.stat().st_size > 2 * n_bytes


def picked_rows(
    predictor: Predictor,
    data: Path | str,
    rows: Sequence[int],
    *,
    read: ReadOptions,
    mode: Mode,
    tally: Tally,
) -> list[Chunk]:
    """Some rows of the table `data`, each by itself, in the order of `rows`; 1 = the first.

    Only they are counted in `tally`. Raises DataError if there is no such row, and as `chunks_of`.
    """
    found: dict[int, Chunk] = {}
    n_rows = 0
    for table in _tables(predictor, data, read=read, chunk_rows=CHUNK_ROWS, tally=tally):
        n_rows = table.first_row + len(table.cells)
        for row in rows:
            if row in found or not table.first_row < row <= n_rows:
                continue
            frame = table.frame.iloc[[row - 1 - table.first_row]].reset_index(drop=True)
            with _counting_refused(predictor, frame, row - 1, tally):
                found[row] = _typed(predictor, frame, row - 1, mode)
            _count(tally, found[row], mode)
        if len(found) == len(set(rows)):
            break
    for row in rows:
        if row not in found:
            noun = "row" if n_rows == 1 else "rows"
            raise DataError(
                f"There is no row {row:,}: the table has {n_rows:,} {noun}.",
                hint="Rows are counted from 1, the first row below the header.",
            )
    return [found[row] for row in rows]


def cell_reader(predictor: Predictor, read: ReadOptions) -> Callable[[str], str | None]:
    """What a cell of delimited text becomes when it is read; None = missing."""
    markers = _like_training(predictor, read).markers

    def cell(text: str) -> str | None:
        stripped = text.strip()
        return None if stripped in markers else stripped

    return cell


def _tables(
    predictor: Predictor, data: Path | str, *, read: ReadOptions, chunk_rows: int, tally: Tally
) -> Iterator[Table]:
    """The rows of `data` as read; the first ones also say what the file and its columns are."""
    options = _like_training(predictor, read)
    for table in read_chunks(data, options=options, chunk_rows=chunk_rows):
        if table.first_row == 0:
            tally.notes, tally.digest = table.notes, table.digest
            tally.check.see_columns(list(table.cells.columns))
            _refuse_repeated(predictor, table.headers)
        yield table


@contextmanager
def _counting_refused(
    predictor: Predictor, cells: pd.DataFrame | TextTable, first_row: int, tally: Tally
) -> Iterator[None]:
    """Count what is in rows that are refused, for the report."""
    try:
        yield
    except DataError:
        chunk = _typed(predictor, cells, first_row, "lenient")
        tally.check.add(chunk.cells, chunk.parsed, chunk.first_row)
        raise


def _count(tally: Tally, chunk: Chunk, mode: Mode) -> None:
    """Count a chunk; DataError in strict mode if its numbers probably mean other ones."""
    tally.check.add(chunk.cells, chunk.parsed, chunk.first_row)
    if mode == "strict" and tally.check.misread:
        raise DataError(
            f"{tally.check.misread[0].text}.",
            hint="Write the numbers as in training, or leave out --strict.",
        )


def _refuse_repeated(predictor: Predictor, headers: Sequence[str]) -> None:
    """Raise DataError if a needed column's name stands more often in the header than in training.

    Nothing says which of the columns is meant.
    """
    found = Counter(header.strip() for header in headers)
    schema = predictor.schema
    trained = Counter((column.header or column.name).strip() for column in schema.columns)
    for i in schema.used:
        header = (schema.columns[i].header or schema.columns[i].name).strip()
        if found[header] > max(trained[header], 1):
            places = [str(k) for k, other in enumerate(headers, 1) if other.strip() == header]
            raise DataError(
                f"Column {header!r} is there more than once: columns {' and '.join(places)}.",
                hint="Remove or rename all but the one that is meant.",
            )


def _typed(
    predictor: Predictor, cells: pd.DataFrame | TextTable, first_row: int, mode: Mode
) -> Chunk:
    first_row += 1  # people count the first row of data as row 1
    return Chunk(cells, predictor.parse(cells, mode, first_row), first_row)


def _like_training(predictor: Predictor, read: ReadOptions) -> ReadOptions:
    """`read` with the missing markers that the training table was read with, and its names.

    Delimiter and encoding belong to a file, but what counts as missing belongs to the model.
    """
    columns = predictor.schema.columns
    named = any(column.header for column in columns)
    names = frozenset(column.header.strip() or column.name for column in columns)
    read = replace(read, known_names=names | {predictor.target}, nameless=not named)
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
