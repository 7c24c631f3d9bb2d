"""The page of `automl compare`: two bundles side by side, drawn from its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automl.report.page import card, cell, document, facts, row, shown, table

_LISTED = 50  # columns that only one bundle uses


def compare_page(found: Mapping[str, Any]) -> str:
    """A whole page. found: what `Comparison.to_json` gives."""
    verdict = found["verdict"]
    scored = found["scored"]
    head = facts(
        [
            ("target", found["target"]),
            ("task", found["task"]),
            ("labelled rows", "none" if scored is None else f"{scored:,}"),
        ]
    )
    parts = [
        f"<section><h2>{shown(verdict[0].upper() + verdict[1:], 400)}.</h2>",
        "".join(f"<p>{shown(warning, 400)}.</p>" for warning in found["warnings"]),
        head,
        _scores(found),
        _agreement(found["agreement"]),
        _sides(found),
        _columns(found),
        "</section>",
    ]
    title = f"{found['a']['path']} and {found['b']['path']}"
    return document(
        title, f"A: {shown(found['a']['path'])} · B: {shown(found['b']['path'])}", "".join(parts)
    )


def _scores(found: Mapping[str, Any]) -> str:
    names = ["metric", "A", "B"]
    hint = "Of the bundles' own records: cross-validated, each on its own rows."
    if found["paired"]:
        names += ["B less A", "better"]
        hint = (
            f"With {found['level']:.0%} bootstrap intervals. That of the difference comes from "
            "the same resampled rows for both; it says more than whether the first two overlap."
        )
    rows = []
    for one in found["scores"]:
        cells = [cell(one["metric"]), cell(_score(one["a"])), cell(_score(one["b"]))]
        if found["paired"]:
            cells += [cell(_score(one["difference"])), cell(one["better"] or "–")]
        rows.append(row(cells))
    return card("Scores", hint, table(names, "".join(rows)))


def _score(one: Mapping[str, float | None] | None) -> str:
    if one is None or one["score"] is None:
        return "–"
    text = f"{one['score']:.4g}"
    if one["low"] is None or one["high"] is None:
        return text
    return f"{text} ({one['low']:.4g} to {one['high']:.4g})"


def _agreement(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    if found["same"] is None:
        known = found["correlation"]
        rows = [
            ("correlation", "–" if known is None else f"{known:.4f}"),
            ("mean distance", f"{found['distance']:.4g}"),
        ]
    else:
        rows = [
            ("same label", f"{found['same']:.2%}"),
            ("elsewhere A right", f"{found['a_right']:,}"),
            ("elsewhere B right", f"{found['b_right']:,}"),
            ("elsewhere neither", f"{found['neither']:,}"),
            ("distance of probabilities", f"{found['distance']:.4f}"),
        ]
    return card("Predictions of the same rows", "", facts(rows))


def _sides(found: Mapping[str, Any]) -> str:
    a, b = found["a"], found["b"]
    rows: list[tuple[str, Any, Any]] = [
        ("made for", a["metric"], b["metric"]),
        ("trained on", a["trained_on"] or "–", b["trained_on"] or "–"),
        ("training rows", _count(a["training_rows"]), _count(b["training_rows"])),
        ("columns", _count(a["columns"]), _count(b["columns"])),
        ("boosters", _count(a["boosters"]), _count(b["boosters"])),
        ("bytes", _count(a["bytes"]), _count(b["bytes"])),
        ("rows/s on one core", _count(a["rows_per_second"]), _count(b["rows_per_second"])),
    ]
    for i in range(max(len(a["members"]), len(b["members"]))):
        one, other = (s["members"][i] if i < len(s["members"]) else "–" for s in (a, b))
        rows.append(("" if i else "members", one, other))
    body = "".join(row([_name(name), cell(str(x)), cell(str(y))]) for name, x, y in rows)
    return card("What they are", "", table(("bundle", "A", "B"), body))


def _name(text: str) -> str:
    return cell(text) if text else "<td></td>"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _columns(found: Mapping[str, Any]) -> str:
    parts = [
        f"<p>Only {label}: {_listed(found[key])}</p>"
        for label, key in (("A", "columns_only_a"), ("B", "columns_only_b"))
        if found[key]
    ]
    return card("Columns that only one uses", "", "".join(parts)) if parts else ""


def _listed(names: Sequence[str]) -> str:
    dots = f", … ({len(names):,})" if len(names) > _LISTED else ""
    return ", ".join(shown(name) for name in names[:_LISTED]) + dots
