"""Chooses the order of the portfolio from what `benchmarks.portfolio` kept.

python -m benchmarks.portfolio_order STORE... [--steps 12] [--power 0.5] [--left-out]

Greedy: the next configuration is the one that lowers the out-of-fold loss of the blend of all
chosen so far most, averaged over the sets, per (CPU seconds)^power. Losses of a set are scaled to
0 = the blend of everything, 1 = its median configuration. `--left-out` repeats the choice without
each set in turn and says how the order found elsewhere does on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import click
import numpy as np
from sklearn import metrics

from automl.search.blend import blended, greedy_blend

_MAX_ROWS = 3000  # of a set: orders of ten candidates need thousands of blends


@dataclass(frozen=True)
class Evidence:
    """One data set: margins and CPU seconds of every configuration that was tried on it."""

    name: str
    task: str
    y: np.ndarray
    y_test: np.ndarray
    oof: Mapping[str, np.ndarray]
    test: Mapping[str, np.ndarray]
    seconds: Mapping[str, float]
    _gaps: dict[frozenset[str], float] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Evidence:
        facts = np.load(folder / "truth.npz")
        found = {
            path.stem: np.load(path)
            for path in sorted(folder.glob("*.npz"))
            if path.stem != "truth" and not path.stem.endswith(".part")
        }
        y = facts["y"]
        rows = np.sort(np.random.default_rng(0).permutation(len(y))[:_MAX_ROWS])
        return cls(
            folder.name,
            str(facts["task"]),
            y[rows],
            facts["y_test"],
            {name: one["oof"][rows].astype(np.float64) for name, one in found.items()},
            {name: one["test"] for name, one in found.items()},
            {name: float(one["seconds"]) for name, one in found.items()},
        )

    def loss(self, margin: np.ndarray, *, test: bool = False) -> float:
        """1 - ROC AUC, log loss or root mean squared error of a margin."""
        y = self.y_test if test else self.y
        if self.task == "binary":
            return 1.0 - float(metrics.roc_auc_score(y, margin[:, 0]))
        if self.task == "regression":
            return float(np.sqrt(np.mean((y - margin[:, 0]) ** 2)))
        shifted = margin - margin.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1))
        own = shifted[np.arange(len(y)), y.astype(int)]
        return float(np.mean(log_sum - own))

    def weights(self, names: Sequence[str]) -> Mapping[str, float]:
        """The blend of these configurations, chosen out-of-fold as a run chooses it."""
        margins = {name: self.oof[name] for name in names if name in self.oof}
        best = min(self.loss(margin) for margin in margins.values())
        scale = max(self.baseline - best, 1e-12)
        return greedy_blend(margins, self.loss, scale=scale, rounds=12).weights

    @cached_property
    def baseline(self) -> float:
        """Loss of the constant margin."""
        if self.task == "binary":
            return 0.5
        if self.task == "regression":
            return float(np.std(self.y))
        share = np.bincount(self.y.astype(int)) / len(self.y)
        share = share[share > 0]
        return float(-(share * np.log(share)).sum())

    @cached_property
    def scale(self) -> tuple[float, float]:
        """(loss of the blend of everything, loss of the median configuration)."""
        everything = self.loss(blended(self.weights(list(self.oof)), self.oof))
        return everything, float(np.median([self.loss(margin) for margin in self.oof.values()]))

    def gap(self, names: Sequence[str]) -> float:
        """Scaled out-of-fold loss of the blend of those of `names` that were tried here."""
        tried = frozenset(names) & frozenset(self.oof)
        if not tried:
            return 2.0
        if tried not in self._gaps:
            low, high = self.scale
            loss = self.loss(blended(self.weights(sorted(tried)), self.oof))
            self._gaps[tried] = (loss - low) / max(high - low, 1e-12)
        return self._gaps[tried]

    def test_loss(self, names: Sequence[str]) -> float:
        """Loss on the test rows of the blend of `names`."""
        tried = [name for name in names if name in self.oof]
        return self.loss(blended(self.weights(tried), self.test), test=True)


@click.command()
@click.argument("stores", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--steps", type=int, default=12, help="Length of the order  [12]")
@click.option("--power", type=float, default=0.5, help="Of the seconds that divide a gain  [0.5]")
@click.option("--left-out", is_flag=True, help="Leave each set out in turn, too")
def main(stores: tuple[Path, ...], steps: int, power: float, left_out: bool) -> None:
    """Print the order, what each step leaves to gain, and the median seconds so far."""
    folders = [folder for store in stores for folder in sorted(store.iterdir())]
    sets = [Evidence.read(folder) for folder in folders if (folder / "truth.npz").is_file()]
    sets = [one for one in sets if len(one.oof) > 1]
    order = chosen(sets, steps, power)
    click.echo("| step | configuration | gap (out-of-fold) | CPU s, median |\n|---|---|---|---|")
    for step in range(1, len(order) + 1):
        gap = np.mean([one.gap(order[:step]) for one in sets])
        spent = np.median([sum(one.seconds.get(n, 0.0) for n in order[:step]) for one in sets])
        click.echo(f"| {step} | {order[step - 1]} | {gap:.3f} | {spent:.0f} |")
    if left_out:
        click.echo("\n| left out | gap, order of all | gap, order of the others |\n|---|---|---|")
        for one in sets:
            others = chosen([other for other in sets if other is not one], steps, power)
            click.echo(f"| {one.name} | {one.gap(order):.3f} | {one.gap(others):.3f} |")


def chosen(sets: Sequence[Evidence], steps: int, power: float) -> list[str]:
    """The greedy order over these sets."""
    names = sorted({name for one in sets for name in one.oof})
    order: list[str] = []
    gaps = {one.name: 2.0 for one in sets}
    for _ in range(min(steps, len(names))):
        gains = {}
        for name in names:
            if name in order:
                continue
            saved = [gaps[one.name] - one.gap([*order, name]) for one in sets if name in one.oof]
            relative = [
                one.seconds[name] / np.median(list(one.seconds.values()))
                for one in sets
                if name in one.oof
            ]
            gains[name] = np.sum(saved) / len(sets) / np.mean(relative) ** power
        best = max(gains, key=lambda name: gains[name])
        order.append(best)
        gaps = {one.name: one.gap(order) for one in sets}
    return order


if __name__ == "__main__":
    main()
