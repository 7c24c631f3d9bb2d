"""The settings of a fit: one frozen dataclass, one default, one help text and one check each.

A field's metadata drives the command line, the environment variables, the TOML file and the
documents; `resolve` merges them (command line, AUTOML_* variables, file, preset, default).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from automl.errors import ConfigError, did_you_mean
from automl.forms import (
    DELIMITER,
    ENCODING,
    FLAG,
    PATH,
    SAMPLE,
    SHARE,
    TEXT,
    TIME_LIMIT,
    Expected,
    Form,
    choice,
    pairs,
    read_direction,
    whole,
    words,
)
from automl.task import Task

# The words of data.schema.Kind, which cannot be imported here: it brings numpy along.
COLUMN_KINDS = ("numeric", "boolean", "categorical", "datetime", "text")

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "fast": MappingProxyType({"time_budget": 60.0, "folds": 3}),
        "balanced": MappingProxyType({}),
        "best": MappingProxyType({"time_budget": 1800.0, "folds": 8}),
    }
)


def _option(
    default: Any, form: Form, group: str, help: str, *, metavar: str | None = None, **more: Any
) -> Any:
    """A field of FitConfig.

    more: `short` ("-o"); `choices`, the words for shell completion; `shown`, the default in help.
    """
    nullable = default is None or form is TIME_LIMIT
    metadata = {"help": help, "form": form, "group": group, "metavar": metavar, **more}
    metadata["nullable"] = nullable
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def _chosen(default: str | None, group: str, help: str, choices: Iterable[str]) -> Any:
    known = tuple(map(str, choices))
    metavar = f"[{'|'.join(known)}]"
    return _option(default, choice(*known), group, help, metavar=metavar, choices=known)


_MAIN, _COLUMNS, _CELLS = "Target and goal", "Columns", "Reading"
_FOLDS, _SEARCH, _OUTPUT = "Validation", "Search", "Output"


@dataclass(frozen=True)
class FitConfig:
    """Settings of `automl fit`, except where the data come from and what runs on the terminal.

    Values are read and checked on construction: texts as on the command line are welcome, lists
    become tuples. Raises ConfigError naming the setting.
    """

    target: str = _option("", TEXT, _MAIN, "Column to predict", metavar="COLUMN", short="-t")
    task: str | None = _chosen(None, _MAIN, "Set the task instead of detecting it", Task)
    metric: str | None = _option(
        None,
        TEXT,
        _MAIN,
        "Score to optimise, such as roc_auc, log_loss, rmse",
        metavar="NAME",
        shown="by task",
    )
    time_budget: float | None = _option(
        300.0,
        TIME_LIMIT,
        _MAIN,
        "Limit wall time: 90, 60s, 5m, 1h30m, none",
        metavar="TIME",
        shown="5m",
    )
    trials: int | None = _option(
        None, whole(1), _MAIN, "Stop after so many trials; alone: no time limit", metavar="N"
    )
    preset: str = _chosen("balanced", _MAIN, "Start from these settings", PRESETS)

    output: str | None = _option(
        None,
        PATH,
        _OUTPUT,
        "Write the bundle here",
        metavar="FOLDER",
        short="-o",
        shown="DATA-model",
    )
    force: bool = _option(False, FLAG, _OUTPUT, "Replace a bundle that is there")
    temp_dir: str | None = _option(
        None, PATH, _OUTPUT, "Keep temporary files in this folder", metavar="FOLDER"
    )

    column: Mapping[str, str] = _option(
        {},
        pairs(f"column=kind with a kind of {', '.join(COLUMN_KINDS)}", choice(*COLUMN_KINDS).read),
        _COLUMNS,
        "Set the kind of a column",
        metavar="COLUMN=KIND",
    )
    drop: tuple[str, ...] = _option(
        (), words(split=False), _COLUMNS, "Leave this column out", metavar="COLUMN"
    )
    group_column: str | None = _option(
        None, TEXT, _COLUMNS, "Keep rows of one group in one fold", metavar="COLUMN"
    )
    time_column: str | None = _option(
        None, TEXT, _COLUMNS, "Validate on later rows by this column", metavar="COLUMN"
    )
    weight_column: str | None = _option(
        None, TEXT, _COLUMNS, "Weight rows by this column", metavar="COLUMN"
    )
    class_weight: str = _chosen(
        "none", _COLUMNS, "Weight classes against their frequency", ("none", "balanced", "auto")
    )
    monotone: Mapping[str, int] = _option(
        {},
        pairs("column=+1, column=-1 or column=0", read_direction),
        _COLUMNS,
        "Let predictions only rise (+1) or fall (-1)",
        metavar="COLUMN=+1",
    )

    na_value: tuple[str, ...] = _option(
        (), words(split=False), _CELLS, "Read this text as missing too", metavar="TEXT"
    )
    keep_na: bool = _option(False, FLAG, _CELLS, "Keep words such as NA as text")
    delimiter: str | None = _option(
        None,
        DELIMITER,
        _CELLS,
        "Split cells at this character, or tab",
        metavar="CHAR",
    )
    encoding: str | None = _option(
        None,
        ENCODING,
        _CELLS,
        "Decode text as this, such as cp1252",
        metavar="NAME",
    )
    sample: float | None = _option(
        None,
        SAMPLE,
        _CELLS,
        "Train on so many rows, or this share",
        metavar="ROWS|SHARE",
    )

    folds: int | None = _option(
        None,
        whole(2),
        _FOLDS,
        "Cross-validate with so many folds",
        metavar="N",
        shown="by table size",
    )
    holdout: float | None = _option(
        None,
        SHARE,
        _FOLDS,
        "Validate once, on this share of rows",
        metavar="SHARE",
    )

    engines: tuple[str, ...] = _option(
        (),
        words(split=True),
        _SEARCH,
        "Use only these boosting libraries",
        metavar="NAME,...",
        shown="all",
    )
    single: bool = _option(False, FLAG, _SEARCH, "Ship the best single model, no blend")
    refit: bool = _option(False, FLAG, _SEARCH, "Ship one model fitted on all rows")
    seed: int = _option(0, whole(0), _SEARCH, "Seed of everything random", metavar="N")
    workers: int | None = _option(
        None, whole(1), _SEARCH, "Train in so many processes", metavar="N", shown="by cores"
    )
    threads: int | None = _option(
        None, whole(1), _SEARCH, "Threads of each training process", metavar="N"
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if _is_unset(item, value):
                continue
            value = _typed(item, value, option_name(item.name))
            object.__setattr__(self, item.name, value)
        _check_together(self)

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON types; `from_json` of it is equal."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            name: list(v) if isinstance(v, tuple) else dict(v) if isinstance(v, Mapping) else v
            for name, v in plain.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FitConfig:
        """The settings of `to_json`; a missing one has its default, an unknown one is an error."""
        for name in data:
            if name not in FIELDS:
                raise _unknown(name, "the stored settings")
        return cls(**data)


FIELDS: Mapping[str, Field[Any]] = MappingProxyType(
    {item.name: item for item in fields(FitConfig)}
)


def option_name(name: str) -> str:
    """The command-line option of a field: `--time-budget` for `time_budget`."""
    return "--" + name.replace("_", "-")


def env_name(name: str) -> str:
    """The environment variable of a field: `AUTOML_TIME_BUDGET` for `time_budget`."""
    return "AUTOML_" + name.upper()


def default_of(item: Field[Any]) -> Any:
    """The default of a field, also of one with a factory."""
    return item.default_factory() if callable(item.default_factory) else item.default


def _is_unset(item: Field[Any], value: Any) -> bool:
    """None means "not given" where that is a value; so does the empty text for the target."""
    if item.name == "target":
        return value is None or (isinstance(value, str) and value == "")
    return value is None and bool(item.metadata["nullable"])


def read_setting(name: str, value: Any) -> Any:
    """The value of one field from its text or typed; raises ConfigError naming the option."""
    return _read(FIELDS[name], value, option_name(name))


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
            raise _unknown(name, "the arguments")
        item = FIELDS[name]
        read = None if _is_unset(item, value) else _read(item, value, option_name(name))
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
        layer[name] = _Given(_read(item, value, variable), variable, 3)
    return layer


def _from_file(file: Path | None) -> dict[str, _Given]:
    if file is None:
        return {}
    layer = {}
    for key, value in _load_toml(file).items():
        name = key.replace("-", "_")
        if name not in FIELDS:
            raise _unknown(key, f"{file}")
        label = f"{file}, key {key!r}"
        layer[name] = _Given(_typed(FIELDS[name], value, label), f"file {file.name}", 2)
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


def _typed(item: Field[Any], value: Any, label: str) -> Any:
    """`value` of a typed source: its type is checked before it is read."""
    types: tuple[type, ...] = item.metadata["form"].types
    # A bool is an int to Python; a number written as true is a mistake.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise _wrong(item, value, label)
    return _read(item, value, label)


def _read(item: Field[Any], value: Any, label: str) -> Any:
    try:
        return item.metadata["form"].read(value)
    except Expected as error:
        raise _wrong(item, value, label, str(error)) from None
    except (ValueError, TypeError):
        raise _wrong(item, value, label) from None


def _wrong(item: Field[Any], value: Any, label: str, expected: str = "") -> ConfigError:
    form: Form = item.metadata["form"]
    shown = ", ".join(map(repr, value)) if isinstance(value, list | tuple) else repr(value)
    hint = did_you_mean(str(value), item.metadata.get("choices", ()))
    return ConfigError(f"{label} must be {expected or form.expected}, not {shown}.", hint=hint)


def _unknown(key: str, place: str) -> ConfigError:
    hint = did_you_mean(key.replace("-", "_"), FIELDS)
    return ConfigError(
        f"Unknown setting {key!r} in {place}.",
        hint=hint or f"Known settings: {', '.join(FIELDS)}.",
    )


def _check_together(config: FitConfig) -> None:
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
    if config.class_weight == "balanced" and config.task == Task.REGRESSION:
        raise ConfigError(
            "--class-weight balanced needs classes, but --task is regression.",
            hint="Drop one of the two.",
        )
    _check_roles(config)


def _check_roles(config: FitConfig) -> None:
    """Raise ConfigError for a column that is given two jobs."""
    jobs = [
        (config.target, "the target"),
        (config.group_column, "--group-column"),
        (config.weight_column, "--weight-column"),
        *((name, "--drop") for name in config.drop),
        *((name, "--column") for name in config.column),
    ]
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
