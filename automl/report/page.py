"""What every page is made of: one HTML file, no network, light and dark, phone and print.

Names and values from tables go through `shown`: they are text and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from html import escape

N_COLOURS = 6  # classes c0 … c5 of the style sheet

STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #ffffff; --ink: #1c2024;
  --soft: #666d75; --line: #e6e3de; --c0: #0b6e5c; --c1: #d9822b; --c2: #5b6ee1; --c3: #c2417a;
  --c4: #8a8f98; --c5: #3aa0c4; --good: #0b6e5c; --bad: #b3382c; --tint: #0b6e5c14; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1c2024; --ink: #e9e7e3;
  --soft: #9aa1a9; --line: #2e343a; --c0: #4cc9ac; --c1: #f0a559; --c2: #94a3ff; --c3: #f086b4;
  --c4: #a4abb4; --c5: #6cc8e8; --good: #4cc9ac; --bad: #f08a7d; --tint: #4cc9ac1f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; overflow-wrap: anywhere; }
table { overflow-wrap: break-word; }
h1 { font-size: 1.05rem; font-weight: 600; color: var(--soft); margin: 0 0 2rem; }
section { margin: 0 0 3.5rem; }
h2 { font-size: clamp(1.35rem, 4vw, 1.9rem); line-height: 1.25; margin: 0 0 1.5rem;
  letter-spacing: -0.015em; text-wrap: balance; }
h3 { font-size: 1rem; margin: 0 0 .15rem; }
p { margin: 0 0 .9rem; }
.hint { color: var(--soft); font-size: .88rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem;
  margin: 0 0 1.5rem; }
.facts div, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.facts div { padding: .8rem 1rem; min-width: 0; }
.facts dt { color: var(--soft); font-size: .8rem; }
.facts dd { margin: 0; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums;
  letter-spacing: -0.01em; }
.card { padding: 1.1rem 1.2rem 1.2rem; margin: 0 0 1rem; }
.wide { overflow-x: auto; margin: .6rem -1.2rem -.4rem; padding: 0 1.2rem; }
.wide + p { margin-top: .9rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
th { font-weight: 500; color: var(--soft); font-size: .8rem; }
th, td { padding: .45rem .55rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; position: sticky; left: 0;
  background: var(--card); }
tr:last-child td { border-bottom: 0; }
tr.own td:first-child { font-weight: 600; }
td.best { font-weight: 650; color: var(--good); }
td.failed { color: var(--bad); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: .5rem 0 .2rem; padding: 0;
  list-style: none; font-size: .85rem; }
.legend i { display: inline-block; width: .7em; height: .7em; border-radius: 50%;
  margin-right: .45em; }
svg { display: block; width: 100%; max-width: 52rem; height: auto; margin-top: .4rem; }
svg text { fill: var(--soft); font-size: 13px; }
svg .tick { text-anchor: middle; font-size: 11.5px; }
svg .name { text-anchor: end; fill: var(--ink); }
svg .grid { stroke: var(--line); }
svg .row { stroke: var(--line); }
svg .zero { stroke: var(--soft); stroke-dasharray: 3 3; }
svg .span { stroke: var(--c0); stroke-width: 3; stroke-linecap: round; opacity: .45; }
svg circle { stroke: var(--card); stroke-width: 1.5; }
svg circle.hollow { fill: var(--card) !important; stroke-width: 2; }
@media (max-width: 34rem) { svg text { font-size: 19px; } svg .tick { font-size: 16px; }
  main { padding-top: 1.5rem; } .facts { grid-template-columns: 1fr 1fr; } }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
""" + "".join(
    f".c{i} {{ fill: var(--c{i}); background: var(--c{i}); }} "
    f".hollow.c{i} {{ stroke: var(--c{i}) !important; }}\n"
    for i in range(N_COLOURS)
)


# The browser itself keeps a page of data from running or loading anything else.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# Format characters turn the direction of text or hide in it; the others are no text at all.
_NO_TEXT = frozenset(("Cc", "Cf", "Cs", "Co"))


def document(
    title: str, heading: str, body: str, *, style: str = "", scripts: Sequence[str] = ()
) -> str:
    """A whole page. title: plain text.  heading, body: HTML.  style: added rules.

    scripts: run at the end, in their order; no other can run.
    """
    policy = _POLICY
    if scripts:
        policy += "; script-src " + " ".join(f"'sha256-{_digest(text)}'" for text in scripts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{shown(title, 120)}</title><style>{STYLE}{style}</style></head><body><main>"
        f"<h1>{heading}</h1>{body}</main>"
        f"{''.join(f'<script>{text}</script>' for text in scripts)}</body></html>\n"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def data(name: str, values: object) -> str:
    """`values` for a script, which finds them as JSON in the element with the id `name`."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    for letter, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(letter, code)
    return f'<script type="application/json" id="{escape(name)}">{text}</script>'


def shown(text: object, longest: int = 60) -> str:
    """`text` for HTML: escaped, cut where it is long, without characters that are no letters."""
    letters = plain(str(text)[: 4 * longest])
    cut = letters if len(letters) <= longest else f"{letters[: longest - 1]}…"
    return escape(cut) if cut.strip() else "(blank)"


def plain(text: str) -> str:
    """`text` in one line, without characters that are no letters; not escaped."""
    return "".join(
        " " if letter.isspace() else letter
        for letter in text
        if letter.isspace() or unicodedata.category(letter) not in _NO_TEXT
    )


def facts(items: Iterable[tuple[str, str]]) -> str:
    """Named figures in a row; those without a text are left out."""
    parts = [
        f"<div><dt>{shown(name)}</dt><dd>{shown(text)}</dd></div>" for name, text in items if text
    ]
    return f'<dl class="facts">{"".join(parts)}</dl>' if parts else ""


def card(title: str, hint: str, body: str) -> str:
    """A box with a heading, a line of explanation and HTML."""
    said = f'<p class="hint">{shown(hint, 600)}</p>' if hint else ""
    return f'<div class="card"><h3>{shown(title, 120)}</h3>{said}{body}</div>'


def table(names: Sequence[str], rows: str, left: Collection[int] = ()) -> str:
    """A table that scrolls sideways on a narrow screen.

    rows: HTML of `row`.  left: columns of text beside the first one, whose cells are `left`, too.
    """
    head = "".join(
        f'<th scope="col"{" class=left" if i in left else ""}>{shown(name)}</th>'
        for i, name in enumerate(names)
    )
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Table"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def row(cells: Sequence[str], *, own: bool = False) -> str:
    return f"<tr{' class=own' if own else ''}>{''.join(cells)}</tr>"


def cell(text: str, kind: str = "") -> str:
    return (
        f'<td class="{kind}">{shown(text, 200)}</td>' if kind else f"<td>{shown(text, 200)}</td>"
    )


def legend(items: Iterable[tuple[str, str]]) -> str:
    """(name, class of the colour) each with a dot."""
    parts = "".join(f'<li><i class="{kind}"></i>{shown(name)}</li>' for name, kind in items)
    return f'<ul class="legend">{parts}</ul>'
