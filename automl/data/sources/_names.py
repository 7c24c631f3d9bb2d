"""Unique column names from the headers of a file."""

from __future__ import annotations

from collections.abc import Sequence


def unique_names(headers: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names, notes): headers without surrounding white space, each name once.

    An empty header becomes `column_<position>`, the second `a` becomes `a_2` and so on; a name
    made up here is never one that another column has in the file.
    """
    stripped = [header.strip() for header in headers]
    taken = set(stripped)
    used: set[str] = set()
    names: list[str] = []
    renamed: list[str] = []
    for position, name in enumerate(stripped, 1):
        new = name
        if not name or name in used:
            new = _free(name or "column", taken, first=2 if name else position)
            if name:
                renamed.append(f"{name!r} to {new!r}")
        used.add(new)
        taken.add(new)
        names.append(new)
    notes = []
    n_empty = stripped.count("")
    if n_empty:
        notes.append(f"{n_empty} column{'s' * (n_empty > 1)} without a name in the header")
    if renamed:
        more = f" and {len(renamed) - 5} more" if len(renamed) > 5 else ""
        notes.append(f"repeated column names: {', '.join(renamed[:5])}{more}")
    return tuple(names), tuple(notes)


def _free(stem: str, taken: set[str], *, first: int) -> str:
    number = first
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"
