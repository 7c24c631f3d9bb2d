"""Compares systems over data sets: ranks, wins, normalised scores and paired intervals.

Seeds are averaged first. A normalised score is the share of what the best system gains over a
constant prediction: 0 = the training rows' mean or class shares for every row, 1 = the best
system of the set; a failed run counts as the constant prediction, as in AMLB (Gijsbers et al.,
JMLR 2024), and ranks last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.benchmark.results import Result
from automl.benchmark.sets import DataSet, Score

Floats = NDArray[np.float64]
_RESAMPLES = 10_000
_WORST = -1.0  # a normalised score is cut here, so that one set cannot decide a mean


@dataclass(frozen=True)
class SetRow:
    """One data set: scores by system (None = failed), ranks from 1, normalised scores."""

    name: str
    score: str
    higher_is_better: bool
    constant: float
    scores: Mapping[str, float | None]
    ranks: Mapping[str, float]
    normalised: Mapping[str, float]


@dataclass(frozen=True)
class Against:
    """The tool against one system, over the sets that both were run on.

    difference: mean normalised score of the tool minus the other's; low, high: its 95 %
    bootstrap interval over data sets, None for fewer than two.
    """

    wins: int
    ties: int
    losses: int
    difference: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SystemRow:
    """One system over all its sets; None where nothing was measured.

    budget: of its scores; another one than the tool's where it has none of that budget.
    overrun: share of the budget; peak_mib: the highest; rows_per_s: the median.
    """

    name: str
    budget: float | None
    n_sets: int
    failed: int
    mean_rank: float
    normalised: float
    against: Against | None
    fit_s: float | None
    overrun: float | None
    worst_overrun: float | None
    peak_mib: float | None
    rows_per_s: float | None
    bundle_mb: float | None
    native_share: float | None


@dataclass(frozen=True)
class Comparison:
    """Everything about one budget; systems are sorted by mean rank."""

    own: str
    budget: float
    n_seeds: int
    systems: tuple[SystemRow, ...]
    sets: tuple[SetRow, ...]
    failures: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    sets: Sequence[DataSet],
    rows: Sequence[Result],
    *,
    own: str,
    budget: float,
    constants: Mapping[str, float],
) -> Comparison:
    """The comparison at `budget` of the system called `own` with every other one in `rows`.

    A system without results at this budget is taken at its next higher one, or its highest.
    constants: score of the constant prediction by set.
    """
    known = {one.name for one in sets}
    runs = _at_budget([row for row in rows if row["dataset"] in known], own, budget)
    names = [own, *sorted(set(runs) - {own})] if own in runs else sorted(runs)
    tables = tuple(_set_row(one, names, runs, constants[one.name]) for one in sets)
    tables = tuple(table for table in tables if table.scores)
    systems = [_system_row(name, own, runs[name], tables) for name in names]
    seeds = {row.get("seed", 0) for row in runs.get(own, ())}
    return Comparison(
        own=own,
        budget=budget,
        n_seeds=len(seeds),
        systems=tuple(sorted(systems, key=lambda row: row.mean_rank)),
        sets=tables,
        failures=tuple(
            f"{row['system']} on {row['dataset']}: {cause_of(row['error'])}"
            for name in names
            for row in runs[name]
            if "error" in row
        ),
    )


def _at_budget(rows: Sequence[Result], own: str, budget: float) -> dict[str, list[Result]]:
    """The rows of each system at one budget."""
    found: dict[str, list[Result]] = {}
    for name in {str(row["system"]) for row in rows}:
        mine = [row for row in rows if row["system"] == name]
        budgets = sorted({float(row["budget"]) for row in mine if row.get("budget") is not None})
        if name == own:
            chosen = budget
        else:
            higher = [one for one in budgets if one >= budget]
            chosen = higher[0] if higher else budgets[-1] if budgets else budget
        picked = [row for row in mine if row.get("budget") in (None, chosen)]
        if picked:
            found[name] = picked
    return found


def _set_row(
    one: DataSet, names: Sequence[str], runs: Mapping[str, Sequence[Result]], constant: float
) -> SetRow:
    score = one.score
    scores: dict[str, float | None] = {}
    for name in names:
        mine = [row for row in runs[name] if row["dataset"] == one.name]
        if mine:
            scores[name] = _mean_score(mine, score, constant)
    return SetRow(
        name=one.name,
        score=score.title,
        higher_is_better=score.higher_is_better,
        constant=constant,
        scores=scores,
        ranks=_ranks(scores, score),
        normalised=_normalised(scores, score, constant),
    )


def _mean_score(rows: Sequence[Result], score: Score, constant: float) -> float | None:
    """Mean over seeds, a failed one at the constant's score; None if all failed."""
    values = [None if "error" in row else row.get(score.name) for row in rows]
    if all(value is None for value in values):
        return None
    return float(np.mean([constant if value is None else value for value in values]))


def _ranks(scores: Mapping[str, float | None], score: Score) -> dict[str, float]:
    """Ranks from 1; equal scores, and all that failed, share the mean of theirs."""
    losses = {name: np.inf if v is None else score.loss(v) for name, v in scores.items()}
    return {
        name: 1.0
        + sum(other < loss for other in losses.values())
        + (sum(other == loss for other in losses.values()) - 1) / 2.0
        for name, loss in losses.items()
    }


def _normalised(
    scores: Mapping[str, float | None], score: Score, constant: float
) -> dict[str, float]:
    gains = {
        name: 0.0 if value is None else score.loss(constant) - score.loss(value)
        for name, value in scores.items()
    }
    best = max(gains.values(), default=0.0)
    if best <= 0.0:  # nobody learned anything
        return dict.fromkeys(gains, 0.0)
    return {name: max(gain / best, _WORST) for name, gain in gains.items()}


def _system_row(
    name: str, own: str, runs: Sequence[Result], tables: Sequence[SetRow]
) -> SystemRow:
    mine = [table for table in tables if name in table.scores]
    overruns = [value for row in runs if (value := _overrun(row)) is not None]
    return SystemRow(
        name=name,
        budget=next((row.get("budget") for row in runs), None),
        n_sets=len(mine),
        failed=sum("error" in row for row in runs),
        mean_rank=float(np.mean([table.ranks[name] for table in mine])),
        normalised=float(np.mean([table.normalised[name] for table in mine])),
        against=None if name == own else _against(own, name, tables),
        fit_s=_mean(runs, "fit_s"),
        overrun=float(np.mean(overruns)) if overruns else None,
        worst_overrun=max(overruns, default=None),
        peak_mib=max(_values(runs, "peak_mib"), default=None),
        rows_per_s=_median(runs, "rows_per_s"),
        bundle_mb=None if (size := _mean(runs, "bundle_bytes")) is None else size / 1e6,
        native_share=_mean(runs, "native_share"),
    )


def _against(own: str, other: str, tables: Sequence[SetRow]) -> Against | None:
    both = [table for table in tables if own in table.scores and other in table.scores]
    if not both:
        return None
    ranks = [(table.ranks[own], table.ranks[other]) for table in both]
    differences = np.array([table.normalised[own] - table.normalised[other] for table in both])
    low, high = paired_interval(differences)
    return Against(
        wins=sum(a < b for a, b in ranks),
        ties=sum(a == b for a, b in ranks),
        losses=sum(a > b for a, b in ranks),
        difference=float(differences.mean()),
        low=low,
        high=high,
    )


def paired_interval(differences: Floats, seed: int = 0) -> tuple[float | None, float | None]:
    """95 % percentile bootstrap interval of the mean; None for fewer than two differences.

    differences: (n_sets,). Data sets are what is drawn, with replacement (Efron, 1979).
    """
    n = len(differences)
    if n < 2:
        return None, None
    draws = np.random.default_rng(seed).integers(0, n, size=(_RESAMPLES, n))
    low, high = np.quantile(differences[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def cause_of(error: object) -> str:
    """The line of a failed run's last words that says what went wrong."""
    lines = str(error).strip().splitlines() or [""]
    told = [line for line in lines if line.startswith("Error: ")]
    line = told[-1].removeprefix("Error: ") if told else lines[-1]
    return " ".join(line.split())


def _overrun(row: Result) -> float | None:
    if row.get("overrun") is not None:
        return float(row["overrun"])
    if row.get("fit_s") is None or not row.get("budget"):
        return None
    return float(row["fit_s"]) / float(row["budget"]) - 1.0


def _values(rows: Sequence[Result], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row.get(name) is not None]


def _mean(rows: Sequence[Result], name: str) -> float | None:
    values = _values(rows, name)
    return float(np.mean(values)) if values else None


def _median(rows: Sequence[Result], name: str) -> float | None:
    values = _values(rows, name)
    return float(np.median(values)) if values else None
