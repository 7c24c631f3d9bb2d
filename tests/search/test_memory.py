"""The memory that a run may use, what folds need, and how it is shared out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_run import candidates, make_data

from automl.errors import ConfigError
from automl.ledger import Ledger
from automl.search import memory
from automl.search.executors.inline import InlineExecutor
from automl.search.memory import MIB, Use, memory_limit, usable_memory, use_of
from automl.search.needs import Needs
from automl.search.portfolio import Candidate
from automl.search.store import RunData
from automl.workflows import memory as plans
from automl.workflows.memory import MemoryPlan, rows_within, within_memory

GIB = 1 << 30


def free(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    found = psutil.virtual_memory()._replace(available=n_bytes)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: found)


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n", encoding="ascii")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the system's cgroups, on a machine with 8 GiB free."""
    free(monkeypatch, 8 * GIB)
    monkeypatch.setattr(memory, "_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "own")
    return tmp_path


def test_without_cgroups_what_is_free_counts(groups: Path) -> None:
    assert usable_memory() == 8 * GIB


def test_the_tightest_group_above_counts(groups: Path) -> None:
    (groups / "own").write_text("0::/user/app\n", encoding="ascii")
    root = groups / "cgroup"
    group(root, memory__stat="")
    group(root / "user", memory__max=3 * GIB, memory__current=2 * GIB)
    (root / "user" / "memory.stat").write_text(f"anon 7\ninactive_file {GIB}\n", encoding="ascii")
    group(root / "user" / "app", memory__max="max", memory__current=GIB)
    assert usable_memory() == 2 * GIB  # the file cache goes when memory is asked for


def test_version_1_and_a_group_that_a_container_sees_as_its_root(groups: Path) -> None:
    (groups / "own").write_text("4:cpu:/x\n3:memory:/docker/abc\n", encoding="ascii")
    folder = groups / "cgroup" / "memory"
    group(folder, memory__limit_in_bytes=GIB, memory__usage_in_bytes=GIB // 4)
    assert usable_memory() == GIB - GIB // 4
    group(folder, memory__limit_in_bytes=9223372036854771712)
    assert usable_memory() == 8 * GIB


def test_what_the_user_says_is_the_limit_and_else_a_reserve_stays(groups: Path) -> None:
    assert memory_limit(1500 * MIB) == 1500 * MIB
    own = use_of(psutil.Process()).resident
    assert memory_limit() == pytest.approx(0.9 * 8 * GIB + own, abs=20 * MIB)


def test_shared_pages_are_counted_once() -> None:
    use = use_of(psutil.Process())
    assert use.proportional > 0
    if sys.platform.startswith("linux"):
        assert use.proportional < use.resident
    assert Use(0, 7).proportional == 7  # where the system does not tell


def test_use_of_a_process_that_has_ended_is_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    watched = psutil.Process(process.pid)
    process.wait()
    assert use_of(watched).resident == 0


def test_needs_grow_with_rows_columns_classes_and_recipes() -> None:
    small = Needs(1_000_000, 40, 1, 4)
    plain = small.fold("lightgbm", "plain", {})
    assert 100 * MIB < plain < 500 * MIB
    assert small.fold("lightgbm", "derived", {}) > plain + 1_000_000 * 40 * 4
    assert small.fold("xgboost", "plain", {}) > 1.5 * plain
    some = replace(small, n_categorical=8)
    codes = some.fold("catboost", "plain", {"cat_mode": "codes"})
    assert codes == small.fold("catboost", "plain", {}) < some.fold("catboost", "plain", {}) / 2
    assert replace(small, n_rows=2_000_000).fold("lightgbm", "plain", {}) > 1.8 * plain
    assert replace(small, n_outputs=30).fold("lightgbm", "plain", {}) > 2 * plain
    wide = Needs(2_000, 5_000, 1, 4)
    many = wide.fold("lightgbm", "plain", {"num_leaves": 255})
    assert many > 3 * wide.fold("lightgbm", "plain", {"num_leaves": 15}) > GIB // 4


def plan_of(limit: int, *, asked: bool = True, workers: int = 2) -> MemoryPlan:
    return MemoryPlan(limit, asked, Ledger(), most_workers=workers)


def test_fewer_workers_where_two_folds_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Needs, "fold", lambda self, engine, recipe, params: 300 * MIB)
    entries, data = candidates({}, {}), make_data()
    own = use_of(psutil.Process()).proportional
    roomy, tight = plan_of(own + GIB), plan_of(own + 600 * MIB)
    assert roomy.settle(data, entries)
    assert roomy.n_workers == 2
    assert tight.settle(data, entries)
    assert tight.n_workers == 1
    tight.share(data, InlineExecutor())
    (told,) = tight.ledger.decisions
    assert told.decision == "1 process instead of 2 to train"
    assert not tight.short  # the result is the same
    none = plan_of(own + 300 * MIB)
    assert not none.settle(data, entries)
    assert "too small for this table" in none.too_small(data, entries).message
    least = int(str(none.too_small(data, entries).hint).split()[4].rstrip("M,")) * MIB
    assert plan_of(least).settle(data, entries)


def test_holdout_takes_the_place_of_folds_where_their_rows_do_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Needs, "fold", lambda self, engine, recipe, params: 30 * MIB)
    many, entries = make_data(n=200_000, folds=10), candidates({})
    one = replace(many, splits=many.splits[:1])

    class Splits:
        """As much of a `Plan` as is asked for."""

        def portfolio(self, data: RunData) -> tuple[Candidate, ...]:
            return entries

        def with_splits(self, data: RunData, reason: str, *, holdout: float) -> tuple[Any, Any]:
            assert (reason, holdout) == ("The memory has no room for folds.", 0.2)
            return one, "holdout"

    least = 30 * MIB - int(1.03 * plan_of(0)._room(one, 1)) + 4 * MIB
    fixed = plan_of(least)
    with pytest.raises(ConfigError, match="too small for this table"):
        within_memory(fixed, Splits(), many, "folds", may_split=False)  # type: ignore[arg-type]
    free = plan_of(least)
    found = within_memory(free, Splits(), many, "folds", may_split=True)  # type: ignore[arg-type]
    assert found == (one, "holdout")
    assert [d.decision for d in free.ledger.decisions] == ["one holdout instead of folds"]
    assert free.short


def test_what_does_not_fit_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {"plain": 10 * MIB, "derived": 900 * MIB}
    monkeypatch.setattr(Needs, "fold", lambda self, engine, recipe, params: needs[recipe])
    plan = plan_of(0)
    plan.alone = 500 * MIB
    plain, derived = Candidate("fake", "plain", {}), Candidate("fake", "derived", {})
    assert plan.fitting(make_data(), [plain, derived]) == [plain]
    kinds = [("fake", "derived"), ("fake", "plain")]
    assert plan.searchable(make_data(), kinds) == [("fake", "plain")]
    (told,) = plan.ledger.decisions
    assert told.decision == "fake (derived) is left out: it would need 900 MiB"
    assert plan.short


def test_rows_are_left_out_where_the_table_cannot_be_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plans, "_LEAST_FREE", 0)
    monkeypatch.setattr(plans, "_WORKER", 0)
    own = 200 * MIB
    monkeypatch.setattr(plans, "use_of", lambda process: Use(0, own))
    plan = plan_of(own + 300 * MIB)
    rows = rows_within(plan, 10_000_000, 10, ["lightgbm"])
    assert 50_000 < rows < 2_000_000
    assert rows % 10_000 == 0
    assert plan.short
    assert rows_within(plan, 10_000_000, 10, ["lightgbm"]) == rows  # again, as a resumed run does
    assert rows_within(plan_of(own + GIB), 36_631, 10, ["lightgbm"]) == 36_631
    assert rows_within(plan_of(own), 10_000, 10, ["lightgbm"]) == 10_000


@pytest.mark.parametrize(
    ("text", "size"),
    [("1500M", 1500 * MIB), ("8G", 8 * GIB), ("1.5GiB", 3 * GIB // 2), ("2048 kb", 2 * MIB)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    from automl.config import FitConfig

    assert FitConfig(target="y", memory_limit=text).memory_limit == size


@pytest.mark.parametrize("text", ["8", "0G", "G", "8 apples", "-1G", True, 1.5])
def test_what_is_no_size_is_refused(text: object) -> None:
    from automl.config import FitConfig

    with pytest.raises(ConfigError, match="--memory-limit must be a size of at least a megabyte"):
        FitConfig(target="y", memory_limit=text)
