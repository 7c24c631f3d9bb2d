"""The ledger: every decision of a run with its reason; and `Progress`, who listens to a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Decision:
    """One choice: what was decided, why, what it cost in seconds (None = nothing worth saying)."""

    topic: str  # "data", "task", "columns", "folds", "race", "blend", "threshold", "explain", …
    decision: str
    reason: str = ""
    seconds: float | None = None
    warning: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class BoardRow:
    """One row of the leaderboard. Scores are the metric's own units, cross-validated."""

    name: str  # e.g. "lightgbm-3"
    engine: str
    recipe: str
    state: str  # "running", "done", "pruned", "failed", "stopped"
    score: float | None
    spread: float | None  # standard deviation over folds
    seconds: float  # core-seconds of training
    folds_done: int
    n_folds: int
    weight: float = 0.0  # in the blend
    within_noise: bool | None = None  # of the best score; None = not known


@dataclass(frozen=True)
class Board:
    """The state of the race at one moment. `left` is None without a time budget."""

    metric: str
    higher_is_better: bool
    rows: Sequence[BoardRow]
    blend_score: float | None
    spent: float
    budget: float | None
    trials_done: int
    trials_planned: int | None
    running: Sequence[str]  # names of the trials in training


class Progress(Protocol):
    """Who is told what a run does: the terminal, a log, a notebook, or nobody."""

    def stage(self, title: str) -> None:
        """A new stage begins: "Reading", "Race", …"""

    def decided(self, decision: Decision) -> None:
        """A line for the ledger was written."""

    def board(self, board: Board) -> None:
        """The race moved on; called a few times a second at most."""


class Silent:
    """A `Progress` that tells nobody."""

    def stage(self, title: str) -> None:
        return

    def decided(self, decision: Decision) -> None:
        return

    def board(self, board: Board) -> None:
        return


@dataclass
class Ledger:
    """The decisions of one run in order; each is passed on to `progress` as it is made."""

    progress: Progress = field(default_factory=Silent)
    decisions: list[Decision] = field(default_factory=list)

    def add(
        self,
        topic: str,
        decision: str,
        reason: str = "",
        *,
        seconds: float | None = None,
        warning: bool = False,
    ) -> None:
        """Write one decision down."""
        entry = Decision(topic, decision, reason, seconds, warning)
        self.decisions.append(entry)
        self.progress.decided(entry)

    @property
    def warnings(self) -> list[str]:
        return [d.decision for d in self.decisions if d.warning]
