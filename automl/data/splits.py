"""What a validation is made of: its splits, and why they are as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LONGEST = 60  # letters of a label in a warning

IntArray = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """Rising row indices of one fold; `repeat` counts from 0.

    echo: training rows that choices count beside the valid ones (`data.echo`); usually none.
    """

    train: IntArray
    valid: IntArray
    repeat: int = 0
    echo: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def scored(self) -> IntArray:
        """The valid rows, then the echoes: the rows whose margins are predicted."""
        return np.concatenate([self.valid, self.echo]) if len(self.echo) else self.valid


@dataclass(frozen=True)
class Folds:
    """The splits of a run and why they are as they are.

    scheme: "stratified" (by class), "kfold" (regression, even in the target's quantiles),
        "group", "time" or "holdout".
    warnings: what a person should know; `messages` adds what is to say about classes.
    refit: the shipped model must be trained again on all rows, as no split has used them fairly.
    singletons: classes that are never validated: one row, or one set of rows that must stay
        together, holds them.
    rare: other classes with fewer rows than folds; only some folds validate them.
    repeat_share: share of new rows that the splits' echoes stand for (`data.echo`).
    """

    splits: tuple[Split, ...]
    scheme: str
    reason: str
    warnings: tuple[str, ...] = ()
    refit: bool = False
    n_repeats: int = 1
    singletons: tuple[int, ...] = ()
    rare: tuple[int, ...] = ()
    repeat_share: float = 0.0

    def messages(self, classes: Sequence[str]) -> tuple[str, ...]:
        """All warnings, those about classes included; `classes` are the names by class index."""
        found = list(self.warnings)
        if self.singletons:
            found.append(
                f"{_named(self.singletons, classes)}: the only row (or rows that stay together) "
                "remains in training in every fold, so no score covers it."
            )
        if self.rare:
            found.append(
                f"{_named(self.rare, classes)}: fewer rows or groups than folds, so only some "
                "folds validate it."
            )
        return tuple(found)


@dataclass(frozen=True)
class Strata:
    """The classes or bins of the target, which every fold should hold; strata: (n,)."""

    strata: IntArray
    n_strata: int
    classes: bool
    seed: int

    @property
    def n(self) -> int:
        return len(self.strata)


def _named(indices: tuple[int, ...], classes: Sequence[str]) -> str:
    """'Class 'a'' or 'Classes 'a', 'b' and 3 more'."""
    names = [repr(classes[i][:_LONGEST]) for i in indices[:5]]
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    return f"Class{'es' if len(indices) > 1 else ''} {', '.join(names)}{more}"
