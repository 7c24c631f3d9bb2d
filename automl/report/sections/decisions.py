"""The section Decisions: every choice with its reason, and how to do the run again."""

from __future__ import annotations

from typing import Any

from automl.insight.evidence import Facts
from automl.report.page import card, cell, row, shown, table

NAME, TITLE = "decisions", "Decisions"
STYLE = """
pre.command { background: var(--tint); border-radius: 8px; padding: .7rem .9rem; margin: .5rem 0;
  overflow-x: auto; font-size: .88rem; }
.decisions th { text-align: left; }
.decisions td.left { white-space: normal; min-width: 12rem; overflow-wrap: anywhere; }
.decisions td.mono { font-family: ui-monospace, monospace; font-size: .8rem; text-align: left;
  white-space: normal; overflow-wrap: anywhere; }
"""


def html(facts: Facts) -> str:
    """The ledger, then settings, versions, digests and the command that repeats the run."""
    return _ledger(facts) + _again(facts)


def _ledger(facts: Facts) -> str:
    timed = any(one["seconds"] is not None for one in facts["ledger"])
    names = ("topic", "decision", "why", *(("seconds",) if timed else ()))
    lines = []
    for one in facts["ledger"]:
        badge = '<span class="badge warn">warning</span> ' if one["warning"] else ""
        cells = [
            cell(one["topic"]),
            f'<td class="left">{badge}{shown(one["decision"], 400)}</td>',
            f'<td class="left">{shown(one["reason"], 400) if one["reason"] else ""}</td>',
        ]
        if timed:
            cells.append("<td></td>" if one["seconds"] is None else cell(f"{one['seconds']:.1f}"))
        lines.append(row(cells))
    more = f'<p class="hint">… and {facts["more"]:,} more in ledger.jsonl</p>'
    body = table(names, "".join(lines), left=(1, 2)) + (more if facts["more"] else "")
    return card("Ledger", "Every choice of the run with its reason.", body)


def _again(facts: Facts) -> str:
    data = facts["data"]
    exact = facts["reproducible"]
    hint = (
        "No decision read a clock: the same table, seed and versions give the same members, to "
        "the bit on one platform."
        if exact
        else "A clock ended this run; a replay trains the same candidates to the same trees "
        "without one."
    )
    command = "automl fit --replay BUNDLE"
    rows = [
        ("seed", facts["seed"]),
        ("training table", data["name"]),
        ("its rows", data["rows"]),
        ("its SHA-256", data["digest"]),
        *(
            (f"--{name.replace('_', '-')}", f"{text} ({origin})")
            for name, text, origin in _set(facts)
        ),
        *(facts["versions"].items()),
    ]
    lines = "".join(
        row([cell(str(name)), f'<td class="mono">{shown(value, 400)}</td>'])
        for name, value in rows
        if value is not None
    )
    body = f'<pre class="command">{command}</pre>{table(("what", "value"), lines)}'
    body += (
        '<p class="hint"><code>automl verify BUNDLE</code> compares every file with its SHA-256 '
        "and prints the digest of the whole bundle.</p>"
    )
    return card("Do it again", hint, body)


def _set(facts: Facts) -> list[Any]:
    return [entry for entry in facts["settings"] if entry[2] != "default"]
