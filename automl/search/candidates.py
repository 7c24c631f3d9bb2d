"""Whose turn it is: the portfolio in its order, then what the studies ask for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from automl.ledger import Ledger
from automl.search.costs import Costs
from automl.search.portfolio import MOST_HASTE, Candidate, hastened
from automl.search.studies import Studies
from automl.search.trial import Trial

# An engine that fails this often without any success is not asked again.
_BENCH_AFTER = 2


class Candidates:
    """Gives the race its next candidates and learns from closed trials."""

    def __init__(
        self, portfolio: Iterable[Candidate], studies: Studies, costs: Costs, ledger: Ledger
    ) -> None:
        self._portfolio = deque(portfolio)
        self._studies, self._costs, self._ledger = studies, costs, ledger
        self._failures: dict[str, int] = {}
        self._succeeded: set[str] = set()

    def batch(self, size: int) -> list[Candidate]:
        """The next candidates, whatever they cost: `size`, or fewer if nothing is left to try."""
        found: list[Candidate] = []
        while len(found) < size:
            candidate = self._from_portfolio() or self._asked()
            if candidate is None:
                break
            found.append(candidate)
        return found

    def fitting(
        self, wall_seconds: Callable[[Candidate], float], free: float, *, first: bool
    ) -> Candidate | None:
        """The next candidate whose `wall_seconds` are at most `free`, or None.

        A portfolio entry that needs a few times more is hastened; the first one always is.
        """
        while (candidate := self._from_portfolio()) is not None:
            need = wall_seconds(candidate)
            haste = need / max(free, 1e-9)
            name = f"{candidate.engine} ({candidate.recipe})"
            if haste <= 1.0:
                return candidate
            if haste <= MOST_HASTE or first:
                faster = hastened(candidate, haste)
                if faster.params != candidate.params:
                    self._ledger.add("race", f"{name} learns faster", "to end its folds in time")
                return faster
            self._ledger.add(
                "race", f"{name} is left out", f"its folds would need about {need:.1f} s"
            )
        if first or free <= 0:
            return None
        return self._studies.ask(
            seconds=self._costs.predict,
            allowed=lambda c: wall_seconds(c) <= free and not self._benched(c.engine),
        )

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from closed trials, in their order."""
        for trial in trials:
            candidate, pruned = trial.candidate, trial.state == "pruned"
            self._count(trial)
            loss = trial.objective_loss  # of a pruned trial: what it would likely have been
            if candidate.study_trial is not None:
                self._studies.tell(candidate, loss, pruned=pruned)
            elif loss is not None and not pruned:
                self._studies.seen(candidate, loss)

    def _count(self, trial: Trial) -> None:
        engine = trial.candidate.engine
        if trial.state == "done":
            self._succeeded.add(engine)
        elif trial.state == "failed":
            self._failures[engine] = self._failures.get(engine, 0) + 1
            if self._benched(engine):
                self._ledger.add(
                    "race", f"{engine} is not tried again", "it only failed", warning=True
                )

    def _benched(self, engine: str) -> bool:
        return engine not in self._succeeded and self._failures.get(engine, 0) >= _BENCH_AFTER

    def _from_portfolio(self) -> Candidate | None:
        while self._portfolio:
            candidate = self._portfolio.popleft()
            if not self._benched(candidate.engine):
                return candidate
        return None

    def _asked(self) -> Candidate | None:
        return self._studies.ask(allowed=lambda c: not self._benched(c.engine))
