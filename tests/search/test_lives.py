"""When a worker that does not answer counts as hanging, and when it is only slow."""

from __future__ import annotations

import pytest

from automl.search.executors._deaths import death_of
from automl.search.executors._lives import Lives


def watch(lives: Lives, until: float, *, cpu_share: float = 0.0, step: float = 0.25) -> str | None:
    """What is found up to `until`, of a process that takes `cpu_share` of a core."""
    now = 0.0
    while now < until:
        now += step
        lives.look(now)
        cause = lives.hang("worker", cpu_share * now, now)
        if cause is not None:
            return cause
    return None


def begun(limit: float | None, *, longest: float | None = None) -> Lives:
    lives = Lives()
    if longest is not None:
        lives.begin("other", limit, 0.0, -longest)
        lives.end("other", answered=True, now=0.0)
    lives.begin("worker", limit, 0.0, 0.0)
    return lives


@pytest.mark.parametrize(("limit", "still"), [(None, 60), (10.0, 5), (60.0, 6), (1e5, 10)])
def test_process_that_stands_still_hangs(limit: float | None, still: int) -> None:
    assert watch(begun(limit), still - 0.5) is None
    found = watch(begun(limit), still + 0.5)
    assert str(found).endswith(f" s, and idle for the last {still} s")


def test_slow_fold_that_works_is_left_alone() -> None:
    hours = 5 * 3600.0
    assert watch(begun(None), hours, cpu_share=0.9, step=1.0) is None
    assert watch(begun(None, longest=400.0), hours, cpu_share=0.9, step=1.0) is None
    # On a machine that is forty times overloaded.
    assert watch(begun(None), 600.0, cpu_share=1 / 40) is None


def test_endless_loop_is_left_to_the_clock() -> None:
    assert watch(begun(8.0), 25.5, cpu_share=1.0) is None
    said = watch(begun(8.0), 27.0, cpu_share=1.0)
    assert said == "no answer for 26 s, though it was given 8 s"
    said = watch(begun(3600.0, longest=2.0), 61.0, cpu_share=1.0)
    assert said == "no answer for 60 s, while the longest task before it took 2.0 s"
    said = watch(begun(None, longest=2.0), 3601.0, cpu_share=1.0, step=1.0)
    assert said is not None


def test_nobody_hangs_because_this_process_was_suspended() -> None:
    lives = begun(None)
    lives.look(1.0)
    assert lives.hang("worker", 0.0, 1.0) is None
    lives.look(4000.0)
    assert lives.hang("worker", 0.0, 4000.0) is None


def test_wait_for_a_disk_is_a_sign_of_life() -> None:
    lives = begun(10.0)
    for second in range(1, 9):
        lives.look(second)
        assert lives.hang("worker", 0.0, second, waits=True) is None


def test_deaths_are_named() -> None:
    assert death_of(-15).cause == "killed by signal 15: ended from outside"
    assert death_of(-15).outside
    assert death_of(-7).cause == "killed by signal 7 (bus error)"
    assert death_of(-64).cause.startswith("killed by signal 64 (")
    assert death_of(0xC0000005 - (1 << 32)).cause.startswith("killed by")
    assert death_of(0).cause == "its process ended by itself with status 0"
    assert not death_of(3).outside
