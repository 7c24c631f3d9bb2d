"""The page of a report: drawn from facts alone, so that it can be drawn again."""

from __future__ import annotations

from collections.abc import Mapping

from automl.insight.evidence import Facts
from automl.report.page import document, shown
from automl.report.sections import sections
from automl.report.sections._style import STYLE
from automl.report.svg import fitted

LEFT_OUT = "left_out"  # key of the names of the sections that there was no time for
FAILED = "failed"  # key of the causes, by section, where one could not be made


def report_page(facts: Mapping[str, Facts]) -> str:
    """The page of the sections whose facts are there.

    facts: by the name of a section, as `report.json` holds them; `about` of them names the page.
    """
    about = facts.get("about", {})
    there = [section for section in sections() if section.name in facts]
    drawn = [(one, one.html(facts[one.name])) for one in there]
    drawn = [(one, html) for one, html in drawn if html]
    links = "".join(f'<a href="#{one.name}">{shown(one.title)}</a>' for one, _ in drawn)
    parts = [
        f'<section id="{one.name}" class="{one.name}" aria-label="{shown(one.title)}">'
        f"{'' if one.headed else _heading(one.title)}{html}</section>"
        for one, html in drawn
    ]
    parts.insert(1, _left_out(about))
    body = f'<nav aria-label="Sections">{links}</nav>{"".join(parts)}'
    target, name = str(about.get("target", "")), str(about.get("data", ""))
    heading = f"Report · <bdi>{fitted(target, 16, 1)}</bdi> in <bdi>{fitted(name, 16, 1)}</bdi>"
    style = STYLE + "".join(one.style for one, _ in drawn)
    scripts = [one.script for one, _ in drawn if one.script]
    return document(f"Report: {target[:60]}", heading, body, style=style, scripts=scripts)


def _heading(title: str) -> str:
    return f'<h2 class="part">{shown(title)}</h2>'


def _left_out(about: Facts) -> str:
    titles = {section.name: section.title for section in sections()}
    names = [titles[name] for name in about.get(LEFT_OUT, ()) if name in titles]
    wrong = [titles[name] for name in about.get(FAILED, ()) if name in titles]
    said = ""
    if names:
        said += (
            f'<p class="card"><b>Left out:</b> there was no time for '
            f"{shown(', '.join(names), 200)}. <code>automl report BUNDLE DATA</code> draws them "
            "on labelled rows.</p>"
        )
    if wrong:
        said += (
            f'<p class="card"><b>Failed:</b> {shown(", ".join(wrong), 200)} could not be made, by '
            "a fault of automl; the model is not touched by it.</p>"
        )
    return said
