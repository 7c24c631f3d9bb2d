"""What each part of the tool adds: cross-validated scores of runs from which parts are left out.

python -m benchmarks.ablation SUITE [--budget 60s] [--seeds 0] [--output ablation]

One run per set and seed keeps the out-of-fold margins of its trials (all but the worst of a very
long run); the blend is chosen again from parts of them by the run's own code: the portfolio alone
(no Optuna, no repeated seeds), the best single trial, each recipe and each engine left out. So a
part is measured by what its trials bring to the blend of one run, not by what others would have
found in the time that it took.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

import click

import automl
from automl.forms import parse_duration
from automl.ledger import Ledger, Silent
from automl.search.race import Race
from automl.search.trial import Trial
from automl.workflows.finish import Finish
from benchmarks.sets import DataSet, find_sets

FULL = "full race"
SINGLE = "best single trial"
PORTFOLIO = "portfolio alone"
_PORTFOLIO_ORIGINS = ("portfolio", "hastened")
N_FOLDS = 5
Result = dict[str, Any]


class Part:
    """A race of which only some trials are seen."""

    def __init__(self, race: Race, trials: Sequence[Trial]) -> None:
        self._race, self.done = race, list(trials)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._race, name)


@dataclass(frozen=True)
class Chosen(Finish):
    """The end of a run that may take its time for an honest score."""

    def _crossfit_seconds(self) -> float:
        return math.inf


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its finish, with the trials that are still whole."""

    finish: Finish

    @property
    def trials(self) -> list[Trial]:
        return [trial for trial in self.finish.race.done if not trial.forgotten]

    def score(self, trials: Sequence[Trial], *, single: bool = False) -> float | None:
        """Score of the blend of `trials`, its weights crossfitted where it has several members."""
        if not trials:
            return None
        facts = {name: getattr(self.finish, name) for name in self.finish.__dataclass_fields__}
        facts["race"] = Part(self.finish.race, trials)
        facts["ledger"] = Ledger(Silent())
        facts["source"] = replace(
            self.finish.source, config=replace(self.finish.config, single=single)
        )
        choice, _ = Chosen(**facts)._choose()
        crossfitted = choice.score_crossfitted
        return choice.score if crossfitted is None else crossfitted


def variants(trials: Sequence[Trial]) -> Iterator[tuple[str, list[Trial]]]:
    """(name, trials that remain) of each ablation of a run that leaves something."""
    yield FULL, list(trials)
    yield SINGLE, list(trials)
    yield PORTFOLIO, of_portfolio(trials)
    for kind in ("recipe", "engine"):
        for word in sorted({getattr(trial.candidate, kind) for trial in trials}):
            rest = [trial for trial in trials if getattr(trial.candidate, kind) != word]
            if rest:
                yield f"without {kind} {word}", rest


def of_portfolio(trials: Sequence[Trial]) -> list[Trial]:
    """The trials of the fixed portfolio: those before the first that anything else asked for.

    What a study asks for may be hastened too, so the origin alone does not tell.
    """
    others = [t.number for t in trials if t.candidate.origin not in _PORTFOLIO_ORIGINS]
    return [trial for trial in trials if trial.number < min(others, default=math.inf)]


def ablate(one: DataSet, *, budget: float, seed: int) -> Result:
    """Scores of all variants on one set, with the constant prediction's and the trials' number."""
    found: Result = {}
    bundle = Finish.bundle

    def watched(self: Finish, journal: Any) -> Any:
        result = bundle(self, journal)
        run = Ended(self)
        searched = len(run.trials) - len(of_portfolio(run.trials))
        board = [
            {"name": trial.name, "origin": trial.candidate.origin, "score": trial.score}
            for trial in run.trials
        ]
        found.update(scores=scores_of(run), trials=len(run.trials), searched=searched, board=board)
        return result

    with (
        tempfile.TemporaryDirectory(prefix="automl-ablation-") as place,
        patch.object(Finish, "bundle", watched),
    ):
        result = automl.fit(
            str(one.train),
            target=one.target,
            task=one.task.value,
            metric=one.metric,
            folds=N_FOLDS,
            time_budget=budget,
            seed=seed,
            output=f"{place}/bundle",
        )
    facts = {"dataset": one.name, "budget": budget, "seed": seed, "metric": result.metric}
    blend = {member["name"]: member["weight"] for member in result.blend}
    return {**facts, "constant": result.baseline, "blend": blend, **found}


def scores_of(run: Ended) -> dict[str, float | None]:
    return {name: run.score(rest, single=name == SINGLE) for name, rest in variants(run.trials)}


# -- the table ---------------------------------------------------------------------------------


def table(results: Sequence[Result]) -> str:
    """Markdown: a row per variant, a column per set, and the mean share of the gain that is lost.

    The gain is the full race's over the constant prediction; seeds are averaged.
    """
    sets = sorted({str(result["dataset"]) for result in results})
    names = list(dict.fromkeys(name for result in results for name in result["scores"]))
    # The order of a single run, whichever set is first.
    names.sort(key=lambda name: (name.startswith("without"), name.startswith("without engine")))
    head = ["", *(f"{name} ({_metric(results, name)})" for name in sets), "loss of gain"]
    lines = [_line(head), _line(["---", *["---:"] * (len(sets) + 1)])]
    for name in names:
        cells = [_mean_score(results, one, name) for one in sets]
        lost = [_lost(results, one, name) for one in sets]
        known = [value for value in lost if value is not None]
        text = "" if name == FULL or not known else f"{mean(known):+.2%} ({len(known)} sets)"
        lines.append(_line([name, *("" if c is None else f"{c:.5g}" for c in cells), text]))
    counts = ", ".join(f"{one} {_trials(results, one)}" for one in sets)
    return "\n".join([*lines, "", f"Trials (of them not from the portfolio): {counts}."]) + "\n"


def _of(results: Sequence[Result], one: str) -> list[Result]:
    return [result for result in results if result["dataset"] == one]


def _metric(results: Sequence[Result], one: str) -> str:
    return str(_of(results, one)[0]["metric"])


def _trials(results: Sequence[Result], one: str) -> str:
    mine = _of(results, one)
    return " and ".join(f"{result['trials']} ({result['searched']})" for result in mine)


def _mean_score(results: Sequence[Result], one: str, name: str) -> float | None:
    values = [result["scores"].get(name) for result in _of(results, one)]
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _lost(results: Sequence[Result], one: str, name: str) -> float | None:
    """Mean over seeds of (full - variant) / (full - constant)."""
    shares = []
    for result in _of(results, one):
        scores: Mapping[str, float | None] = result["scores"]
        full, part, constant = scores[FULL], scores.get(name), result["constant"]
        if full is not None and part is not None and full != constant:
            shares.append((full - part) / (full - constant))
    return mean(shares) if shares else None


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


# -- the command -------------------------------------------------------------------------------


@click.command()
@click.argument("suite", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--budget", default="60s", help="Give each run this time  [60s]")
@click.option("--seeds", default="0", help="Repeat with these seeds  [0]")
@click.option("--only", multiple=True, metavar="NAME", help="Run only this set; repeatable")
@click.option("--output", type=click.Path(path_type=Path), default="ablation", help="Folder")
def main(suite: Path, budget: str, seeds: str, only: tuple[str, ...], output: Path) -> None:
    """Draw the ablation table of SUITE; a second call goes on where the first one stopped."""
    seconds = parse_duration(budget)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "ablation.jsonl"
    wanted = [(one, int(seed)) for seed in seeds.split(",") for one in find_sets(suite, only)]
    results = [measured(path, one, seconds, seed, ablate) for one, seed in wanted]
    text = table(results)
    (output / "ablation.md").write_text(text, encoding="utf-8")
    click.echo(text, nl=False)


def measured(
    path: Path, one: DataSet, budget: float, seed: int, step: Callable[..., Result]
) -> Result:
    """The stored result of this run, or that of `step`, which is stored at once."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for result in map(json.loads, lines):
        if (result["dataset"], result["budget"], result["seed"]) == (one.name, budget, seed):
            return dict(result)
    click.echo(f"{one.name}, seed {seed}", err=True)
    result = step(one, budget=budget, seed=seed)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    return result


if __name__ == "__main__":
    main()
