"""The journal of a run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from automl.search.journal import Journal, read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_events_come_back_in_order(path: Path) -> None:
    journal = Journal(path)
    journal.write("start", config={"target": "Größe"})
    journal.write("fold", curve=[0.5, math.nan], trial=0)
    assert len(read_journal(path)) == 2  # each is on disk before the next thing happens
    journal.close()
    start, fold = read_journal(path)
    assert start == {"event": "start", "spent": 0.0, "config": {"target": "Größe"}}
    assert fold["curve"][0] == 0.5
    assert math.isnan(fold["curve"][1])


def test_cut_last_line_is_left_out(path: Path) -> None:
    journal = Journal(path)
    for trial in range(3):
        journal.write("closed", trial=trial)
    journal.close()
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1]) + 1):
        path.write_bytes(whole[:-cut])
        assert [event["trial"] for event in read_journal(path)] == [0, 1]


def test_journal_goes_on_after_what_is_there(path: Path) -> None:
    for trial in range(2):
        journal = Journal(path)
        journal.write("closed", trial=trial)
        journal.close()
    assert [event["trial"] for event in read_journal(path)] == [0, 1]


def test_journal_goes_on_after_a_cut_line(path: Path) -> None:
    journal = Journal(path, spent=lambda: 2.5)
    journal.write("closed", trial=0)
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"event": "clo')
    journal = Journal(path)
    journal.write("closed", trial=1)
    journal.close()
    assert [event["trial"] for event in read_journal(path)] == [0, 1]
    assert [event["spent"] for event in read_journal(path)] == [2.5, 0.0]


def test_newlines_in_texts_stay_in_one_line(path: Path) -> None:
    journal = Journal(path)
    journal.write("traceback", traceback="line 1\nline 2\u2028line 3")
    journal.close()
    assert read_journal(path)[0]["traceback"] == "line 1\nline 2\u2028line 3"
