"""`automl evaluate`: score a bundle on labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.commands._cells import chosen_mode, mode_options, report_option, say_cells
from automl.cli.options import (
    console_options,
    digest_option,
    json_option,
    reading_options,
    reading_settings,
    seed_option,
)
from automl.cli.text import number

if TYPE_CHECKING:
    from automl.cli.console import Console
    from automl.workflows.evaluate import Evaluation

# Above this many classes a confusion matrix is no longer read on a terminal; --json has it whole.
_MAX_CLASSES = 20


@click.command("evaluate")
@click.argument("bundle", metavar="BUNDLE")
@click.argument("data", metavar="DATA")
@click.option("-m", "--metric", "metrics", multiple=True, metavar="M", help="Measure only M")
@click.option("--weight-column", metavar="COLUMN", help="Weigh the rows  [as in training]")
@mode_options
@report_option
@click.option("--threads", type=int, metavar="N", help="Use N threads  [by rows and cores]")
@digest_option
@seed_option
@reading_options
@json_option
@console_options
def command(
    bundle: str,
    data: str,
    metrics: tuple[str, ...],
    weight_column: str | None,
    lenient: bool,
    strict: bool,
    validation_report: Path | None,
    threads: int | None,
    require_digest: str | None,
    seed: int,
    delimiter: str | None,
    encoding: str | None,
    header: bool | None,
    as_json: bool,
    console: Console,
) -> None:
    """Measure BUNDLE on the labelled rows of DATA.

    Shows every metric of the task, a 95 % bootstrap interval of the first one, and for classes
    the confusion matrix and a row per class. Rows without a target are left out and counted.
    Labels that the model does not know are an error; --lenient leaves out their rows, too.

    \b
    Example:
        automl evaluate data-model labelled.csv --json
    """
    from automl.data.read import ReadOptions
    from automl.workflows.evaluate import EvaluateOptions, evaluate

    found = reading_settings(delimiter, encoding, header)
    options = EvaluateOptions(
        metrics=metrics,
        weight_column=weight_column,
        report=validation_report,
        mode=chosen_mode(lenient=lenient, strict=strict),
        threads=threads,
        require_digest=require_digest,
        seed=seed,
        read=ReadOptions(**found),
    )
    evaluation = evaluate(bundle, data, options=options)
    say_cells(console, evaluation.cells)
    _say_rows(console, evaluation)
    if as_json:
        console.emit_json(evaluation.to_json())
    else:
        _show(console, evaluation)


def _say_rows(console: Console, evaluation: Evaluation) -> None:
    console.say(f"{evaluation.n_scored:,} of {evaluation.n_rows:,} rows measured")
    if evaluation.n_missing:
        console.say(f"{evaluation.n_missing:,} rows without a target are left out")
    if evaluation.unknown:
        labels = ", ".join(f"{text!r} ({n:,})" for text, n in evaluation.unknown.items())
        console.warn(f"Rows with a target that the model cannot know are left out: {labels}")
    if evaluation.weight_column is not None:
        console.say(f"Rows are weighted by {evaluation.weight_column!r}")


def _show(console: Console, evaluation: Evaluation) -> None:
    interval = evaluation.interval
    rows = []
    for name, score in evaluation.scores.items():
        known = interval is not None and name == interval.metric
        span = f"{number(interval.low)} to {number(interval.high)}" if known and interval else None
        rows.append((name, score, span))
    console.table(rows, ("metric", "score", "95 % interval"))
    if evaluation.quantiles:
        console.say("Metrics of one prediction are of the quantile nearest to the median")
        console.data("")
        console.table(
            [(f"{one['level']:g}", one["below"], one["loss"]) for one in evaluation.quantiles],
            ("quantile", "targets at or below", "pinball loss"),
        )
    if not evaluation.per_class:
        return
    console.data("")
    per_class = zip(evaluation.classes, evaluation.per_class, strict=True)
    console.table(
        [
            (label, row.precision, row.recall, row.f1, _count(row.support))
            for label, row in per_class
        ],
        ("class", "precision", "recall", "f1", "rows"),
    )
    if len(evaluation.classes) > _MAX_CLASSES:
        console.say(f"The confusion matrix of {len(evaluation.classes)} classes is in --json")
        return
    console.data("")
    matrix = [] if evaluation.confusion is None else evaluation.confusion.tolist()
    console.table(
        [
            (label, *(_count(cell) for cell in row))
            for label, row in zip(evaluation.classes, matrix, strict=True)
        ],
        ("true \\ predicted", *evaluation.classes),
    )


def _count(weight: float) -> int | float:
    """A sum of weights as the number of rows that it is without weights."""
    return int(weight) if weight.is_integer() else weight
