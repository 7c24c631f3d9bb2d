"""The settings of a fit: one frozen dataclass, one default and one help text each.

A field's metadata drives the command line, the environment variables, the TOML file and the
documents; `resolve` merges them (command line, AUTOML_* variables, file, preset, default).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from automl.errors import ConfigError


def _option(default: Any, help: str, **metadata: Any) -> Any:
    metadata = {"help": help, **metadata}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class FitConfig:
    """Settings of `automl fit`, except where the data come from and what runs on the terminal."""

    target: str = ""
    task: str | None = None
    metric: str | None = None
    time_budget: float | None = 300.0
    trials: int | None = None
    output: str | None = None
    force: bool = False
    # Columns
    column: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    group_column: str | None = None
    time_column: str | None = None
    weight_column: str | None = None
    class_weight: str = "none"
    monotone: Mapping[str, int] = field(default_factory=dict)
    # Cells
    na_value: tuple[str, ...] = ()
    keep_na: bool = False
    delimiter: str | None = None
    encoding: str | None = None
    sample: float | None = None
    # Validation
    folds: int | None = None
    holdout: float | None = None
    # Search
    preset: str = "balanced"
    engines: tuple[str, ...] = ()
    single: bool = False
    refit: bool = False
    seed: int = 0
    workers: int | None = None
    threads: int | None = None
    temp_dir: str | None = None
