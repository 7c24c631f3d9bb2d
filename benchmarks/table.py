"""Results beside each other: one Markdown row per data set, and what they add up to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.sets import DataSet

Result = Mapping[str, Any]


def read_results(path: Path) -> list[Result]:
    """The results in a JSON-lines file; none if there is no file."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def score_of(result: Result | None, one: DataSet) -> float | None:
    found = None if result is None else result.get(one.score_name)
    return None if found is None else float(found)


def no_worse(a: float, b: float, one: DataSet) -> bool:
    return a >= b if one.higher_is_better else a <= b


def markdown(
    sets: Sequence[DataSet],
    results: Sequence[Result],
    *,
    label: str,
    baseline: str | None,
    peers: Sequence[Result] = (),
) -> str:
    """The table of the results called `label`, beside `baseline` and the peers.

    Rank 1 is the best of the tool and its peers; a tie counts for the tool.
    """
    own = {result["dataset"]: result for result in results if result["system"] == label}
    bags = {result["dataset"]: result for result in results if result["system"] == baseline}
    names = ["set", "score", "value", "fit s", "over budget", "predict s", "bundle MB"]
    names += ["baseline"] if baseline else []
    names += ["median peer", "best peer", "rank"] if peers else []
    rows, notes = [], _Summary()
    for one in sets:
        result = own.get(one.name)
        value = score_of(result, one)
        cells = [one.name, one.score_name, *_own_cells(result, value)]
        if baseline:
            bag = score_of(bags.get(one.name), one)
            cells.append(_number(bag))
            notes.against_baseline(one, value, bag)
        if peers:
            scores = [score_of(peer, one) for peer in peers if peer["dataset"] == one.name]
            cells += _peer_cells(one, value, [s for s in scores if s is not None], notes)
        notes.timing(result)
        rows.append(cells)
    lines = [_line(names), _line(["---"] * 2 + ["---:"] * (len(names) - 2)), *map(_line, rows)]
    return "\n".join([*lines, "", *notes.lines()]) + "\n"


def _own_cells(result: Result | None, value: float | None) -> list[str]:
    if result is None:
        return ["not run", "", "", "", ""]
    if "error" in result:
        return ["failed", _number(result.get("fit_s")), "", "", ""]
    return [
        _number(value),
        f"{result['fit_s']:.1f}",
        f"{result['overrun']:+.1%}",
        f"{result['predict_s']:.1f}",
        f"{result['bundle_bytes'] / 1e6:.1f}",
    ]


def _peer_cells(
    one: DataSet, value: float | None, scores: list[float], notes: _Summary
) -> list[str]:
    if not scores:
        return ["", "", ""]
    best = max(scores) if one.higher_is_better else min(scores)
    middle = median(scores)
    if value is None:
        return [_number(middle), _number(best), ""]
    rank = 1 + sum(not no_worse(value, score, one) for score in scores)
    notes.against_peers(one, value, middle, rank)
    return [_number(middle), _number(best), f"{rank} of {len(scores) + 1}"]


class _Summary:
    """What the rows add up to."""

    def __init__(self) -> None:
        self._ranks: list[int] = []
        self._median: list[bool] = []
        self._baseline: dict[str, bool] = {}
        self._overruns: dict[str, float] = {}
        self._failed: list[str] = []

    def against_baseline(self, one: DataSet, value: float | None, bag: float | None) -> None:
        if value is not None and bag is not None:
            self._baseline[one.name] = no_worse(value, bag, one)

    def against_peers(self, one: DataSet, value: float, middle: float, rank: int) -> None:
        self._ranks.append(rank)
        self._median.append(no_worse(value, middle, one))

    def timing(self, result: Result | None) -> None:
        if result is None:
            return
        if "error" in result:
            self._failed.append(str(result["dataset"]))
        else:
            self._overruns[result["dataset"]] = result["overrun"]

    def lines(self) -> list[str]:
        found = []
        if self._failed:
            found.append(f"- Failed: {', '.join(self._failed)}.")
        if self._overruns:
            worst = max(self._overruns, key=lambda name: self._overruns[name])
            found.append(f"- Worst time over the budget: {self._overruns[worst]:+.1%} ({worst}).")
        if self._baseline:
            worse = [name for name, good in self._baseline.items() if not good]
            n = len(self._baseline)
            tail = f"; worse on {', '.join(worse)}" if worse else ""
            found.append(f"- No worse than the baseline on {n - len(worse)} of {n}{tail}.")
        if self._ranks:
            found.append(
                f"- At or above the median peer on {sum(self._median)} of {len(self._median)}, "
                f"mean rank {mean(self._ranks):.2f}."
            )
        return found


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
