"""The settings of a fit: one frozen dataclass, one default, one help text and one check each.

A field's metadata drives the command line, the environment variables, the TOML file and the
documents; `automl.settings` merges what these say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from types import MappingProxyType
from typing import Any

from automl.contradictions import check_together
from automl.errors import ConfigError, did_you_mean
from automl.forms import (
    DELIMITER,
    ENCODING,
    FLAG,
    PATH,
    SAMPLE,
    SHARE,
    SHARES,
    SIZE,
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

TARGET_TRANSFORMS = ("auto", "none", "log1p", "yeo-johnson")
SAMPLERS = ("tpe", "gp", "random", "grid")

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "fast": MappingProxyType({"time_budget": 60.0, "folds": 3}),
        "balanced": MappingProxyType({}),
        "best": MappingProxyType({"time_budget": 1800.0, "folds": 8}),
        "portable": MappingProxyType({"portable": True}),
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
    quantiles: tuple[float, ...] | None = _option(
        None, SHARES, _MAIN, "Predict these quantiles, as 0.1,0.5,0.9", metavar="LEVEL,..."
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
    robust: bool = _option(False, FLAG, _MAIN, "Resist outliers in a numeric target")
    target_transform: str = _chosen(
        "auto", _MAIN, "Train on this scale of a numeric target", TARGET_TRANSFORMS
    )

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

    mlflow: str | None = _option(
        None, TEXT, _OUTPUT, "Log the run and its model to this MLflow server", metavar="URI"
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
    drop_pii: bool = _option(False, FLAG, _COLUMNS, "Leave out columns with personal data")
    hash_pii: bool = _option(
        False, FLAG, _COLUMNS, "Use personal data as keyed hashes, or leave them out"
    )
    sensitive: tuple[str, ...] = _option(
        (), words(split=False), _COLUMNS, "Audit fairness by this column", metavar="COLUMN"
    )
    max_disparity: float | None = _option(
        None,
        SHARE,
        _COLUMNS,
        "Limit how far groups differ in positive decisions",
        metavar="SHARE",
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
    header: bool | None = _option(
        None,
        FLAG,
        _CELLS,
        "Take the first row as names, not data",
        shown="by its cells",
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
    test_share: float | None = _option(
        None,
        SHARE,
        _FOLDS,
        "Keep this share of rows aside and score it once",
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
    distil: bool = _option(False, FLAG, _SEARCH, "Ship one model taught by the blend")
    portable: bool = _option(False, FLAG, _SEARCH, "Train only what can be exported as ONNX")
    max_members: int | None = _option(
        None, whole(1), _SEARCH, "Blend at most so many models", metavar="N", shown="8"
    )
    max_trees: int | None = _option(
        None, whole(1), _SEARCH, "Ship at most so many trees", metavar="N", shown="by speed"
    )
    sampler: str = _chosen("tpe", _SEARCH, "Sample hyperparameters this way", SAMPLERS)
    stop_early: bool = _option(False, FLAG, _SEARCH, "End when nothing improves any more")
    seed: int = _option(0, whole(0), _SEARCH, "Seed of everything random", metavar="N")
    workers: int | None = _option(
        None, whole(1), _SEARCH, "Train in so many processes", metavar="N", shown="by cores"
    )
    threads: int | None = _option(
        None, whole(1), _SEARCH, "Threads of each training process", metavar="N"
    )
    memory_limit: int | None = _option(
        None,
        SIZE,
        _SEARCH,
        "Use at most so much memory: 1500M, 8G",
        metavar="SIZE",
        shown="what is free",
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if is_unset(item, value):
                continue
            value = read_typed(item, value, option_name(item.name))
            object.__setattr__(self, item.name, value)
        check_together(self)

    @property
    def score(self) -> str | None:
        """The name of the metric with the levels of --quantiles; None = that of the task."""
        if self.quantiles is None:
            return self.metric
        return "quantile@" + ",".join(f"{level:g}" for level in self.quantiles)

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
                raise unknown_setting(name, "the stored settings")
        return cls(**data)


FIELDS: Mapping[str, Field[Any]] = MappingProxyType(
    {item.name: item for item in fields(FitConfig)}
)


def option_name(name: str) -> str:
    """The command-line option of a field: `--time-budget` for `time_budget`."""
    return "--" + name.replace("_", "-")


def default_of(item: Field[Any]) -> Any:
    """The default of a field, also of one with a factory."""
    return item.default_factory() if callable(item.default_factory) else item.default


def is_unset(item: Field[Any], value: Any) -> bool:
    """None means "not given" where that is a value; so does the empty text for the target."""
    if item.name == "target":
        return value is None or (isinstance(value, str) and value == "")
    return value is None and bool(item.metadata["nullable"])


def read_setting(name: str, value: Any) -> Any:
    """The value of one field from its text or typed; raises ConfigError naming the option."""
    return read_text(FIELDS[name], value, option_name(name))


def read_typed(item: Field[Any], value: Any, label: str) -> Any:
    """`value` of a typed source: its type is checked before it is read."""
    types: tuple[type, ...] = item.metadata["form"].types
    # A bool is an int to Python; a number written as true is a mistake.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise _wrong(item, value, label)
    return read_text(item, value, label)


def read_text(item: Field[Any], value: Any, label: str) -> Any:
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


def unknown_setting(key: str, place: str) -> ConfigError:
    hint = did_you_mean(key.replace("-", "_"), FIELDS)
    return ConfigError(
        f"Unknown setting {key!r} in {place}.",
        hint=hint or f"Known settings: {', '.join(FIELDS)}.",
    )
