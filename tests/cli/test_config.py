"""FitConfig, its ways of being written, and the order in which its sources win."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.cli.commands.fit import command
from automl.config import (
    COLUMN_KINDS,
    FIELDS,
    PRESETS,
    FitConfig,
    default_of,
    option_name,
)
from automl.data.schema import Kind
from automl.errors import ConfigError
from automl.forms import parse_duration
from automl.settings import env_name, resolve

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def toml(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


# One source of truth


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_an_option_with_help(name: str) -> None:
    options = {option: p for p in command.params for option in p.opts}
    option = options[option_name(name)]
    assert isinstance(option, click.Option)
    help = FIELDS[name].metadata["help"]
    assert option.help is not None
    assert option.help.startswith(help)
    assert 3 <= len(help.split()) <= 10
    assert not help.endswith(".")


@pytest.mark.parametrize("name", FIELDS)
def test_every_default_passes_its_own_check(name: str) -> None:
    default = default_of(FIELDS[name])
    assert getattr(FitConfig(**{name: default}), name) == default


def test_column_kinds_are_those_of_the_schema() -> None:
    assert set(COLUMN_KINDS) == {kind.value for kind in Kind}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_valid_configuration(preset: str) -> None:
    config, origins = resolve({"target": "y", "preset": preset}, {}, None)
    for name, value in PRESETS[preset].items():
        assert getattr(config, name) == value
        assert origins[name] == f"preset {preset}"


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("60s", 60), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("1.5H", 5400)],
)
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@given(
    st.lists(
        st.tuples(st.integers(0, 999), st.sampled_from(list(UNITS))),
        min_size=1,
        unique_by=lambda part: part[1],
    ),
    st.sampled_from(["", " "]),
)
@settings(deadline=None, max_examples=100)
def test_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]], gap: str) -> None:
    parts.sort(key=lambda part: -UNITS[part[1]])
    text = gap.join(f"{count}{unit}" for count, unit in parts)
    expected = sum(count * UNITS[unit] for count, unit in parts)
    if expected > 0:
        assert parse_duration(text) == expected
    else:
        with pytest.raises(ConfigError, match="is not a time above zero"):
            parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0s",
        "-5",
        "+5",
        "h",
        "5x",
        "1m1h",
        "1h30",
        "nan",
        "inf",
        "1e3",
        "9" * 400,
        "١",
    ],
)
def test_duration_nonsense(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a time above zero like 90, 60s"):
        parse_duration(text)


# Values


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("time_budget", "5m", 300.0),
        ("sample", "0.25", 0.25),
        ("sample", "5000", 5000.0),
        ("seed", "0", 0),
        ("engines", ("lightgbm,xgboost", "catboost"), ("lightgbm", "xgboost", "catboost")),
        ("drop", ("a,b", "c"), ("a,b", "c")),
        ("column", ("zip=Categorical", "a=b=text"), {"zip": "categorical", "a=b": "text"}),
        ("monotone", ("age=+1", "x=y=-1", "z=0"), {"age": 1, "x=y": -1, "z": 0}),
        ("delimiter", "tab", "\t"),
        ("encoding", "latin1", "iso8859-1"),
        ("preset", "FAST", "fast"),
    ],
)
def test_text_becomes_a_value(name: str, text: Any, value: Any) -> None:
    config, _ = resolve({"target": "y", name: text}, {}, None)
    assert getattr(config, name) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("folds", "1", "--folds must be a whole number of at least 2, not '1'"),
        ("folds", "many", "--folds must be a whole number"),
        ("trials", "0", "--trials must be a whole number of at least 1, not '0'"),
        ("sample", "1", "--sample must be a number of rows above 1 or a share"),
        ("sample", "10.5", "--sample must be a number of rows above 1"),
        ("sample", "nan", "--sample must be"),
        ("holdout", "1", "--holdout must be a share between 0 and 1"),
        ("time_budget", "soon", "--time-budget must be a time above zero"),
        ("column", ("a",), "--column must be column=kind with a kind of numeric"),
        ("column", ("=text",), "--column must be column=kind"),
        ("column", ("a=text", "a=numeric"), "--column must be one value for column 'a'"),
        ("monotone", ("a=2",), r"--monotone must be column=\+1"),
        ("monotone", ("a",), r"--monotone must be column=\+1"),
        ("preset", "fats", "--preset must be one of fast, balanced, best.*Did you mean 'fast'"),
        ("task", "multi", "--task must be one of binary.*Did you mean 'multiclass'"),
        ("delimiter", ";;", "--delimiter must be one character"),
        ("encoding", "hex", "--encoding must be a text encoding"),
        ("encoding", "utf-99", "--encoding must be a text encoding"),
        ("group_column", "", "--group-column must be a text that is not empty"),
    ],
)
def test_a_wrong_value_names_the_option(name: str, text: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        resolve({"target": "y", name: text}, {}, None)


@given(st.text(min_size=1), st.sampled_from(COLUMN_KINDS))
@settings(deadline=None, max_examples=100)
def test_any_column_name_can_be_given_a_kind(name: str, kind: str) -> None:
    config, _ = resolve({"column": (f"{name}={kind}",), "target": name + "!"}, {}, None)
    assert config.column == {name: kind}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"time_budget": None}, "Neither a time budget nor a number of trials"),
        ({"folds": 5, "holdout": 0.2}, "exclude each other"),
        ({"distil": True, "single": True}, "--distil and --single exclude each other"),
        ({"distil": True, "refit": True}, "--distil and --refit exclude each other"),
        ({"class_weight": "balanced", "task": "regression"}, "needs classes"),
        ({"target": "y", "drop": ("y",)}, "'y' cannot be both the target and --drop"),
        ({"target": "y", "time_column": "y"}, "both the target and --time-column"),
        ({"group_column": "g", "column": {"g": "text"}}, "both --group-column and --column"),
        ({"target": "y", "monotone": {"y": 1}}, "both the target and --monotone"),
        ({"seed": None}, "--seed must be a whole number of at least 0, not None"),
        ({"folds": True}, "--folds must be a whole number"),
        ({"drop": ("a", 3)}, "--drop must be a list of texts"),
    ],
)
def test_what_cannot_be_built(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        FitConfig(**settings)


# Where values come from

SOURCES = ("command line", "environment", "file", "preset", "default")


@pytest.mark.parametrize("strongest", range(5))
def test_the_stronger_source_wins(strongest: int, tmp_path: Path) -> None:
    line: dict[str, Any] = {"target": "y"} | ({"time_budget": "11"} if strongest <= 0 else {})
    environ = {"AUTOML_TIME_BUDGET": "12"} if strongest <= 1 else {}
    if strongest <= 3:
        environ["AUTOML_PRESET"] = "best"
    file = toml(tmp_path, 'time-budget = "13s"\n' if strongest <= 2 else "")
    config, origins = resolve(line, environ, file)
    assert config.time_budget == [11, 12, 13, 1800, 300][strongest]
    expected = [
        "command line",
        "AUTOML_TIME_BUDGET",
        "file settings.toml",
        "preset best",
        "default",
    ]
    assert origins["time_budget"] == expected[strongest]


@pytest.mark.parametrize("source", SOURCES[:3])
def test_the_preset_comes_from_any_source(source: str, tmp_path: Path) -> None:
    line = {"target": "y"} | ({"preset": "best"} if source == "command line" else {})
    environ = {"AUTOML_PRESET": "best"} if source == "environment" else {}
    file = toml(tmp_path, 'preset = "best"') if source == "file" else None
    assert resolve(line, environ, file)[0].folds == 8


@pytest.mark.parametrize("source", SOURCES[:3])
def test_trials_alone_lift_the_time_limit(source: str, tmp_path: Path) -> None:
    line = {"target": "y"} | ({"trials": "9"} if source == "command line" else {})
    environ = {"AUTOML_TRIALS": "9"} if source == "environment" else {}
    file = toml(tmp_path, 'preset = "fast"\n' + ("trials = 9" if source == "file" else ""))
    config, origins = resolve(line, environ, file)
    assert (config.trials, config.time_budget) == (9, None)
    assert origins["time_budget"] == "trials"


@pytest.mark.parametrize("source", SOURCES[:3])
def test_trials_beside_a_time_budget_keep_it(source: str, tmp_path: Path) -> None:
    line = {"target": "y", "trials": 9} | ({"time_budget": "70"} if source == SOURCES[0] else {})
    environ = {"AUTOML_TIME_BUDGET": "70"} if source == "environment" else {}
    file = toml(tmp_path, "time_budget = 70") if source == "file" else None
    config, _ = resolve(line, environ, file)
    assert (config.trials, config.time_budget) == (9, 70)


def test_none_on_the_command_line_lifts_a_limit_from_elsewhere() -> None:
    line = {"target": "y", "trials": "9", "time_budget": "none"}
    config, origins = resolve(line, {"AUTOML_TIME_BUDGET": "5m"}, None)
    assert config.time_budget is None
    assert origins["time_budget"] == "command line"


def test_a_holdout_wins_over_the_folds_of_a_preset() -> None:
    config, origins = resolve({"target": "y", "preset": "fast", "holdout": ".2"}, {}, None)
    assert (config.folds, config.holdout) == (None, 0.2)
    assert origins["folds"] == "default"


def test_folds_and_holdout_typed_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="--folds 5 and --holdout 0.2 exclude each other"):
        resolve({"target": "y", "folds": "5", "holdout": "0.2"}, {}, None)


def test_a_false_on_the_command_line_wins_over_a_file(tmp_path: Path) -> None:
    file = toml(tmp_path, "single = true\nseed = 7\n")
    config, _ = resolve({"target": "y", "single": False, "seed": "0"}, {}, file)
    assert (config.single, config.seed) == (False, 0)


def test_environment_values_are_text() -> None:
    environ = {"AUTOML_DROP": "a, b", "AUTOML_FORCE": "yes", "AUTOML_COLUMN": "z=text"}
    config, _ = resolve({"target": "y"}, {**environ, "AUTOML_SEED": ""}, None)
    assert config.drop == ("a", "b")
    assert config.force is True
    assert config.column == {"z": "text"}
    assert config.seed == 0


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="AUTOML_FOLDS must be a whole number"):
        resolve({"target": "y"}, {"AUTOML_FOLDS": "x"}, None)
    with pytest.raises(ConfigError, match="AUTOML_REFIT must be true or false, not 'maybe'"):
        resolve({"target": "y"}, {"AUTOML_REFIT": "maybe"}, None)


def test_a_file_has_types(tmp_path: Path) -> None:
    text = 'target = "y"\nsample = 0.5\nengines = ["lightgbm"]\n[column]\n"a b" = "text"\n'
    config, origins = resolve({}, {}, toml(tmp_path, text))
    assert (config.target, config.sample, config.engines) == ("y", 0.5, ("lightgbm",))
    assert config.column == {"a b": "text"}
    assert origins["target"] == "file settings.toml"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('folds = "5"', r"settings.toml, key 'folds' must be a whole number .* not '5'"),
        ("folds = true", "key 'folds' must be a whole number"),
        ("single = 1", "key 'single' must be true or false, not 1"),
        ("metric = 3", "key 'metric' must be a text"),
        ("foldz = 5", "Unknown setting 'foldz' in .*settings.toml.*Did you mean 'folds'"),
        ("[search]\nseed = 1", "Unknown setting 'search'"),
        ("folds = ", "is not TOML"),
    ],
)
def test_a_wrong_file_names_file_and_key(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        resolve({"target": "y"}, {}, toml(tmp_path, text))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no.toml' does not exist"):
        resolve({"target": "y"}, {}, tmp_path / "no.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve({"target": "y"}, {}, tmp_path)


def test_a_target_is_needed() -> None:
    with pytest.raises(ConfigError, match="No target column is named.*--target"):
        resolve({}, {}, None)


def test_every_value_has_an_origin() -> None:
    _, origins = resolve({"target": "y"}, {}, None)
    assert set(origins) == {item.name for item in fields(FitConfig)}


# JSON


def test_json_round_trip() -> None:
    config = FitConfig(
        target="ü\n",
        time_budget=None,
        trials=3,
        column={"a": "text"},
        monotone={"b": -1},
        drop=("c", "d"),
    )
    assert FitConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_json_with_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="Unknown setting 'fold'.*Did you mean 'folds'"):
        FitConfig.from_json({"fold": 3})


def test_names() -> None:
    assert option_name("time_budget") == "--time-budget"
    assert env_name("time_budget") == "AUTOML_TIME_BUDGET"


def test_paths_are_welcome_from_python(tmp_path: Path) -> None:
    assert FitConfig(output=tmp_path).output == str(tmp_path)  # type: ignore[arg-type]
