"""Explain the rows of a table: reasons per row, importance overall, plots."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd

from automl.data.read import ReadOptions
from automl.data.write import naming, placed, writing
from automl.errors import ConfigError
from automl.model.explain import Explanation, Importance
from automl.workflows._rows import (
    EXPLAINED_CHUNK_ROWS,
    MANY_EXPLAINED_ROWS,
    Tally,
    chunks_of,
    open_predictor,
    refuse_inputs,
    set_threads,
    tally_of,
)

if TYPE_CHECKING:
    from automl.model.predictor import Mode, Predictor

FORMATS = ("csv", "json")
PLOTS = ("beeswarm", "waterfall", "dependence", "importance")
# Rows that are explained for plots and for the importance unless --rows says otherwise: more
# moves neither by anything that can be seen.
SAMPLE_ROWS = 2_000
_WATERFALLS = 3


@dataclass(frozen=True)
class ExplainOptions:
    """What is explained, and how it is written.

    top: reasons per row.  rows: explain only the first ones; None = all of them, and for
    `importance` and plots the first 2,000.  importance: write the columns by importance instead
    of the rows.  plots: folder for PNG files.  plot: which of `PLOTS`; none named = the first
    three.  mode, excel_safe: as in `PredictOptions`.
    """

    top: int = 5
    rows: int | None = None
    format: str | None = None
    importance: bool = False
    plots: Path | None = None
    plot: tuple[str, ...] = ()
    excel_safe: bool = False
    mode: Mode = "default"
    threads: int | None = None
    require_digest: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True)
class ExplainReport:
    """What was explained: rows and seconds, the files written, what was found in the cells.

    additivity_error: the largest distance of Σ contributions + base value from the margin,
    relative to max(1, |margin|, Σ |contributions|).
    """

    n_rows: int
    seconds: float
    output: str | None
    plots: tuple[Path, ...]
    additivity_error: float
    cells: Tally


def explain_file(
    bundle: Path | str | Predictor,
    data: Path | str,
    output: Path | str | BinaryIO | None,
    *,
    options: ExplainOptions | None = None,
) -> ExplainReport:
    """Write the reasons of each row of `data`, or the importance of the columns, to `output`.

    CSV: one line per row with `row` (1 = first row of data), `prediction`, `margin`,
    `base_value`, `reason_<i>`, `reason_<i>_value`, `reason_<i>_contribution`; for several
    classes margin, base value and reasons are those of the predicted class, of several quantiles
    (which all follow the prediction) those of the middle one. JSON: one array of
    objects, one per line. output: a file, an open binary stream, or None for plots only.
    Raises ConfigError for options that do not fit, DataError as the mode asks.
    """
    options = options or ExplainOptions()
    check(options)
    place = Path(output) if isinstance(output, str) else output
    predictor = open_predictor(bundle, options.threads, options.require_digest)
    if isinstance(place, Path):
        refuse_inputs(place, [data, *([bundle] if isinstance(bundle, str | Path) else [])])
    started = time.perf_counter()
    tally = tally_of(predictor)
    explained = _Explained(predictor, options, tally, data)
    if options.importance:
        if place is not None:
            importance = explained.sample().global_importance()
            _write_importance(importance, place, options)
    elif place is not None:
        tables = (
            reason_table(predictor, explanation, top=options.top, first_row=first_row)
            for explanation, first_row in explained.rows(options.rows)
        )
        _write_rows(tables, place, format_of(options, place), excel_safe=options.excel_safe)
    plots: tuple[Path, ...] = ()
    if options.plots is not None:
        plots = draw(explained.sample(), options.plots, options.plot)
    return ExplainReport(
        n_rows=explained.n_rows,
        seconds=time.perf_counter() - started,
        output=str(place) if isinstance(place, Path) else None,
        plots=plots,
        additivity_error=explained.error,
        cells=tally,
    )


class _Explained:
    """The explanations of a table chunk by chunk; the first rows are kept for the summaries."""

    def __init__(
        self, predictor: Predictor, options: ExplainOptions, tally: Tally, data: Path | str
    ) -> None:
        self._predictor = predictor
        self._options = options
        self.n_rows = 0
        self.error = 0.0
        self._tally = tally
        self._data = data
        self._sampled: list[Explanation] = []
        self._n_sampled = 0

    def rows(self, limit: int | None) -> Iterator[tuple[Explanation, int]]:
        """(explanation, number of its first row) of each chunk, up to `limit` rows in all."""
        size = EXPLAINED_CHUNK_ROWS if limit is None else min(limit, EXPLAINED_CHUNK_ROWS)
        for chunk in chunks_of(
            self._predictor,
            self._data,
            read=self._options.read,
            mode=self._options.mode,
            chunk_rows=size,
            tally=self._tally,
            limit=limit,
        ):
            many = len(chunk.frame) >= MANY_EXPLAINED_ROWS
            set_threads(self._predictor, self._options.threads, many_rows=many)
            explanation = self._predictor.explain(chunk.frame, chunk.parsed)
            self.n_rows += len(explanation.values)
            self.error = max(self.error, explanation.additivity_error)
            self._keep(explanation)
            yield explanation, chunk.first_row

    def sample(self) -> Explanation:
        """The first rows in one explanation; explained now unless that was done already."""
        if not self._sampled:
            for _ in self.rows(self._sample_rows):
                continue
        return joined(self._sampled)

    @property
    def _sample_rows(self) -> int:
        return SAMPLE_ROWS if self._options.rows is None else self._options.rows

    def _keep(self, explanation: Explanation) -> None:
        wanted = self._options.importance or self._options.plots is not None
        room = self._sample_rows - self._n_sampled
        if wanted and room > 0:
            part = head(explanation, room)
            self._sampled.append(part)
            self._n_sampled += len(part.values)


def head(explanation: Explanation, n_rows: int) -> Explanation:
    """The first rows of an explanation."""
    if n_rows >= len(explanation.values):
        return explanation
    predicted = explanation.predicted
    return replace(
        explanation,
        values=explanation.values[:n_rows],
        base_values=explanation.base_values[:n_rows],
        margin=explanation.margin[:n_rows],
        data=explanation.data.iloc[:n_rows],
        numbers=explanation.numbers[:n_rows],
        predicted=None if predicted is None else predicted[:n_rows],
    )


def joined(parts: list[Explanation]) -> Explanation:
    """The rows of several explanations by one predictor, one after the other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    predicted = [part.predicted for part in parts if part.predicted is not None]
    return replace(
        first,
        values=np.concatenate([part.values for part in parts]),
        base_values=np.concatenate([part.base_values for part in parts]),
        margin=np.concatenate([part.margin for part in parts]),
        data=pd.concat([part.data for part in parts], ignore_index=True),
        numbers=np.concatenate([part.numbers for part in parts]),
        predicted=np.concatenate(predicted) if predicted else None,
    )


def reason_table(
    predictor: Predictor, explanation: Explanation, *, top: int, first_row: int = 1
) -> pd.DataFrame:
    """One line per row: row, prediction, margin, base_value and its `top` reasons."""
    n_rows = len(explanation.values)
    margin = explanation.margin.reshape(n_rows, -1)
    base = explanation.base_values.reshape(n_rows, -1)
    own = np.zeros(n_rows, dtype=np.intp)
    if explanation.predicted is not None:
        own = explanation.predicted
    rows, others = np.arange(n_rows), {}
    if predictor.task.is_classification:
        labels = predictor.labels(predictor.link.probabilities(margin))
        prediction: pd.Series[Any] = pd.Series(labels, dtype="str")
    else:
        values = predictor.link.values(margin)
        prediction = pd.Series(predictor.point(values))
        if predictor.levels:
            others = {name: values[:, j] for j, name in enumerate(predictor.value_names)}
    facts = pd.DataFrame(
        {
            "row": np.arange(first_row, first_row + n_rows),
            "prediction": prediction,
            **others,
            "margin": margin[rows, own],
            "base_value": base[rows, own],
        }
    )
    return pd.concat([facts, explanation.top(top).to_frame()], axis=1)


def _write_rows(
    tables: Iterator[pd.DataFrame], place: Path | BinaryIO, file_format: str, *, excel_safe: bool
) -> None:
    first = next(tables)  # a table that cannot be explained must not even begin an output
    with writing(place, file_format, excel_safe=excel_safe) as writer:
        for table in chain([first], tables):
            writer.write(table if file_format == "csv" else _nested(table))


def _nested(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with the reasons of a row in one list of objects."""
    k = sum(name.endswith("_contribution") for name in table.columns)
    columns = [
        zip(
            table[f"reason_{i}"],
            table[f"reason_{i}_value"],
            table[f"reason_{i}_contribution"],
            strict=True,
        )
        for i in range(1, k + 1)
    ]
    reasons: list[list[dict[str, Any]]] = [[] for _ in range(len(table))]
    for cells in columns:
        for row, (column, value, contribution) in zip(reasons, cells, strict=True):
            shown = None if value == "" else value
            row.append({"column": column, "value": shown, "contribution": contribution})
    nested = table[[name for name in table.columns if not name.startswith("reason_")]].copy()
    nested["reasons"] = pd.Series(reasons, dtype=object)
    return nested


def _write_importance(
    importance: Importance, place: Path | BinaryIO, options: ExplainOptions
) -> None:
    if format_of(options, place) == "csv":
        with writing(place, "csv", excel_safe=options.excel_safe) as writer:
            writer.write(importance.table())
        return
    text = json.dumps(importance.to_json(), ensure_ascii=False, indent=2) + "\n"
    with placed(place) as stream:
        if isinstance(place, Path):
            with naming(place):
                stream.write(text.encode("utf-8"))
        else:
            stream.write(text.encode("utf-8"))


def draw(
    explanation: Explanation,
    folder: Path,
    kinds: Sequence[str] = (),
    *,
    numbers: Sequence[int] | None = None,
) -> tuple[Path, ...]:
    """The PNG files of the plots asked for, all without `kinds`.

    numbers: what the rows are called, each of which has a waterfall then.
    """
    from automl.model.shapplots import draw_plots

    n_rows = len(explanation.values)
    rows = range(n_rows if numbers is not None else min(_WATERFALLS, n_rows))
    return tuple(
        draw_plots(explanation, folder, rows=rows, kinds=kinds or PLOTS[:3], numbers=numbers)
    )


def check(options: ExplainOptions) -> None:
    if options.format is not None and options.format not in FORMATS:
        raise ConfigError(
            f"Unknown format {options.format!r}.", hint=f"Known: {', '.join(FORMATS)}."
        )
    for plot in options.plot:
        if plot not in PLOTS:
            raise ConfigError(f"Unknown plot {plot!r}.", hint=f"Known: {', '.join(PLOTS)}.")
    if options.plot and options.plots is None:
        raise ConfigError("--plot needs a folder for the files.", hint="Add --plots DIR.")
    for name, value in (("--top", options.top), ("--rows", options.rows)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}, but must be at least 1.")


def format_of(options: ExplainOptions, place: Path | BinaryIO) -> str:
    """The format asked for, else the one of the file's name, else CSV."""
    if options.format is not None:
        return options.format
    is_json = isinstance(place, Path) and place.suffix.lower() == ".json"
    return "json" if is_json else "csv"
