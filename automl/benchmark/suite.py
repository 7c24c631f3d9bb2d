"""`run_benchmark`: systems over data sets, budgets and seeds; then tables, JSON and a page."""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.benchmark.compare import Comparison, cause_of, compare
from automl.benchmark.page import page
from automl.benchmark.results import Result, Results, read_results
from automl.benchmark.scores import constant_score
from automl.benchmark.sets import DataSet, find_sets
from automl.benchmark.summary import markdown
from automl.benchmark.systems import System, Tool, measured, peer_of
from automl.errors import ConfigError
from automl.ledger import Decision, Progress, Silent

SELF = "automl"


@dataclass(frozen=True)
class Plan:
    """What is measured.

    peers: a JSON-lines file of stored scores, joined where a peer was not run.
    command: what runs the tool, for another version of it; this Python's `automl` if empty.
    """

    budgets: tuple[float, ...] = (60.0,)
    seeds: tuple[int, ...] = (0,)
    against: tuple[str, ...] = ()
    peers: Path | None = None
    target: str | None = None
    only: tuple[str, ...] = ()
    fit_args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    label: str = SELF


@dataclass(frozen=True)
class Benchmark:
    """A finished benchmark: its folder and one comparison per budget."""

    folder: Path
    comparisons: tuple[Comparison, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "budgets": [comparison.to_json() for comparison in self.comparisons],
        }


def run_benchmark(
    suite: str | Path, plan: Plan, *, output: Path, progress: Progress | None = None
) -> Benchmark:
    """Measure what is not measured yet, and compare all of it.

    Each finished run is a line of `output`/results.jsonl at once; a second call goes on from
    there and repeats what failed. Writes results.json, results.md and index.html beside it.
    Raises ConfigError or DataError for what the caller can mend.
    """
    told = progress or Silent()
    source = Path(suite)
    if not source.exists():
        raise ConfigError(f"There is no {source}.", hint="Name a folder of data sets or a CSV.")
    systems = _systems(plan)
    stored = [] if plan.peers is None else _stored(plan.peers, [one.name for one in systems])
    sets = find_sets(source, target=plan.target, only=plan.only, splits=output / "sets")
    results = Results(output / "results.jsonl")
    wanted = _measure(sets, systems, plan, results, told)
    constants = {one.name: constant_score(one) for one in sets}
    rows = [*results.of(wanted), *stored]
    comparisons = tuple(
        compare(sets, rows, own=plan.label, budget=budget, constants=constants)
        for budget in plan.budgets
    )
    found = Benchmark(output, comparisons)
    _write(found, source.name)
    return found


def _systems(plan: Plan) -> list[System]:
    command = plan.command or (sys.executable, "-m", "automl")
    tool = Tool(plan.label, command, plan.fit_args)
    return [tool, *(peer_of(word) for word in plan.against)]


def _stored(path: Path, measured_here: Sequence[str]) -> list[Result]:
    if not path.is_file():
        raise ConfigError(f"There is no {path}.", hint="--peers reads a file of JSON lines.")
    return [row for row in read_results(path) if row["system"] not in measured_here]


def _measure(
    sets: Sequence[DataSet],
    systems: Sequence[System],
    plan: Plan,
    results: Results,
    told: Progress,
) -> list[dict[str, Any]]:
    """The keys of everything that belongs to this benchmark; what was missing is measured."""
    keys = []
    for budget in plan.budgets:
        told.stage(f"{budget:g} s")
        for seed in plan.seeds:
            for one in sets:
                for system in systems:
                    key = system.key(one, budget, seed)
                    keys.append(key)
                    if not results.has(key):
                        _run(system, one, budget, seed, results, told)
    return keys


def _run(
    system: System, one: DataSet, budget: float, seed: int, results: Results, told: Progress
) -> None:
    place = Path(tempfile.mkdtemp(prefix="automl-benchmark-"))
    try:
        facts = measured(system, one, budget, seed, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    results.add(system.key(one, budget, seed) | facts)
    failed = "error" in facts
    text = f"{one.name}: {system.name} {_told(facts)}"
    # A topic of its own: none of these lines is worth less than the first.
    told.decided(Decision(f"{one.name} {system.name}", text, f"seed {seed}", warning=failed))


def _told(facts: dict[str, Any]) -> str:
    if "error" in facts:
        return "failed: " + cause_of(facts["error"])
    name = next(name for name in ("auc", "rmse", "logloss") if name in facts)
    return f"{name} {facts[name]:.5g} after {facts['fit_s']:.1f} s"


def _write(found: Benchmark, title: str) -> None:
    text = json.dumps(_finite(found.to_json()), indent=1, allow_nan=False)
    (found.folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (found.folder / "results.md").write_text(markdown(found.comparisons), encoding="utf-8")
    (found.folder / "index.html").write_text(page(found.comparisons, title), encoding="utf-8")


def _finite(value: Any) -> Any:
    """`value` with None for numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
