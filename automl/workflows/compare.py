"""Two bundles side by side: on the same labelled rows, or by what their own records say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.write import placed
from automl.errors import ConfigError, DataError
from automl.metrics._interval import Paired, Predicted, Scored, paired_interval
from automl.metrics._lookup import get_metric, metrics_for
from automl.metrics._quantiles import suited
from automl.metrics._threshold import labels_of
from automl.metrics.base import Floats, Metric
from automl.model.bundle import load_bundle
from automl.task import Task
from automl.workflows._rows import refuse_inputs
from automl.workflows._sides import Side, rates, record_of, refuse_other, side_of
from automl.workflows.evaluate import (
    EvaluateOptions,
    Labelled,
    chosen_metrics,
    labelled_rows,
)

if TYPE_CHECKING:
    from automl.model.predictor import Predictor

# Numbers (rows x outputs) drawn per resample for the first metric, and for the others.
_DRAWN, _DRAWN_OTHERS, _LEAST_DRAWN = 50_000, 10_000, 2_000
_WRITTEN = (".html", ".json")


@dataclass(frozen=True)
class Compared:
    """One metric of both bundles; difference is b - a, in the metric's own units."""

    metric: str
    higher_is_better: bool
    a: Scored
    b: Scored
    difference: Scored | None

    @property
    def better(self) -> str | None:
        """The bundle, "A" or "B", that is better beyond chance; None if no interval says so."""
        if self.difference is None or not self.difference.low * self.difference.high > 0:
            return None
        return "B" if (self.difference.score > 0) is self.higher_is_better else "A"


@dataclass(frozen=True)
class Agreement:
    """How alike the predictions of the same rows are.

    same: share of rows with the same label, and of the others how many A, B or neither calls
    right.  correlation: of predicted values (regression), nan where one side is constant.
    distance: mean absolute difference of the values, or of the probabilities, 0..1 per row.
    """

    same: float | None
    a_right: int | None
    b_right: int | None
    neither: int | None
    correlation: float | None
    distance: float


@dataclass(frozen=True)
class Comparison:
    """Two bundles side by side.

    paired: the scores are of the same rows; else they are those of the bundles' own records.
    scores: the metric that decides comes first.  verdict: one sentence.  better: "A", "B" or None.
    rows: counted and scored, None without data.  warnings: what makes the verdict worth less.
    """

    task: str
    target: str
    sides: tuple[Side, Side]
    paired: bool
    scores: tuple[Compared, ...]
    verdict: str
    better: str | None
    level: float
    agreement: Agreement | None
    n_rows: int | None
    n_scored: int | None
    weight_column: str | None
    warnings: tuple[str, ...]

    @property
    def only(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Columns that only A uses, and only B."""
        a, b = (side.columns for side in self.sides)
        return tuple(c for c in a if c not in b), tuple(c for c in b if c not in a)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; None where rows define no score."""
        only_a, only_b = self.only
        return {
            "task": self.task,
            "target": self.target,
            "paired": self.paired,
            "verdict": self.verdict,
            "better": self.better,
            "level": self.level,
            "rows": self.n_rows,
            "scored": self.n_scored,
            "weight_column": self.weight_column,
            "scores": [_score_json(one) for one in self.scores],
            "agreement": None if self.agreement is None else _known(vars(self.agreement)),
            "a": self.sides[0].to_json(),
            "b": self.sides[1].to_json(),
            "columns_only_a": list(only_a),
            "columns_only_b": list(only_b),
            "warnings": list(self.warnings),
        }


def _score_json(one: Compared) -> dict[str, Any]:
    ends = {"a": one.a, "b": one.b, "difference": one.difference}
    return {
        "metric": one.metric,
        "higher_is_better": one.higher_is_better,
        **{name: None if end is None else _known(vars(end)) for name, end in ends.items()},
        "better": one.better,
    }


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """None for nan, which is no JSON."""
    return {name: None if value != value else value for name, value in facts.items()}


def compare(
    a: Path | str,
    b: Path | str,
    data: Path | str | None = None,
    *,
    options: EvaluateOptions | None = None,
) -> Comparison:
    """Bundles `a` and `b` side by side, on the labelled rows of `data` if they are given.

    Raises ConfigError if they predict different things, or for a metric of another task;
    DataError as `evaluate` does, naming the bundle; BundleError for a bundle that is not whole.
    """
    options = options or EvaluateOptions()
    sides = side_of("A", Path(a)), side_of("B", Path(b))
    refuse_other(*sides)
    if data is None:
        return _by_records(sides, options)
    if str(data) == "-":
        raise ConfigError(
            "Standard input can be read once, but each of the bundles reads DATA.",
            hint="Save the rows to a file.",
        )
    if options.threads is not None and options.threads < 1:
        raise ConfigError(f"--threads is {options.threads}, but must be at least 1.")
    return _on_rows(sides, data, options)


# On the same rows


def _on_rows(sides: tuple[Side, Side], data: Path | str, options: EvaluateOptions) -> Comparison:
    predictors = load_bundle(sides[0].path), load_bundle(sides[1].path)
    metrics = _metrics(predictors, options.metrics)
    _refuse_levels(predictors, metrics)
    found = [
        _labelled(side, predictor, data, options)
        for side, predictor in zip(sides, predictors, strict=True)
    ]
    y, weight, predicted = _shared(predictors, found)
    scores = []
    for i, metric in enumerate(metrics):
        drawn = (_DRAWN_OTHERS if i else _DRAWN) // max(predictors[0].n_outputs, 1)
        a, b = (
            replace(one, prediction=suited(metric, one.prediction, predictor.levels))
            for one, predictor in zip(predicted, predictors, strict=True)
        )
        paired = paired_interval(
            metric, y, a, b, weight, most_rows=max(drawn, _LEAST_DRAWN), seed=options.seed
        )
        scores.append(_compared(metric, paired))
    same = np.array_equal(predicted[0].prediction, predicted[1].prediction)
    speeds = rates(predictors, data, options)
    return Comparison(
        task=sides[0].task,
        target=sides[0].target,
        sides=(replace(sides[0], rate=speeds[0]), replace(sides[1], rate=speeds[1])),
        paired=True,
        scores=tuple(scores),
        verdict="A and B predict the same for every row" if same else _verdict(scores[0]),
        better=scores[0].better,
        level=paired.level,
        agreement=_agreement(predictors[0].task, y, *_points(predictors, predicted)),
        n_rows=found[0].tally.n_rows,
        n_scored=len(y),
        weight_column=found[0].weight_column,
        warnings=_warnings(sides, found, options),
    )


def _metrics(predictors: Sequence[Predictor], names: Sequence[str]) -> list[Metric]:
    """The metrics asked for, or A's own, B's own and every other one of the task."""
    if names:
        return chosen_metrics(predictors[0], names)
    own = [get_metric(predictor.metric) for predictor in predictors]
    every = {metric.name: metric for metric in (*own, *metrics_for(predictors[0].task))}
    return list(every.values())


def _refuse_levels(predictors: Sequence[Predictor], metrics: Sequence[Metric]) -> None:
    """Raise ConfigError for a metric of several quantiles that not both predict."""
    a, b = (predictor.levels for predictor in predictors)
    if a != b and any(metric.quantiles for metric in metrics):
        words = [predictor.metric if predictor.levels else "one value" for predictor in predictors]
        raise ConfigError(
            f"A predicts {words[0]}, and B predicts {words[1]}: no metric is of both.",
            hint="Compare the middle quantile by --metric mae.",
        )


def _points(
    predictors: Sequence[Predictor], predicted: Sequence[Predicted]
) -> tuple[Predicted, Predicted]:
    a, b = (
        replace(one, prediction=predictor.point(one.prediction))
        for one, predictor in zip(predicted, predictors, strict=True)
    )
    return a, b


def _labelled(
    side: Side, predictor: Predictor, data: Path | str, options: EvaluateOptions
) -> Labelled:
    try:
        return labelled_rows(predictor, data, options)
    except DataError as error:
        text = f"{side.label} ('{side.path}'): {error.message}"
        raise DataError(text, hint=error.hint) from error


def _shared(
    predictors: Sequence[Predictor], found: Sequence[Labelled]
) -> tuple[Floats, Floats | None, tuple[Predicted, Predicted]]:
    """Truth and weights of the rows that both score, and what each predicts for them.

    The words that mean a missing target may differ; the weights are those of the first.
    """
    rows, at_a, at_b = np.intersect1d(
        found[0].rows, found[1].rows, assume_unique=True, return_indices=True
    )
    if not len(rows):
        raise DataError("No row has a target that both bundles read.")
    y = found[0].y[at_a]
    weight = None if found[0].weight is None else found[0].weight[at_a]
    a, b = (
        Predicted(one.prediction[at], 0.5 if predictor.threshold is None else predictor.threshold)
        for one, at, predictor in zip(found, (at_a, at_b), predictors, strict=True)
    )
    return y, weight, (a, b)


def _compared(metric: Metric, paired: Paired) -> Compared:
    return Compared(metric.name, metric.higher_is_better, paired.a, paired.b, paired.difference)


def _agreement(task: Task, y: Floats, a: Predicted, b: Predicted) -> Agreement:
    away = np.abs(a.prediction - b.prediction)
    if not task.is_classification:
        varied = a.prediction.std() > 0 and b.prediction.std() > 0
        together = np.corrcoef(a.prediction, b.prediction)[0, 1] if varied else np.nan
        return Agreement(None, None, None, None, float(together), float(away.mean()))
    labels = [labels_of(side.prediction, side.threshold) for side in (a, b)]
    same = labels[0] == labels[1]
    right = [int((label == y)[~same].sum()) for label in labels]
    neither = int((~same).sum()) - sum(right)
    # Half the sum over the classes is the total variation distance.
    distance = away.mean() if away.ndim == 1 else away.sum(axis=1).mean() / 2.0
    return Agreement(float(same.mean()), right[0], right[1], neither, None, float(distance))


def _warnings(
    sides: tuple[Side, Side], found: Sequence[Labelled], options: EvaluateOptions
) -> tuple[str, ...]:
    told = []
    for side in sides:
        if side.trained_digest and side.trained_digest == found[0].tally.digest:
            told.append(
                f"{side.label} was trained on this very table: its scores here are those of rows "
                "that it has learned, and say little about new ones"
            )
    if not options.metrics and sides[0].metric != sides[1].metric:
        told.append(_other_metric(sides))
    if found[0].weight_column != found[1].weight_column:
        told.append(
            f"A was trained with weights by {found[0].weight_column!r}, B by "
            f"{found[1].weight_column!r}; those of A count here, --weight-column names others"
        )
    return tuple(told)


def _other_metric(sides: tuple[Side, Side]) -> str:
    a, b = sides[0].metric, sides[1].metric
    return f"A was made for {a}, B for {b}; {a} decides here, --metric names another"


# By their own records


def _by_records(sides: tuple[Side, Side], options: EvaluateOptions) -> Comparison:
    if options.metrics or options.weight_column:
        option = "--metric" if options.metrics else "--weight-column"
        raise ConfigError(f"{option} needs rows to measure.", hint="Give DATA.")
    records = record_of(sides[0]), record_of(sides[1])
    warnings = ["the scores are those of the bundles' own records: of other rows each, not paired"]
    if sides[0].trained_digest != sides[1].trained_digest or sides[0].n_rows != sides[1].n_rows:
        warnings.append(
            "they were trained on different tables or rows, so their scores do not compare"
        )
    scores: tuple[Compared, ...]
    metric = get_metric(sides[0].metric)
    if sides[0].metric == sides[1].metric:
        scores = (Compared(metric.name, metric.higher_is_better, *records, None),)
        verdict, better = _by_intervals(scores[0], comparable=len(warnings) == 1)
    else:
        verdict, better = "no verdict: they were made for different metrics", None
        other, none = get_metric(sides[1].metric), Scored(np.nan, np.nan, np.nan)
        scores = (
            Compared(metric.name, metric.higher_is_better, records[0], none, None),
            Compared(other.name, other.higher_is_better, none, records[1], None),
        )
    return Comparison(
        task=sides[0].task,
        target=sides[0].target,
        sides=sides,
        paired=False,
        scores=scores,
        verdict=verdict,
        better=better,
        level=0.95,
        agreement=None,
        n_rows=None,
        n_scored=None,
        weight_column=None,
        warnings=tuple(warnings),
    )


def _by_intervals(one: Compared, *, comparable: bool) -> tuple[str, str | None]:
    """A verdict where intervals do not meet: a cautious rule, since they are not paired."""
    a, b = one.a, one.b
    if not comparable:
        return "no verdict: their scores are of different rows", None
    if np.isnan([a.low, a.high, b.low, b.high]).any():
        return "no verdict: a score has no interval", None
    if a.low <= b.high and b.low <= a.high:
        return "no difference that their records can show: the intervals overlap", None
    better = "B" if (b.score > a.score) is one.higher_is_better else "A"
    return f"{better} is better by its record: the intervals do not overlap", better


# The verdict


def _verdict(one: Compared) -> str:
    found = one.difference
    if found is None or np.isnan(found.low):
        return f"no verdict: these rows do not define the difference in {one.metric}"
    if one.better is None:
        span = span_text(found.score, found.low, found.high)
        return (
            f"no difference that these rows can show: {one.metric} of B less that of A is {span}"
        )
    size = sorted((abs(found.low), abs(found.high)))
    span = span_text(abs(found.score), *size)
    return f"{one.better} is better by {span} in {one.metric}"


def span_text(score: float, low: float, high: float) -> str:
    """`0.004 (0.001 to 0.007)`: as many decimals as the interval bears."""
    width = max(high - low, 1e-12)
    decimals = min(max(1 - int(np.floor(np.log10(width))), 0), 12)
    return f"{score:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"


# Its file


def refuse_place(output: Path, inputs: Sequence[Path | str]) -> None:
    """Raise ConfigError unless a comparison can be written to `output`."""
    if output.suffix.lower() not in _WRITTEN:
        raise ConfigError(
            f"Cannot tell what to write to '{output.name}' from its name.",
            hint="End it in .html for a page, or in .json.",
        )
    refuse_inputs(output, inputs)


def write_comparison(found: Comparison, output: Path) -> None:
    """Write JSON or a page, by the name's ending; it appears under its name when it is whole."""
    facts = found.to_json()
    if output.suffix.lower() == ".json":
        text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    else:
        from automl.report.compare import compare_page

        text = compare_page(facts)
    with placed(output) as stream:
        stream.write(text.encode("utf-8", "replace"))
