"""Settings of a fit that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.errors import ConfigError
from automl.task import Task

if TYPE_CHECKING:
    from automl.config import FitConfig


def check_together(config: FitConfig) -> None:
    """Raise ConfigError for settings that contradict each other."""
    if config.time_budget is None and config.trials is None:
        raise ConfigError(
            "Neither a time budget nor a number of trials ends the run.",
            hint="Pass --time-budget TIME, --trials N, or both.",
        )
    if config.folds is not None and config.holdout is not None:
        raise ConfigError(
            f"--folds {config.folds} and --holdout {config.holdout:g} exclude each other.",
            hint="Keep one: folds cross-validate, a holdout validates once.",
        )
    _check_quantiles(config)
    if config.drop_pii and config.hash_pii:
        raise ConfigError(
            "--drop-pii and --hash-pii exclude each other.",
            hint="Keep one: --hash-pii leaves out what it cannot hash.",
        )
    if config.class_weight == "balanced" and config.task == Task.REGRESSION:
        raise ConfigError(
            "--class-weight balanced needs classes, but --task is regression.",
            hint="Drop one of the two.",
        )
    if config.distil and (config.single or config.refit):
        other = "--single" if config.single else "--refit"
        raise ConfigError(
            f"--distil and {other} exclude each other.",
            hint="Keep one: each ships one model of its own kind.",
        )
    if config.portable and config.hash_pii:
        raise ConfigError(
            "--portable and --hash-pii exclude each other: an ONNX model cannot compute hashes.",
            hint="Use --drop-pii to leave personal data out.",
        )
    if config.max_disparity is not None and not config.sensitive:
        raise ConfigError(
            f"--max-disparity {config.max_disparity:g} limits groups, but none are named.",
            hint="Name their column with --sensitive COLUMN.",
        )
    _check_roles(config)


def _check_quantiles(config: FitConfig) -> None:
    if config.quantiles is None:
        return
    if config.metric is not None and config.metric.strip().lower() != "quantile":
        raise ConfigError(
            f"--quantiles and --metric {config.metric} exclude each other.",
            hint="Pass --metric quantile, or leave --metric out.",
        )
    n_levels = len(config.quantiles)
    if n_levels > 1 and config.distil:
        raise ConfigError(
            f"--distil needs one number to predict, and --quantiles names {n_levels}.",
            hint="Leave --distil out; --single ships one model.",
        )


def _check_roles(config: FitConfig) -> None:
    """Raise ConfigError for a column that is given two jobs."""
    jobs = [
        (config.target, "the target"),
        (config.group_column, "--group-column"),
        (config.weight_column, "--weight-column"),
        *((name, "--drop") for name in config.drop),
        *((name, "--column") for name in config.column),
    ]
    if config.target and config.target in config.sensitive:
        raise ConfigError(f"Column {config.target!r} cannot be both the target and --sensitive.")
    # The time column may be a feature or a group too; only the target and --drop exclude it.
    seen: dict[str, str] = {}
    for name, job in jobs:
        if name and seen.setdefault(name, job) != job:
            raise ConfigError(f"Column {name!r} cannot be both {seen[name]} and {job}.")
    if config.time_column and seen.get(config.time_column) in ("the target", "--drop"):
        raise ConfigError(
            f"Column {config.time_column!r} cannot be both {seen[config.time_column]} "
            "and --time-column."
        )
    for name in config.monotone:
        if name in seen and seen[name] != "--column":
            raise ConfigError(f"Column {name!r} cannot be both {seen[name]} and --monotone.")
