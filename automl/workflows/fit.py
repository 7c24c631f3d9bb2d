"""`fit`: from a table and a target column to a bundle. Reads as the story of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automl import plugins
from automl.budget import Budget
from automl.config import FitConfig
from automl.data.read import give_back_memory
from automl.data.splits import Folds
from automl.errors import ConfigError
from automl.features.matrix import Matrix
from automl.features.preprocess import Preprocessor
from automl.features.recipes import plan_recipes
from automl.ledger import Ledger, Progress, Silent
from automl.metrics._lookup import check_target, default_metric, get_metric
from automl.search.crossval import load_engine
from automl.search.executors.base import Executor
from automl.search.journal import Journal
from automl.search.memory import memory_limit
from automl.search.scale import LOG
from automl.search.setup import Goal, pursue, tell_goal
from automl.search.store import RunData
from automl.search.studies import check_sampler
from automl.settings import resolve
from automl.workflows.extend import unfinished_or_finished
from automl.workflows.fairness import check_parity
from automl.workflows.finish import Finish
from automl.workflows.memory import MemoryPlan, within_memory
from automl.workflows.output import RunFolder
from automl.workflows.plan import Plan
from automl.workflows.portable import portable_engines, tell_portable
from automl.workflows.replay import Replayed
from automl.workflows.result import FitResult
from automl.workflows.resume import Earlier, Interrupted, digest_of
from automl.workflows.source import Source
from automl.workflows.student import check_distil
from automl.workflows.target_scale import on_log_scale, settle_scale
from automl.workflows.tracking import check_tracking, tracked
from automl.workflows.training_table import TrainingTable, load_training_table
from automl.workflows.validation import inner_stop, split_rows, tell_folds


def fit(
    data: Any,
    config: FitConfig | None = None,
    *,
    origins: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
    in_process: bool = False,
    **options: Any,
) -> FitResult:
    """Train, validate, blend and explain a model of `data` and write its bundle.

    data: path of a CSV, Parquet, Arrow or JSON-lines file, "-" for standard input, or a pandas
        DataFrame.  config, options: the settings of `automl fit`; options are the fields of
        FitConfig and win over `config`: `fit("data.csv", target="y", time_budget=60)`.
    origins: where each setting came from, for the record.  budget: a clock that already runs.
    progress: who is told; nobody by default.  in_process: train in this process, one fold at a
        time; slower on several cores, but without the second that starting processes takes.
    Raises ConfigError or DataError for what the caller can mend, SearchError if every candidate
    failed.
    """
    config = _configured(config, options)
    source = Source(data, config, dict(origins or {}))
    return _fit(source, budget or Budget(config.time_budget), progress, in_process=in_process)


def resume(
    output: Interrupted | Path | str,
    *,
    data: Any = None,
    more_time: float | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
    in_process: bool = False,
) -> FitResult:
    """Go on with the interrupted run that was to write `output`, as `fit` would have.

    data: its table, if it was moved or was no file.  more_time: seconds that the run gets on top;
        a finished one goes on with them, and its bundle is replaced unless it was better.
    budget: a clock that already runs.
    Raises ConfigError if there is nothing to resume, DataError if the table has changed, and what
    `fit` raises.
    """
    if isinstance(output, Interrupted):
        earlier = output
    else:
        earlier = unfinished_or_finished(output, more_time)
    data = _table(earlier, data)
    if isinstance(data, str | os.PathLike):
        earlier = replace(earlier, data=str(Path(data).absolute()))
    config = replace(earlier.config, output=str(earlier.bundle))
    left = budget or earlier.budget(already_spent=0.0)
    source = Source(data, config, earlier.origins, earlier)
    return _fit(source, left, progress, in_process=in_process)


def replay(
    run: Replayed | Path | str,
    *,
    data: Any = None,
    config: FitConfig | None = None,
    progress: Progress | None = None,
    in_process: bool = False,
) -> FitResult:
    """Do again what the run that wrote the bundle `run` did, without a clock, into a new bundle.

    The same candidates are trained with the same seeds to the same trees. `FitResult.replay` says
    whether the members came out the same to the bit, as they do on one platform with the same
    libraries.

    data: its table, if it was moved or was no file.  config: `output`, `force`, `temp_dir` and
        `workers` of it are the replay's own; the bundle is called `<run>-replay` by default.
    Raises ConfigError if the run cannot be replayed, DataError if the table has changed, and what
    `fit` raises.
    """
    earlier = run if isinstance(run, Replayed) else Replayed.read(run)
    own = earlier.settings(config or FitConfig(target=earlier.config.target))
    source = Source(_table(earlier, data), own, earlier.origins, earlier)
    result = _fit(source, Budget(None), progress, in_process=in_process)
    return replace(result, replay=earlier.compared(result.path))


def _table(earlier: Earlier, data: Any) -> Any:
    """The table of an earlier run, or the one that is given for it."""
    if data is None and earlier.data is None:
        raise ConfigError(
            f"The run to '{earlier.bundle}' did not read its table from a file.",
            hint="Give the table again.",
        )
    return earlier.data if data is None else data


def _fit(
    source: Source, budget: Budget, progress: Progress | None, *, in_process: bool
) -> FitResult:
    check_tracking(source.config.mlflow)
    result = _trained(source, budget, progress, in_process=in_process)
    return tracked(result, source.config, budget, progress or Silent())


def _trained(
    source: Source, budget: Budget, progress: Progress | None, *, in_process: bool
) -> FitResult:
    config, earlier = source.config, source.earlier
    ledger = Ledger(progress or Silent())
    engines = _engines(config)
    if config.score is not None:
        get_metric(config.score)  # an unknown name is said before anything is read
    check_sampler(config.sampler)
    memory = MemoryPlan(memory_limit(config.memory_limit), config.memory_limit is not None, ledger)
    if earlier is not None:
        memory.rows = earlier.start.get("rows")
    with (
        _lone_blas(),
        source.run_folder() as run,
        closing(_executor(source, engines, run, memory, in_process=in_process)) as executor,
    ):
        ledger.progress.stage("Reading")
        _settle(source, run, ledger)
        ready = _made_ready(source, budget, executor, run, memory)
        with closing(Journal(run.journal, spent=budget.spent)) as journal:
            journal.write(
                "resumed" if isinstance(earlier, Interrupted) else "start",
                config=config.to_json(),
                data=ready.table.digest,
                metric=ready.goal.metric.name,
                higher_is_better=ready.goal.metric.higher_is_better,
                prepared=ready.prepared,
                log_scale=ready.goal.link is LOG,
                fewer=ready.plan.fewer,
                rows=memory.rows,
            )
            ledger.progress.stage("Race")
            plan = ready.plan
            race = plan.race(ready.data, ready.folds, executor, run.trials, journal, ledger)
            if earlier is None:
                race.run()
            else:
                earlier.take_part(race, run, plan)
            finish = Finish(
                source=source,
                plan=plan,
                table=ready.table,
                preprocessor=ready.preprocessor,
                goal=ready.goal,
                data=ready.data,
                folds=ready.folds,
                race=race,
                run=run,
                ledger=ledger,
            )
            return finish.bundle(journal)


@contextmanager
def _lone_blas() -> Iterator[None]:
    """One thread for sums and products of numpy, as the workers have.

    Beside workers on every core, the threads of a dot product of 30,000 numbers wait for each
    other ten times as long as one takes for all; and what they add up depends on their number.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield


@dataclass(frozen=True)
class _Ready:
    """A table that is ready for its race; `prepared` is the digest of how."""

    table: TrainingTable
    goal: Goal
    preprocessor: Preprocessor
    data: RunData
    folds: Folds
    plan: Plan
    prepared: str


def _made_ready(
    source: Source, budget: Budget, executor: Executor, run: RunFolder, memory: MemoryPlan
) -> _Ready:
    """Read the table, settle what is trained on which folds, and let the workers see it."""
    config, earlier, ledger = source.config, source.earlier, memory.ledger
    table = load_training_table(source.data, config, ledger, memory)
    if earlier is not None:
        earlier.check_data(table.digest, str(source.data))
    goal = _goal(table, config, ledger)
    engines = _able(_engines(config), goal)
    preprocessor, data, folds = _prepare(table, goal, config, executor)
    if config.portable:
        tell_portable(preprocessor, engines, ledger)
    table = table.only_sampled(folds.splits, config.seed)
    give_back_memory()
    if earlier is None:
        goal, data = settle_scale(
            goal, data, config, engines, executor, run.path / "scale", budget, ledger
        )
    elif earlier.start["log_scale"]:
        goal, data = on_log_scale(goal, data)
    plan = Plan(config, budget, table, goal, engines, executor.n_workers)
    if earlier is None:
        data, folds = plan.within_budget(data, folds)
    else:
        data, folds = plan.as_before(earlier, data, folds)
    data, folds = within_memory(memory, plan, data, folds, may_split=earlier is None)
    tell_folds(folds, table, ledger)
    prepared = digest_of(data)
    if earlier is not None:
        earlier.check_prepared(prepared)
    data.write(run.store)
    executor.open(run.store)
    memory.share(data, executor)
    return _Ready(table, goal, preprocessor, _without_cells(data), folds, plan, prepared)


def _settle(source: Source, run: RunFolder, ledger: Ledger) -> None:
    """Keep what another process needs to go on, if the table can be read once more."""
    if source.earlier is not None:
        source.earlier.settle(run)
    elif source.path is not None:
        run.record(source.path, source.config, source.origins)
    elif str(source.data) == "-":
        ledger.add("data", "standard input is read once: this run cannot be resumed")


def _configured(config: FitConfig | None, options: Mapping[str, Any]) -> FitConfig:
    config = resolve(options, {}, None)[0] if config is None else replace(config, **options)
    if not config.target:
        raise ConfigError("No target column is given.", hint="Name it with --target COLUMN.")
    return config


def _engines(config: FitConfig) -> tuple[str, ...]:
    known = plugins.names("automl.engines")
    for name in config.engines:
        plugins.load("automl.engines", name, "ENGINE")
    if config.portable:
        known = portable_engines(config)
    return tuple(name for name in known if not config.engines or name in config.engines)


def _able(engines: tuple[str, ...], goal: Goal) -> tuple[str, ...]:
    """Those of `engines` that can train for the goal; ConfigError if none can."""
    able = tuple(name for name in engines if _can_train(name, goal))
    if not able:
        loss = f"the {goal.objective.value} loss"
        loss += " of several levels at once" if goal.metric.quantiles else ""
        raise ConfigError(
            f"The engines {', '.join(engines)} cannot train for {goal.metric.name}: none of them "
            f"minimises {loss}.",
            hint="Add another to --engines, or choose another metric.",
        )
    return able


def _can_train(name: str, goal: Goal) -> bool:
    engine = load_engine(name)
    several = not goal.metric.quantiles or getattr(engine, "several_quantiles", False)
    return several and goal.objective in engine.objectives


def _executor(
    source: Source,
    engines: tuple[str, ...],
    run: RunFolder,
    memory: MemoryPlan,
    *,
    in_process: bool,
) -> Executor:
    """Workers that import the boosters while the table is read."""
    if in_process:
        from automl.search.executors.inline import InlineExecutor

        return InlineExecutor()
    from automl.search.cores import plan_workers
    from automl.search.executors.local import LocalExecutor

    config, threads = source.config, source.config.threads
    if threads is None and config.trials is not None:
        threads = 1  # trees that do not depend on the machine's cores
    workers, threads = plan_workers(
        config.workers,
        threads,
        matrix_bytes=_size(source.data),
        memory=memory.limit,
        budget=config.time_budget,
    )
    memory.most_workers = workers
    return LocalExecutor(
        workers, threads=threads, engines=engines, log=run.log, memory=memory.limit
    )


def _size(data: Any) -> int:
    """About the bytes of the matrix that `data` becomes."""
    if hasattr(data, "memory_usage"):
        return int(data.memory_usage(index=False).sum())
    path = Path(str(data))
    packed = 6 if path.suffix.lower() in (".gz", ".zst", ".parquet") else 1
    return path.stat().st_size * packed if path.is_file() else 0


def _without_cells(data: RunData) -> RunData:
    """`data` with the shape of its matrix only: from now on workers read the cells they share."""
    matrix = data.matrix
    shape = np.broadcast_to(np.zeros((), matrix.values.dtype), matrix.values.shape)
    return replace(data, matrix=Matrix(shape, matrix.features))


def _goal(table: TrainingTable, config: FitConfig, ledger: Ledger) -> Goal:
    task = table.target.task
    metric = get_metric(config.score) if config.score else default_metric(task)
    check_target(metric, table.target.y)
    if config.class_weight != "none" and not task.is_classification:
        raise ConfigError("--class-weight needs a classification, and this is a regression.")
    check_distil(config, task, metric)
    check_parity(table, config)
    option = "--metric" if config.quantiles is None else "--quantiles"
    chosen = f"chosen by {option}" if config.score else f"the default for {task.value}"
    ledger.add("task", f"metric: {metric.name}", chosen)
    goal = pursue(
        metric,
        task,
        table.target.y,
        table.weight,
        class_weight=config.class_weight,
        target_transform=config.target_transform,
        robust=config.robust,
    )
    tell_goal(goal, table.target.y, ledger)
    return goal


def _prepare(
    table: TrainingTable, goal: Goal, config: FitConfig, executor: Executor
) -> tuple[Preprocessor, RunData, Folds]:
    """The matrix, the folds, and what the workers share."""
    preprocessor, matrix = Preprocessor.fit(table.parsed, table.schema)
    target = table.target
    folds = split_rows(
        table,
        config,
        n_features=matrix.n_features,
        n_folds=config.folds,
        holdout=config.holdout,
    )
    data = RunData(
        matrix=matrix,
        y=goal.y,
        weight=goal.weight,
        groups=table.duplicates if table.groups is None else table.groups,
        times=table.times,
        splits=folds.splits,
        task=target.task,
        n_classes=len(target.classes),
        objective=goal.objective,
        quantile=goal.metric.quantile,
        quantiles=goal.metric.quantiles,
        plans=plan_recipes(matrix, seed=config.seed),
        seed=config.seed,
        threads=executor.threads,
        inner_stop=inner_stop(folds),
    )
    return preprocessor, data, folds
