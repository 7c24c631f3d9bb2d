"""What each line of a journal must hold, since anybody may have changed it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from automl.search.trial import State

Check = Callable[[Any], bool]

_MOST_TRIALS: Final = 10**6
_MOST_SPLITS: Final = 10**4
_MOST_SECONDS: Final = 1e9


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**53)


def _seconds(value: Any) -> bool:
    return _number(value) and 0 <= value < _MOST_SECONDS  # NaN is not


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _each(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _all(check: Check, *, least: int = 0) -> Check:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(check, value))


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


_TRIAL: Final[Mapping[str, Check]] = {
    "trial": lambda value: _count(value) and value < _MOST_TRIALS,
    "n_splits": lambda value: _count(value) and 0 < value <= _MOST_SPLITS,
    "state": lambda value: value in get_args(State),
    **dict.fromkeys(("name", "engine", "recipe", "origin", "cause"), _text),
    **dict.fromkeys(("score", "loss", "objective_loss"), _or_none(_number)),
    **dict.fromkeys(("n_trees", "model_bytes"), _all(_count)),
    **dict.fromkeys(("seconds", "predict_seconds"), _seconds),
    "fold_scores": _all(_number),
    "params": _object,
    "seed": _count,
    "cost": lambda value: _number(value) and math.isfinite(value),
}
_SHAPES: Final[Mapping[str, Mapping[str, Check]]] = {
    "start": {
        **dict.fromkeys(("data", "prepared", "metric"), _text),
        "higher_is_better": _flag,
        "fewer": _or_none(_object),
    },
    "trial": _TRIAL,
    "closed": _TRIAL,
    "fold": {
        **dict.fromkeys(("trial", "split", "n_trained", "model_bytes"), _count),
        **dict.fromkeys(("max_trees", "patience"), _count),
        "curve": _all(_number, least=1),
        "seconds": _seconds,
        "by_clock": _flag,
    },
    "blend": {"weights": _each(_number)},
    "refit": {"stops": _each(_count)},
    "student": {"stops": _each(_count)},
    "bag": {
        "slope": lambda value: _number(value) and 0.1 <= value <= 10.0,
        "shift": lambda value: _number(value) and abs(value) <= 100.0,
    },
}


class Checked:
    """Takes the events of one journal in order; `take` raises ValueError for what no run writes.

    Events of other kinds than those that a run goes on from are taken as they are.
    """

    def __init__(self) -> None:
        self._splits: list[int] = []  # of each trial that has begun

    def take(self, event: Any) -> dict[str, Any]:
        """`event`, which is an object with a kind and whatever that kind needs."""
        if not isinstance(event, dict) or not _text(event.get("event")):
            raise ValueError("not an event")
        kind = event["event"]
        _refuse_wrong(event, {"spent": _seconds, **_SHAPES.get(kind, {})})
        if kind in ("trial", "closed", "fold"):
            self._take_trial(kind, event)
        return event

    def _take_trial(self, kind: str, event: Mapping[str, Any]) -> None:
        number = event["trial"]
        if kind == "trial" and number == len(self._splits):
            self._splits.append(event["n_splits"])
        if number >= len(self._splits):
            raise ValueError(f"trial {number} has not begun")
        splits = event["split"] + 1 if kind == "fold" else event["n_splits"]
        if splits > self._splits[number] or (kind != "fold" and splits < self._splits[number]):
            raise ValueError(f"trial {number} has {self._splits[number]} splits")


def _refuse_wrong(event: Mapping[str, Any], shape: Mapping[str, Check]) -> None:
    for name, is_right in shape.items():
        if name not in event:
            raise ValueError(f"{event['event']!r:.40} lacks {name!r}")
        if not is_right(event[name]):
            raise ValueError(f"{event['event']!r:.40} has {event[name]!r:.60} as {name!r}")
