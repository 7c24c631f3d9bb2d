"""Workers: what they give back, what a crash costs, and that none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from small_run import candidates, fold_task, make_data, make_race, trainer

from automl.budget import Budget
from automl.config import FitConfig
from automl.errors import ConfigError
from automl.ledger import Ledger
from automl.metrics._lookup import get_metric
from automl.search.executors.base import Report
from automl.search.executors.inline import InlineExecutor
from automl.search.executors.local import LocalExecutor
from automl.search.setup import pursue
from automl.search.ship import run_all
from automl.task import Objective, Task
from automl.workflows import target_scale

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
Start = Callable[..., LocalExecutor]
PATIENCE = 30.0  # seconds; only a broken executor takes that long


@pytest.fixture
def start(fake: str, tmp_path: Path) -> Iterator[Start]:
    """Starts workers on the small table; all are gone after the test, or it fails."""
    started: list[LocalExecutor] = []
    processes: list[psutil.Process] = []

    def make(
        n_workers: int = 1, *, engines: Sequence[str] = (fake,), memory: int | None = None
    ) -> LocalExecutor:
        log = tmp_path / "log"
        executor = LocalExecutor(n_workers, threads=1, engines=engines, log=log, memory=memory)
        started.append(executor)
        make_data().write(tmp_path / "store")
        executor.open(tmp_path / "store")
        return executor

    yield make
    for executor in started:
        processes += [psutil.Process(worker.process.pid) for worker in executor._workers]
        executor.close()
    assert not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def collect(executor: LocalExecutor, n: int) -> list[Report]:
    reports: list[Report] = []
    end = time.monotonic() + PATIENCE
    while len(reports) < n and time.monotonic() < end:
        reports += executor.wait(1.0)
    return reports


def test_worker_gives_what_a_trainer_here_gives(start: Start, tmp_path: Path) -> None:
    executor = start()
    task = fold_task(tmp_path, slope=0.3, trees=5)
    executor.submit(task)
    assert executor.idle == 0
    (report,) = collect(executor, 1)
    assert executor.idle == 1
    assert report.task is task
    assert report.error is None
    assert report.result is not None
    here = trainer(make_data()).run(task)
    timed = dict.fromkeys(("seconds", "cpu_seconds", "native_seconds"), 0)
    assert {**report.result, **timed} == {**here, **timed}
    assert 0.0 < report.result["cpu_seconds"] <= executor.cpu_seconds()


def test_two_workers_take_two_tasks_at_once(start: Start, tmp_path: Path) -> None:
    executor = start(2)
    for k in range(2):
        executor.submit(fold_task(tmp_path, k, trees=1))
    assert executor.idle == 0
    first = collect(executor, 2)
    assert {report.task["split"] for report in first} == {0, 1}
    began = time.monotonic()
    for k in range(2):
        executor.submit(fold_task(tmp_path, k, hang=0.8))
    assert len(collect(executor, 2)) == 2
    assert time.monotonic() - began < 1.5


def test_error_comes_back_with_its_traceback(start: Start, tmp_path: Path) -> None:
    executor = start()
    executor.submit(fold_task(tmp_path, fail="line 1\nline 2 é"))
    (report,) = collect(executor, 1)
    assert report.result is None
    assert report.error == "RuntimeError: line 1\nline 2 é"
    assert "fake_engine.py" in report.traceback
    executor.submit(fold_task(tmp_path))
    assert collect(executor, 1)[0].error is None  # the same worker goes on


@posix
@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ({"crash": 3}, "its process ended by itself with status 3"),
        ({"crash": 0}, "killed by signal 6 (aborted)"),
        ({"signal": signal.SIGSEGV}, "killed by signal 11 (segmentation fault)"),
        ({"signal": signal.SIGKILL}, "killed by signal 9: out of memory or from outside"),
    ],
)
def test_crash_costs_one_fold_and_its_worker_is_replaced(
    orders: dict[str, int], said: str, start: Start, tmp_path: Path
) -> None:
    executor = start(2)
    before = {worker.process.pid for worker in executor._workers}
    executor.submit(fold_task(tmp_path, 0, **orders))
    executor.submit(fold_task(tmp_path, 1))
    by_split = {report.task["split"]: report for report in collect(executor, 2)}
    assert by_split[1].error is None
    assert by_split[0].result is None
    assert by_split[0].error == said
    assert by_split[0].outside is ("outside" in said)
    assert executor.idle == 2
    after = {worker.process.pid for worker in executor._workers}
    assert len(before & after) == 1
    for k in range(2):
        executor.submit(fold_task(tmp_path, k))
    assert [report.error for report in collect(executor, 2)] == [None, None]


def test_worker_that_stands_still_is_ended(start: Start, tmp_path: Path) -> None:
    executor = start(2)
    executor.submit({**fold_task(tmp_path, 0, hang=600.0), "time_limit": 20.0})
    executor.submit({**fold_task(tmp_path, 1, spin=6.0), "time_limit": 20.0})
    by_split = {report.task["split"]: report for report in collect(executor, 2)}
    assert by_split[1].error is None
    assert "idle for the last 5 s" in str(by_split[0].error)
    executor.submit(fold_task(tmp_path, 2))
    assert [report.error for report in collect(executor, 1)] == [None]


@linux
def test_leak_ends_at_the_hard_limit_as_an_error_of_its_fold(start: Start, tmp_path: Path) -> None:
    executor = start()
    executor.share_memory(200 << 20, lambda task: 0, 1)
    executor.submit(fold_task(tmp_path, 0, leak=4 << 30))
    (report,) = collect(executor, 1)
    assert str(report.error).startswith("needed more memory than 200 MiB (MemoryError")
    executor.submit(fold_task(tmp_path, 1, leak=100 << 20))
    assert [report.error for report in collect(executor, 1)] == [None]


def test_largest_worker_is_ended_where_all_together_take_too_much(
    start: Start, tmp_path: Path
) -> None:
    own = psutil.Process().memory_info().rss
    executor = start(2, memory=own + (1 << 30))
    executor.submit(fold_task(tmp_path, 0, leak=2 << 30, hang=600.0))
    executor.submit(fold_task(tmp_path, 1, leak=50 << 20, spin=0.1))
    by_split = {report.task["split"]: report for report in collect(executor, 2)}
    assert by_split[1].error is None
    assert "the run had come to its memory limit of" in str(by_split[0].error)


def test_task_waits_until_there_is_memory_beside_the_others(start: Start, tmp_path: Path) -> None:
    executor = start(2)
    executor.share_memory(100 << 20, lambda task: 60 << 20, 2)
    for k in range(2):
        executor.submit(fold_task(tmp_path, k, spin=0.3))
    assert executor.idle == 0
    assert sum(worker.works for worker in executor._workers) == 1
    assert [report.error for report in collect(executor, 2)] == [None, None]


def test_fewer_workers_where_memory_is_short(start: Start, tmp_path: Path) -> None:
    executor = start(2)
    gone = executor._workers[1].process
    executor.share_memory(100 << 20, lambda task: 90 << 20, 1)
    assert gone.poll() is not None
    assert (executor.n_workers, executor.idle) == (1, 1)


def test_running_task_is_stopped_at_once(start: Start, tmp_path: Path) -> None:
    executor = start(2)
    executor.submit(fold_task(tmp_path, 0))
    collect(executor, 1)
    stuck = fold_task(tmp_path, 1, hang=600.0)
    executor.submit(stuck)
    (victim,) = [worker.process for worker in executor._workers if worker.task is stuck]
    began = time.monotonic()
    executor.stop_running()
    reports = executor.wait(0.0)
    assert time.monotonic() - began < 2.0
    assert [report.error for report in reports] == ["out of time"]
    assert reports[0].task is stuck
    assert victim.poll() is not None
    assert executor.idle == 2
    executor.submit(fold_task(tmp_path, 2))
    assert [report.error for report in collect(executor, 1)] == [None]


def test_close_ends_a_busy_worker(start: Start, tmp_path: Path) -> None:
    executor = start(2)
    executor.submit(fold_task(tmp_path, 0, hang=600.0))
    processes = [worker.process for worker in executor._workers]
    executor.close()
    assert all(process.poll() is not None for process in processes)
    executor.close()  # again does no harm


def test_wait_comes_back_in_time_without_a_report(start: Start, tmp_path: Path) -> None:
    executor = start()
    executor.submit(fold_task(tmp_path, hang=600.0))
    began = time.monotonic()
    assert executor.wait(0.2) == []
    assert 0.1 < time.monotonic() - began < 1.0


@posix
def test_fold_that_was_killed_from_outside_is_tried_once_more(
    start: Start, tmp_path: Path
) -> None:
    dies = {"signal": signal.SIGKILL}
    entries = candidates(
        {"turns": [dies], "folder": str(tmp_path), "slope": 0.2, "trees": 2},
        {"slope": 0.25, "trees": 6, **dies},
    )
    race = make_race(tmp_path / "race", executor=start(1), trials=2, portfolio=entries)
    trials = race.run()
    race.record.journal.close()
    assert [trial.state for trial in trials] == ["done", "failed"]
    assert trials[1].cause == "killed by signal 9: out of memory or from outside"
    told = [d.decision for d in race.record.ledger.decisions]
    assert told == [
        "fold 1 of fake-1 is tried again",
        "fold 1 of fake-2 is tried again",
        "fake-2 failed",
    ]


def test_engine_that_cannot_be_imported_is_an_error_that_names_it(start: Start) -> None:
    executor = start(engines=("nonesuch",))
    with pytest.raises(ConfigError, match="Unknown engine 'nonesuch'"):
        collect(executor, 1)


def test_what_a_worker_prints_goes_to_the_log(start: Start, tmp_path: Path) -> None:
    executor = start()
    executor.submit(fold_task(tmp_path, crash=0))  # abort: Python's fault handler is off
    collect(executor, 1)
    executor.submit(fold_task(tmp_path, fail="told, not printed"))
    (report,) = collect(executor, 1)
    assert report.error == "RuntimeError: told, not printed"
    assert "told, not printed" not in (tmp_path / "log").read_text(encoding="utf-8")


PARENT = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from small_run import fold_task, make_data
from automl.search.executors.local import LocalExecutor
home = Path(sys.argv[1])
executor = LocalExecutor(2, threads=1, engines=("fake",), log=home / "log")
make_data().write(home / "store")
executor.open(home / "store")
executor.submit(fold_task(home, 0))
while not executor.wait(1.0):
    pass
executor.submit(fold_task(home, 0, hang=600.0))
print(*[worker.process.pid for worker in executor._workers], flush=True)
sys.stdin.read()
"""


def test_workers_end_with_their_parent_also_in_the_middle_of_a_fold(
    fake: str, tmp_path: Path
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path), str(Path(__file__).parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        assert all(worker.is_running() for worker in workers)
        parent.kill()  # no chance to clean up
    _, alive = psutil.wait_procs(workers, timeout=10.0)
    for worker in alive:
        worker.kill()
    assert not alive


def test_race_over_workers_equals_the_race_here(start: Start, tmp_path: Path) -> None:
    entries = candidates({"slope": 0.25, "trees": 6}, {"slope": 0.1}, {"slope": 0.0})

    def run(name: str, executor: LocalExecutor | InlineExecutor) -> list[object]:
        race = make_race(tmp_path / name, executor=executor, trials=7, portfolio=entries)
        trials = race.run()
        race.record.journal.close()
        return [(t.candidate.params, t.state, t.loss, t.fold_scores) for t in trials]

    assert run("two", start(2)) == run("here", InlineExecutor())


def test_crash_in_a_race_fails_one_trial(start: Start, tmp_path: Path) -> None:
    entries = candidates({"slope": 0.2, "crash": 7, "only": [2]}, {"slope": 0.25, "trees": 6})
    race = make_race(tmp_path / "race", executor=start(2), trials=2, portfolio=entries)
    trials = race.run()
    race.record.journal.close()
    assert [trial.state for trial in trials] == ["failed", "done"]
    assert trials[0].cause == "its process ended by itself with status 7"


def test_sleeping_fold_is_killed_at_the_deadline(start: Start, tmp_path: Path) -> None:
    executor = start(2)
    executor.submit(fold_task(tmp_path))  # both libraries and data are there from here on
    collect(executor, 1)
    began = time.monotonic()
    race = make_race(
        tmp_path / "race",
        executor=executor,
        seconds_left=lambda: began + 1.0 - time.monotonic(),
        portfolio=candidates({"slope": 0.25, "trees": 6}, {"slope": 0.2, "hang": 600.0}),
    )
    trials = race.run()
    race.record.journal.close()
    assert time.monotonic() - began < 2.5
    assert trials[0].state == "done"
    assert trials[1].state == "stopped"
    assert race.ended_by_clock


# -- tasks outside of a race --------------------------------------------------------------------


def test_run_all_reports_in_the_order_of_the_tasks(start: Start, tmp_path: Path) -> None:
    executor = start(2)
    tasks = [fold_task(tmp_path, k, hang=0.2 if k == 0 else 0.0) for k in range(3)]
    reports = run_all(executor, tasks, seconds_left=lambda: float("inf"))
    assert [report.task["split"] for report in reports] == [0, 1, 2]
    assert all(report.error is None for report in reports)


@posix
def test_run_all_tries_once_more_what_was_killed_from_outside(
    start: Start, tmp_path: Path
) -> None:
    executor, dies = start(), {"signal": signal.SIGKILL}
    turns = {"turns": [dies], "folder": str(tmp_path)}
    once = {**fold_task(tmp_path, 0), "params": turns}
    reports = run_all(
        executor, [once, fold_task(tmp_path, 1, **dies)], seconds_left=lambda: float("inf")
    )
    assert [report.error is None for report in reports] == [True, False]
    assert reports[1].outside


def test_run_all_says_which_tasks_did_not_end_in_time(start: Start, tmp_path: Path) -> None:
    executor = start()
    executor.submit(fold_task(tmp_path))
    collect(executor, 1)
    end = time.monotonic() + 0.5
    tasks = [fold_task(tmp_path, 0), *[fold_task(tmp_path, k, hang=600.0) for k in (1, 2)]]
    reports = run_all(executor, tasks, seconds_left=lambda: end - time.monotonic())
    assert time.monotonic() - end < 2.0
    assert [report.error for report in reports] == [None, *["out of time"] * 2]
    assert [report.task["split"] for report in reports] == [0, 1, 2]


def test_inline_executor_runs_one_task_at_a_time(fake: str, tmp_path: Path) -> None:
    executor = InlineExecutor()
    make_data().write(tmp_path / "store")
    executor.open(tmp_path / "store")
    assert executor.idle == 1
    assert list(executor.wait(0.0)) == []
    executor.submit(fold_task(tmp_path, fail="here"))
    assert executor.idle == 0
    (report,) = executor.wait(None)
    assert report.error == "RuntimeError: here"
    assert "fake_engine.py" in report.traceback
    executor.submit(fold_task(tmp_path))
    executor.stop_running()
    assert executor.idle == 1
    executor.close()


def test_scale_without_time_leaves_workers_that_train(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_scale, "_SHARE", -1.0)  # the time is up before it begins
    monkeypatch.setattr(target_scale, "_LEAST_SECONDS", -10.0)
    y = np.exp(3.0 * np.random.default_rng(0).normal(size=200))
    data = replace(make_data(Objective.SQUARED, n=200), y=y)
    goal = pursue(get_metric("rmse"), Task.REGRESSION, y, None, class_weight="none")
    executor = start()
    # The worker is stopped; the one that replaces it is told of both tables.
    kept, _ = target_scale.settle_scale(
        goal,
        data,
        FitConfig(target="y"),
        ("fake",),
        executor,
        tmp_path / "scale",
        Budget(1.0),
        Ledger(),
    )
    assert kept is goal
    executor.open(tmp_path / "store")
    executor.submit(fold_task(tmp_path, slope=0.3, trees=2))
    (report,) = collect(executor, 1)
    assert report.error is None
