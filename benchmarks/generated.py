"""Writes a suite of data sets, shipped with scikit-learn or generated.

python -m benchmarks.generated FOLDER            # FOLDER/NAME/{train,test}.csv, meta.json
python -m benchmarks.generated FOLDER --large    # only the table of a million rows
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd

from benchmarks.columns import Floats, Generator, flags, levels, numbered, sigmoid, typo, with_gaps
from benchmarks.large import large_chunks

LARGE = "large"
_TEST_SHARE = 0.25  # of the shipped tables


@dataclass(frozen=True)
class Recipe:
    """How one generated set is made: `make(rng, n)` draws n rows, target included.

    All rows come from one call, so that what is drawn once (effects of levels, weights of
    columns) is the same for training and test rows.
    """

    task: str
    target: str
    n_train: int
    n_test: int
    make: Callable[[Generator, int], pd.DataFrame]


# -- the sets ----------------------------------------------------------------------------------


def tiny(rng: Generator, n: int) -> pd.DataFrame:
    """A hundred training rows: one strong column, two weak ones, one group, noise."""
    frame = numbered(rng.normal(size=(n, 7)))
    group = rng.integers(0, 3, n)
    logit = 1.4 * frame["x000"] - 0.7 * frame["x001"] + 0.6 * np.abs(frame["x002"])
    frame["group"] = levels("g", 3)[group]
    frame["answer"] = flags(rng, logit.to_numpy() + np.array([-0.8, 0.0, 0.9])[group] - 0.5)
    return frame


def wide(rng: Generator, n: int) -> pd.DataFrame:
    """1,500 columns of which twelve matter, some through noisy copies."""
    hidden = rng.normal(size=(n, 12))
    values = rng.normal(size=(n, 1500))
    places = rng.permutation(1500)
    values[:, places[:12]] = hidden
    values[:, places[12:24]] = hidden + 0.7 * rng.normal(size=(n, 12))
    weights = np.linspace(1.3, 0.3, 12) * rng.choice([-1.0, 1.0], 12)
    logit = hidden @ weights + 0.8 * (hidden[:, 0] * hidden[:, 1])
    frame = numbered(values, "gene")
    frame["outcome"] = flags(rng, logit)
    return frame


def many_classes(rng: Generator, n: int) -> pd.DataFrame:
    """Thirty uneven classes around centres in twelve dimensions; a colour hints at some."""
    shares = rng.dirichlet(np.full(30, 4.0))
    code = rng.choice(30, n, p=shares)
    code[:300] = np.arange(300) % 30  # every class is there
    centres = rng.normal(scale=1.35, size=(30, 12))
    spread = rng.uniform(0.7, 1.5, size=(30, 12))
    frame = numbered(centres[code] + spread[code] * rng.normal(size=(n, 12)))
    colour = np.where(rng.uniform(size=n) < 0.6, code % 7, rng.integers(0, 7, n))
    frame["colour"] = levels("c", 7)[colour]
    frame["kind"] = levels("kind", 30)[code]
    return frame


def rare(rng: Generator, n: int) -> pd.DataFrame:
    """One positive in a hundred, from a bend, a product and a level."""
    frame = numbered(rng.normal(size=(n, 12)))
    country = rng.choice(25, n, p=rng.dirichlet(np.full(25, 1.0)))
    effect = rng.normal(scale=0.7, size=25)
    x = frame.to_numpy()
    logit = 1.2 * np.maximum(x[:, 0], 0.0) + 0.9 * x[:, 1] * x[:, 2] - 0.8 * (x[:, 3] > 1.0)
    logit = logit + 0.5 * x[:, 4] + effect[country]
    base = _intercept(logit, 0.01)
    frame["amount"] = np.exp(1.5 * rng.normal(size=n) + 3.0).round(2)
    frame["country"] = levels("ct", 25)[country]
    frame["fraud"] = flags(rng, logit + base)
    return frame


def _intercept(logit: Floats, share: float) -> float:
    """What to add to the logits for this share of positives, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if sigmoid(logit + middle).mean() < share else (low, middle)
    return low


def ids(rng: Generator, n: int) -> pd.DataFrame:
    """Regression where 3,000 customers and 400 shops each have a level of their own."""
    customer = np.minimum(rng.zipf(1.25, n) - 1, 2999) * 7919 % 3000
    customer = np.where(rng.uniform(size=n) < 0.5, rng.integers(0, 3000, n), customer)
    shop = rng.integers(0, 400, n)
    person, place = rng.normal(scale=1.2, size=3000), rng.normal(scale=0.8, size=400)
    hour, basket = rng.integers(7, 23, n), rng.poisson(4, n) + 1
    spend = 3.0 + person[customer] + place[shop] + 0.45 * np.sqrt(basket)
    spend = spend + 0.3 * np.cos((hour - 18) / 24 * 2 * np.pi) + rng.normal(scale=0.7, size=n)
    return pd.DataFrame(
        {
            "customer_id": [f"C{100000 + 37 * int(code)}" for code in customer],
            "shop_id": 5000 + 13 * shop,
            "hour": hour,
            "basket": basket,
            "card": np.where(rng.uniform(size=n) < 0.6, "debit", "credit"),
            "spend": spend.round(4),
        }
    )


_THINGS = (
    "phone", "case", "laptop", "charger", "shoes", "jacket", "lamp", "table", "chair", "watch",
    "bottle", "guitar", "camera",
)  # fmt: skip
_MAKES = (
    "northwind", "acme", "zephyr", "orion", "lumina", "kestrel", "vertex", "solace", "quanta",
    "riverstone",
)  # fmt: skip
_WORDS = (
    "new", "used", "leather", "wooden", "steel", "vintage", "kids", "pro", "mini", "large",
    "set", "of", "two", "with", "box",
)  # fmt: skip
_SIGNS = ("luxury", "broken", "limited", "refurbished", "handmade", "spare")


def titles(rng: Generator, n: int) -> pd.DataFrame:
    """Prices from free titles with misspelt words, and a brand typed in by hand."""
    thing, make = rng.integers(0, len(_THINGS), n), rng.integers(0, len(_MAKES), n)
    signs = rng.uniform(size=(n, len(_SIGNS))) < 0.15
    worth = np.array([0.9, -1.1, 0.6, -0.4, 0.5, -0.7])
    log_price = rng.normal(scale=0.9, size=len(_THINGS))[thing] + 3.5
    log_price = log_price + rng.normal(scale=0.5, size=len(_MAKES))[make] + signs @ worth
    weight = rng.gamma(2.0, 1.5, n)
    log_price = log_price + 0.15 * np.log1p(weight) + rng.normal(scale=0.3, size=n)
    text, brand = [], []
    for i in range(n):
        words = [_MAKES[make[i]], _THINGS[thing[i]]]
        words += [_SIGNS[j] for j in np.flatnonzero(signs[i])]
        words += [str(w) for w in rng.choice(_WORDS, int(rng.integers(1, 5)), replace=False)]
        words = [words[j] for j in rng.permutation(len(words))]
        text.append(" ".join(typo(rng, w) if rng.uniform() < 0.12 else w for w in words))
        name = _MAKES[make[i]] if rng.uniform() < 0.75 else typo(rng, _MAKES[make[i]])
        brand.append(name.title() if rng.uniform() < 0.3 else name)
    return pd.DataFrame(
        {
            "title": text,
            "brand": brand,
            "weight_kg": with_gaps(rng, weight, 0.1).round(2),
            "photos": rng.poisson(3, n),
            "price": np.exp(log_price).round(2),
        }
    )


def skewed(rng: Generator, n: int) -> pd.DataFrame:
    """Multiplicative effects, so a long tail to the right, and one row in a hundred far off."""
    frame = numbered(rng.normal(size=(n, 10)))
    region = rng.integers(0, 12, n)
    x = frame.to_numpy()
    log_cost = 6.0 + 0.5 * x[:, 0] + 0.4 * np.tanh(2 * x[:, 1]) + 0.3 * x[:, 2] * (x[:, 3] > 0)
    log_cost = log_cost + rng.normal(scale=0.4, size=12)[region] + rng.normal(scale=0.45, size=n)
    cost = np.exp(log_cost)
    off = rng.uniform(size=n) < 0.01
    cost = np.where(off, cost * np.exp(rng.normal(scale=2.0, size=n)), cost)
    frame["region"] = levels("r", 12)[region]
    frame["cost"] = cost.round(2)
    return frame


def crosses(rng: Generator, n: int) -> pd.DataFrame:
    """Six categories that say nothing alone: what counts are two pairs and a triple."""
    sizes = (8, 6, 10, 5, 7, 4)
    codes = [rng.integers(0, size, n) for size in sizes]
    pair = rng.normal(scale=1.0, size=(8, 6))
    other = rng.normal(scale=0.9, size=(10, 5))
    triple = rng.normal(scale=0.9, size=(8, 7, 4))
    logit = _centred(pair)[codes[0], codes[1]] + _centred(other)[codes[2], codes[3]]
    logit = logit + _centred(triple)[codes[0], codes[4], codes[5]]
    frame = pd.DataFrame(
        {f"cat{i}": levels("abcdef"[i], size)[codes[i]] for i, size in enumerate(sizes)}
    )
    number = rng.normal(size=(n, 3))
    frame = pd.concat([frame, numbered(number)], axis=1)
    frame["result"] = flags(rng, logit + 0.3 * number[:, 0])
    return frame


def _centred(table: Floats) -> Floats:
    """`table` without the effects of single axes, twice over so that little remains."""
    for _ in range(2):
        for axis in range(table.ndim):
            rest = tuple(i for i in range(table.ndim) if i != axis)
            table = table - table.mean(axis=rest, keepdims=True)
    return table


def noisy(rng: Generator, n: int) -> pd.DataFrame:
    """Near-linear with much noise: thirty small effects, correlated columns."""
    mixing = rng.normal(size=(30, 30)) * 0.35 + np.eye(30)
    values = rng.normal(size=(n, 30)) @ mixing
    weights = rng.normal(scale=0.13, size=30)
    logit = values @ weights + 0.1 * np.maximum(values[:, 0], 0.0)
    frame = numbered(values)
    for name in ("x003", "x007", "x011"):
        frame[name] = with_gaps(rng, frame[name].to_numpy(), 0.08)
    frame["churned"] = flags(rng, logit - 0.8)
    return frame


def dates(rng: Generator, n: int) -> pd.DataFrame:
    """Demand by trend, season, weekday and hour, all of it inside a written date."""
    moment = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 3 * 365 * 24, n), "h")
    opened = moment - pd.to_timedelta(rng.gamma(2.0, 200.0, n).round(), "D")
    day = moment.day_of_year.to_numpy()
    demand = 40.0 + 0.02 * (moment - moment.min()).days.to_numpy()
    demand = demand + 12.0 * np.sin(2 * np.pi * (day - 80) / 365.25)
    demand = demand + np.where(moment.day_of_week >= 5, 9.0, 0.0)
    demand = demand + 6.0 * np.cos(2 * np.pi * (moment.hour.to_numpy() - 18) / 24)
    demand = demand + 0.006 * np.minimum((moment - opened).days.to_numpy(), 900)
    return pd.DataFrame(
        {
            "moment": moment.strftime("%Y-%m-%d %H:%M"),
            "opened": opened.strftime("%d/%m/%Y"),
            "site": levels("s", 5)[rng.integers(0, 5, n)],
            "demand": (demand + rng.normal(scale=6.0, size=n)).round(2),
        }
    )


GENERATED: dict[str, Recipe] = {
    "tiny": Recipe("binary", "answer", 100, 2000, tiny),
    "wide": Recipe("binary", "outcome", 300, 1500, wide),
    "classes": Recipe("multiclass", "kind", 3000, 2000, many_classes),
    "rare": Recipe("binary", "fraud", 20_000, 15_000, rare),
    "ids": Recipe("regression", "spend", 15_000, 5000, ids),
    "titles": Recipe("regression", "price", 6000, 3000, titles),
    "skewed": Recipe("regression", "cost", 5000, 4000, skewed),
    "crosses": Recipe("binary", "result", 8000, 5000, crosses),
    "noisy": Recipe("binary", "churned", 4000, 6000, noisy),
    "dates": Recipe("regression", "demand", 6000, 3000, dates),
}
SHIPPED: dict[str, tuple[str, str]] = {  # name -> (loader in sklearn.datasets, task)
    "cancer": ("load_breast_cancer", "binary"),
    "diabetes": ("load_diabetes", "regression"),
    "digits": ("load_digits", "multiclass"),
    "vines": ("load_wine", "multiclass"),
}


# -- writing -----------------------------------------------------------------------------------


def write_set(
    folder: Path, name: str, task: str, target: str, parts: Sequence[pd.DataFrame]
) -> None:
    """Write folder/name/{train,test}.csv and meta.json."""
    home = _begun(folder, name, task, target)
    for table, stem in zip(parts, ("train", "test"), strict=True):
        table.to_csv(home / f"{stem}.csv", index=False, lineterminator="\n")


def _begun(folder: Path, name: str, task: str, target: str) -> Path:
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    meta = {"name": name, "target": target, "task": task}
    (home / "meta.json").write_text(json.dumps(meta) + "\n", encoding="utf-8")
    return home


def write_generated(folder: Path, name: str, seed: int) -> None:
    recipe = GENERATED[name]
    rng = np.random.default_rng([seed, *name.encode()])
    table = recipe.make(rng, recipe.n_train + recipe.n_test)
    if table.isna().all(axis=1).any():
        raise ValueError(f"{name} has rows without a cell.")
    parts = (table.iloc[: recipe.n_train], table.iloc[recipe.n_train :])
    write_set(folder, name, recipe.task, recipe.target, parts)


def write_shipped(folder: Path, name: str, seed: int) -> None:
    from sklearn import datasets

    loader, task = SHIPPED[name]
    data = getattr(datasets, loader)(as_frame=True)
    table = data.frame.rename(columns=lambda column: str(column).replace(" ", "_"))
    if task != "regression":
        table["target"] = np.asarray([str(one) for one in data.target_names])[table["target"]]
    order = np.random.default_rng([seed, *name.encode()]).permutation(len(table))
    n_test = round(_TEST_SHARE * len(table))
    parts = (table.iloc[order[n_test:]], table.iloc[order[:n_test]])
    write_set(folder, name, task, "target", parts)


def write_large(folder: Path, n_train: int, n_test: int, seed: int) -> None:
    """Write the large table a chunk at a time: never more than one is in memory."""
    home = _begun(folder, LARGE, "binary", "default")
    for part, (stem, n_rows) in enumerate((("train", n_train), ("test", n_test))):
        with (home / f"{stem}.csv").open("w", encoding="utf-8", newline="") as file:
            for place, chunk in enumerate(large_chunks(n_rows, seed, part)):
                chunk.to_csv(file, index=False, header=place == 0, lineterminator="\n")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--only", multiple=True, metavar="NAME", help="Write only this set; repeatable")
@click.option("--seed", type=int, default=0, help="Seed of everything drawn  [0]")
@click.option("--large", is_flag=True, help="Write only the table of a million rows")
@click.option("--rows", type=int, default=1_000_000, help="Training rows of --large  [1000000]")
def main(folder: Path, only: tuple[str, ...], seed: int, large: bool, rows: int) -> None:
    """Write the suite below FOLDER; the same seed gives the same bytes."""
    if large:
        write_large(folder, rows, max(1, rows // 10), seed)
        click.echo(f"{LARGE}: {rows:,} rows", err=True)
        return
    writers = dict.fromkeys(SHIPPED, write_shipped) | dict.fromkeys(GENERATED, write_generated)
    if unknown := set(only) - set(writers):
        raise click.UsageError(
            f"Unknown: {', '.join(sorted(unknown))}. Sets: {', '.join(writers)}."
        )
    for name, write in writers.items():
        if not only or name in only:
            write(folder, name, seed)
            click.echo(name, err=True)


if __name__ == "__main__":
    main()
