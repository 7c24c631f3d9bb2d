"""`automl fit`: train, validate, blend and explain a model from one table."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl.cli import options
from automl.cli.console import Console
from automl.cli.interrupts import Interrupts
from automl.cli.text import clean, duration, number, score_text
from automl.config import FitConfig
from automl.forms import parse_duration
from automl.settings import resolve

if TYPE_CHECKING:
    from automl.workflows.result import FitResult

_TOP_COLUMNS = 5


@click.command(cls=options.GroupedCommand)
@click.argument("data", required=False)
@options.fit_options
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read settings from this TOML file",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="OUTPUT",
    help="Go on with the interrupted run to OUTPUT in what is left of its time",
)
@click.option(
    "--more-time",
    metavar="TIME",
    help="With --resume: so much more time, also for a run that has ended",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="Do again what the run to BUNDLE did, to the bit, without a clock",
)
@click.option("--show-config", is_flag=True, help="Print the settings in effect and leave")
@options.json_option
@options.console_options
def command(
    data: str | None,
    file: Path | None,
    resume: Path | None,
    more_time: str | None,
    replay: Path | None,
    show_config: bool,
    as_json: bool,
    console: Console,
    **_settings: Any,  # one per FitConfig field; the context knows which were typed
) -> None:
    """Train a model for one column of DATA.

    DATA is a CSV, Parquet, Arrow or JSON-lines file, or - for stdin. The result is a folder with
    the model, its explanations and the record of the run. Settings come from the command line,
    AUTOML_* variables, the --config file, the preset and the defaults, in this order.

    Ctrl-C ends the run with the best so far; a second one stops it, and --resume goes on. A run
    that has ended goes on with --resume and --more-time, and its model never gets worse.

    \b
    Example:
        automl fit data.csv --target y --time-budget 60s
    """
    typed = options.given_settings(click.get_current_context())
    if more_time is not None and resume is None:
        raise click.UsageError("--more-time goes with --resume OUTPUT.")
    if resume is not None and replay is not None:
        raise click.UsageError("--resume and --replay exclude each other.")
    earlier = "--resume" if resume is not None else "--replay"
    if (resume or replay) and (file is not None or show_config):
        raise click.UsageError(f"{earlier} has its settings from the run that it names.")
    if resume is not None:
        seconds = None if more_time is None else parse_duration(more_time)
        result = _resumed(resume, data, seconds, typed, console)
    elif replay is not None:
        result = _replayed(replay, data, typed, console)
    else:
        if data is None:
            raise click.UsageError("Missing argument 'DATA'.")
        config, origins = resolve(typed, os.environ, file)
        if show_config:
            _show(console, config, origins, as_json=as_json)
            return
        result = _fitted(data, config, origins, console)
    if as_json:
        console.emit_json(result.to_json())
    else:
        _tell(console, result)


def _fitted(
    data: str, config: FitConfig, origins: Mapping[str, str], console: Console
) -> FitResult:
    from automl.budget import Budget, process_age
    from automl.workflows.fit import fit

    # The budget counts from Enter, so the start of the interpreter is already spent.
    budget = Budget(config.time_budget, already_spent=process_age())
    with Interrupts(budget):
        return fit(data, config, origins=origins, budget=budget, progress=console)


def _resumed(
    output: Path,
    data: str | None,
    more_time: float | None,
    typed: Mapping[str, Any],
    console: Console,
) -> FitResult:
    from automl.budget import process_age
    from automl.workflows.extend import unfinished_or_finished
    from automl.workflows.fit import resume

    earlier = unfinished_or_finished(output, more_time)
    earlier.check_settings(typed)
    budget = earlier.budget(already_spent=process_age())
    with Interrupts(budget):
        return resume(earlier, data=data, budget=budget, progress=console)


def _replayed(
    run: Path, data: str | None, typed: Mapping[str, Any], console: Console
) -> FitResult:
    from automl.workflows.fit import replay
    from automl.workflows.replay import OWN, Replayed

    earlier = Replayed.read(run)
    earlier.check_settings({name: value for name, value in typed.items() if name not in OWN})
    own = {name: value for name, value in typed.items() if name in OWN}
    config, _ = resolve({"target": earlier.config.target, **own}, {}, None)
    return replay(earlier, data=data, config=config, progress=console)


def _show(
    console: Console, config: FitConfig, origins: Mapping[str, str], *, as_json: bool
) -> None:
    values = config.to_json()
    if as_json:
        both = {name: {"value": values[name], "from": origins[name]} for name in values}
        console.emit_json(both)
        return
    rows = [(name, _setting_text(value), origins[name]) for name, value in values.items()]
    console.table(rows, ("setting", "value", "from"))


def _setting_text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _tell(console: Console, result: FitResult) -> None:
    """The result for a person: score, where it comes from, the files, the next command."""
    path = _near(result.path)
    headline = (
        f"{result.metric} {_score_text(result)} "
        f"(baseline {number(result.baseline)}), model in {path}"
    )
    facts = [
        ("target", f"{result.target} ({result.task})"),
        ("table", f"{result.n_rows:,} rows, {result.n_columns:,} columns"),
        *_validation_facts(result),
        *_repeat_facts(result),
        *_test_facts(result),
        *_parity_facts(result),
        *_model_facts(result),
        ("time", _time_text(result)),
        *_replay_facts(result),
        *(("note" if i == 0 else "", note) for i, note in enumerate(result.notes)),
        ("files", _files_text(path)),
    ]
    console.result(headline, facts, f"automl predict {quoted(str(path))} new.csv")


def _near(path: Path) -> Path:
    """`path` as seen from here if it lies below, so that commands stay short."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) and path != here else path


def _validation_facts(result: FitResult) -> list[tuple[str, str]]:
    if len(result.fold_scores) < 2:
        return [("validation", "single holdout")]
    text = "  ".join(map(number, result.fold_scores))
    return [("folds", f"{text}, as they chose" if result.corrected else text)]


def _repeat_facts(result: FitResult) -> list[tuple[str, str]]:
    """The score of rows that repeat no known one, where the headline counts on some that do."""
    found = result.corrected or {}
    if not found.get("repeats"):
        return []
    return [("unlike", f"{number(found['unseen'])} on new rows that repeat no known one")]


def _test_facts(result: FitResult) -> list[tuple[str, str]]:
    """The score of rows that no choice has seen, if any were kept aside."""
    found = result.test
    if found is None:
        return []
    ends = f"{number(found['low'])} to {number(found['high'])}"
    return [("test", f"{number(found['score'])} ({ends}) on {found['rows']:,} rows kept aside")]


def _parity_facts(result: FitResult) -> list[tuple[str, str]]:
    """What a limit on disparity has come to, and what it costs."""
    found = result.parity
    if found is None:
        return []
    free = found["without"]
    kept = "within" if found["kept"] else "NOT within"
    price = f"{result.metric} {number(found['score'])}, {number(free['score'])} without the limit"
    if result.metric != "accuracy":
        price += f"; accuracy {number(found['accuracy'])}, {number(free['accuracy'])} without"
    return [
        (
            "fairness",
            f"shares called positive differ by {number(found['difference'])}, {kept} "
            f"{found['limit']:g} ({number(free['difference'])} without the limit)",
        ),
        ("", price),
    ]


def _score_text(result: FitResult) -> str:
    """The corrected score with its interval; where there is none, the folds' with its spread."""
    found = result.corrected
    if found is None:
        return score_text(result.score, result.spread)
    ends = f"{number(found['low'])} to {number(found['high'])}"
    return f"{number(found['score'])} ({ends}, corrected for choosing)"


def _model_facts(result: FitResult) -> list[tuple[str, str]]:
    engines = ", ".join(f"{name} {number(score)}" for name, score in result.engine_scores.items())
    facts = [("engines", engines)] if engines else []
    for i, member in enumerate(result.blend):
        origin = f"{member['engine']}, {member['recipe']}, {score_text(member['score'])}"
        text = f"{member['weight']:.2f} x {member['name']} ({origin})"
        facts.append(("blend" if i == 0 else "", text))
    total = sum(abs(value) for _, value in result.importance)
    if total > 0:
        top = [
            f"{clean(name)} {abs(value) / total:.0%}"
            for name, value in result.importance[:_TOP_COLUMNS]
        ]
        facts.append(("columns", ", ".join(top)))
    return facts


def _time_text(result: FitResult) -> str:
    text = duration(result.seconds)
    if result.budget is not None:
        text += f" of {duration(result.budget)}"
    if result.reproducible:
        return text
    why = "interrupted or resumed" if result.budget is None else "ended by the clock"
    again = f"`automl fit --replay {quoted(str(_near(result.path)))}`"
    return f"{text}; {why}, {again} repeats it"


def _replay_facts(result: FitResult) -> list[tuple[str, str]]:
    if result.replay is None:
        return []
    run, n_files = _near(Path(result.replay["of"])), result.replay["files"]
    differing = result.replay["differing"]
    if not differing:
        return [("replay", f"all {n_files} member files are those of {run}, to the bit")]
    first = differing[0]
    text = f"{len(differing)} of {n_files} member files differ from those of {run}: {first}"
    return [("replay", f"{text}{', …' if len(differing) > 1 else ''}")]


def _files_text(path: Path) -> str:
    names = sorted(one.name + ("/" if one.is_dir() else "") for one in path.iterdir())
    return f"{path}{os.sep}: {', '.join(names)}"


def quoted(path: str) -> str:
    """`path` as one word of the shell that people have on this system."""
    return subprocess.list2cmdline([path]) if os.name == "nt" else shlex.quote(path)
