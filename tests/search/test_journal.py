"""The journal of a run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from automl.search.journal import Journal, read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_events_come_back_in_order(path: Path) -> None:
    journal = Journal(path)
    journal.write("resumed", config={"target": "Größe"})
    journal.write("note", curve=[0.5, math.nan], trial=0)
    assert len(read_journal(path)) == 2  # each is on disk before the next thing happens
    journal.close()
    resumed, note = read_journal(path)
    assert resumed == {"event": "resumed", "spent": 0.0, "config": {"target": "Größe"}}
    assert note["curve"][0] == 0.5
    assert math.isnan(note["curve"][1])


def test_cut_last_line_is_left_out(path: Path) -> None:
    journal = Journal(path)
    for trial in range(3):
        journal.write("note", trial=trial)
    journal.close()
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1]) + 1):
        path.write_bytes(whole[:-cut])
        assert [event["trial"] for event in read_journal(path)] == [0, 1]


def test_journal_goes_on_after_what_is_there(path: Path) -> None:
    for trial in range(2):
        journal = Journal(path)
        journal.write("note", trial=trial)
        journal.close()
    assert [event["trial"] for event in read_journal(path)] == [0, 1]


def test_journal_goes_on_after_a_cut_line(path: Path) -> None:
    journal = Journal(path, spent=lambda: 2.5)
    journal.write("note", trial=0)
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"event": "clo')
    journal = Journal(path)
    journal.write("note", trial=1)
    journal.close()
    assert [event["trial"] for event in read_journal(path)] == [0, 1]
    assert [event["spent"] for event in read_journal(path)] == [2.5, 0.0]


def test_newlines_in_texts_stay_in_one_line(path: Path) -> None:
    journal = Journal(path)
    journal.write("traceback", traceback="line 1\nline 2\u2028line 3")
    journal.close()
    assert read_journal(path)[0]["traceback"] == "line 1\nline 2\u2028line 3"


TRIAL = {
    **{"trial": 0, "name": "a-1", "engine": "a", "recipe": "plain", "origin": "tpe", "cause": ""},
    **{"params": {}, "seed": 0, "cost": 1.0, "n_splits": 2, "state": "running", "score": None},
    **{"loss": None, "objective_loss": None, "fold_scores": [], "n_trees": [], "model_bytes": []},
    **{"seconds": 0.0, "predict_seconds": 0.0},
}
FOLD = {"trial": 0, "split": 1, "n_trained": 1, "model_bytes": 9, "curve": [0.5], "seconds": 0.1}
FOLD |= {"by_clock": False, "max_trees": 9, "patience": 3}


@pytest.mark.parametrize(
    ("event", "changed", "told"),
    [
        ("trial", {"n_splits": 10**9}, "'trial' has 1000000000 as 'n_splits'"),
        ("trial", {"trial": 5}, "trial 5 has not begun"),
        ("trial", {"trial": "../../x"}, "'../../x' as 'trial'"),
        ("trial", {"name": None}, "has None as 'name'"),
        ("closed", {"state": "weird"}, "'weird' as 'state'"),
        ("closed", {"n_splits": 3}, "trial 0 has 2 splits"),
        ("closed", {"params": [1]}, r"\[1\] as 'params'"),
        ("fold", {"split": 2}, "trial 0 has 2 splits"),
        ("fold", {"split": -1}, "-1 as 'split'"),
        ("fold", {"curve": []}, r"\[\] as 'curve'"),
        ("fold", {"curve": [0.5, "x"]}, "as 'curve'"),
        ("fold", {"seconds": math.nan}, "nan as 'seconds'"),
        ("fold", {"spent": math.inf}, "inf as 'spent'"),
        ("start", {"higher_is_better": "no"}, "'start' lacks 'data'"),
    ],
)
def test_lines_that_no_run_writes_are_refused(path, event, changed, told) -> None:
    journal = Journal(path)
    journal.write("trial", **TRIAL)
    journal.write("fold", **FOLD)
    journal.write("closed", **TRIAL)
    journal.close()
    assert len(read_journal(path)) == 3
    facts = {"trial": TRIAL, "closed": TRIAL, "fold": FOLD, "start": {}}[event]
    spent = changed.pop("spent", 0.0)
    line = json.dumps({"event": event, "spent": spent, **facts, **changed})
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=f"line 4: .*{told}"):
        read_journal(path)


@pytest.mark.parametrize("line", ["5", "[]", "{}", '{"event": 1}', '{"event": "x"}', "[" * 10**5])
def test_lines_that_are_no_events_are_refused(path, line) -> None:
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1: "):
        read_journal(path)
