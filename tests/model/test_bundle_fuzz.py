"""Mutated bundles: exit status 0 or 2, no traceback, 10 CPU seconds and 1 GiB at most."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "bundles" / "fuzz.py"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the fuzzer forks")


def run(first: int, cases: int) -> None:
    done = subprocess.run(
        [sys.executable, FUZZ, "--first", str(first), "--cases", str(cases)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"| all | {cases} |" in done.stdout


def test_a_few_mutations() -> None:
    run(100_001, 25)


@pytest.mark.slow
def test_two_thousand_mutations() -> None:
    run(0, 2000)
