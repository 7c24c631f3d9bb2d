"""Chooses the order of the portfolio from what `benchmarks.portfolio` kept.

python -m benchmarks.portfolio_order STORE... [--steps 12] [--power 0.5] [--left-out]

Greedy: the next configuration is the one whose addition to the blend of those before it lowers
the out-of-fold loss most, averaged over the sets, per (relative CPU seconds)^power. Losses of a
set are scaled to 0 = a greedy blend of everything, 1 = its median configuration. `--left-out`
chooses without each set in turn and says how an order found elsewhere does on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from scipy.stats import rankdata

_MAX_ROWS = 4000  # of a set, on which blends are compared
_WEIGHTS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)  # with which a member is mixed into a blend
_NOTHING = 3.0  # scaled loss of an empty portfolio


@dataclass(frozen=True)
class Evidence:
    """One data set: out-of-fold margins and CPU seconds of each configuration tried on it."""

    name: str
    task: str
    y: np.ndarray
    oof: Mapping[str, np.ndarray]
    seconds: Mapping[str, float]
    low: float = field(init=False)
    high: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "high", float(np.median([self.loss(m) for m in self.oof.values()]))
        )
        blend = Blend(self)
        while (best := min(self.oof, key=lambda name: blend.with_member(name).loss)) is not None:
            better = blend.with_member(best)
            if not better.loss < blend.loss - 1e-4 * abs(self.high):
                break
            blend = better
        object.__setattr__(self, "low", blend.loss)

    @classmethod
    def read(cls, folder: Path) -> Evidence:
        facts = np.load(folder / "truth.npz")
        y = facts["y"]
        rows = np.sort(np.random.default_rng(0).permutation(len(y))[:_MAX_ROWS])
        oof, seconds = {}, {}
        for path in sorted(folder.glob("*.npz")):
            if path.stem != "truth" and not path.stem.endswith(".part"):
                kept = np.load(path)
                oof[path.stem] = kept["oof"][rows].astype(np.float64)
                seconds[path.stem] = float(kept["seconds"])
        return cls(folder.name, str(facts["task"]), y[rows], oof, seconds)

    def loss(self, margin: np.ndarray) -> float:
        """1 - ROC AUC, log loss or root mean squared error of (n, k) margins."""
        if self.task == "binary":
            positive = self.y > 0
            ranks = rankdata(margin[:, 0])[positive]
            n_positive, n_negative = len(ranks), len(self.y) - len(ranks)
            above = ranks.sum() - n_positive * (n_positive + 1) / 2
            return float(1.0 - above / (n_positive * n_negative))
        if self.task == "regression":
            return float(np.sqrt(np.mean((self.y - margin[:, 0]) ** 2)))
        shifted = margin - margin.max(axis=1, keepdims=True)
        own = shifted[np.arange(len(self.y)), self.y.astype(int)]
        return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - own))

    def gap(self, loss: float) -> float:
        """`loss` scaled: 0 = the blend of everything, 1 = the median configuration."""
        if not np.isfinite(loss):
            return _NOTHING
        return min((loss - self.low) / max(self.high - self.low, 1e-12), _NOTHING)

    def cost(self, name: str) -> float:
        """CPU seconds relative to this set's median configuration."""
        return float(self.seconds[name] / np.median(list(self.seconds.values())))


@dataclass(frozen=True)
class Blend:
    """A running blend of one set's configurations."""

    one: Evidence
    margin: np.ndarray | None = None
    loss: float = np.inf

    def with_member(self, name: str) -> Blend:
        """The blend with `name` mixed in at the best weight, or as it is."""
        if name not in self.one.oof:
            return self
        margin = self.one.oof[name]
        if self.margin is None:
            return Blend(self.one, margin, self.one.loss(margin))
        mixed = [(1.0 - w) * self.margin + w * margin for w in _WEIGHTS]
        losses = [self.one.loss(m) for m in mixed]
        best = int(np.argmin(losses))
        return Blend(self.one, mixed[best], losses[best]) if losses[best] < self.loss else self


@click.command()
@click.argument("stores", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--steps", type=int, default=12, help="Length of the order  [12]")
@click.option("--power", type=float, default=0.5, help="Of the seconds that divide a gain  [0.5]")
@click.option("--left-out", is_flag=True, help="Leave each set out in turn, too")
def main(stores: tuple[Path, ...], steps: int, power: float, left_out: bool) -> None:
    """Print the order, what each step leaves to gain, and the median seconds so far."""
    folders = [folder for store in stores for folder in sorted(store.iterdir())]
    sets = [Evidence.read(folder) for folder in folders if (folder / "truth.npz").is_file()]
    order = chosen(sets, steps, power)
    click.echo("| step | configuration | gap | relative cost |\n|---|---|---|---|")
    for step, name in enumerate(order, start=1):
        gap = np.mean([blended(one, order[:step]) for one in sets])
        cost = np.median([one.cost(name) for one in sets if name in one.oof])
        click.echo(f"| {step} | {name} | {gap:.3f} | {cost:.2f} |")
    if left_out:
        click.echo("\n| left out | gap, order of all | gap, order of the others |\n|---|---|---|")
        for one in sets:
            others = chosen([other for other in sets if other is not one], steps, power)
            here = blended(one, order), blended(one, others)
            click.echo(f"| {one.name} | {here[0]:.3f} | {here[1]:.3f} |")


def blended(one: Evidence, order: Sequence[str]) -> float:
    """Scaled loss of the running blend of `order` on a set."""
    blend = Blend(one)
    for name in order:
        blend = blend.with_member(name)
    return one.gap(blend.loss)


def chosen(sets: Sequence[Evidence], steps: int, power: float) -> list[str]:
    """The greedy order over these sets."""
    names = sorted({name for one in sets for name in one.oof})
    blends = {one.name: Blend(one) for one in sets}
    order: list[str] = []
    for _ in range(min(steps, len(names))):
        best = max(
            (name for name in names if name not in order),
            key=lambda name: _worth(name, sets, blends, power),
        )
        order.append(best)
        blends = {name: blend.with_member(best) for name, blend in blends.items()}
    return order


def _worth(
    name: str, sets: Sequence[Evidence], blends: Mapping[str, Blend], power: float
) -> float:
    """Mean fall of the scaled loss over all sets, per relative cost where it was tried."""
    falls, costs = 0.0, []
    for one in sets:
        if name in one.oof:
            before = blends[one.name]
            falls += one.gap(before.loss) - one.gap(before.with_member(name).loss)
            costs.append(one.cost(name))
    return falls / len(sets) / float(np.mean(costs)) ** power


if __name__ == "__main__":
    main()
