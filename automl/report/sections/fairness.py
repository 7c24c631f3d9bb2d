"""The section Fairness: how the groups of each sensitive column fare, and how far they differ."""

from __future__ import annotations

from typing import Any

from automl.insight.evidence import Facts
from automl.report.dots import dots, short, with_ends
from automl.report.page import card, cell, row, shown, table

NAME, TITLE = "fairness", "Fairness"

# Below this ratio of the shares called positive, the Uniform Guidelines on Employee Selection
# Procedures (1978) speak of adverse impact.
_FOUR_FIFTHS = 0.8
STYLE = """
.fairness .audit h3 { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
.fairness .audit .said { margin: .2rem 0 .6rem; overflow-wrap: anywhere; }
.fairness .charts { display: grid; gap: .4rem 1.2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
.fairness .charts h4 { margin: .5rem 0 0; font-size: .86rem; font-weight: 550; }
.fairness details { margin-top: .7rem; font-size: .92rem; }
.fairness summary { cursor: pointer; color: var(--soft); }
.fairness .badge.good { color: var(--good); border-color: currentColor; }
"""


def html(facts: Facts) -> str:
    """What was audited and why, what a limit cost, then a card for each column."""
    audits = "".join(_audit(facts, one) for one in facts["columns"])
    return _about(facts) + _limit(facts) + audits


def _about(facts: Facts) -> str:
    names = ", ".join(str(one["column"])[:40] for one in facts["columns"])
    rows = "out-of-fold predictions" if facts["out_of_fold"] else "labelled rows"
    more = f" {facts['more_columns']} more columns are left out." if facts["more_columns"] else ""
    if facts["asked"]:
        title = f"Audit of {names}"
        why = f"On {facts['rows']:,} {rows}, with 95 % intervals.{more}"
    else:
        title = f"Not asked for: audit of {names}"
        why = (
            f"The names sound as if a law protected what these columns hold; --sensitive COLUMN "
            f"chooses others. On {facts['rows']:,} {rows}, with 95 % intervals.{more}"
        )
    text = {
        "regression": "Groups may differ in how hard they are to predict. A mean error above or "
        "below zero is worse: a group is then over- or underrated as a whole.",
    }.get(
        facts["task"],
        "Where groups differ in their true shares, not all of these measures can be equal at "
        "once. Which one has to be is for people to decide, by what the predictions are used for.",
    )
    return card(title, why, f"<p>{text}</p>")


def _limit(facts: Facts) -> str:
    found = facts["limit"]
    if found is None:
        return ""
    free = found["without"]
    holds = "holds" if found["kept"] else "could not be kept"
    lines = "".join(
        row([cell(name), *(cell(text) for text in texts)])
        for name, *texts in (
            ("with the limit", *_costs(facts, found)),
            ("without it", *_costs(facts, free)),
        )
    )
    scores = [facts["metric"]] if facts["metric"] == "accuracy" else [facts["metric"], "accuracy"]
    names = ["what ships", "largest difference", *scores, "threshold"]
    hint = (
        f"The shares of groups that are called positive were to differ by at most "
        f"{found['limit']:g} (--max-disparity). There is one threshold for all groups: one by "
        "group would treat persons differently by their group, and would need to know it of "
        "whoever is decided on; in many places that is unlawful. New rows will differ a little "
        "more or less: see the intervals below."
    )
    if not found["kept"]:
        hint = (
            "No candidate and threshold that still decides something keeps to the limit; the "
            f"nearest ships. {hint}"
        )
    return card(f"The limit of {found['limit']:g} {holds}", hint, table(names, lines))


def _costs(facts: Facts, found: Any) -> tuple[str, ...]:
    scores = ["score"] if facts["metric"] == "accuracy" else ["score", "accuracy"]
    told = (short(found["difference"]), *(short(found[name]) for name in scores))
    return (*told, f"{found['threshold']:.4f}")


def _audit(facts: Facts, one: Any) -> str:
    said = _said_values if facts["task"] == "regression" else _said_classes
    text, badge = said(facts, one)
    kind = {"differs": "badge warn", "alike": "badge good"}.get(badge, "badge")
    words = {"differs": "groups differ", "alike": "no more than chance"}
    return (
        f'<div class="card audit"><h3><bdi>{shown(one["column"], 80)}</bdi>'
        f'<span class="{kind}">{words.get(badge, "groups differ somewhat")}</span></h3>'
        f'<p class="said">{text}</p>'
        f'<div class="charts">{_charts(facts, one)}</div>'
        f"<details><summary>All figures</summary>{_gaps(facts, one)}{_table(facts, one)}</details>"
        "</div>"
    )


def _name(text: object) -> str:
    return f"<bdi>{shown(text, 40)}</bdi>"


def _said_classes(facts: Facts, one: Any) -> tuple[str, str]:
    found = one["gaps"]["clearest"]
    if found is None:
        return "There are too few rows to compare.", ""
    (high, most), (low, least) = found["high"], found["low"]
    binary = facts["task"] == "binary"
    called = _name(facts["positive"] if binary else one["gaps"]["class"])
    text = (
        f"{_name(high)} is called {called} in <b>{most:.1%}</b> of rows, {_name(low)} in "
        f"<b>{least:.1%}</b>"
    )
    if binary:
        true = {group["group"]: group["actual"][0] for group in one["groups"]}
        text += f"; true are {true[high]:.1%} and {true[low]:.1%}"
    if not found["clear"]:
        return f"{text}. No two groups differ by more than chance makes of it.", "alike"
    if binary and least < _FOUR_FIFTHS * most:
        return (
            f"{text}. The ratio of {least / most:.2f} is below four fifths, from where on "
            "adverse impact is usually suspected.",
            "differs",
        )
    return f"{text}.", ""


def _said_values(facts: Facts, one: Any) -> tuple[str, str]:
    found = one["gaps"]["clearest"]
    if found is None:
        return "There are too few rows to compare.", ""
    (high, most), (low, least) = found["high"], found["low"]
    text = (
        f"Mean {shown(one['loss'])} of {_name(high)} <b>{short(most)}</b>, of {_name(low)} "
        f"<b>{short(least)}</b>"
    )
    text += "." if found["clear"] else ": no more than chance makes of it."
    tilted = [
        f"{_name(group['group'])} ({group['bias'][0]:+,.3g})"
        for group in one["groups"]
        if group["tilted"]
    ]
    if tilted:
        return f"{text} Too high (+) or too low (−) on average: {', '.join(tilted)}.", "differs"
    return text, "" if found["clear"] else "alike"


def _charts(facts: Facts, one: Any) -> str:
    if facts["task"] == "regression":
        kinds = [("loss", f"Mean {one['loss']}", False), ("bias", "Mean error, + too high", False)]
    elif facts["task"] == "binary":
        kinds = [
            ("called", "Called positive", True),
            ("tpr", "… of those that are positive", True),
            ("fpr", "… of those that are not", True),
        ]
    else:
        kinds = [("accuracy", "Called rightly", True)]
    kinds.append(("score", str(facts["metric"]), False))
    return "".join(
        f"<div><h4>{shown(title)}</h4>"
        + dots(
            [(group["group"], group[name]) for group in one["groups"]],
            f"{title} by {one['column'][:40]}",
            share=share,
            usual=0.0 if name == "bias" else None,
        )
        + "</div>"
        for name, title, share in kinds
    )


_GAPS = (
    ("parity_difference", "demographic parity difference", "0 is equal"),
    ("parity_ratio", "demographic parity ratio", "1 is equal"),
    ("odds_difference", "equalised odds difference", "0 is equal"),
    ("odds_ratio", "equalised odds ratio", "1 is equal"),
    ("loss_difference", "difference of the mean losses", "0 is equal"),
    ("loss_ratio", "ratio of the mean losses", "1 is equal"),
    ("bias_difference", "difference of the mean errors", "0 is equal"),
)


def _gaps(facts: Facts, one: Any) -> str:
    lines = ""
    for name, title, equal in _GAPS:
        figure = one["gaps"].get(name)
        if figure is None:
            continue
        text = short(figure) if isinstance(figure, float) else with_ends(figure)
        lines += row([cell(title), cell(text), cell(equal, "left")])
    return table(["measure", "over the groups", "meaning"], lines, left=(2,)) if lines else ""


def _table(facts: Facts, one: Any) -> str:
    if facts["task"] == "regression":
        kinds = [("actual", "mean truth"), ("bias", "mean error"), ("loss", str(one["loss"]))]
        shares = False
    else:
        kinds = [("accuracy", "accuracy")]
        if facts["task"] == "binary":
            kinds = [
                ("actual", "true"),
                ("called", "called positive"),
                ("tpr", "true positives called"),
                ("fpr", "negatives called"),
                *kinds,
            ]
        shares = True
    lines = ""
    for group in one["groups"]:
        texts = [
            "–" if group[name] is None else with_ends(group[name], share=shares)
            for name, _ in kinds
        ]
        score = "–" if group["score"] is None else with_ends(group["score"])
        told = [f"{group['rows']:,} ({group['share']:.1%})", *texts, score]
        lines += row([f"<td>{_name(group['group'])}</td>", *(cell(text) for text in told)])
    return table(["group", "rows", *(title for _, title in kinds), str(facts["metric"])], lines)
