"""The first screen of a report names score, interval, baseline, main warning and top drivers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from pages import VIEWS, faults, first_screen

from automl.report.report import report_page
from automl.report.svg import fitted

LONG = "measurement_of_a_quantity_with_a_very_long_name_number_"
SCRIPT = "<script>document.title = 'run'</script>\u202e"


def result(**more: Any) -> dict[str, Any]:
    """The facts of a section Result, as `report.json` holds them."""
    own = {
        "score": 0.912,
        "low": 0.9,
        "high": 0.925,
        "level": 0.95,
        "corrected": True,
        "as_chosen": 0.915,
        "averaging": 0.0,
        "repeats": 0.0,
        "unseen": None,
        "baseline": 0.5,
    }
    drivers = [("age", 0.4), ("income", 0.3), ("city", 0.2), ("sex", 0.1)]
    return {
        **{"task": "binary", "target": "y", "positive": "yes", "classes": 2, "metric": "roc_auc"},
        **{"title": "ROC AUC", "higher_is_better": True, "best": 1.0, **own, "run": None},
        **{"measured": None, "test": None, "validation": "stratified", "splits": 5, "rows": 1000},
        **{"seconds": 9.0, "budget": 10.0, "candidates": 5, "failed": 0, "members": 2},
        "drivers": [{"column": name, "share": size, "direction": 1.0} for name, size in drivers],
        **{"explained": True, "meaning": ["Of 100 pairs 91 are ranked rightly."], "warnings": []},
        **more,
    }


ALL_LONG = result(
    target=LONG * 4,
    positive=LONG * 4,
    drivers=[
        {"column": f"{LONG * 3}{i}", "share": 0.3 - 0.05 * i, "direction": -1.0} for i in range(6)
    ],
    warnings=[{"text": "What was found is long. " * 16, "hint": "So is the advice. " * 20}] * 12,
)
HOSTILE = result(
    target=SCRIPT * 3,
    positive=SCRIPT,
    drivers=[{"column": SCRIPT + letter, "share": 0.2, "direction": 1.0} for letter in "abc"],
    warnings=[{"text": SCRIPT * 20, "hint": "W" * 400}],
)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("facts", [result(), ALL_LONG, HOSTILE], ids=["usual", "long", "hostile"])
def test_what_a_reader_looks_for_lies_in_the_first_screen(
    opened: Browser, tmp_path: Path, facts: dict[str, Any], view: str
) -> None:
    path = tmp_path / "report.html"
    about = {"target": facts["target"], "task": "binary", "data": "t.csv"}
    path.write_text(report_page({"about": about, "result": facts}), encoding="utf-8")
    found = first_screen(opened, path, view)
    assert {name: len(texts) for name, texts in found.items()} == {
        **dict.fromkeys(("score", "interval", "baseline", "warning"), 1),
        "driver": 3,
    }
    assert found["score"] == ["0.912"]
    assert "0.900 to 0.925" in found["interval"][0]
    assert found["warning"][0].startswith("Warning: " if facts["warnings"] else "No warnings")
    assert faults(opened, path, view) == {}
    assert opened.run("document.title") != "run"


def test_labels_are_cut_in_their_middle_to_the_room_there_is() -> None:
    assert fitted("age", 140) == "age"
    family = [fitted(f"{LONG}{i:03d}", 140) for i in range(20)]
    assert len(set(family)) == 20
    assert all(len(text) < 25 and text.startswith("measure") for text in family)
    assert len(fitted("W" * 10_000, 140)) < len(fitted("i" * 10_000, 140)) < 40
    assert fitted("\u202e\x00", 140) == "(blank)"
    assert fitted("<b>&", 140) == "&lt;b&gt;&amp;"
