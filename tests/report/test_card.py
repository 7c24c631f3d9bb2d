"""The model card: what it tells, what it leaves out, and that names in it stay text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from automl.report.card import model_card
from automl.report.markdown import plain

HOSTILE = (
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "# heading",
    "- item",
    "1. one",
    "> quote",
    "a | b",
    "`code`",
    "**bold** __bold__ *i* _i_",
    "http://evil.example www.evil.example",
    "line\n\n# two",
    "&lt;b&gt; &amp;",
    "~~gone~~",
    "{{ site }}",
    "===",
    "\u202eright to left",
    "\\`x\\`",
    "[ref]: http://evil.example",
)


def manifest(**more: Any) -> dict[str, Any]:
    return {
        "task": "binary",
        "target": "left",
        "classes": ["no", "yes"],
        "metric": "roc_auc",
        "seed": 7,
        "data": {"name": "churn.csv", "digest": "ab" * 32, "n_rows": 900},
        "config": {"drop": ["id"], "hash_pii": False},
        "origins": {"drop": "command line"},
        "versions": {"python": "3.11.7"},
        **more,
    }


def facts() -> dict[str, Any]:
    return {
        "result": {
            "metric": "roc_auc",
            "score": 0.8123,
            "low": 0.79,
            "high": 0.834,
            "corrected": True,
            "baseline": 0.5,
            "higher_is_better": True,
            "test": {"score": 0.8, "low": 0.75, "high": 0.85, "rows": 180},
            "validation": "stratified",
            "splits": 5,
            "members": 2,
            "candidates": 16,
            "meaning": ["It ranks 81 of 100 pairs rightly."],
            "drivers": [{"column": "visits", "share": 0.4, "direction": 1}],
            "warnings": [{"text": "Column 'x' predicts too well", "hint": "a leak?"}],
        },
        "data": {
            "name": "churn.csv",
            "rows": 900,
            "columns": 5,
            "used": 3,
            "kinds": {"numeric": 2, "categorical": 1},
            "target": {"classes": [["no", 700], ["yes", 200]], "more": 0, "rows": 900},
            "dropped": [["id", "identifier", "a running number"]],
            "more_dropped": 1,
        },
        "wrong": {
            "slices": {"found": [{"conditions": ["city is Ulm"], "share": 0.1, "times": 2.0}]}
        },
        "fairness": {
            "metric": "roc_auc",
            "columns": [
                {
                    "column": "sex",
                    "groups": [
                        {"group": "f", "rows": 1400, "score": [0.8, 0.78, 0.82]},
                        {"group": "m", "rows": 9, "score": None},
                    ],
                }
            ],
        },
    }


def test_it_tells_what_the_report_knows() -> None:
    card = model_card(facts(), manifest(), {"mail": "e-mail addresses"})
    for text in (
        "# Model card: left",
        "a blend of 2 of 16 candidates",
        "| roc_auc | 0.8123 | 0.79 to 0.834 | rows that no model learned from (stratified, 5 "
        "splits), corrected for choosing |",
        "| roc_auc | 0.8 | 0.75 to 0.85 | 180 rows kept aside, scored once |",
        "| roc_auc | 0.5 |  | baseline: a constant prediction |",
        "Target: no 77.8%, yes 22.2%",
        "Not used: id (a running number)",
        "Not used: 1 more columns",
        "| visits | 40% |",
        "Column 'x' predicts too well (a leak?)",
        "It is worse where city is Ulm (10.0% of the rows, 2.0 times the mean loss)",
        "| sex | rows | roc_auc (95 % interval) |",
        "| f | 1,400 | 0.8 (0.78 to 0.82) |",
        "| m | 9 | – |",
        "mail looks like e-mail addresses and takes part in predictions",
        f"churn.csv, SHA-256 `{'ab' * 32}`",
        "Parent: none",
        "drop: \\['id'\\] (from command line)",
        "no legal advice",
        "*to be filled in:* contact",
    ):
        assert text in card, text


def test_the_parent_is_named() -> None:
    parent = {"digest": "cd" * 32, "how": "more-time"}
    assert f"extends the bundle with the digest `{'cd' * 32}`" in model_card(
        {}, manifest(parent=parent), {}
    )
    parent["how"] = "replay"
    assert "It repeats the bundle" in model_card({}, manifest(parent=parent), {})


def test_what_is_not_known_is_not_claimed() -> None:
    card = model_card({}, manifest(), {})
    assert "No score is on record" in card
    assert "No personal data" in card
    assert "No group was audited" in card
    assert "## Data" not in card


def test_hashed_columns_are_no_promise() -> None:
    card = model_card({}, manifest(config={"hash_pii": True}), {})
    assert "makes nobody anonymous" in card


def rendered(markdown: str) -> tuple[set[str], str]:
    """Kinds of marks in a text, and the text that a reader sees."""
    reader = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    kinds, words = set(), []
    for block in reader.parse(markdown):
        kinds.add(block.type)
        for child in block.children or ():
            kinds.add(child.type)
            words.append(child.content)
    return kinds, "".join(words)


@pytest.mark.parametrize("text", HOSTILE)
def test_names_stay_text(text: str) -> None:
    for markdown in (plain(text), f"- {plain(text)}", f"| {plain(text)} | 1 |\n| --- | --- |"):
        kinds, seen = rendered(markdown)
        assert not {one for one in kinds if "html" in one or "link" in one or "image" in one}
        assert not kinds & {"heading_open", "code_inline", "strong_open", "em_open", "s_open"}
        assert not kinds & {"ordered_list_open", "blockquote_open", "fence"}
        visible = "".join(letter for letter in text if letter != "\u202e")
        assert " ".join(visible.split()) in " ".join(seen.split())


def test_addresses_are_no_links() -> None:
    found = plain("http://evil.example HTTPS://x.y www.evil.example")
    assert "://" not in found.replace("\\:", "")
    assert "www." not in found


@given(st.text(min_size=1, max_size=60))
@settings(deadline=None, max_examples=300)
def test_any_text_is_one_line_of_text(text: str) -> None:
    markdown = plain(text)
    assert len(markdown.splitlines()) == 1
    kinds, _ = rendered(f"a {markdown}")
    assert kinds <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special"}


def test_a_card_of_hostile_names_has_only_its_own_marks() -> None:
    bad = " ".join(HOSTILE)
    known = facts()
    known["result"] |= {"drivers": [{"column": bad, "share": 1.0}]}
    known["result"]["warnings"] = [{"text": bad, "hint": bad}]
    known["data"] |= {"name": bad, "dropped": [[bad, "user", bad]]}
    known["fairness"]["columns"][0]["column"] = bad
    card = model_card(known, manifest(target=bad, classes=[bad, "b"]), {bad: "names"})
    kinds, _ = rendered(card)
    assert not {one for one in kinds if "html" in one or "link" in one or "image" in one}
    assert "<script" not in card
    assert card.count("\n# ") == 0
