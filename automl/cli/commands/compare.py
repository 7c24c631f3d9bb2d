"""`automl compare`: two bundles side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.commands._cells import chosen_mode, mode_options
from automl.cli.options import (
    console_options,
    json_option,
    reading_options,
    reading_settings,
    seed_option,
)
from automl.cli.text import number

if TYPE_CHECKING:
    from automl.cli.console import Console
    from automl.metrics._interval import Scored
    from automl.workflows.compare import Agreement, Comparison

_NAMED = 8  # columns that only one bundle uses


@click.command("compare")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.argument("data", metavar="[DATA]", required=False)
@click.option("-m", "--metric", "metrics", multiple=True, metavar="M", help="Measure only M")
@click.option("--weight-column", metavar="COLUMN", help="Weigh the rows  [as in training]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a page (.html) or JSON (.json)",
)
@mode_options
@click.option("--threads", type=int, metavar="N", help="Use N threads  [by rows and cores]")
@seed_option
@reading_options
@json_option
@console_options
def command(
    a: str,
    b: str,
    data: str | None,
    metrics: tuple[str, ...],
    weight_column: str | None,
    output: Path | None,
    lenient: bool,
    strict: bool,
    threads: int | None,
    seed: int,
    delimiter: str | None,
    encoding: str | None,
    header: bool | None,
    as_json: bool,
    console: Console,
) -> None:
    """Compare the bundles A and B, on the labelled rows of DATA.

    Every metric of both with 95 % intervals, and that of their difference, from the same
    resampled rows: what makes rows hard makes them hard for both. The first metric gives the
    verdict. Beside it stand how far they agree, size, speed, members and columns. Without DATA
    the bundles' own cross-validated scores are shown, which are not paired.

    \b
    Example:
        automl compare old-model new-model labelled.csv
    """
    from automl.data.read import ReadOptions
    from automl.workflows.compare import compare, refuse_place, write_comparison
    from automl.workflows.evaluate import EvaluateOptions

    if output is not None:
        refuse_place(output, [a, b, *([] if data is None else [data])])
    options = EvaluateOptions(
        metrics=metrics,
        weight_column=weight_column,
        mode=chosen_mode(lenient=lenient, strict=strict),
        threads=threads,
        seed=seed,
        read=ReadOptions(**reading_settings(delimiter, encoding, header)),
    )
    found = compare(a, b, data, options=options)
    for warning in found.warnings:
        console.warn(warning)
    if output is not None:
        write_comparison(found, output)
    if as_json:
        console.emit_json(found.to_json())
    else:
        _show(console, found)
    console.result(_headline(found.verdict))


def _headline(verdict: str) -> str:
    return verdict[0].upper() + verdict[1:]


def _show(console: Console, found: Comparison) -> None:
    if found.n_scored is not None:
        console.say(f"{found.n_scored:,} of {found.n_rows:,} rows measured")
    rows = [
        (
            one.metric,
            _score(one.a),
            _score(one.b),
            "" if one.difference is None else _score(one.difference),
            one.better,
        )
        for one in found.scores
    ]
    names = ("metric", "A", "B", "B less A", "better")
    console.table(
        rows if found.paired else [row[:3] for row in rows], names[: 5 if found.paired else 3]
    )
    if found.agreement is not None:
        console.data("")
        console.table(list(_agreement(found.agreement)), ("predictions", ""))
    console.data("")
    console.table(_sides(found), ("", "A", "B"))
    for label, only in zip("AB", found.only, strict=True):
        if only:
            dots = f", … ({len(only):,})" if len(only) > _NAMED else ""
            listed = ", ".join(repr(name) for name in only[:_NAMED])
            console.say(f"Only {label} uses {listed}{dots}")


def _score(found: Scored) -> str:
    if found.score != found.score:  # nan
        return "-"
    ends = f" ({number(found.low)} to {number(found.high)})" if found.low == found.low else ""
    return number(found.score) + ends


def _agreement(found: Agreement) -> list[tuple[str, str]]:
    if found.same is None:
        return [
            ("correlation", number(found.correlation or 0.0)),
            ("mean distance", number(found.distance)),
        ]
    return [
        ("same label", f"{found.same:.2%} of the rows"),
        (
            "elsewhere right",
            f"A {found.a_right:,}, B {found.b_right:,}, neither {found.neither:,} rows",
        ),
        ("mean distance of the probabilities", number(found.distance)),
    ]


def _sides(found: Comparison) -> list[tuple[str, str, str]]:
    a, b = found.sides
    rows = [
        ("bundle", str(a.path), str(b.path)),
        ("trained on", _trained(a.trained_on, a.n_rows), _trained(b.trained_on, b.n_rows)),
        ("columns", f"{len(a.columns):,}", f"{len(b.columns):,}"),
        ("boosters", f"{a.n_boosters:,}", f"{b.n_boosters:,}"),
        ("size", _size(a.n_bytes), _size(b.n_bytes)),
    ]
    if a.rate is not None and b.rate is not None:
        rows.append(("rows/s on one core", f"{a.rate:,.0f}", f"{b.rate:,.0f}"))
    for i in range(max(len(a.members), len(b.members))):
        one, other = (s.members[i] if i < len(s.members) else "" for s in (a, b))
        rows.append(("" if i else "members", one, other))
    return rows


def _trained(name: str | None, n_rows: int | None) -> str:
    return "-" if name is None else f"{name}, {n_rows:,} rows" if n_rows else name


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.2f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.1f} kB"
