"""The section Decisions: every choice with its reason, and how to do the run again."""

from __future__ import annotations

from automl.insight.evidence import Facts
from automl.report.page import card, cell, row, shown, table

NAME, TITLE = "decisions", "Decisions"


def html(facts: Facts) -> str:
    """The ledger, the settings, the versions and the command that repeats the run."""
    lines = "".join(
        row(
            [
                cell(one["topic"]),
                f'<td class="left">{shown(one["decision"], 400)}</td>',
                f'<td class="left">{shown(one["reason"], 400) if one["reason"] else ""}</td>',
            ]
        )
        for one in facts["ledger"]
    )
    return card("Ledger", "Every choice of the run with its reason.", table(_NAMES, lines))


_NAMES = ("topic", "decision", "reason")
