"""Score a bundle on rows whose target is known: every metric, with an interval and a confusion."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.cells import Cells, read_cells
from automl.data.numbers import (
    is_soft_missing,
    number_formats,
    parse_number_cells,
    parse_numbers,
)
from automl.data.read import ReadOptions
from automl.errors import ConfigError, DataError, did_you_mean
from automl.metrics._confusion import ClassRow, confusion_matrix, per_class
from automl.metrics._evaluate import evaluate_all
from automl.metrics._interval import Interval, bootstrap_interval
from automl.metrics._lookup import get_metric
from automl.metrics._quantiles import by_level, suited
from automl.metrics._threshold import labels_of, score_probabilities
from automl.metrics.base import Floats, Metric
from automl.workflows._contract import check_report, reporting
from automl.workflows._rows import (
    CHUNK_ROWS,
    MANY_ROWS,
    Chunk,
    Tally,
    chunks_of,
    listed,
    open_predictor,
    set_threads,
    tally_of,
)

if TYPE_CHECKING:
    from automl.model.predictor import Mode, Predictor

Mask = NDArray[np.bool_]

_NAMED = 5  # labels that a message spells out


@dataclass(frozen=True)
class EvaluateOptions:
    """What is measured, and how strictly the rows are taken.

    metrics: names; () = every metric of the task.  weight_column: None = the weights of training
    where the data have that column.  mode: as in `PredictOptions`; "lenient" also leaves out rows
    whose label the model does not know.
    """

    metrics: tuple[str, ...] = ()
    weight_column: str | None = None
    mode: Mode = "default"
    report: Path | None = None
    chunk_rows: int = CHUNK_ROWS
    threads: int | None = None
    seed: int = 0
    require_digest: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True)
class Evaluation:
    """How a bundle does on labelled rows.

    scores: by metric name, nan where these rows do not define it; the first is the bundle's own
    metric, or the first one asked for.  n_missing: rows left out because they have no target.
    unknown: rows left out by label that the model does not know (lenient).  confusion: rows =
    true class, columns = predicted class, summed weights; None for regression.  quantiles: of a
    model of several, per `level` the share of targets `below` it and its `loss`.
    """

    task: str
    target: str
    metric: str
    n_rows: int
    n_scored: int
    n_missing: int
    unknown: Mapping[str, int]
    weight_column: str | None
    scores: Mapping[str, float]
    interval: Interval | None
    classes: tuple[str, ...]
    threshold: float | None
    confusion: NDArray[np.float64] | None
    per_class: tuple[ClassRow, ...]
    cells: Tally
    seconds: float
    quantiles: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; nan for undefined scores."""
        rows = zip(self.classes, self.per_class, strict=True) if self.per_class else ()
        return {
            "task": self.task,
            "target": self.target,
            "metric": self.metric,
            "rows": self.n_rows,
            "scored": self.n_scored,
            "without_target": self.n_missing,
            "unknown_labels": dict(self.unknown),
            "weight_column": self.weight_column,
            "scores": dict(self.scores),
            "interval": None if self.interval is None else asdict(self.interval),
            "threshold": self.threshold,
            "classes": list(self.classes),
            "confusion_matrix": None if self.confusion is None else self.confusion.tolist(),
            "per_class": [{"class": label, **asdict(row)} for label, row in rows],
            **({"quantiles": list(self.quantiles)} if self.quantiles else {}),
            "cells": self.cells.to_json(),
            "seconds": self.seconds,
        }


def evaluate(
    bundle: Path | str | Predictor,
    data: Path | str,
    *,
    options: EvaluateOptions | None = None,
) -> Evaluation:
    """The scores of a bundle, or of a predictor, on the rows of `data` that have a target.

    Raises DataError if `data` lack the target or a needed column, hold labels that the model does
    not know (unless lenient) or no row with a target; ConfigError for a metric of another task.
    """
    options = options or EvaluateOptions()
    predictor = open_predictor(bundle, options.threads, options.require_digest)
    started = time.perf_counter()
    metrics = chosen_metrics(predictor, options.metrics)
    check_report(options.report, data, bundle)
    rows = labelled_rows(predictor, data, options)
    y, prediction, weight = rows.y, rows.prediction, rows.weight
    threshold = 0.5 if predictor.threshold is None else predictor.threshold
    matrix = None
    if predictor.task.is_classification:
        labels = labels_of(prediction, threshold)
        matrix = confusion_matrix(y, labels, len(predictor.classes), weight)
    return Evaluation(
        task=predictor.task.value,
        target=predictor.target,
        metric=metrics[0].name,
        n_rows=rows.tally.n_rows,
        n_scored=len(y),
        n_missing=rows.n_missing,
        unknown=rows.unknown,
        weight_column=rows.weight_column,
        quantiles=tuple(by_level(y, prediction, predictor.levels, weight)),
        scores=_scores(predictor, metrics, (y, prediction, weight), all_=not options.metrics),
        interval=bootstrap_interval(
            metrics[0],
            y,
            suited(metrics[0], prediction, predictor.levels),
            weight,
            threshold=threshold,
            seed=options.seed,
        ),
        classes=predictor.classes,
        threshold=threshold if predictor.positive is not None else None,
        confusion=matrix,
        per_class=() if matrix is None else per_class(matrix),
        cells=rows.tally,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class Labelled:
    """The rows of a table that have a target, and what a model predicts for them.

    rows: (n,) their numbers in the table, 0 = the first row of data.  y, prediction, weight: as
    metrics take them.  n_missing, unknown: as in `Evaluation`.
    """

    rows: NDArray[np.int64]
    y: Floats
    prediction: Floats
    weight: Floats | None
    weight_column: str | None
    n_missing: int
    unknown: Mapping[str, int]
    tally: Tally


def labelled_rows(
    predictor: Predictor,
    data: Path | str,
    options: EvaluateOptions,
    see: Callable[[Chunk], None] = lambda chunk: None,
) -> Labelled:
    """The rows of `data` with a target, scored; DataError as `evaluate` raises it.

    see: is shown each chunk of all rows, in their order.
    """
    tally = tally_of(predictor)
    with reporting(options.report, tally, data, options.mode):
        scored = _score(predictor, data, options, tally, see)
        decoded = _decode(predictor, scored.target, lenient=options.mode == "lenient")
    keep = decoded.kept
    if not keep.any():
        raise DataError(
            f"No row of '{data}' has a target {predictor.target!r}.",
            hint="Give labelled rows; `automl predict` scores rows without a target.",
        )
    return Labelled(
        rows=np.flatnonzero(keep),
        y=decoded.y[keep],
        prediction=scored.prediction[keep],
        weight=None if scored.weight is None else _weights(scored.weight, keep),
        weight_column=None if scored.weight is None else str(scored.weight.name),
        n_missing=decoded.n_missing,
        unknown=decoded.unknown,
        tally=tally,
    )


def chosen_metrics(predictor: Predictor, names: Sequence[str]) -> list[Metric]:
    """The metrics called `names`, or the predictor's own; ConfigError for one of another task."""
    metrics = [get_metric(name) for name in names or (predictor.metric,)]
    for metric in metrics:
        if predictor.task not in metric.tasks:
            raise ConfigError(
                f"The metric {metric.name!r} is not for {predictor.task.value} targets.",
                hint="Leave out --metric to see every metric of the task.",
            )
        if metric.quantiles and metric.quantiles != predictor.levels:
            known = predictor.metric if predictor.levels else "one value"
            raise ConfigError(
                f"The metric {metric.name!r} needs its quantiles, and the model has {known}.",
                hint="Leave out --metric to see every metric of the task.",
            )
    return metrics


@dataclass(frozen=True)
class _Scored:
    """Columns of all rows: what metrics take, the target as read, and the weights as read."""

    prediction: Floats
    target: pd.Series[Any]
    weight: pd.Series[Any] | None


def _score(
    predictor: Predictor,
    data: Path | str,
    options: EvaluateOptions,
    tally: Tally,
    see: Callable[[Chunk], None],
) -> _Scored:
    predictions, targets, weights = [], [], []
    weight_column: str | None = None
    for chunk in chunks_of(
        predictor,
        data,
        read=options.read,
        mode=options.mode,
        chunk_rows=options.chunk_rows,
        tally=tally,
    ):
        see(chunk)
        columns = list(chunk.frame.columns)
        _require(predictor.target, columns, "The target")
        weight_column = _weight_column(predictor, options, columns)
        set_threads(predictor, options.threads, many_rows=len(chunk.frame) >= MANY_ROWS)
        margin = predictor.margin_of(predictor.matrix(chunk.parsed))
        predictions.append(predictor.link.predict(margin))
        targets.append(chunk.frame[predictor.target])
        if weight_column is not None:
            weights.append(chunk.frame[weight_column])
    return _Scored(
        np.concatenate(predictions),
        pd.concat(targets, ignore_index=True),
        pd.concat(weights, ignore_index=True) if weights else None,
    )


def _require(column: str, columns: Sequence[str], role: str) -> None:
    if column not in columns:
        raise DataError(
            f"{role} {column!r} is not in the data.",
            hint=did_you_mean(column, columns) or listed(columns),
        )


def _weight_column(
    predictor: Predictor, options: EvaluateOptions, columns: Sequence[str]
) -> str | None:
    if options.weight_column is not None:
        _require(options.weight_column, columns, "The weight column")
        return options.weight_column
    config = predictor.manifest.get("config")
    trained = config.get("weight_column") if isinstance(config, Mapping) else None
    return trained if trained in columns else None


@dataclass(frozen=True)
class _Decoded:
    """y: (n,) class indices or values, nan where a row is left out.  kept: (n,) True elsewhere."""

    y: Floats
    n_missing: int
    unknown: Mapping[str, int]

    @property
    def kept(self) -> Mask:
        return ~np.isnan(self.y)


def _decode(predictor: Predictor, target: pd.Series[Any], *, lenient: bool) -> _Decoded:
    """The target as metrics take it; DataError for cells that the model cannot know."""
    cells = read_cells(target)
    if predictor.task.is_classification:
        y, wrong = label_indices(cells, predictor.classes)
    else:
        formats = number_formats(cells.texts) if cells.source == "text" else {}
        y, wrong = parse_number_cells(cells, formats)
    unknown = Counter(cells.text_at(int(row)) for row in np.flatnonzero(wrong))
    if unknown and not lenient:
        row = int(np.flatnonzero(wrong)[0]) + 1
        raise _unknown_error(predictor, unknown, row)
    return _Decoded(y, int((np.isnan(y) & ~wrong).sum()), dict(unknown.most_common()))


def label_indices(cells: Cells, classes: Sequence[str]) -> tuple[Floats, Mask]:
    """((n,) class indices, nan = no class; (n,) True for labels that are not among `classes`).

    A label is found by its text, else by its number ('1.0' is the class '1') or, for booleans,
    whatever the capitals, if that names one class only. Words for "no value" are missing.
    """
    codes, texts = cells.distinct()
    found = {label: float(i) for i, label in enumerate(classes)}
    numbers = parse_numbers(np.asarray(classes, dtype=object), {})
    values = parse_numbers(texts, {})
    by_word = [label.lower() for label in classes]
    soft = is_soft_missing(texts)
    index = np.full(len(texts) + 1, np.nan)  # the last entry is taken by missing cells
    wrong = np.zeros(len(texts) + 1, dtype=bool)
    for i, text in enumerate(texts):
        same = np.flatnonzero(numbers == values[i])
        if text in found:
            index[i] = found[text]
        elif len(same) == 1:
            index[i] = float(same[0])
        elif cells.source == "boolean" and by_word.count(text.lower()) == 1:
            index[i] = float(by_word.index(text.lower()))
        else:
            wrong[i] = not soft[i]
    return index[codes], wrong[codes]


def _unknown_error(predictor: Predictor, unknown: Counter[str], row: int) -> DataError:
    n_rows = unknown.total()
    named = ", ".join(f"{text!r} ({n:,})" for text, n in unknown.most_common(_NAMED))
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    where = f"{n_rows:,} row{'s' if n_rows != 1 else ''}, the first is row {row}"
    if predictor.task.is_classification:
        shown = ", ".join(repr(label) for label in predictor.classes[:_NAMED])
        dots = ", …" if len(predictor.classes) > _NAMED else ""
        what = f"labels that the model does not know: {named}{more} in {where}"
        hint = f"The classes are {shown}{dots}. Use --lenient to leave such rows out."
    else:
        what = f"cells that are not finite numbers: {named}{more} in {where}"
        hint = "Correct them, or use --lenient to leave such rows out."
    return DataError(f"Target {predictor.target!r} holds {what}.", hint=hint)


def _weights(column: pd.Series[Any], keep: Mask) -> Floats:
    """(n_kept,) weights; DataError naming the first row whose weight is no number >= 0."""
    cells = read_cells(column)
    values, _ = parse_number_cells(cells, {})
    wrong = keep & ~(values >= 0)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"The weight column {str(column.name)!r} holds {cells.text_at(row)!r} in row "
            f"{row + 1}, which is not a number of at least 0.",
            hint="Correct it, or choose another --weight-column.",
        )
    kept = values[keep]
    if len(kept) and not kept.any():
        raise DataError(f"The weight column {str(column.name)!r} is 0 in every row with a target.")
    return kept


def _scores(
    predictor: Predictor,
    metrics: Sequence[Metric],
    rows: tuple[Floats, Floats, Floats | None],
    *,
    all_: bool,
) -> dict[str, float]:
    y, prediction, weight = rows
    threshold = 0.5 if predictor.threshold is None else predictor.threshold
    scores = {
        metric.name: score_probabilities(
            metric, y, suited(metric, prediction, predictor.levels), weight, threshold
        )
        for metric in metrics
    }
    if all_:
        point = predictor.point(prediction)
        every = evaluate_all(predictor.task, y, point, weight, threshold=threshold)
        scores |= {name: score for name, score in every.items() if name not in scores}
    return scores
