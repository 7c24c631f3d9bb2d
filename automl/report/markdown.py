"""Text from tables in Markdown: it stays the text that it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Control and format characters, halves of surrogate pairs, private use.
_NO_TEXT = frozenset(("Cc", "Cf", "Cs", "Co"))
_MEANS = re.compile(r"[\\`*\[\]#|~!${}^]")
_EDGE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")  # emphasis; within a word it is none
_BEGINS = re.compile(r"^([-+=:]|\d{1,9}[.)](?=\s|$))")  # lists, lines below headings
_LINKS = re.compile(r"(?i)\b(https?|ftp):(?=//)|\bwww(?=\.)")


def plain(text: object, longest: int = 80) -> str:
    """`text` on one line, cut where it is long, so that no reader of Markdown takes it for marks.

    HTML in it is text too, and an address becomes no link.
    """
    letters = (
        " " if letter.isspace() else letter
        for letter in str(text)[: 4 * longest]
        if letter.isspace() or unicodedata.category(letter) not in _NO_TEXT
    )
    found = " ".join("".join(letters).split())
    if len(found) > longest:
        found = f"{found[: longest - 1]}…"
    found = _MEANS.sub(lambda mark: f"\\{mark[0]}", found)
    found = found.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    found = _EDGE.sub(r"\\_", found)
    found = _LINKS.sub(lambda mark: f"{mark[0].rstrip(':')}\\{':' * mark[0].endswith(':')}", found)
    found = _BEGINS.sub(lambda mark: f"{mark[0][:-1]}\\{mark[0][-1]}", found)
    return found or "(blank)"


def bullets(lines: Sequence[str]) -> str:
    """A list of lines that are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; the first column is text, others are figures."""
    rules = ["---", *("---:" for _ in names[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, rules, *rows))
