"""Score a table with a bundle, chunk by chunk, every row in its place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd

from automl.cores import usable_cores
from automl.data.read import ReadOptions, TextTable
from automl.data.schema import ParsedTable
from automl.data.write import format_of, writing
from automl.errors import ConfigError, DataError, did_you_mean
from automl.features.matrix import Matrix
from automl.workflows._beyond import check_beyond, set_texts
from automl.workflows._contract import check_report, reporting
from automl.workflows._rows import (
    EXPLAINED_CHUNK_ROWS,
    MANY_EXPLAINED_ROWS,
    SHARED_CHUNK_ROWS,
    Chunk,
    Tally,
    listed,
    open_predictor,
    refuse_inputs,
    set_threads,
    tally_of,
    worked_chunks,
)

if TYPE_CHECKING:
    from automl.model.predictor import Mode, Predictor


@dataclass(frozen=True)
class PredictOptions:
    """What the scored table holds, and how strictly the rows are taken.

    proba: add a probability per class.  interval: add the ends that hold this share of the targets
    (regression).  sets: add the classes that hold the true one so often (classification).
    keep: columns of the data to carry along, also as "a,b"; "all" = each.
    explain: number of reasons per row.  mode: "default", "lenient" (missing columns are scored as
    missing) or "strict" (the first wrong cell or unseen level is an error).
    format: "csv", "parquet" or "jsonl"; None = by the name of the output, else CSV.
    excel_safe: in CSV, text that a spreadsheet would run as a formula begins with an apostrophe.
    report: a JSON file for what the table has against the model's schema, also after an error.
    chunk_rows: rows in memory at a time; None = a size that fits what is asked for.
    threads: None = every usable core for many rows, else one.
    require_digest: what the digest of the bundle must be, where it is given as a path.
    """

    proba: bool = False
    interval: float | None = None
    sets: float | None = None
    keep: tuple[str, ...] = ()
    explain: int = 0
    mode: Mode = "default"
    format: str | None = None
    excel_safe: bool = False
    report: Path | None = None
    chunk_rows: int | None = None
    threads: int | None = None
    require_digest: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True)
class PredictReport:
    """What happened while a table was scored.

    seconds: from the first row read to the last row written.  output: the file; None = a stream.
    """

    seconds: float
    output: str | None
    cells: Tally

    @property
    def n_rows(self) -> int:
        return self.cells.n_rows

    @property
    def rows_per_second(self) -> float:
        return self.n_rows / max(self.seconds, 1e-9)

    def to_json(self) -> dict[str, Any]:
        speed = {"seconds": self.seconds, "rows_per_second": self.rows_per_second}
        return {"output": self.output, **speed, **self.cells.to_json()}


def predict_file(
    bundle: Path | str | Predictor,
    data: Path | str,
    output: Path | str | BinaryIO,
    *,
    options: PredictOptions | None = None,
) -> PredictReport:
    """Score the table `data` into `output`, a file or an open binary stream.

    As many rows come out as go in, in the same order; memory does not grow with the file. A file
    appears under its name only when it is complete. The columns are those of `predict_table`.
    Raises ConfigError if the output would replace an input; DataError as the mode asks.
    """
    options = options or PredictOptions()
    predictor = open_predictor(bundle, options.threads, options.require_digest)
    place = Path(output) if isinstance(output, str | Path) else output
    if isinstance(place, Path):
        refuse_inputs(place, [data, *([bundle] if isinstance(bundle, str | Path) else [])])
    check_options(predictor, options)
    check_report(options.report, data, bundle, output=place)
    started = time.perf_counter()
    tally = tally_of(predictor)

    def score(chunk: Chunk) -> pd.DataFrame:
        if options.explain:  # chunk by chunk: the libraries themselves share it between threads
            many = chunk.parsed.n_rows >= MANY_EXPLAINED_ROWS
            set_threads(predictor, options.threads, many_rows=many)
        return _scored(predictor, chunk.cells, chunk.parsed, options)

    tables = worked_chunks(
        predictor,
        data,
        score,
        read=options.read,
        mode=options.mode,
        chunk_rows=options.chunk_rows
        or (EXPLAINED_CHUNK_ROWS if options.explain else SHARED_CHUNK_ROWS),
        tally=tally,
        threads=1 if options.explain else options.threads or usable_cores(),
    )
    file_format = format_of(place if isinstance(place, Path) else None, options.format)
    with reporting(options.report, tally, data, options.mode):
        # A table that cannot be scored must not even begin an output.
        first = next(tables)
        with writing(place, file_format, excel_safe=options.excel_safe) as writer:
            for table in chain([first], tables):
                writer.write(table)
    seconds = time.perf_counter() - started
    return PredictReport(seconds, str(place) if isinstance(place, Path) else None, tally)


def predict_table(
    predictor: Predictor,
    frame: pd.DataFrame,
    options: PredictOptions | None = None,
    *,
    first_row: int = 1,
) -> pd.DataFrame:
    """The scored rows of `frame`, in order.

    Columns: the kept ones (with `_input` after a name that is one of ours), `prediction` (label
    text or float64; `quantile_0.9` where it is one, a column for each of several), with `interval`
    float64 `prediction_lower` and `prediction_upper`, with `sets` `prediction_set` (a JSON list of
    labels, the likeliest first), with `proba` one float64 `proba_<class>` per class in the
    bundle's order, with `explain` `reason_<i>`, `reason_<i>_value` and `reason_<i>_contribution`
    for i = 1..k: the columns with the largest contributions by size, in margin units towards the
    positive class (binary), the predicted class (multiclass), the value (regression) or the
    middle quantile.
    first_row: number of the first row, for messages.
    """
    options = options or PredictOptions()
    check_options(predictor, options)
    parsed = predictor.parse(frame, options.mode, first_row)
    return _scored(predictor, frame, parsed, options)


def check_options(predictor: Predictor, options: PredictOptions) -> None:
    """Raise ConfigError if the options do not fit each other or the model."""
    if options.proba and not predictor.task.is_classification:
        raise ConfigError(
            f"'{predictor.target}' is a regression target and has no probabilities.",
            hint="Leave out --proba.",
        )
    check_beyond(predictor, interval=options.interval, sets=options.sets)
    for name, value, least in (
        ("--explain", options.explain, 0),
        ("--chunk-rows", options.chunk_rows, 1),
    ):
        if value is not None and value < least:
            raise ConfigError(f"{name} is {value}, but must be at least {least}.")


def kept_names(
    predictor: Predictor, columns: Sequence[str], options: PredictOptions
) -> dict[str, str]:
    """Output name by name of each kept column, in output order.

    Raises DataError for a column to keep that the data lack.
    """
    wanted: list[str] = []
    for asked in options.keep:
        if asked in columns:  # before all else: a name may hold commas, or be "all"
            wanted.append(asked)
        elif asked == "all":
            wanted += columns
        else:
            wanted += [name.strip() for name in asked.split(",") if name.strip()]
    for name in wanted:
        if name not in columns:
            raise DataError(
                f"The column {name!r} to keep is not in the data.",
                hint=did_you_mean(name, columns) or listed(columns),
            )
    taken = {*_own_names(predictor, options), *wanted}
    own = set(_own_names(predictor, options))
    names: dict[str, str] = {}
    for name in wanted:
        names.setdefault(name, _free_name(name, taken) if name in own else name)
        taken.add(names[name])
    return names


def _free_name(name: str, taken: set[str]) -> str:
    free = f"{name}_input"
    i = 2
    while free in taken:
        free, i = f"{name}_input{i}", i + 1
    return free


def _own_names(predictor: Predictor, options: PredictOptions) -> list[str]:
    names = list(predictor.value_names)
    if options.interval is not None:
        names += ["prediction_lower", "prediction_upper"]
    if options.sets is not None:
        names.append("prediction_set")
    if options.proba:
        names += [f"proba_{label}" for label in predictor.classes]
    for i in range(1, _n_reasons(predictor, options) + 1):
        names += [f"reason_{i}", f"reason_{i}_value", f"reason_{i}_contribution"]
    return names


def _n_reasons(predictor: Predictor, options: PredictOptions) -> int:
    return min(options.explain, len(predictor.columns))


def _scored(
    predictor: Predictor,
    frame: pd.DataFrame | TextTable,
    parsed: ParsedTable,
    options: PredictOptions,
) -> pd.DataFrame:
    names = kept_names(predictor, list(frame.columns), options)
    scored: dict[str, Any] = {
        name: frame[column].reset_index(drop=True) for column, name in names.items()
    }
    if options.explain:
        explanation = predictor.explain(frame, parsed)
        margin = np.asarray(explanation.margin, dtype=np.float64).reshape(len(frame), -1)
        features: ParsedTable | Matrix = parsed
    else:
        features = predictor.matrix(parsed)
        margin = predictor.margin_of(features)
    if predictor.task.is_classification:
        proba = predictor.link.probabilities(margin)
        scored["prediction"] = pd.Series(predictor.labels(proba), dtype="str")
        if options.sets is not None:
            scored["prediction_set"] = set_texts(predictor, features, proba, options.sets)
        if options.proba:
            scored |= {f"proba_{label}": proba[:, j] for j, label in enumerate(predictor.classes)}
    else:
        values = predictor.link.values(margin).reshape(len(frame), -1)
        scored |= {name: values[:, j] for j, name in enumerate(predictor.value_names)}
        if options.interval is not None:
            ends = predictor.interval(features, options.interval)
            scored |= dict(zip(("prediction_lower", "prediction_upper"), ends, strict=True))
    if options.explain:
        table = explanation.top(options.explain).to_frame()
        scored |= {str(name): _present(column) for name, column in table.items()}
    return pd.DataFrame(scored)


def _present(reasons: pd.Series[Any]) -> pd.Series[Any]:
    """A column of reasons where the empty text of a missing cell is missing."""
    if reasons.dtype.kind == "f":
        return reasons
    texts = reasons.astype("str")
    return texts.where(texts != "")
