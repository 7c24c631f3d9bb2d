"""The section Performance as a page: whole without a script, live with one, inert in any case."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "insight")]

from browser import Browser
from made_evidence import binary, made, multiclass, regression
from test_performance import EDGES

from automl.insight.evidence import Evidence
from automl.insight.performance import facts
from automl.report.report import report_page
from automl.task import Task

EVIL = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "a" * 10_000,
    "\u202egnp.exe\u202c",
    "</title></style></svg></table>",
)


def page_of(evidence: Evidence, **options: Any) -> str:
    found = json.loads(json.dumps(facts(evidence, **options), allow_nan=False))
    return report_page({"about": {"target": "y", "data": "made.csv"}, "performance": found})


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = _Tags()
    reader.feed(page)
    assert reader.open == []
    return reader.seen


def test_hostile_classes_are_text() -> None:
    rng = np.random.default_rng(0)
    n, k = 300, len(EVIL)
    many = made(Task.MULTICLASS, rng.integers(0, k, n), rng.dirichlet([1] * k, n), EVIL)
    for evidence in (many, binary(300, classes=EVIL[:2]), regression(300, target=EVIL[0])):
        page = page_of(evidence)
        seen = tags_of(page)
        assert {tag for tag, _ in seen}.isdisjoint({"img", "iframe", "object", "link"})
        assert not [name for _, attrs in seen for name in attrs if name.startswith("on")]
        scripts = [attrs for tag, attrs in seen if tag == "script"]
        assert len(scripts) <= 2, "the data and the one script of the section"
        assert "a" * 600 not in page
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", page)


@pytest.mark.parametrize("name", EDGES)
def test_rows_that_say_little_give_a_page_all_the_same(name: str) -> None:
    page = page_of(EDGES[name])
    tags_of(page)
    assert "nan" not in re.sub(r"<(style|script)[^>]*>.*?</\1>", "", page, flags=re.S)


def test_a_hundred_classes_make_a_small_page() -> None:
    page = page_of(multiclass(20_000, 100))
    assert len(page.encode()) < 600_000
    tags_of(page)


# In a browser


def squares(page: Browser) -> dict[str, int]:
    """The four counts on the page."""
    script = """Object.fromEntries(["tn", "fp", "fn", "tp"].map(
      (k) => [k, document.querySelector("#perf-" + k + " b").textContent]))"""
    return {key: int(text.replace(",", "")) for key, text in page.run(script).items()}


def moved(page: Browser, element: str, value: float) -> None:
    page.run(
        f"""(() => {{ const e = document.getElementById("{element}"); e.value = {value};
        e.dispatchEvent(new Event("input", {{ bubbles: true }})); }})()"""
    )


def counted(evidence: Evidence, threshold: float) -> dict[str, int]:
    called, true = evidence.prediction >= threshold, evidence.y == 1
    pairs = {
        "tn": ~called & ~true,
        "fp": called & ~true,
        "fn": ~called & true,
        "tp": called & true,
    }
    return {key: int(rows.sum()) for key, rows in pairs.items()}


def test_the_slider_changes_the_matrix(opened: Browser, tmp_path: Path) -> None:
    evidence = binary(4000, threshold=0.37)
    path = tmp_path / "report.html"
    path.write_text(page_of(evidence), encoding="utf-8")
    static = re.search(r'id="perf-f1">([0-9.]+)<', path.read_text(encoding="utf-8"))
    opened.open(path)
    assert opened.run('document.getElementById("perf-controls").checkVisibility()')
    assert squares(opened) == counted(evidence, 0.37)
    assert static is not None
    assert opened.run('document.getElementById("perf-f1").textContent') == static[1]
    cuts = facts(evidence)["binary"]["cuts"]["threshold"]
    before = opened.run('document.getElementById("perf-now-roc").getAttribute("cy")')
    for i in (0, 60, len(cuts) - 1):
        moved(opened, "perf-slider", i)
        assert squares(opened) == counted(evidence, cuts[i])
    assert opened.run('document.getElementById("perf-now-roc").getAttribute("cy")') != before
    opened.run('document.getElementById("perf-reset").click()')
    assert squares(opened) == counted(evidence, 0.37)
    assert opened.errors == []
    assert opened.requests == [path.resolve().as_uri()]


def test_the_cheapest_threshold_is_found(opened: Browser, tmp_path: Path) -> None:
    evidence = binary(4000)
    path = tmp_path / "report.html"
    path.write_text(page_of(evidence), encoding="utf-8")
    opened.open(path, width=390, dark=True)
    moved(opened, "perf-cost-fn", 9)
    opened.run('document.getElementById("perf-best").click()')
    cuts = facts(evidence)["binary"]["cuts"]["threshold"]
    costs = [counted(evidence, cut)["fp"] + 9 * counted(evidence, cut)["fn"] for cut in cuts]
    found = squares(opened)
    assert found["fp"] + 9 * found["fn"] == min(costs)
    # Calibrated probabilities: the cheapest cut is near 1 / (1 + 9).
    assert 0.04 < float(opened.run('document.getElementById("perf-at").textContent')) < 0.2
    assert f"{min(costs) / 4000:.4g}" in opened.run(
        'document.getElementById("perf-verdict").textContent'
    )
    assert opened.run("document.documentElement.scrollWidth") <= 390
    assert opened.errors == []


@pytest.mark.parametrize("width", [390, 1280])
def test_hostile_pages_run_nothing(opened: Browser, tmp_path: Path, width: int) -> None:
    rng = np.random.default_rng(0)
    k = len(EVIL)
    many = made(Task.MULTICLASS, rng.integers(0, k, 300), rng.dirichlet([1] * k, 300), EVIL)
    for evidence in (binary(300, classes=EVIL[:2]), many, regression(300, target=EVIL[3])):
        path = tmp_path / "report.html"
        path.write_text(page_of(evidence), encoding="utf-8")
        opened.open(path, width=width)
        assert opened.errors == []
        assert opened.requests == [path.resolve().as_uri()]
        assert opened.run("document.documentElement.scrollWidth") <= width
