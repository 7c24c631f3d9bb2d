"""A generated table of any number of rows, drawn a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.columns import Floats, Generator, flags, levels, numbered, with_gaps

CHUNK = 50_000


def large_chunks(n_rows: int, seed: int, part: int) -> Iterator[pd.DataFrame]:
    """A mixed table of 30 columns and the target `default`, a chunk at a time.

    part: 0 for training, 1 for test rows; a chunk depends on seed, part and its place only.
    """
    fixed = np.random.default_rng([seed, 99])
    branch = fixed.normal(scale=0.6, size=3000)
    trade = fixed.normal(scale=0.5, size=(40, 12))
    weights = fixed.normal(scale=0.25, size=8)
    for place, start in enumerate(range(0, n_rows, CHUNK)):
        rng = np.random.default_rng([seed, part, place])
        yield _large_chunk(rng, min(CHUNK, n_rows - start), branch, trade, weights)


def _large_chunk(
    rng: Generator, n: int, branch: Floats, trade: Floats, weights: Floats
) -> pd.DataFrame:
    x = rng.normal(size=(n, 16)).round(4)
    money = np.exp(rng.normal(loc=8.0, scale=1.2, size=(n, 3))).round(2)
    at, job, kind = rng.integers(0, 3000, n), rng.integers(0, 40, n), rng.integers(0, 12, n)
    count = rng.poisson(2.5, n)
    since = pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3650, n), "D")
    logit = x[:, :8] @ weights + branch[at] + trade[job, kind]
    logit = logit + 0.7 * np.tanh(x[:, 8] * x[:, 9]) + 0.35 * np.log(money[:, 0] / money[:, 1])
    logit = logit + 0.2 * (count > 4) - 0.15 * (since.year.to_numpy() - 2019)
    frame = numbered(x)
    for i, name in enumerate(("income", "debt", "limit")):
        frame[name] = with_gaps(rng, money[:, i], 0.05)
    frame["branch"] = levels("B", 3000)[at]
    frame["job"] = levels("job", 40)[job]
    frame["product"] = levels("p", 12)[kind]
    frame["age"] = rng.integers(18, 90, n)
    frame["loans"] = count
    frame["since"] = since.strftime("%Y-%m-%d")
    for name, size in (("channel", 4), ("region", 16), ("plan", 6), ("zip", 900)):
        frame[name] = levels(name[0], size)[rng.integers(0, size, n)]
    frame["married"] = rng.choice(["true", "false", ""], n, p=[0.5, 0.45, 0.05])
    frame["default"] = flags(rng, logit - 1.5)
    return frame
