"""Whose turn it is: the portfolio in its order, then what the studies ask for."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from automl.ledger import Ledger
from automl.search.costs import Costs
from automl.search.portfolio import MOST_HASTE, RATES, Candidate, hastened
from automl.search.studies import Studies
from automl.search.trial import Trial

# An engine that fails so often in a row is not asked again: without any success, and with one.
_BENCH_AFTER, _BENCH_PROVEN_AFTER = 3, 6
_HASTES = (1.0, 1.4, 2.0, 2.8, MOST_HASTE)
_FORGET = 0.2  # of what is known of a source's gains, at each new one
_REPEATED = 4  # trials that may be repeated with other seeds


class _Worth:
    """Gain of the blend per second of training that a source of candidates had lately."""

    def __init__(self) -> None:
        # Nobody knows at first: as if a second had gained a thousandth.
        self._gain, self._seconds = 1e-3, 1.0

    def add(self, gain: float, seconds: float) -> None:
        self._gain = (1.0 - _FORGET) * self._gain + gain
        self._seconds = (1.0 - _FORGET) * self._seconds + seconds

    @property
    def per_second(self) -> float:
        return self._gain / self._seconds


class Candidates:
    """Gives the race its next candidates and learns from closed trials."""

    def __init__(
        self, portfolio: Iterable[Candidate], studies: Studies, costs: Costs, ledger: Ledger
    ) -> None:
        self._portfolio = deque(portfolio)
        self.costs = costs
        self._studies, self._ledger = studies, ledger
        self._failures: dict[str, int] = {}
        self._proven: set[str] = set()
        self._worth = {"optuna": _Worth(), "again": _Worth()}
        self._done: list[tuple[float, int, Candidate]] = []  # loss, number
        self._seeds: dict[int, int] = {}  # of a trial: how often it was repeated

    @property
    def studies(self) -> Studies:
        """What was searched, and what came of it."""
        return self._studies

    def tried(self, trials: Sequence[Trial]) -> None:
        """Leave out what an interrupted run has tried; what its clock stopped may come again."""
        known = {_design(trial.candidate) for trial in trials if trial.state != "stopped"}
        self._portfolio = deque(c for c in self._portfolio if _design(c) not in known)
        first = {_design(t.candidate): t.number for t in trials if t.candidate.seed == 0}
        for trial in trials:
            number = first.get(_design(trial.candidate))
            if number is not None and trial.candidate.seed:
                self._seeds[number] = max(self._seeds.get(number, 0), trial.candidate.seed)

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
        self, ends: Callable[[Candidate], float], left: float, *, first: bool
    ) -> Candidate | None:
        """The next candidate whose last fold `ends` within the `left` seconds, or None.

        A portfolio entry that needs up to a few times more is hastened; the first one always is.
        When the portfolio is tried, the studies are asked; what is too slow for the rest of the
        time makes room for the best so far with another seed.
        """
        while (candidate := self._from_portfolio()) is not None:
            found = _in_time(candidate, ends, left)
            if found is None and first:
                found = hastened(candidate, MOST_HASTE)
            name = f"{candidate.engine} ({candidate.recipe})"
            if found is None:
                reason = f"its folds would need about {ends(candidate):.1f} s"
                self._ledger.add("race", f"{name} is left out", reason)
                continue
            if found.params != candidate.params:
                self._ledger.add("race", f"{name} learns faster", "to end its folds in time")
            return found
        if left <= 0:
            return None
        sources = [self._searched, self._again]
        if self._worth["again"].per_second > self._worth["optuna"].per_second:
            sources.reverse()
        return sources[0](ends, left) or sources[1](ends, left)

    @property
    def searching(self) -> bool:
        """Whether the portfolio is tried."""
        return not self._portfolio

    def gained(self, trial: Trial, gain: float) -> None:
        """Learn what a finished trial added to the blend, as `Gains.take` says it."""
        source = trial.candidate.origin
        if source in self._worth:
            self._worth[source].add(gain, trial.seconds)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from closed trials, in their order."""
        for trial in trials:
            candidate, pruned = trial.candidate, trial.state == "pruned"
            self._count(trial)
            if trial.state == "done" and trial.loss is not None and not trial.by_clock:
                self._done.append((trial.loss, trial.number, candidate))
            loss = trial.objective_loss  # of a pruned trial: what it would likely have been
            if candidate.study_trial is not None:
                self._studies.tell(candidate, loss, pruned=pruned)
            elif loss is not None and (not pruned or candidate.origin == "optuna"):
                self._studies.seen(candidate, loss, pruned=pruned)

    def _count(self, trial: Trial) -> None:
        engine = trial.candidate.engine
        if trial.state in ("done", "pruned"):
            self._failures[engine] = 0
            self._proven.add(engine)
        elif trial.state == "failed":
            was_benched = self._benched(engine)
            self._failures[engine] = self._failures.get(engine, 0) + 1
            if self._benched(engine) and not was_benched:
                reason = (
                    f"{self._failures[engine]} trials in a row failed, the last: {trial.cause}"
                )
                self._ledger.add("race", f"{engine} is not tried again", reason, warning=True)

    def _benched(self, engine: str) -> bool:
        most = _BENCH_PROVEN_AFTER if engine in self._proven else _BENCH_AFTER
        return self._failures.get(engine, 0) >= most

    def _from_portfolio(self) -> Candidate | None:
        while self._portfolio:
            candidate = self._portfolio.popleft()
            if not self._benched(candidate.engine):
                return candidate
        return None

    def _asked(self) -> Candidate | None:
        return self._studies.ask(allowed=lambda c: not self._benched(c.engine))

    def _searched(self, ends: Callable[[Candidate], float], left: float) -> Candidate | None:
        """What the studies ask for, hastened where it would be too slow."""
        asked = self._studies.ask(
            seconds=self.costs.predict,
            allowed=lambda c: ends(c) <= left and not self._benched(c.engine),
        )
        if asked is None:
            return None
        found = _in_time(asked, ends, left)
        if found is not asked:  # other params than asked for
            self._studies.tell(asked, None, pruned=False)
        return found if found is None or found is asked else replace(found, study_trial=None)

    def _again(self, ends: Callable[[Candidate], float], left: float) -> Candidate | None:
        """One of the best trials with another seed, those repeated least first."""
        best = sorted(entry for entry in self._done if entry[2].seed == 0)[:_REPEATED]
        for _, number, candidate in sorted(best, key=lambda e: (self._seeds.get(e[1], 0), e[:2])):
            if ends(candidate) <= left and not self._benched(candidate.engine):
                seed = self._seeds[number] = self._seeds.get(number, 0) + 1
                return replace(candidate, origin="again", seed=seed, study_trial=None)
        return None


def _design(candidate: Candidate) -> str:
    """What two candidates share that differ in haste or seed only."""
    params = {name: value for name, value in candidate.params.items() if name not in RATES}
    return json.dumps([candidate.engine, candidate.recipe, params], sort_keys=True)


def _in_time(
    candidate: Candidate, ends: Callable[[Candidate], float], left: float
) -> Candidate | None:
    """`candidate`, or with the least haste that lets it end within `left` seconds."""
    for haste in _HASTES:
        found = candidate if haste == 1.0 else hastened(candidate, haste)
        if ends(found) <= left:
            return found
    return None
