"""The whole way through the command line on the example tables, from fit to explain."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

import automl
from automl.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples"
FAST = ("--trials", "2", "--folds", "3", "--workers", "1")


@dataclass(frozen=True)
class Example:
    """A table of `examples/`, and what a sound model reaches on the rows that it was fitted on."""

    name: str
    target: str
    task: str
    engine: str
    metric: str
    reaches: Callable[[float], bool]

    @property
    def data(self) -> Path:
        return EXAMPLES / f"{self.name}.csv"

    @property
    def table(self) -> pd.DataFrame:
        return pd.read_csv(self.data)


BINARY = Example(
    "breast_cancer", "diagnosis", "binary", "lightgbm", "roc_auc", lambda auc: auc > 0.99
)
MULTICLASS = Example(
    "wine", "grower", "multiclass", "lightgbm", "log_loss", lambda loss: loss < 0.2
)
REGRESSION = Example(
    "diabetes", "progress", "regression", "xgboost", "rmse", lambda rmse: rmse < 60
)
ALL = pytest.mark.parametrize("example", [BINARY, MULTICLASS, REGRESSION], ids=lambda e: e.name)

Invoke = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A bundle of each example, by its name."""
    folder = tmp_path_factory.mktemp("models")
    for example in (BINARY, MULTICLASS, REGRESSION):
        args = ["fit", str(example.data), "-t", example.target, "--engines", example.engine]
        assert main([*args, *FAST, "-q", "-o", str(folder / example.name)]) == 0
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and no settings from outside."""
    for name in {name for name in os.environ if name.startswith("AUTOML_")} - {"AUTOML_STATE"}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Runs a command that has to succeed; its stdout and stderr."""

    def run(*args: object) -> tuple[str, str]:
        status = main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        assert status == 0, err
        return out, err

    return run


def process(*args: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """`python -m automl` as a process of its own, its streams piped."""
    command = [sys.executable, "-m", "automl", *map(str, args)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **more)


def scores(text: str) -> pd.DataFrame:
    """A CSV that `predict` wrote; labels stay text."""
    return pd.read_csv(io.StringIO(text), dtype={"prediction": str}, keep_default_na=False)


# fit, predict, evaluate, explain, show


@ALL
def test_the_way_from_a_table_to_reasons(
    example: Example, models: Mapping[str, Path], invoke: Invoke, here: Path
) -> None:
    model, table = models[example.name], example.table
    invoke("predict", model, example.data, "--output", "scores.csv")
    found = scores((here / "scores.csv").read_text(encoding="utf-8"))
    assert list(found) == ["prediction"]
    assert len(found) == len(table)

    measured = json.loads(invoke("evaluate", model, example.data, "--json")[0])
    assert measured["task"] == example.task
    assert example.reaches(measured["scores"][example.metric])
    if example.task == "regression":
        error = found["prediction"].astype(float) - table[example.target]
        assert measured["scores"]["rmse"] == pytest.approx(float(np.sqrt((error**2).mean())))
    else:
        accuracy = float((found["prediction"] == table[example.target]).mean())
        assert measured["scores"]["accuracy"] == pytest.approx(accuracy)

    reasons = pd.read_csv(io.StringIO(invoke("explain", model, example.data, "--top", 2)[0]))
    assert len(reasons) == len(table)
    assert set(reasons["reason_1"]) <= set(table.columns) - {example.target}
    sizes = reasons[["reason_1_contribution", "reason_2_contribution"]].abs().to_numpy()
    assert (sizes[:, 0] >= sizes[:, 1]).all()

    summary = invoke("show", model)[0]
    assert example.target in summary
    assert example.task in summary
    for what in ("leaderboard", "schema", "decisions", "versions", "config", "all"):
        assert invoke("show", model, what)[0].strip()


@ALL
def test_the_command_line_and_python_agree(
    example: Example, models: Mapping[str, Path], invoke: Invoke
) -> None:
    model = models[example.name]
    found = scores(invoke("predict", model, example.data)[0])["prediction"]
    expected = automl.load(model).predict(example.table)
    if example.task == "regression":
        np.testing.assert_array_equal(found.astype(float), expected)
    else:
        assert found.tolist() == [str(label) for label in expected]


@pytest.mark.parametrize("example", [BINARY, MULTICLASS], ids=lambda e: e.name)
def test_probabilities(example: Example, models: Mapping[str, Path], invoke: Invoke) -> None:
    found = scores(invoke("predict", models[example.name], example.data, "--proba")[0])
    labels = sorted(example.table[example.target].unique())
    names = [f"proba_{label}" for label in labels]
    assert sorted(found) == sorted(["prediction", *names])
    np.testing.assert_allclose(found[names].sum(axis=1), 1.0)
    if example is MULTICLASS:
        best = found[names].to_numpy().argmax(axis=1)
        assert found["prediction"].tolist() == [labels[i] for i in best]


def test_files_and_stdout_hold_the_same(
    models: Mapping[str, Path], invoke: Invoke, here: Path
) -> None:
    args = ("predict", models["wine"], MULTICLASS.data, "--proba", "--keep", "proline,body")
    args = (*args, "--explain", 2)
    on_stdout, talk = invoke(*args)
    assert "178 rows scored" in talk
    invoke(*args, "-o", "s.csv")
    assert (here / "s.csv").read_text(encoding="utf-8") == on_stdout
    invoke(*args, "-o", "s.parquet")
    invoke(*args, "-o", "s.jsonl")
    expected = pd.read_csv(io.StringIO(on_stdout))
    labels = [f"proba_grower {letter}" for letter in "ABC"]
    reasons = [f"reason_{i}{part}" for i in (1, 2) for part in ("", "_value", "_contribution")]
    assert list(expected) == ["proline", "body", "prediction", *labels, *reasons]
    for found in (
        pd.read_parquet(here / "s.parquet"),
        pd.read_json(here / "s.jsonl", lines=True, precise_float=True),
    ):
        assert list(found) == list(expected)
        assert found["prediction"].tolist() == expected["prediction"].tolist()
        for name in ["proline", *labels, "reason_1_contribution"]:
            np.testing.assert_allclose(
                pd.to_numeric(found[name]), expected[name], rtol=1e-14, atol=0
            )


def test_rows_keep_their_order_and_number(models: Mapping[str, Path], invoke: Invoke) -> None:
    model, table = models["diabetes"], REGRESSION.table
    shuffled = table.sample(frac=1.0, random_state=0)
    mixed = pd.concat([shuffled, shuffled.head(7)]).drop(columns="progress")
    mixed.iloc[3] = np.nan
    mixed[mixed.columns[::-1]].to_csv("new.csv", index=False)
    whole = scores(invoke("predict", model, "new.csv")[0])["prediction"].astype(float)
    in_chunks = scores(invoke("predict", model, "new.csv", "--chunk-rows", 10)[0])
    np.testing.assert_array_equal(in_chunks["prediction"].astype(float), whole)
    in_order = scores(invoke("predict", model, REGRESSION.data)[0])["prediction"].astype(float)
    expected = in_order.to_numpy()[[*shuffled.index, *shuffled.index[:7]]]
    same = np.arange(len(mixed)) != 3
    np.testing.assert_array_equal(whole[same], expected[same])


# Kinds of input


def written(table: pd.DataFrame, name: str) -> None:
    """`table` as a file of the kind that the name says."""
    if name.endswith((".csv.gz", ".csv.zst")):
        plain = table.to_csv(index=False).encode()
        packed = gzip.compress(plain) if name.endswith(".gz") else pa.compress(plain, "zstd")
        Path(name).write_bytes(bytes(packed))
    elif name.endswith(".tsv"):
        table.to_csv(name, sep="\t", index=False)
    elif name.endswith(".parquet"):
        table.to_parquet(name)
    elif name.endswith(".arrow"):
        table.to_feather(name)
    else:
        table.to_json(name, orient="records", lines=True, double_precision=15)


KINDS = pytest.mark.parametrize(
    "name", ["t.csv.gz", "t.csv.zst", "t.tsv", "t.parquet", "t.arrow", "t.jsonl"]
)


@KINDS
@ALL
def test_every_kind_of_file_gives_the_same_predictions(
    example: Example, name: str, models: Mapping[str, Path], invoke: Invoke
) -> None:
    model = models[example.name]
    written(example.table, name)
    assert invoke("predict", model, name)[0] == invoke("predict", model, example.data)[0]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet", "t.jsonl"])
def test_every_kind_of_file_gives_the_same_model(
    name: str, models: Mapping[str, Path], invoke: Invoke, here: Path
) -> None:
    written(MULTICLASS.table, name)
    invoke("fit", name, "-t", "grower", "--engines", "lightgbm", *FAST, "-q", "-o", "model")
    for path in (models["wine"] / "members").rglob("*.txt"):
        same = here / "model" / path.relative_to(models["wine"])
        assert same.read_bytes() == path.read_bytes()


def test_stdin(models: Mapping[str, Path], invoke: Invoke) -> None:
    content = MULTICLASS.data.read_bytes()
    done = process("predict", models["wine"], "-", input=content)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == invoke("predict", models["wine"], MULTICLASS.data)[0]


def test_fit_from_stdin(here: Path) -> None:
    content = MULTICLASS.data.read_bytes()
    args = ("fit", "-", "-t", "grower", "--engines", "lightgbm", *FAST, "-q")
    done = process(*args, input=content)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((here / "stdin-model" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["data"]["name"] == "stdin"
    assert manifest["data"]["n_rows"] == 178


# Settings


def test_settings_come_from_four_places_in_order(
    invoke: Invoke, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "settings.toml").write_text(
        'target = "grower"\ntrials = 5\nseed = 1\nfolds = 2\nengines = ["lightgbm"]\n'
        'drop = ["proline"]\nworkers = 1\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("AUTOML_SEED", "2")
    monkeypatch.setenv("AUTOML_FOLDS", "3")
    monkeypatch.setenv("AUTOML_PRESET", "fast")
    args = ("fit", MULTICLASS.data, "--config", "settings.toml", "--trials", "1", "--seed", "7")
    result = json.loads(invoke(*args, "--json", "-o", "model")[0])
    assert len(result["fold_scores"]) == 3
    assert result["n_columns"] == 12
    shown = [line.split(maxsplit=2) for line in invoke("show", "model", "config")[0].splitlines()]
    manifest = json.loads((here / "model" / "manifest.json").read_text(encoding="utf-8"))
    config, origins = manifest["config"], manifest["origins"]
    expected = {
        "seed": (7, "command line"),
        "trials": (1, "command line"),
        "folds": (3, "AUTOML_FOLDS"),
        "preset": ("fast", "AUTOML_PRESET"),
        "target": ("grower", "file settings.toml"),
        "drop": (["proline"], "file settings.toml"),
        "engines": (["lightgbm"], "file settings.toml"),
        "time_budget": (None, "trials"),
        "single": (False, "default"),
    }
    for name, (value, origin) in expected.items():
        assert (config[name], origins[name]) == (value, origin)
        assert any(line[0] == name and line[-1] == origin for line in shown), name


def test_the_options_of_a_fit_take_effect(invoke: Invoke) -> None:
    args = ("fit", BINARY.data, "-t", "diagnosis", "--engines", "lightgbm", *FAST, "--json")
    args = (*args, "--metric", "f1", "--sample", "300", "--drop", "mean_area", "--single")
    out, _ = invoke(*args, "--column", "mean_texture=categorical", "--refit", "-o", "model")
    result = json.loads(out)
    assert (result["metric"], result["n_rows"], result["n_columns"]) == ("f1", 300, 29)
    assert len(result["blend"]) == 1
    schema = json.loads(Path("model/schema.json").read_text(encoding="utf-8"))
    kinds = {column["name"]: column["kind"] for column in schema["columns"]}
    assert kinds["mean_texture"] == "categorical"
    assert len(list(Path("model/members").rglob("*.txt"))) == 1


# What a terminal, a pipe and a machine see


def test_python_m_automl_is_plain_where_it_is_piped(here: Path) -> None:
    args = ("fit", MULTICLASS.data, "-t", "grower", "--engines", "lightgbm", *FAST)
    done = process(*args, "-o", "model", env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    said = done.stderr.decode()
    assert not re.search(r"[^\n\x20-\x7e\u00a0-\uffff]", said)
    for text in ("178 rows", "multiclass", "log_loss", "lightgbm", "automl predict model"):
        assert text in said
    assert said.rstrip().endswith("automl predict model new.csv")


def test_json_is_all_that_stdout_holds(models: Mapping[str, Path], invoke: Invoke) -> None:
    args = ("fit", MULTICLASS.data, "-t", "grower", "--engines", "lightgbm", *FAST)
    result = json.loads(invoke(*args, "--json", "-o", "model")[0])
    assert result["task"] == "multiclass"
    assert Path(result["path"]).name == "model"
    assert result["reproducible"] is True
    for what in ("summary", "leaderboard", "schema", "decisions", "versions", "config", "all"):
        assert json.loads(invoke("show", "model", what, "--json")[0])
    assert json.loads(invoke("explain", "model", MULTICLASS.data, "--format", "json")[0])
    assert json.loads(invoke("evaluate", "model", MULTICLASS.data, "--json", "-q")[0])


def test_quiet_says_the_result_alone(models: Mapping[str, Path], invoke: Invoke) -> None:
    args = ("fit", MULTICLASS.data, "-t", "grower", "--engines", "lightgbm", *FAST)
    out, err = invoke(*args, "-q", "-o", "model")
    assert out == ""
    (line,) = err.splitlines()
    corrected = r"\([\d.]+ to [\d.]+, corrected for choosing\)"
    assert re.fullmatch(rf"log_loss [\d.]+ {corrected} \(baseline [\d.]+\), model in model", line)
    out, err = invoke("predict", "model", MULTICLASS.data, "-q")
    assert (len(out.splitlines()), err) == (179, "")


def test_predictions_survive_a_new_process(models: Mapping[str, Path], invoke: Invoke) -> None:
    for example in (BINARY, REGRESSION):
        args = ("predict", models[example.name], example.data)
        done = process(*args)
        assert done.stdout.decode() == invoke(*args)[0]


def test_a_table_scored_twice_is_the_same(models: Mapping[str, Path], invoke: Invoke) -> None:
    for n_threads in (1, 2):
        invoke(
            "predict", models["wine"], MULTICLASS.data, "--proba", "-o", f"{n_threads}.csv",
            "--threads", n_threads,
        )  # fmt: skip
    assert_frame_equal(pd.read_csv("1.csv"), pd.read_csv("2.csv"))
