"""The clock of a run."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl import budget
from automl.budget import Budget


def test_budget_counts_what_was_spent_before() -> None:
    clock = Budget(60.0, already_spent=20.0)
    assert clock.limited
    assert clock.spent() == pytest.approx(20.0, abs=1.0)
    assert clock.left() == pytest.approx(60.0 - clock.spent(), abs=0.1)


def test_no_budget_is_never_used_up() -> None:
    clock = Budget(None)
    assert not clock.limited
    assert clock.left() == float("inf")


ASK = "import time; time.sleep(0.7); from automl.budget import process_age; print(process_age())"


def test_age_of_a_process_counts_its_start() -> None:
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    lasted = time.monotonic() - started
    assert 0.69 <= float(done.stdout) <= lasted + 1.0


def test_age_without_the_kernel_s_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    real = budget.process_age()

    def unreadable(*args: object, **kwargs: object) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert budget.process_age() == pytest.approx(min(real, 30.0), abs=2.0)
