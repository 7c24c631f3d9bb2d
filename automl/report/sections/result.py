"""The section Result: the first screen of a report: score, main warning, top drivers."""

from __future__ import annotations

import math
from typing import Any

from automl.insight.evidence import Facts
from automl.report.page import card, shown
from automl.report.svg import fitted, scale, svg

NAME, TITLE = "result", "Result"
HEADED = True  # its own heading says more than its title

_TOP = 3
# Letters of the main warning and of its advice: more would push the score off a phone's screen.
_TEXT, _HINT = 130, 100
STYLE = """
.result h2 { margin-bottom: .9rem; }
.result .lead { font-size: 1.02rem; margin: 0 0 1rem; max-width: 46rem; }
.score { display: grid; grid-template-columns: minmax(15rem, 5fr) 7fr; gap: .9rem;
  margin: 0 0 .9rem; }
.score .card { margin: 0; padding: .9rem 1.1rem; min-width: 0; }
.score .value { font-size: 2.5rem; line-height: 1.1; font-weight: 650; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; margin: .1rem 0 .1rem; }
.score .value small { font-size: 1rem; font-weight: 500; color: var(--soft); letter-spacing: 0; }
.score p { margin: 0; }
.drivers { list-style: none; margin: .35rem 0 0; padding: 0; display: grid; gap: .5rem; }
.drivers li { display: grid; gap: .7rem;
  grid-template-columns: minmax(0, 9rem) minmax(0, 1fr) 3rem;
  align-items: center; font-size: .94rem; }
.drivers b { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.drivers .long b { grid-column: 1 / -1; margin-bottom: -.5rem; }
.drivers .long b + span { grid-column: 1 / 3; }
.drivers span.bar { display: block; height: .8rem; border-radius: 3px; background: var(--c0);
  min-width: 2px; }
.drivers span.share { text-align: right; font-variant-numeric: tabular-nums; }
.drivers em { font-style: normal; color: var(--soft); font-size: .8rem; grid-column: 1 / -1;
  margin-top: -.45rem; }
.alert { border: 1px solid var(--line); border-left: 4px solid var(--bad); margin: 0 0 .9rem;
  background: var(--card); border-radius: 6px 12px 12px 6px; padding: .65rem 1rem;
  overflow-wrap: anywhere; }
.alert.fine { border-left-color: var(--good); }
.alert p { margin: 0; } .alert p + p { margin-top: .1rem; }
.alert details { margin-top: .35rem; } .alert summary { cursor: pointer; font-size: .9rem;
  color: var(--soft); }
.alert ul { margin: .4rem 0 0; padding-left: 1.1rem; } .alert li { margin: 0 0 .35rem; }
.result .facts { margin: 0 0 .9rem; } .result .facts dd { font-size: 1.15rem; }
@media (max-width: 34rem) { .score { grid-template-columns: 1fr; gap: .6rem; }
  .score .value { font-size: 2rem; } .result h2 { font-size: 1.2rem; margin-bottom: .6rem; }
  .score .card { padding: .7rem .9rem; } .drivers { gap: .3rem; }
  .alert { padding: .5rem .8rem; margin-bottom: .6rem; font-size: .94rem; }
  .alert .hint { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
    overflow: hidden; }
  .alert details { margin-top: .1rem; }
  .drivers em { display: none; } }
"""


def html(facts: Facts) -> str:
    """Score, interval and baseline; warnings; the top columns; what the score means."""
    return (
        f"<h2>{_headline(facts)}</h2>{_warnings(facts)}"
        f'<div class="score"><div class="card">{_score(facts)}</div>'
        f'<div class="card"><h3>{_driving(facts)}</h3>{_drivers(facts)}</div></div>'
        f"{_meaning(facts)}{_figures(facts)}"
    )


def number(value: Any) -> str:
    """A score as people write it."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1e4:
        return f"{value:,.0f}"
    if 1e-2 <= size < 10 or size == 0:
        return f"{value:.3f}"
    return f"{value:#.4g}".removesuffix(".")


def _headline(facts: Facts) -> str:
    target = fitted(facts["target"], 20, 1)
    what = {
        "binary": f"Predicts <bdi>{target}</bdi>",
        "multiclass": f"Predicts <bdi>{target}</bdi>, one of {facts['classes']:,} classes",
        "regression": f"Predicts the number <bdi>{target}</bdi>",
    }[facts["task"]]
    if facts["positive"] is not None:
        what += f" being <bdi>{fitted(facts['positive'], 14, 1)}</bdi>"
    measured = facts["measured"]
    if measured is not None:
        return f"{what}: measured on {measured['rows']:,} new rows"
    return f"{what}{_verdict(facts)}"


def _verdict(facts: Facts) -> str:
    score, baseline = facts["score"], facts["baseline"]
    if score is None or baseline is None or not math.isfinite(score + baseline):
        return ", with no defined score"
    way = facts["best"] - baseline
    share = (score - baseline) / way if abs(way) > 1e-12 else 0.0
    if share < 0.05:
        return ", but hardly better than guessing"
    words = ((0.9, " nearly perfectly"), (0.6, " well"), (0.3, ", usefully"), (0.0, ", weakly"))
    return next(word for least, word in words if share >= least)


def _score(facts: Facts) -> str:
    score, low, high = facts["score"], facts["low"], facts["high"]
    way = "higher is better" if facts["higher_is_better"] else "lower is better"
    lines = [
        f'<p class="hint">{shown(facts["title"])}, {way}</p>'
        f'<p class="value" data-first="score">{number(score)}</p>'
    ]
    if low is not None and high is not None:
        lines.append(
            f'<p data-first="interval">{facts["level"]:.0%} interval <b>{number(low)}</b> to '
            f"<b>{number(high)}</b></p>"
        )
    else:
        lines.append('<p class="hint">without an interval</p>')
    if facts["baseline"] is not None:
        lines.append(f'<p data-first="baseline">baseline {number(facts["baseline"])}</p>')
    return "".join(lines) + _ruler(facts)


def _ruler(facts: Facts) -> str:
    """The score and its interval between the baseline and a perfect score."""
    known = [facts["score"], facts["baseline"], facts["best"]]
    if any(value is None or not math.isfinite(value) for value in known):
        return ""
    low, high = facts["low"], facts["high"]
    ends = [*known, *(value for value in (low, high) if value is not None)]
    first, last = min(ends), max(ends)
    if not facts["higher_is_better"]:
        first, last = last, first  # better is on the right
    width = 300
    place = scale(first, last, 8, width - 8)
    parts = [f'<line class="row" x1="8" x2="{width - 8}" y1="12" y2="12"/>']
    if low is not None and high is not None:
        a, b = sorted((place(low), place(high)))
        parts.append(f'<line class="span" x1="{a:.1f}" x2="{b:.1f}" y1="12" y2="12"/>')
    base, best = place(facts["baseline"]), place(facts["best"])
    parts.append(f'<line class="zero" x1="{base:.1f}" x2="{base:.1f}" y1="4" y2="20"/>')
    parts.append(f'<circle class="c0" cx="{place(facts["score"]):.1f}" cy="12" r="5"/>')
    near = base < width / 2
    parts.append(
        f'<text class="{"" if near else "end"}" x="{base:.1f}" y="36">baseline</text>'
        f'<text class="{"end" if near else ""}" x="{best:.1f}" y="36">perfect</text>'
    )
    return svg(parts, width, 40, "The score between baseline and perfect", "small")


def _driving(facts: Facts) -> str:
    return "What drives the predictions"


_WAYS = {1.0: "larger values raise the prediction", -1.0: "larger values lower it"}


def _drivers(facts: Facts) -> str:
    drivers = facts["drivers"][:_TOP]
    if not drivers:
        return (
            '<p class="hint">There was no time to explain predictions: '
            "<code>automl explain BUNDLE DATA</code> does.</p>"
        )
    most = max(one["share"] for one in facts["drivers"]) or 1.0
    items = []
    for one in drivers:
        said = _WAYS.get(one["direction"], "")
        note = f"<em>{said}</em>" if said else ""
        items.append(
            f'<li data-first="driver"{_long(one["column"])}>'
            f'<b title="{shown(one["column"], 200)}">'
            f"<bdi>{fitted(one['column'], 290, 15.5)}</bdi></b>"
            f'<span><span class="bar" style="width:{100 * one["share"] / most:.0f}%"></span>'
            f'</span><span class="share">{one["share"]:.0%}</span>{note}</li>'
        )
    rest = ", ".join(
        f"{shown(one['column'], 24)} {one['share']:.0%}" for one in facts["drivers"][_TOP:6]
    )
    more = f'<p class="hint" style="margin-top:.5rem">then {rest}</p>' if rest else ""
    return f'<ol class="drivers">{"".join(items)}</ol>{more}'


def _long(name: str) -> str:
    """Of a name that needs a line of its own, for a driver is no use without its whole name."""
    return ' class="long"' if fitted(name, 140, 15.5) != fitted(name, 1e6) else ""


def _warnings(facts: Facts) -> str:
    found = facts["warnings"]
    if not found:
        return (
            '<div class="alert fine" role="note"><div data-first="warning"><p><b>No warnings.</b> '
            "Nothing was found that speaks against this score.</p></div></div>"
        )
    first = found[0]
    cut = len(first["text"]) > _TEXT or len(first["hint"]) > _HINT
    hint = f'<p class="hint">{shown(first["hint"], _HINT)}</p>' if first["hint"] else ""
    rest = found if cut else found[1:]
    others = "".join(
        f"<li>{shown(one['text'], 400)}"
        + (f' <span class="hint">{shown(one["hint"], 400)}</span>' if one["hint"] else "")
        + "</li>"
        for one in rest
    )
    n = len(found) - 1
    what = f"{n} more warning{'s' * (n > 1)}" if n else ""
    what = " and ".join(["the whole text"] * cut + [what] * (n > 0))
    more = f"<details><summary>{what}</summary><ul>{others}</ul></details>" if rest else ""
    return (
        f'<div class="alert" role="note"><div data-first="warning"><p><b>Warning:</b> '
        f"{shown(first['text'], _TEXT)}</p>{hint}</div>{more}</div>"
    )


def _meaning(facts: Facts) -> str:
    lines = " ".join(shown(line, 400) for line in facts["meaning"])
    return card("What this score means", "", f'<p style="margin:.3rem 0 0">{lines}</p>')


def _figures(facts: Facts) -> str:
    items = [("validation", _validation(facts))]
    if facts["run"] is not None:
        items.append(("score of training", _interval(facts["run"])))
    elif facts["corrected"]:
        items.append(("as it was chosen", number(facts["as_chosen"])))
        if facts["repeats"]:
            items.append(("unlike known rows", number(facts["unseen"])))
    if facts["test"]:
        items.append(("rows kept aside", _interval(facts["test"])))
    items.append(("rows", f"{facts['rows']:,}"))
    failed = f", {facts['failed']} failed" if facts["failed"] else ""
    items.append(("candidates", f"{facts['candidates']:,}{failed}"))
    items.append(("ships", f"{facts['members']} model{'s' * (facts['members'] != 1)}"))
    if facts["seconds"] is not None:
        budget = facts["budget"]
        of = f" of {budget:,.0f} s" if budget else ""
        items.append(("time used", f"{facts['seconds']:,.1f} s{of}"))
    parts = "".join(f"<div><dt>{shown(k)}</dt><dd>{shown(v)}</dd></div>" for k, v in items if v)
    return f'<dl class="facts">{parts}</dl><p class="hint">{shown(_how(facts), 1000)}</p>'


def _how(facts: Facts) -> str:
    """Where the score comes from, and all that sets it apart from the one that chose."""
    if not facts["corrected"]:
        return "The score is on rows that no model learned from."
    said = [
        "The score is on rows that no model learned from, and corrected for having been chosen "
        "as the best of many (bootstrap bias-corrected cross-validation)."
    ]
    if facts["averaging"]:
        said.append(
            f"It counts {facts['averaging']:+.3g} for the mean of the models of the folds, which "
            "is better than each of them."
        )
    if facts["repeats"]:
        said.append(
            f"It counts {facts['repeats']:+.3g} because some new rows will repeat known ones, as "
            f"rows of this table do; of new rows unlike all known ones expect "
            f"{number(facts['unseen'])}."
        )
    return " ".join(said)


def _validation(facts: Facts) -> str:
    if facts["measured"] is not None or not facts["validation"]:
        return ""
    n = facts["splits"]
    return f"{facts['validation']}, {n} split{'s' * (n != 1)}" if n else str(facts["validation"])


def _interval(found: Any) -> str:
    if found.get("low") is None:
        return number(found["score"])
    return f"{number(found['score'])} ({number(found['low'])} to {number(found['high'])})"
