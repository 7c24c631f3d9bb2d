"""An explained row as text: from the base value to the margin, what if, and what would flip it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.cli.text import clean, number

_BAR = 24  # letters of the longest bar
_NAME, _CELL = 28, 20


def row_text(told: Mapping[str, Any]) -> str:
    """Lines that end with a line feed; names and cells are cut and hold no control characters."""
    lines = [f"Row {told['row']:,}: {_said(told)}", ""]
    steps = [(_label(one), float(one["contribution"])) for one in told["reasons"]]
    rest = told["rest"]
    if rest["columns"]:
        steps.append((f"{rest['columns']:,} more columns", float(rest["contribution"])))
    most = max((abs(size) for _, size in steps), default=0.0) or 1.0
    width = max((len(label) for label, _ in steps), default=10)
    width = max(width, len("base value"))
    lines.append(f"  {'base value':<{width}}  {told['base_value']:>+11.4g}")
    for label, size in steps:
        bar = ("+" if size > 0 else "-") * round(_BAR * abs(size) / most)
        lines.append(f"  {label:<{width}}  {size:>+11.4g}  {bar}".rstrip())
    toward = clean(told["output"])[:60]
    lines.append(f"  {'margin':<{width}}  {told['margin']:>+11.4g}  towards {toward}")
    if "what_if" in told:
        lines += ["", *_what_if(told)]
    if "counterfactual" in told:
        lines += ["", *_counterfactual(told["counterfactual"])]
    return "\n".join(lines) + "\n"


def _label(one: Mapping[str, Any]) -> str:
    value = "(missing)" if one["value"] is None else _cut(one["value"], _CELL)
    return f"{_cut(one['column'], _NAME)} = {value}"


def _cut(text: str, most: int) -> str:
    plain = clean(text)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _said(told: Mapping[str, Any]) -> str:
    prediction = told["prediction"]
    if told.get("quantiles"):
        parts = ", ".join(f"{name} {number(one)}" for name, one in told["quantiles"].items())
        return f"predicted {parts}"
    if told["probability"] is None:
        return f"predicted {number(prediction)}"
    return f"predicted {_cut(prediction, 60)} ({told['probability']:.1%})"


def _what_if(told: Mapping[str, Any]) -> list[str]:
    found = told["what_if"]
    lines = [
        f"  What if {_cut(name, _NAME)} = {'(missing)' if cell is None else _cut(cell, _CELL)}"
        for name, cell in found["set"].items()
    ]
    label = told["prediction"]
    lines.append(f"    before  {_said(told)}")
    after = f"    after   {_said(found)}, margin {found['margin_change']:+.4g}"
    if found["probability"] is not None and found["prediction"] == label:
        after += f", {100 * (found['probability'] - told['probability']):+.1f} points"
    lines.append(after)
    lines += [
        f"    {_cut(text, 60)!r} is no value of its column and counts as missing"
        for text in found["not_understood"]
    ]
    return lines


def _counterfactual(found: Mapping[str, Any]) -> list[str]:
    if not found["found"]:
        return [f"  No change to propose: {found['why']}."]
    lines = ["  The nearest change that was found:"]
    for change in found["changes"]:
        before = "(missing)" if change["from"] is None else _cut(change["from"], _CELL)
        after = "(missing)" if change["to"] is None else _cut(change["to"], _CELL)
        lines.append(f"    {_cut(change['column'], _NAME)}: {before} -> {after}")
    lines.append(f"    then {_said(found)}")
    return lines
