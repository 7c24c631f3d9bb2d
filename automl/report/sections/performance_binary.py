"""A binary model by threshold: the table that a slider changes, and the curves."""

from __future__ import annotations

from itertools import pairwise

from automl.insight.evidence import Facts
from automl.report.page import card
from automl.report.plane import Axis, Plane, percent, share_axis
from automl.report.sections.performance_reliability import reliability_card
from automl.report.sections.performance_threshold import NOW_PR, NOW_ROC, counts_at, threshold_card


def binary_html(facts: Facts, *, weighted: bool) -> str:
    """The threshold with its counts, then ROC, precision-recall, calibration, gain and lift."""
    charts = [reliability_card(facts["calibration"], f"P({facts['classes'][1][:24]})")]
    if "roc" in facts:
        charts = [_roc(facts), _precision_recall(facts), *charts, _gain(facts), _lift(facts)]
    lab = threshold_card(facts, weighted=weighted)
    return f'{lab}<div class="grid2">{"".join(charts)}</div>'


def _roc(facts: Facts) -> str:
    roc = facts["roc"]
    plane = Plane(
        share_axis("false positives among the negatives"),
        share_axis("true positives among the positives"),
        "ROC curve",
    )
    plane.fair((0, 0), (1, 1))
    plane.line(zip(roc["false_positives"], roc["true_positives"], strict=True))
    now = counts_at(facts, facts["cuts"]["default"])
    plane.now((now.false_positive_rate, now.recall), NOW_ROC)
    hint = "How many positives are found for how many false alarms. Dashed: chance."
    return card("ROC", hint, plane.svg())


def _precision_recall(facts: Facts) -> str:
    curve = facts["precision_recall"]
    share = facts["positives"] / facts["total"]
    plane = Plane(share_axis("recall: positives found"), share_axis("precision"), "PR curve")
    plane.fair((0, share), (1, share))
    plane.line(zip(curve["recall"], curve["precision"], strict=True))
    now = counts_at(facts, facts["cuts"]["default"])
    plane.now((now.recall, now.precision), NOW_PR)
    hint = f"How many of those called positive are. Dashed: all rows, {percent(share)}."
    return card("Precision and recall", hint, plane.svg())


def _gain(facts: Facts) -> str:
    gain = facts["gain"]
    share = facts["positives"] / facts["total"]
    plane = Plane(
        share_axis("likeliest share of the rows"), share_axis("positives among them"), "Gain curve"
    )
    plane.fair((0, 0), (1, 1))
    plane.line([(0, 0), (share, 1), (1, 1)], kind="fair")
    plane.line(zip(gain["rows"], gain["caught"], strict=True))
    hint = (
        f"The likeliest tenth of the rows holds {gain['caught_by_tenth'][0]:.0%} of the "
        "positives. Dashed: chance, and a perfect order."
    )
    return card("Gain", hint, plane.svg())


def _lift(facts: Facts) -> str:
    lift = facts["gain"]["lift"]
    high = max(*lift, 1.0)
    plane = Plane(
        Axis(0.0, 1.0, "tenths of the rows, likeliest first", percent),
        Axis(0.0, high * 1.05, "times as many positives as in all rows", _times),
        "Lift by tenth of the rows",
    )
    ends = [i / len(lift) for i in range(len(lift) + 1)]
    for pair, value in zip(pairwise(ends), lift, strict=True):
        plane.column(pair, value, f"{percent(pair[0])} to {percent(pair[1])}: {_times(value)}")
    plane.fair((0, 1), (1, 1))
    hint = f"The likeliest tenth has {_times(lift[0])} the positives of a random one (dashed)."
    return card("Lift", hint, plane.svg())


def _times(value: float) -> str:
    return f"{value:.3g}×"
