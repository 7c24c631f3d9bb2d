"""Where settings come from: command line, AUTOML_* variables, a TOML file, preset, default."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.config import (
    FIELDS,
    PRESETS,
    FitConfig,
    default_of,
    is_unset,
    read_setting,
    read_text,
    read_typed,
    unknown_setting,
)
from automl.errors import ConfigError


def env_name(name: str) -> str:
    """The environment variable of a field: `AUTOML_TIME_BUDGET` for `time_budget`."""
    return "AUTOML_" + name.upper()


def resolve(
    command_line: Mapping[str, Any], environ: Mapping[str, str], file: Path | None
) -> tuple[FitConfig, dict[str, str]]:
    """The effective settings, and for each the place it comes from.

    command_line: given settings only, as text or typed; a key that is there counts as given.
    Origins: "command line", "AUTOML_SEED", "file x.toml", "preset best", "default", "trials".
    Raises ConfigError naming the option, variable, or file and key.
    """
    # Strongest last, so that a later layer overwrites an earlier one.
    layers = [_from_file(file), _from_environ(environ), _from_command_line(command_line)]
    given: dict[str, _Given] = {}
    for layer in layers:
        given.update(layer)
    preset: str = given["preset"].value if "preset" in given else default_of(FIELDS["preset"])
    for name, value in PRESETS[preset].items():
        given.setdefault(name, _Given(value, f"preset {preset}", 1))
    _settle_rivals(given)
    config = FitConfig(**{name: entry.value for name, entry in given.items()})
    if not config.target:
        raise ConfigError(
            "No target column is named.", hint="Pass --target COLUMN, the column to predict."
        )
    origins = {name: given[name].origin if name in given else "default" for name in FIELDS}
    return config, origins


@dataclass(frozen=True)
class _Given:
    """A value, where it comes from, and the rank of that place: preset 1 … command line 4."""

    value: Any
    origin: str
    rank: int


def _settle_rivals(given: dict[str, _Given]) -> None:
    """Of two settings that exclude each other, the one from the stronger place stays."""
    default = _Given(None, "default", 0)
    if "trials" in given and given["trials"].value is not None:
        limit = given.get("time_budget", default)
        if limit.rank <= 1:
            given["time_budget"] = _Given(None, "trials", limit.rank)
    folds, holdout = given.get("folds", default), given.get("holdout", default)
    if folds.value is None or holdout.value is None or folds.rank == holdout.rank:
        return
    del given["folds" if folds.rank < holdout.rank else "holdout"]


def _from_command_line(values: Mapping[str, Any]) -> dict[str, _Given]:
    layer = {}
    for name, value in values.items():
        if name not in FIELDS:
            raise unknown_setting(name, "the arguments")
        item = FIELDS[name]
        read = None if is_unset(item, value) else read_setting(name, value)
        layer[name] = _Given(read, "command line", 4)
    return layer


def _from_environ(environ: Mapping[str, str]) -> dict[str, _Given]:
    """AUTOML_* variables; an empty one counts as not set, lists are split at commas."""
    layer = {}
    for name, item in FIELDS.items():
        variable = env_name(name)
        text = environ.get(variable, "")
        if text == "":
            continue
        value = [part.strip() for part in text.split(",")] if item.metadata["form"].many else text
        layer[name] = _Given(read_text(item, value, variable), variable, 3)
    return layer


def _from_file(file: Path | None) -> dict[str, _Given]:
    if file is None:
        return {}
    layer = {}
    for key, value in _load_toml(file).items():
        name = key.replace("-", "_")
        if name not in FIELDS:
            raise unknown_setting(key, f"{file}")
        label = f"{file}, key {key!r}"
        layer[name] = _Given(read_typed(FIELDS[name], value, label), f"file {file.name}", 2)
    return layer


def _load_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            f"Settings file {str(file)!r} does not exist.", hint="Check the path after --config."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"Settings file {str(file)!r} cannot be read: {error.strerror}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Settings file {str(file)!r} is not TOML: {error}.",
            hint='Write one `key = value` per line, texts in quotes: time_budget = "5m".',
        ) from None
