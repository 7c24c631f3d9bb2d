"""After the race: members refitted on all rows where asked for, and SHAP values of the blend."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.splits import Split
from automl.model.bundle import MemberFiles
from automl.search.crossval import PLAIN, load_engine
from automl.search.executors.base import Executor, Report
from automl.search.store import RunData, save_array
from automl.search.trial import Trial

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
# Rounds after which the clock ended the training of a model, by what the model is called.
Stops = Mapping[str, int]
GRACE = 0.15  # seconds that a task may take past its limit before it is killed
# Of a model of all rows: share of its trees that the clock must leave, and how much worse than
# the folds' models it may be on a sample of rows, with a share of what a constant loses.
_MOST_TREES, _WORSE, _SLACK = 0.5, 1.25, 0.02
_PROBE_ROWS = 8
_SHAP_TASKS = 8
_SHAP_SHARE = 0.7  # of the seconds left, as a guard against a probe that ran undisturbed


class NotDone(Exception):  # noqa: N818 - a reason to ship without, not an error of the run
    """Why a step after the race was left out: the time was up, or what failed.

    late: the time was up.
    """

    def __init__(self, reason: str, *, late: bool) -> None:
        super().__init__(reason)
        self.late = late


def fold_members(trials: Sequence[Trial], weights: Mapping[str, float]) -> list[MemberFiles]:
    """Each member as the bag of its fold models."""
    by_name = {trial.name: trial for trial in trials}
    members = []
    for name, weight in weights.items():
        trial = by_name[name]
        boosters = tuple((fold.model, _recipe(fold.recipe_file)) for fold in trial.prefix())
        members.append(_member(trial, weight, boosters))
    return members


def refit_members(
    chosen: Sequence[tuple[Trial, float]],
    data: RunData,
    executor: Executor,
    *,
    folder: Path,
    seed: int,
    seconds_left: Callable[[], float],
    stops: Stops,
) -> tuple[list[MemberFiles], Stops]:
    """Each member as one model of all rows, and the rounds after which the clock cut some.

    chosen: trials with their weights.  stops: rounds after which a refit ends, by trial name.
    The tree count is the folds' mean, scaled by the rows that a split did not train on. Raises
    NotDone where one of them has no model, or none that could ship: nobody has scored it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tasks: list[dict[str, Any]] = []
    for i, (trial, _) in enumerate(chosen):
        recipe_file = None if trial.candidate.recipe == PLAIN else folder / f"recipe_{i:02d}.json"
        model = folder / f"refit_{i:02d}{load_engine(trial.candidate.engine).suffix}"
        tasks.append(
            {
                "kind": "refit",
                "engine": trial.candidate.engine,
                "recipe": trial.candidate.recipe,
                "params": dict(trial.candidate.params),
                "seed": trial.seed(seed),
                "max_trees": refit_trees(trial, data),
                "stop_after": stops.get(trial.name),
                "model": str(model),
                "recipe_file": None if recipe_file is None else str(recipe_file),
            }
        )
    reports = run_all(executor, tasks, seconds_left=seconds_left)
    _check_all(reports)
    members, cut = [], {}
    for (trial, weight), report in zip(chosen, reports, strict=True):
        task, result = report.task, report.result or {}
        _check_refit(trial, task, result)
        recipe_file = task["recipe_file"]
        recipe = _recipe(None if recipe_file is None else Path(recipe_file))
        members.append(_member(trial, weight, ((Path(task["model"]), recipe),)))
        if result["by_clock"]:
            cut[trial.name] = int(result["n_trained"])
    return members, cut


def _check_refit(trial: Trial, task: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Raise NotDone for a model of all rows that is surely worse than those of the folds.

    It may have lost most of its trees to the clock, or have diverged: many classes and a high
    learning rate can do that. Then it fits rows that it knows worse than the folds' models fit
    rows that are new to them.
    """
    short = result["n_trained"] < _MOST_TREES * task["max_trees"]
    if short and result["by_clock"] and task["stop_after"] is None:
        raise NotDone(f"the clock cut {trial.name} short", late=True)
    loss, known = trial.objective_loss, float(result["known_loss"])
    if loss is None or not math.isfinite(loss):
        return
    if not known <= _WORSE * loss + _SLACK * float(result["constant_loss"]):
        raise NotDone(
            f"trained on all rows, {trial.name} fits them worse ({known:.4g}) than the models of "
            f"the folds fit new ones ({loss:.4g})",
            late=False,
        )


def refit_trees(trial: Trial, data: RunData) -> int:
    """Trees for a model of all rows: more of them, unless rounds are no trees but a path."""
    shares = [
        len(data.splits[fold.split].train) * (1.0 - data.inner_stop) for fold in trial.prefix()
    ]
    trees = float(np.mean([fold.n_trees for fold in trial.prefix()]))
    if not getattr(load_engine(trial.candidate.engine), "more_rounds_for_more_rows", True):
        return max(1, round(trees))
    return max(1, round(trees * data.matrix.n_rows / float(np.mean(shares))))


def refit_seconds(trial: Trial, data: RunData) -> float:
    """Expected core-seconds of refitting `trial` on all rows."""
    folds = trial.prefix()
    per_tree_row = np.mean(
        [f.seconds / (f.n_trained * len(data.splits[f.split].train)) for f in folds]
    )
    return float(per_tree_row * refit_trees(trial, data) * data.matrix.n_rows)


@dataclass(frozen=True)
class FoldModel:
    """A model of one split and its weight in the blend of the models of that split."""

    split: int
    engine: str
    model: Path
    recipe_file: Path | None
    weight: float


def fold_models(trials: Sequence[Trial], weights: Mapping[str, float]) -> list[FoldModel]:
    """The models that the folds of a blend's members left, also where others ship."""
    by_name = {trial.name: trial for trial in trials}
    return [
        FoldModel(fold.split, by_name[name].candidate.engine, fold.model, fold.recipe_file, weight)
        for name, weight in weights.items()
        for fold in by_name[name].prefix()
    ]


@dataclass(frozen=True)
class BlendShap:
    """SHAP values of some validated rows by models that did not learn from them.

    values: (n, k, n_columns) in original columns.  base_values: (n, k), of the row's own split.
    rows: (n,) rows of the table.
    """

    values: Floats
    base_values: Floats
    rows: Rows


def blend_shap(  # noqa: PLR0913 - the models, their data and workers, and what may be spent
    models: Sequence[FoldModel],
    rows: Rows,
    data: RunData,
    executor: Executor,
    *,
    n_columns: int,
    folder: Path,
    probe: bool,
    seconds_left: Callable[[], float],
) -> BlendShap:
    """Contributions to the margins of `rows`, each by the models of the split that validated it.

    All rows are explained, or with `probe` as many of the first as there is time for, by the cost
    of a few that are explained before. A row of several splits is explained by the first. Raises
    NotDone if there is no row, or no time for any.
    """
    folder.mkdir(parents=True, exist_ok=True)
    splits = first_splits(data.splits, data.matrix.n_rows)[rows]
    if not len(rows) or splits.min() < 0:
        raise NotDone("no row was validated", late=False)
    save_array(folder / "rows.npy", rows)
    save_array(folder / "splits.npy", splits)
    boosters = _dealt(models)
    limit = len(rows)
    values: Floats | None = None
    if probe:
        # A few rows for each model: what a call costs beside its rows must not seem to be theirs.
        limit = min(limit, _PROBE_ROWS * len(data.splits))
        values, cost = _shap_pass(boosters, executor, folder, n_columns, limit, seconds_left)
        affordable = int(_SHAP_SHARE * seconds_left() / max(cost, 1e-7))
        if affordable <= limit:
            return _blend_shap(values, rows)
        limit = min(len(rows), affordable)
    try:
        values, _ = _shap_pass(boosters, executor, folder, n_columns, limit, seconds_left)
    except NotDone:
        if values is None:
            raise
    return _blend_shap(values, rows)


def first_splits(splits: Sequence[Split], n_rows: int) -> Rows:
    """(n_rows,) the first split that validates a row; -1 = none does."""
    first = np.full(n_rows, -1, dtype=np.int64)
    for k in reversed(range(len(splits))):
        first[splits[k].valid] = k
    return first


def _blend_shap(values: Floats, rows: Rows) -> BlendShap:
    return BlendShap(values[..., :-1], values[..., -1], rows[: len(values)])


def _shap_pass(
    boosters: Sequence[Sequence[Mapping[str, Any]]],
    executor: Executor,
    folder: Path,
    n_columns: int,
    limit: int,
    seconds_left: Callable[[], float],
) -> tuple[Floats, float]:
    """(values of the first `limit` rows, seconds a row takes); raises NotDone."""
    tasks = [
        {
            "kind": "contributions",
            "boosters": list(part),
            "rows": str(folder / "rows.npy"),
            "splits": str(folder / "splits.npy"),
            "limit": limit,
            "n_columns": n_columns,
            "output": str(folder / f"shap_{i}.npy"),
        }
        for i, part in enumerate(boosters)
        if part
    ]
    reports = run_all(executor, tasks, seconds_left=seconds_left)
    _check_all(reports)
    results = [report.result for report in reports if report.result is not None]
    parts = [np.load(str(task["output"]), allow_pickle=False) for task in tasks]
    cost = sum(result["row_seconds"] for result in results) / executor.n_workers
    return np.sum(parts, axis=0), cost


def _dealt(models: Sequence[FoldModel]) -> list[list[dict[str, Any]]]:
    """All models with their weights, dealt out to tasks.

    The number of tasks is fixed, so that sums do not round by the number of workers.
    """
    parts: list[list[dict[str, Any]]] = [[] for _ in range(_SHAP_TASKS)]
    for i, one in enumerate(models):
        recipe_file = None if one.recipe_file is None else str(one.recipe_file)
        task = {**vars(one), "model": str(one.model), "recipe_file": recipe_file}
        parts[i % _SHAP_TASKS].append(task)
    return parts


def run_all(
    executor: Executor,
    tasks: Sequence[dict[str, Any]],
    *,
    seconds_left: Callable[[], float],
) -> list[Report]:
    """The reports of all tasks, in the order of `tasks`; those not ended in time say so.

    Each task gets a fair share of the seconds that are left when it starts as its "time_limit".
    One whose worker was ended from outside is tried once more.
    """
    waiting = list(tasks)
    reports: list[Report] = []
    lost: set[int] = set()
    order = {id(task): i for i, task in enumerate(tasks)}
    while len(reports) < len(tasks):
        while waiting and executor.idle:
            waves = math.ceil(len(waiting) / executor.n_workers)
            task = waiting.pop(0)
            left = seconds_left()
            task["time_limit"] = None if math.isinf(left) else max(left, 0.0) / waves
            executor.submit(task)
        hard = seconds_left() + GRACE
        found = executor.wait(None if math.isinf(hard) else max(hard, 0.0))
        # A fold of a pruned trial may still come in from the race: it is nobody's any more.
        for report in found:
            key = id(report.task)
            if report.outside and key in order and key not in lost:
                lost.add(key)
                waiting.insert(0, tasks[order[key]])
            elif key in order:
                reports.append(report)
        if seconds_left() + GRACE <= 0 and len(reports) < len(tasks):
            executor.stop_running()
            reports += [r for r in executor.wait(0.0) if id(r.task) in order]
            reports += [Report(task, None, "out of time", stopped=True) for task in waiting]
            break
    return sorted(reports, key=lambda report: order[id(report.task)])


def _check_all(reports: Sequence[Report]) -> None:
    """Raise NotDone if one has no result; that one failed counts more than that time was up."""
    for report in sorted(reports, key=lambda report: report.stopped):
        if report.result is None:
            raise NotDone(report.error or "unknown", late=report.stopped)


def _member(
    trial: Trial, weight: float, boosters: tuple[tuple[Path, dict[str, Any] | None], ...]
) -> MemberFiles:
    return MemberFiles(
        name=trial.name,
        engine=trial.candidate.engine,
        recipe=trial.candidate.recipe,
        weight=weight,
        params=dict(trial.candidate.params),
        boosters=boosters,
    )


def _recipe(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    recipe: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return recipe
