"""The whole of `automl benchmark`, with a pretended tool and a pretended peer."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from automl.benchmark import systems
from automl.benchmark.suite import Plan, run_benchmark
from automl.benchmark.systems import peer_of
from automl.cli.main import main
from automl.errors import ConfigError


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "SPEED_ROWS", 100)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_measures_scores_and_writes(suite: Path, tool: tuple[str, ...], tmp_path: Path) -> None:
    peers = tmp_path / "peers.jsonl"
    stored = [
        {"system": "a", "dataset": "sizes", "budget": 60.0, "rmse": 1.0, "fit_s": 90.0},
        {"system": "a", "dataset": "flags", "budget": 60.0, "auc": 0.75, "fit_s": 66.0},
        {"system": "b", "dataset": "sizes", "budget": 60.0, "error": "lost <b>"},
        {"system": "a", "dataset": "elsewhere", "budget": 60.0, "rmse": 0.0},
    ]
    peers.write_text("\n".join(map(json.dumps, stored)), encoding="utf-8")
    plan = Plan(budgets=(20.0,), command=tool, peers=peers)
    found = run_benchmark(suite, plan, output=tmp_path / "out")
    flags, sizes = lines(tmp_path / "out" / "results.jsonl")
    assert (flags["auc"], sizes["rmse"]) == (1.0, 2.0)
    assert flags["overrun"] == pytest.approx(flags["fit_s"] / 20 - 1)
    assert flags["native_share"] == 0.75
    assert flags["rows_per_s"] > 0
    assert 500 < flags["bundle_bytes"] < 700
    (one,) = found.comparisons
    rows = {row.name: row for row in one.systems}
    assert (rows["a"].budget, rows["a"].worst_overrun) == (60.0, 0.5)
    assert rows["a"].against is not None
    assert (rows["a"].against.wins, rows["a"].against.losses) == (1, 1)
    assert (rows["b"].n_sets, rows["b"].failed) == (1, 1)
    assert json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    table = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    assert "| flags | AUC | 0.5 |" in table
    assert "a (60 s)" in table
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "lost &lt;b&gt;" in page
    assert "<b>" not in page


def test_a_second_call_goes_on_and_repeats_failures(
    suite: Path, tool: tuple[str, ...], tmp_path: Path
) -> None:
    meta = suite / "sizes" / "meta.json"
    good = meta.read_text(encoding="utf-8")
    plan = Plan(command=tool)
    for name in ("train", "test"):
        path = suite / "sizes" / f"{name}.csv"
        path.write_text(path.read_text().replace(",y\n", ",broken\n"), encoding="utf-8")
    meta.write_text(good.replace('"y"', '"broken"'), encoding="utf-8")
    first = run_benchmark(suite, plan, output=tmp_path / "out")
    assert first.comparisons[0].failures == ("automl on sizes: no model for broken",)
    for name in ("train", "test"):
        path = suite / "sizes" / f"{name}.csv"
        path.write_text(path.read_text().replace(",broken\n", ",y\n"), encoding="utf-8")
    meta.write_text(good, encoding="utf-8")
    assert run_benchmark(suite, plan, output=tmp_path / "out").comparisons[0].failures == ()
    calls = (tmp_path / "tool.py.log").read_text(encoding="utf-8").split()
    assert calls == ["fit", "predict", "predict", "fit", "fit", "predict", "predict"]
    run_benchmark(suite, Plan(command=tool, seeds=(1,)), output=tmp_path / "out")
    assert len(lines(tmp_path / "out" / "results.jsonl")) == 5


ADAPTER = """
import csv
import colorsys
PACKAGE, INSTALL = "colorsys", "nothing"
white = colorsys.rgb_to_hsv(1, 1, 1)
def fit(job):
    def predict(path):
        x = [float(row["x"]) for row in csv.DictReader(open(path))]
        return (x, None) if job.task == "regression" else ([[1 - v, v] for v in x], ["no", "yes"])
    return predict
"""


def test_a_peer_runs_in_its_own_python(
    suite: Path, tool: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = tmp_path / "peers"
    adapters.mkdir()
    base = Path(systems.__file__).with_name("peers") / "base.py"
    (adapters / "base.py").write_bytes(base.read_bytes())
    # Named as a package that it imports: its own folder must not hide the package.
    (adapters / "colorsys.py").write_text(ADAPTER, encoding="utf-8")
    monkeypatch.setattr(systems, "_ADAPTERS", adapters)
    monkeypatch.setattr(
        "automl.benchmark.suite.peer_of", lambda w: systems.Peer(w, sys.executable)
    )
    plan = Plan(command=tool, against=("colorsys",))
    found = run_benchmark(suite, plan, output=tmp_path / "out")
    rows = [
        row for row in lines(tmp_path / "out" / "results.jsonl") if row["system"] == "colorsys"
    ]
    assert [row.get("error") for row in rows] == [None, None]
    assert rows[0]["auc"] == 1.0
    assert rows[1]["rmse"] > 2.0
    assert {row.name for row in found.comparisons[0].systems} == {"automl", "colorsys"}


def test_a_peer_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match="h2o is not installed") as caught:
        peer_of("h2o")
    assert "--against h2o=h2o-env/bin/python" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="Unknown peer 'flamll'"):
        peer_of("flamll")
    with pytest.raises(ConfigError, match="cannot be run for flaml"):
        peer_of("flaml=/nowhere/python")


def test_a_command_that_hangs_is_ended() -> None:
    sleep = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    code = f"import subprocess, sys; subprocess.run({sleep})"
    done = systems.run_measured([sys.executable, "-c", code], limit=1.5)
    assert done.error == "not done after 2 s"
    assert 1.4 < done.seconds < 10


def test_what_a_command_leaves_behind_is_ended(tmp_path: Path) -> None:
    sleep = f"[sys.executable, '-c', 'import time; time.sleep(60)', {str(tmp_path)!r}]"
    code = f"import subprocess, sys, time; subprocess.Popen({sleep}); time.sleep(1.5)"
    assert systems.run_measured([sys.executable, "-c", code], limit=30.0).error is None
    assert not [p for p in psutil.process_iter() if str(tmp_path) in _words(p)]


def _words(one: psutil.Process) -> list[str]:
    try:
        return [] if one.status() == psutil.STATUS_ZOMBIE else one.cmdline()
    except psutil.Error:
        return []


def test_the_command(
    suite: Path, tool: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["benchmark", str(suite), "--command", " ".join(f'"{w}"' for w in tool)]
    words += ["--output", str(tmp_path / "out"), "--budget", "5s,10s", "--only", "flags"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert re.search(r"automl on 1 data set at 5 s\n.*at 10 s\n", out, re.DOTALL)
    assert "flags: automl auc 1 after" in err
    assert main([*words, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["budgets"]) == 2
    assert main([*words, "--seeds", "x"]) == 2
    assert "--seeds must be whole numbers" in capsys.readouterr().err


@pytest.mark.slow
def test_three_real_sets(tmp_path: Path) -> None:
    from sklearn import datasets

    for load in (datasets.load_iris, datasets.load_diabetes, datasets.load_breast_cancer):
        table = load(as_frame=True).frame
        table.iloc[::2].to_csv(tmp_path / f"{load.__name__}.csv", index=False)
    # 5 s are enough on a quiet machine; a busy one is no reason to fail.
    plan = Plan(budgets=(30.0,), target="target")
    found = run_benchmark(tmp_path, plan, output=tmp_path / "out")
    (one,) = found.comparisons
    assert one.failures == ()
    assert {row.score for row in one.sets} == {"AUC", "log loss", "RMSE"}
    assert all(row.scores["automl"] is not None for row in one.sets)
    assert (tmp_path / "out" / "index.html").stat().st_size > 4000
