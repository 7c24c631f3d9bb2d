"""Run the command-line tool over a folder of data sets and write down time, size and score.

python -m benchmarks.run FOLDER --budget 60s --seed 0 --output results.jsonl
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pandas as pd

from automl.forms import parse_duration
from benchmarks.sets import DataSet, find_sets, score
from benchmarks.table import Result, markdown, read_results

BASELINE = "lightgbm-bag"
# A fit that has not ended by then is counted as failed.
_PATIENCE = 3.0
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Run:
    """What is the same for all data sets of a benchmark."""

    label: str
    budget: float
    seed: int
    command: tuple[str, ...]
    fit_args: tuple[str, ...]
    keep: Path | None


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--budget", default="60s", help="Give each fit this much time  [60s]")
@click.option("--seed", type=int, default=0, help="Seed of every fit  [0]")
@click.option("--output", type=click.Path(path_type=Path), default="results.jsonl")
@click.option("--only", multiple=True, metavar="NAME", help="Run only this data set; repeatable")
@click.option("--baseline", is_flag=True, help="Score a bag of default LightGBM as well")
@click.option("--peers", type=click.Path(path_type=Path, exists=True), help="Join stored scores")
@click.option("--label", default="automl", help="Name of this run in the results  [automl]")
@click.option("--command", default="", help="What to run  [this Python's `automl`]")
@click.option("--fit-args", default="", help="Further options for `automl fit`")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep bundles and predictions here")
def main(  # noqa: PLR0913 - one per option
    folder: Path,
    budget: str,
    seed: int,
    output: Path,
    only: tuple[str, ...],
    baseline: bool,
    peers: Path | None,
    label: str,
    command: str,
    fit_args: str,
    keep: Path | None,
) -> None:
    """Run `automl fit` and `automl predict` over FOLDER/NAME/{train,test}.csv.

    Each finished set is one line of the results file at once; a second call goes on where the
    first one stopped, and repeats what failed. The table is written beside it as Markdown.
    """
    run = Run(
        label=label,
        budget=parse_duration(budget),
        seed=seed,
        command=tuple(shlex.split(command)) or (sys.executable, "-m", "automl"),
        fit_args=tuple(shlex.split(fit_args)),
        keep=keep,
    )
    try:
        sets = find_sets(folder, only)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    steps: dict[str, Callable[[DataSet], dict[str, Any]]] = {label: lambda one: measured(one, run)}
    if baseline:
        steps[BASELINE] = lambda one: bagged(one, seed)
    for one in sets:
        for system, step in steps.items():
            if not is_done(output, system, one, run):
                click.echo(f"{one.name}: {system}", err=True)
                append(output, key(system, one, run) | step(one))
    peer_scores = [] if peers is None else at_budget(read_results(peers), run.budget)
    mine = [one for one in read_results(output) if same_run(one, run)]
    text = markdown(
        sets, mine, label=label, baseline=BASELINE if baseline else None, peers=peer_scores
    )
    output.with_suffix(".md").write_text(text, encoding="utf-8")
    click.echo(text, nl=False)


def measured(one: DataSet, run: Run) -> dict[str, Any]:
    """Fit and predict as a user does; wall seconds of each whole process, size and score.

    overrun: share of the budget by which the fit ran over it; negative if it ended early.
    """
    place = Path(tempfile.mkdtemp(prefix="automl-benchmark-"))
    try:
        return _measured(one, run, place)
    finally:
        if run.keep is not None:
            shutil.copytree(place, run.keep / one.name, dirs_exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)


def _measured(one: DataSet, run: Run, place: Path) -> dict[str, Any]:
    bundle, scored = place / "bundle", place / "scored.csv"
    fit = ["fit", one.train, "--target", one.target, "--time-budget", f"{run.budget:g}s"]
    fit += ["--metric", one.metric, "--seed", str(run.seed), "--output", bundle, *run.fit_args]
    limit = _PATIENCE * run.budget + _PATIENCE_SECONDS
    seconds, error = timed([*run.command, *map(str, fit)], limit)
    found = {"fit_s": seconds, "overrun": seconds / run.budget - 1.0}
    if error is not None:
        return found | {"error": f"fit: {error}"}
    predict = ["predict", bundle, one.test, "--output", scored]
    predict += [] if one.task == "regression" else ["--proba"]
    found["bundle_bytes"] = sum(p.stat().st_size for p in bundle.rglob("*") if p.is_file())
    found["predict_s"], error = timed([*run.command, *map(str, predict)], limit)
    if error is not None:
        return found | {"error": f"predict: {error}"}
    return found | {one.score_name: score_file(one, scored)}


def score_file(one: DataSet, scored: Path) -> float:
    """The score of the rows that `automl predict` wrote."""
    table = pd.read_csv(scored, dtype={"prediction": float if one.task == "regression" else str})
    if one.task == "regression":
        return score(one, table["prediction"].to_numpy(), [])
    names = [name for name in table.columns if name.startswith("proba_")]
    classes = [name.removeprefix("proba_") for name in names]
    return score(one, table[names].to_numpy(), classes)


def timed(command: Sequence[str], limit: float) -> tuple[float, str | None]:
    """(wall seconds of the process, what it said last if it failed)."""
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=limit, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        return time.perf_counter() - started, f"not done after {limit:.0f} s"
    seconds = time.perf_counter() - started
    if done.returncode == 0:
        return seconds, None
    return seconds, done.stderr.decode("utf-8", "replace").strip()[-500:] or "failed"


def bagged(one: DataSet, seed: int) -> dict[str, Any]:
    from benchmarks.baseline import lightgbm_bag

    return lightgbm_bag(one, seed=seed, threads=1)


def key(system: str, one: DataSet, run: Run) -> dict[str, Any]:
    """What tells one result from another."""
    facts: dict[str, Any] = {"system": system, "dataset": one.name, "task": one.task}
    facts["seed"] = run.seed
    if system != BASELINE:  # which knows no budget
        facts |= {"budget": run.budget, "fit_args": list(run.fit_args)}
    return facts


def is_done(output: Path, system: str, one: DataSet, run: Run) -> bool:
    wanted = key(system, one, run)
    return any(
        all(result.get(name) == value for name, value in wanted.items())
        for result in read_results(output)
        if "error" not in result
    )


def same_run(result: Result, run: Run) -> bool:
    """Whether a result belongs in the table of this run."""
    if result["seed"] != run.seed:
        return False
    if result["system"] == BASELINE:
        return True
    return bool(result["budget"] == run.budget and result["fit_args"] == list(run.fit_args))


def at_budget(peers: Sequence[Result], budget: float) -> list[Result]:
    """The peers' results at this budget; all of them if there is none."""
    same = [peer for peer in peers if peer.get("budget") == budget]
    return same or list(peers)


def append(output: Path, result: Result) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
