"""The section Where it is wrong: the worst slices of rows, and the rows with the highest loss."""

from __future__ import annotations

from typing import Any

from automl.insight.evidence import Facts
from automl.report.dots import dots, short, with_ends
from automl.report.page import card, cell, row, shown, table

NAME, TITLE = "wrong", "Where it is wrong"

_CONDITION = 110
STYLE = """
.wrong .grid2 { grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
.wrong .slice h3 { display: flex; flex-wrap: wrap; gap: .3rem; font-size: .95rem;
  line-height: 1.5; margin: 0 0 .3rem; }
.wrong .slice h3 code { font-size: .88rem; }
.wrong .slice h3 span { color: var(--soft); font-weight: 400; }
.wrong .slice p { margin: .35rem 0 0; font-size: .9rem; overflow-wrap: anywhere; }
.wrong .slice .big { font-size: 1.05rem; margin-top: .1rem; }
.wrong .card + .grid2, .wrong .grid2 + .card { margin-top: .9rem; }
"""


def html(facts: Facts) -> str:
    """Slices with what is wrong in each, then single rows."""
    return _slices(facts) + _worst(facts)


def _slices(facts: Facts) -> str:
    found = facts["slices"]
    rows = "out-of-fold predictions" if facts["out_of_fold"] else "labelled rows"
    how = (
        f"A shallow tree looked for slices with a high {facts['loss']} in {found['found_on']:,} "
        f"{rows}; the figures are those of {found['measured_on']:,} other rows, because the worst "
        "of many slices looks worse than it is on the rows that it was chosen by."
    )
    if not found["found"]:
        said = (
            "No slice is clearly worse than the rest"
            if found["measured_on"]
            else "There are too few rows to look for slices"
        )
        tried = found["tried"]
        more = f" {tried} looked bad where found, and not on the other rows." if tried else ""
        return card(said, how + more, "")
    n = len(found["found"])
    what = "One slice of rows is" if n == 1 else f"{n} slices of rows are"
    cards = "".join(_slice(facts, one) for one in found["found"])
    return (
        card(f"{what} clearly worse than the rest", how, "") + f'<div class="grid2">{cards}</div>'
    )


def _slice(facts: Facts, one: Any) -> str:
    conditions = " <span>and</span> ".join(
        f"<code>{shown(text, _CONDITION)}</code>" for text in one["conditions"]
    )
    times = "" if one["times"] is None else f"<b>{one['times']:.1f} times</b> the usual loss in "
    parts = [
        f"<h3>{conditions}</h3>",
        f'<p class="big">{times}{one["rows"]:,} rows, {one["share"]:.1%} of all</p>',
        dots(
            [("this slice", one["loss"]), ("all rows", facts["slices"]["mean_loss"])],
            f"Mean {facts['loss']}",
            share=False,
            zero=True,
        ),
        f'<p class="hint">Mean {shown(facts["loss"])} with 95 % intervals.</p>',
    ]
    every = facts["slices"]["score"]
    if one["score"] is not None:
        score = f"{shown(facts['metric'])} <b>{with_ends(one['score'])}</b>"
        parts.append(f"<p>{score}" + (f", all rows {short(every[0])}" if every else "") + ".</p>")
    parts.append(_bias(facts, one))
    return f'<div class="card slice">{"".join(parts)}</div>'


def _bias(facts: Facts, one: Any) -> str:
    """Whether the predictions of the slice are too high or too low as a whole."""
    if "bias" not in one:
        return ""
    _, low, high = one["bias"]
    side = "too high" if low > 0 else "too low" if high < 0 else ""
    if facts["task"] == "binary":
        text = (
            f"{shown(facts['classes'][1], 30)}: predicted in {one['predicted']:.1%}, "
            f"true in {one['actual']:.1%} of these rows"
        )
    else:
        text = f"Mean prediction {short(one['predicted'])}, mean truth {short(one['actual'])}"
    if not side:
        return f"<p>{text}: right on average, but not row by row.</p>"
    return f"<p>{text}: <b>{side}</b> as a whole.</p>"


def _worst(facts: Facts) -> str:
    if not facts["worst"]:
        return ""
    values = facts["task"] == "regression"
    names = ["row", "true", "predicted", *([] if values else ["probability"]), "loss"]
    lines = ""
    for one in facts["worst"]:
        told = [f"{one['row']:,}"]
        if values:
            told += [short(one["actual"]), short(one["predicted"])]
        else:
            told += [one["actual"], one["predicted"], f"{one['probability']:.2%}"]
        lines += row([cell(text) for text in [*told, short(one["loss"])]])
    hint = (
        "By number, the first row of data being row 1; their cells are left out, for they may "
        "tell of persons. Wrong labels and rare cases are often among them."
        + ("" if values else " The probability is that of the true class.")
    )
    return card("Rows with the highest loss", hint, table(names, lines))
