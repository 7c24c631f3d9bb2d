"""The command line itself: help, lazy imports, exit codes, and errors as one block."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pytest

import automl
from automl import plugins
from automl.cli.main import COMMANDS, cli, main
from automl.errors import AutoMLError, DataError, SearchError

WORDS = [name.replace("_", "-") for name in plugins.names(COMMANDS)]
HEAVY = ("numpy", "pandas", "pyarrow", "sklearn", "xgboost", "lightgbm", "catboost", "optuna")
LATE = ("rich", "shap", "matplotlib", "psutil", "automl.data", "automl.workflows", "automl.search")


def python(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A new interpreter, as a user starts it."""
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environ},
        timeout=60,
        check=False,
    )


# Help


def test_the_commands_are_the_files() -> None:
    assert "fit" in WORDS
    with click.Context(cli) as ctx:
        listed = cli.list_commands(ctx)
    assert sorted(listed) == sorted(WORDS)
    order = [word for word in listed if word in ("fit", "predict", "evaluate", "explain", "show")]
    assert listed[: len(order)] == order
    assert order[0] == "fit"


@pytest.mark.parametrize("word", WORDS)
def test_every_command_has_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"Usage: automl {word}")
    assert err == ""
    command = cli.get_command(click.Context(cli), word)
    assert command is not None
    assert command.get_short_help_str()
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    assert [p.name for p in options if not p.help] == []


@pytest.mark.parametrize("args", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys, json; from automl.cli.main import main; "
        f"status = main({args!r}); "
        "sys.stderr.write(json.dumps([status, sorted(sys.modules)]))"
    )
    done = python("-c", code)
    status, modules = json.loads(done.stderr)
    assert status == 0
    assert [name for name in modules if name.startswith((*HEAVY, *LATE))] == []


def test_importing_the_package_imports_nothing_heavy() -> None:
    done = python("-c", "import sys, automl; print('\\n'.join(sys.modules))")
    names = done.stdout.split()
    assert "automl" in names
    assert [name for name in names if name.startswith((*HEAVY, *LATE, "click"))] == []


def test_public_names_are_found_late() -> None:
    from automl.config import FitConfig

    assert automl.FitConfig is FitConfig
    assert automl.__version__[0].isdigit()
    assert {"fit", "load", "Predictor", "__version__"} <= set(dir(automl))
    with pytest.raises(AttributeError, match="module 'automl' has no attribute 'nope'"):
        automl.nope  # noqa: B018


@pytest.mark.parametrize("name", automl.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(automl, name) is not None


def test_python_m_automl_is_automl() -> None:
    done = python("-m", "automl", "--version")
    assert (done.returncode, done.stdout) == (0, f"automl {automl.__version__}\n")


def test_the_bare_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: automl" in capsys.readouterr().err


# A fit that is told what to do


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """`automl.workflows.fit` replaced: records its arguments, returns or raises `outcome`."""
    path = tmp_path / "my model"
    path.mkdir()
    (path / "manifest.json").write_text("{}", encoding="utf-8")
    result = SimpleNamespace(
        path=path,
        task="binary",
        target="y",
        metric="roc_auc",
        score=0.81234,
        spread=0.0041,
        score_crossfitted=0.8101,
        test={"score": 0.79, "low": 0.75, "high": 0.83, "rows": 2469},
        parity=None,
        corrected={"score": 0.8055, "low": 0.791, "high": 0.819},
        fold_scores=[0.81, 0.82],
        baseline=0.5,
        engine_scores={"lightgbm": 0.811, "xgboost": 0.809},
        seconds=57.0,
        budget=60.0,
        reproducible=False,
        blend=[
            {
                "name": "lightgbm-3",
                "weight": 1.0,
                "engine": "lightgbm",
                "recipe": "plain",
                "score": 0.811,
            }
        ],
        importance=[("age", 3.0), ("in\x1b[31mcome", 1.0)],
        notes=["no time for the plots"],
        replay=None,
        n_rows=12345,
        n_columns=7,
        to_json=lambda: {"score": float("nan"), "path": path},
    )
    state = SimpleNamespace(outcome=result, result=result, calls=[])

    def fit(data: str, config: Any, **more: Any) -> Any:
        state.calls.append((data, config, more))
        if isinstance(state.outcome, BaseException):
            raise state.outcome
        return state.outcome

    module = ModuleType("automl.workflows.fit")
    module.fit = fit  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "automl.workflows.fit", module)
    for name in {name for name in os.environ if name.startswith("AUTOML_")} - {"AUTOML_STATE"}:
        monkeypatch.delenv(name)
    return state


def test_fit_passes_settings_origins_and_a_running_clock(
    fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUTOML_SEED", "4")
    file = tmp_path / "s.toml"
    file.write_text("folds = 4\nseed = 9\n", encoding="utf-8")
    args = ["fit", "a.csv", "-t", "y", "--time-budget", "2m", "--drop", "a", "--drop", "b,c"]
    assert main([*args, "--config", str(file), "--single"]) == 0
    ((data, config, more),) = fake.calls
    assert data == "a.csv"
    assert (config.target, config.time_budget, config.folds, config.seed) == ("y", 120, 4, 4)
    assert (config.drop, config.single, config.refit) == (("a", "b,c"), True, False)
    assert more["origins"]["seed"] == "AUTOML_SEED"
    assert more["origins"]["folds"] == "file s.toml"
    assert more["budget"].seconds == 120
    assert more["budget"].spent() > 0.01


def test_fit_ends_with_the_result(
    fake: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "a.csv", "-t", "y"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    for text in (
        "roc_auc 0.8055 (0.7910 to 0.8190, corrected for choosing) (baseline 0.5000), model in ",
        "12,345 rows, 7 columns",
        "0.8100  0.8200, as they chose",
        "0.7900 (0.7500 to 0.8300) on 2,469 rows kept aside",
        "lightgbm 0.8110, xgboost 0.8090",
        "1.00 x lightgbm-3 (lightgbm, plain, 0.8110)",
        "age 75%, income 25%",
        "57s of 1m00s; ended by the clock, `automl fit --replay ",
        "no time for the plots",
        "manifest.json",
        "automl predict ",
    ):
        assert text in err
    assert err.rstrip().endswith("my model' new.csv") or os.name == "nt"


def test_fit_json_is_only_json_on_stdout(
    fake: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "a.csv", "-t", "y", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"score": None, "path": str(fake.result.path)}
    assert err == ""


def test_fit_quiet_says_one_line(
    fake: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "a.csv", "-t", "y", "-q"]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_show_config_runs_nothing(
    fake: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["fit", "a.csv", "-t", "y", "--preset", "best", "--no-refit", "--show-config"]
    assert main(args) == 0
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert ["time_budget", "1800", "preset best"] in lines
    assert ["refit", "false", "command line"] in lines
    assert ["seed", "0", "default"] in lines
    assert main([*args, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["folds"] == {"value": 8, "from": "preset best"}
    assert fake.calls == []


# Errors


def test_an_error_is_one_block(fake: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    fake.outcome = DataError("Column 'x\x1b[2J' is not there.", hint="Look again.")
    assert main(["fit", "a.csv", "-t", "y"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Error: Column 'x' is not there.\nHint: Look again.\n")


@pytest.mark.parametrize(
    ("failure", "status", "says"),
    [
        (SearchError("All failed."), 1, "Error: All failed.\n"),
        (AutoMLError("Odd."), 2, "Error: Odd.\n"),
        (
            OSError(errno.ENOSPC, "full", "/d/f"),
            2,
            "Error: No space is left on the disk for '/d/f'",
        ),
        (PermissionError(errno.EACCES, "no", "/d/f"), 2, "Error: No permission for '/d/f'.\n"),
        (MemoryError(), 1, "Error: The memory is used up.\n"),
        (KeyboardInterrupt(), 130, "Error: Interrupted.\n"),
        (
            ValueError("odd"),
            1,
            "Error: This is a bug of automl, not of your input: ValueError: odd",
        ),
        (OSError(errno.EBADF, "bad"), 1, "Error: This is a bug of automl"),
    ],
)
def test_exit_codes(
    failure: BaseException,
    status: int,
    says: str,
    fake: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake.outcome = failure
    assert main(["fit", "a.csv", "-t", "y"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.lstrip("\n").startswith(says)
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) <= 2


@pytest.mark.parametrize("place", [0, 1, 4])
def test_debug_shows_the_traceback(
    place: int, fake: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.outcome = ValueError("odd")
    args = ["fit", "a.csv", "-t", "y"]
    args.insert(place, "--debug")
    assert main(args) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert "Error: This is a bug of automl" in err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["fti"], "Error: Unknown command 'fti'.\nHint: Did you mean 'fit'?\n"),
        (["zzzz"], "Error: Unknown command 'zzzz'.\nHint: Commands: fit, "),
        (["fit"], "Error: Missing argument 'DATA'.\nHint: Try 'automl fit --help'.\n"),
        (["fit", "a.csv", "--folds"], "Error: Option '--folds' requires an argument."),
        (["fit", "a.csv"], "Error: No target column is named.\nHint: Pass --target"),
        (["fit", "a.csv", "-t", "y", "-q", "-v"], "Error: --quiet and --verbose exclude"),
        (["fit", "a.csv", "-t", "y", "--config", "no.toml"], "Error: Settings file 'no.toml'"),
        (["fit", "a.csv", "-t", "y", "--seed", "x"], "Error: --seed must be a whole number"),
        (["--nope"], "Error: No such option '--nope'."),
    ],
)
def test_a_wrong_command_line(
    args: list[str], says: str, fake: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(says)
    assert len(err.splitlines()) <= 2
    assert fake.calls == []


def test_an_option_with_a_typo_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "a.csv", "--flods", "3"]) == 2
    assert "--folds" in capsys.readouterr().err


def test_a_command_may_return_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def command() -> int:
        return 3

    def load(package: str, name: str, attribute: str) -> Callable[..., Any]:
        return command

    monkeypatch.setattr("automl.cli.main.plugins.load", load)
    assert main(["fit"]) == 3


@pytest.mark.skipif(os.name == "nt", reason="needs a pipe that closes early, as sh has")
def test_a_closed_pipe_is_quiet() -> None:
    code = (
        "import os, sys; from automl.cli.main import main; "
        "r, w = os.pipe(); os.close(r); os.dup2(w, 1); "
        "sys.exit(main(['fit', 'a.csv', '-t', 'y', '--show-config']))"
    )
    done = python("-c", code)
    assert done.returncode == 0
    assert done.stderr == ""
