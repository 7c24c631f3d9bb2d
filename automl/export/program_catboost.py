"""CatBoost's symmetric trees as plain ones, its statistics of categories as tables.

CatBoost looks up, by a hash of one category or of several crossed ones, how many training rows of
each class there were. Categories are a bundle's own codes, of which there are few, so that each
hash that a table holds can be traced back to the codes that it stands for.

Source: the format and the formula are those of CatBoost's own JSON models (Prokhorenkova et al.,
CatBoost: unbiased boosting with categorical features, 2018).

Notation: d = depth of a tree, k = outputs, K = crosses that a table holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from automl.engines._splits import Tree, Trees
from automl.errors import ConfigError
from automl.export.program import Bins, Forest, Lookup
from automl.export.program_columns import Plane, category_codes
from automl.export.program_steps import Steps, crossed
from automl.features.matrix import IntArray

Hashes = NDArray[np.uint64]
Facts = Mapping[str, Any]

_FACTOR: Final = 0x4906BA494954CB65
_ROUND: Final = 2**64
_INVERSE: Final = pow(_FACTOR, -1, _ROUND)
_EMPTY: Final = str(_ROUND - 1)  # the hash of an unused place in a table
_MOST_HASHES: Final = 50_000_000  # that are gone through for one cross


def catboost_forest(model: Facts, plane: Plane, steps: Steps, member: str) -> Forest:
    """The trees of a model in CatBoost's JSON format, and the steps of what they split on.

    Raises ConfigError, naming the member, for trees or statistics that cannot be traced.
    """
    if "oblivious_trees" not in model:
        raise _inexpressible(member, "its trees are not symmetric")
    splits = _Splits(model, plane, steps, member)
    scale, bias = model["scale_and_bias"]
    base = np.array(bias, dtype=np.float64)
    trees = [
        tree
        for facts in model["oblivious_trees"]
        for tree in _trees(facts, splits, float(scale), len(base))
    ]
    return Forest(
        columns=tuple(splits.columns),
        trees=Trees.of(trees),
        base=base,
        below=False,
        narrow=True,
        set_is_left=False,
    )


def _inexpressible(member: str, why: str) -> ConfigError:
    return ConfigError(
        f"The member {member!r} of the engine 'catboost' cannot be exported: {why}.",
        hint="Fit again with --engines lightgbm,xgboost,linear, or keep the bundle itself.",
    )


@dataclass(frozen=True)
class _Split:
    """right: rows of these codes, or else (no codes) above the threshold; nan_right: and NaN."""

    feature: int
    threshold: float
    nan_right: bool
    codes: NDArray[np.int64] | None = None


class _Splits:
    """The splits of a model; `columns` are the features of its trees."""

    def __init__(self, model: Facts, plane: Plane, steps: Steps, member: str) -> None:
        facts = model["features_info"]
        self.columns = list(plane.columns)
        self._plane, self._steps, self._member = plane, steps, member
        self._floats = {int(f["feature_index"]): f for f in facts.get("float_features") or ()}
        self._cats = {
            int(f["feature_index"]): int(f["flat_feature_index"])
            for f in facts.get("categorical_features") or ()
        }
        self._hashes = {
            int(entry["value"]): int(entry["hash"]) for entry in facts.get("cat_features_hash", ())
        }
        self._ctrs = list(facts.get("ctrs") or ())
        self._tables: Facts = model.get("ctr_data") or {}
        self._ctr_columns: dict[int, int] = {}
        # Splits are numbered through: borders of numbers, values of categories, of statistics.
        n_borders = sum(len(f["borders"] or ()) for f in self._floats.values())
        n_values = sum(len(f.get("values") or ()) for f in facts.get("categorical_features") or ())
        sizes = [len(ctr["borders"] or ()) for ctr in self._ctrs]
        self._ctr_ends = n_borders + n_values + np.cumsum(sizes, dtype=np.int64)

    def of(self, split: Facts) -> _Split:
        """A split of a tree in the words of the format."""
        kind = split["split_type"]
        if kind == "FloatFeature":
            facts = self._floats[int(split["float_feature_index"])]
            feature = int(facts["flat_feature_index"])
            nan_right = facts["nan_value_treatment"] == "AsTrue"
            return _Split(feature, float(split["border"]), nan_right)
        if kind == "OneHotFeature":
            feature = self._cats[int(split["cat_feature_index"])]
            codes = self._codes_of(feature, int(split["value"]))
            n_levels = self._plane.levels[feature]
            known = codes[codes < n_levels]
            return _Split(feature, 0.0, n_levels in codes, known)
        if kind != "OnlineCtr":
            raise _inexpressible(self._member, f"it splits on {kind}")
        which = int(np.searchsorted(self._ctr_ends, int(split["split_index"]), side="right"))
        if float(split["border"]) not in self._ctrs[which]["borders"]:
            raise _inexpressible(self._member, "the order of its splits is not the known one")
        return _Split(self._statistic(which), float(split["border"]), nan_right=False)

    def _codes_of(self, feature: int, value: int) -> NDArray[np.int64]:
        """The codes of a category, its number of levels for NaN, whose hash is `value`."""
        found = [
            code
            for code in range(self._plane.levels[feature] + 1)
            if self._hashes[code] == value % 2**32
        ]
        return np.array(found, dtype=np.int64)

    def _statistic(self, which: int) -> int:
        """The feature that holds a statistic; it is made with its kin on first use."""
        if which not in self._ctr_columns:
            elements = self._ctrs[which]["elements"]
            kin = [i for i, ctr in enumerate(self._ctrs) if ctr["elements"] == elements]
            kin = [i for i in kin if self._table(i) is self._table(which)]
            parts = [self._part(element) for element in elements]
            table = _Table.of(self._table(which))
            cells, places = _traced(table.hashes, [part.hashes for part in parts], self._member)
            values = [_values(self._ctrs[i], table) for i in kin]
            sizes = [len(part.hashes) for part in parts]
            other = np.array([empty for _, empty in values])
            made = self._steps.made(
                Lookup,
                len(kin),
                column=crossed(self._steps, [part.column for part in parts], sizes),
                keys=cells,
                values=np.column_stack([found[places] for found, _ in values]),
                other=other,
                missing=other,
            )
            for i, column in zip(kin, made, strict=True):
                self._ctr_columns[i] = len(self.columns)
                self.columns.append(column)
        return self._ctr_columns[which]

    def _table(self, which: int) -> Facts:
        return cast(Facts, self._tables[self._ctrs[which]["identifier"]])

    def _part(self, element: Facts) -> _Part:
        """One of the things that a statistic crosses."""
        kind = element["combination_element"]
        if kind == "float_feature":
            facts = self._floats[int(element["float_feature_index"])]
            column = self._plane.columns[int(facts["flat_feature_index"])]
            above = np.nextafter(np.float32(element["border"]), np.float32(np.inf))
            code = self._steps.one(Bins, column=column, points=np.array([above], np.float64))
            gone = int(facts["nan_value_treatment"] == "AsTrue")
            return _Part(code, np.array([0, 1, gone], dtype=np.uint64))
        feature = self._cats[int(element["cat_feature_index"])]
        n_levels = self._plane.levels[feature]
        code = category_codes(self._plane.columns[feature], n_levels, self._steps)
        if kind == "cat_feature_value":
            hashes = np.array([self._hashes[i] for i in range(n_levels + 1)])
            signed = hashes.astype(np.uint32).astype(np.int32).astype(np.int64)
            return _Part(code, signed.astype(np.uint64))
        if kind != "cat_feature_exact_value":
            raise _inexpressible(self._member, f"a statistic crosses a {kind}")
        equal = np.zeros(n_levels + 1, dtype=np.uint64)
        equal[self._codes_of(feature, int(element["value"]))] = 1
        return _Part(code, equal)


@dataclass(frozen=True)
class _Part:
    """A column of codes, and what goes into the hash for each."""

    column: int
    hashes: Hashes


@dataclass(frozen=True)
class _Table:
    """(K,) hashes, (K, w) counts of each, and what frequencies are divided by."""

    hashes: Hashes
    counts: NDArray[np.float64]
    denominator: float

    @classmethod
    def of(cls, facts: Facts) -> _Table:
        width = int(facts["hash_stride"])
        flat = facts["hash_map"]
        rows = [flat[i : i + width] for i in range(0, len(flat), width)]
        rows = [row for row in rows if row[0] != _EMPTY]
        return cls(
            np.array([int(row[0]) for row in rows], dtype=np.uint64),
            np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), width - 1),
            float(facts["counter_denominator"]),
        )


def _values(ctr: Facts, table: _Table) -> tuple[NDArray[np.float64], float]:
    """(K,) values of a statistic by place in its table, and that of what the table lacks."""
    kind, counts, border = ctr["ctr_type"], table.counts, int(ctr["target_border_idx"])
    nothing = 0.0
    if kind in ("BinarizedTargetMeanValue", "FloatTargetMeanValue"):
        good, total = counts[:, 0], counts[:, 1]
    elif kind in ("Counter", "FeatureFreq"):
        nothing = table.denominator
        good, total = counts[:, 0], np.full(len(counts), nothing)
    elif kind == "Buckets":
        good, total = counts[:, border], counts.sum(axis=1)
    else:
        good, total = counts[:, border + 1 :].sum(axis=1), counts.sum(axis=1)
    good, total = np.append(good, 0.0), np.append(total, nothing)
    f = np.float32  # CatBoost computes statistics in it
    share = (good.astype(f) + f(ctr["prior_numerator"])) / (
        total.astype(f) + f(ctr["prior_denomerator"])
    )
    found = ((share + f(ctr["shift"])) * f(ctr["scale"])).astype(np.float64)
    return found[:-1], float(found[-1])


def _traced(
    wanted: Hashes, parts: Sequence[Hashes], member: str
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """(cells, places): each cross of codes, as one number, whose hash is `wanted` at a place.

    A hash is built part by part, r = F x (r + F x h), which can be undone: what the last parts
    add is taken back, and the rest is looked for among the crosses of the first parts.
    """
    n_first = min(range(1, len(parts) + 1), key=lambda n: _cost(len(wanted), parts, n))
    if _cost(len(wanted), parts, n_first) > _MOST_HASHES:
        raise _inexpressible(member, "a statistic crosses categories of too many levels")
    first, last = _crossed_hashes(parts[:n_first]), _crossed_hashes(parts[n_first:])
    undone = np.uint64(pow(_INVERSE, len(parts) - n_first, _ROUND))
    order = np.argsort(first, kind="stable")
    ranked = first[order]
    cells, places = [], []
    for i, added in enumerate(last):
        rest = (wanted - added) * undone  # modulo 2**64
        low = np.searchsorted(ranked, rest, side="left")
        high = np.searchsorted(ranked, rest, side="right")
        place = np.repeat(np.arange(len(wanted)), high - low)
        nth = np.arange(len(place)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
        cells.append(order[low[place] + nth] * len(last) + i)
        places.append(place)
    found = np.concatenate(cells)
    rank = np.argsort(found, kind="stable")
    return found[rank].astype(np.int64), np.concatenate(places)[rank]


def _cost(n_wanted: int, parts: Sequence[Hashes], n_first: int) -> int:
    first, last = (math.prod(map(len, some)) for some in (parts[:n_first], parts[n_first:]))
    return first + last * n_wanted


def _crossed_hashes(parts: Sequence[Hashes]) -> Hashes:
    """What each cross of the parts' codes adds to a hash, in the order of the crosses."""
    factor = np.uint64(_FACTOR)
    found = np.zeros(1, dtype=np.uint64)
    for part in parts:
        found = (factor * (found[:, None] + factor * part)).reshape(-1)
    return found


def _trees(facts: Facts, splits: _Splits, scale: float, k: int) -> list[Tree]:
    """A symmetric tree as one plain tree per output.

    Bit i of a leaf's number is the answer of split i. Splits are asked from the last to the
    first, so that the leaves stand in the order of their numbers.
    """
    asked = [splits.of(split) for split in reversed(facts["splits"] or ())]
    depth = len(asked)
    level = np.repeat(np.arange(depth), 1 << np.arange(depth))  # of each node, breadth first
    node = np.arange(len(level))
    left = 2 * node + 1
    inner = left < len(level)
    first_leaf = len(level)
    values = np.array(facts["leaf_values"], dtype=np.float64).reshape(-1, k) * scale
    codes: dict[int, IntArray] = {}
    for i, d in enumerate(level.tolist()):
        own = asked[d].codes
        if own is not None:
            codes[i] = own

    def spread(told: list[Any], dtype: type) -> Any:
        return np.array(told, dtype=dtype)[level]

    return [
        Tree(
            feature=spread([split.feature for split in asked], np.int64),
            threshold=spread([split.threshold for split in asked], np.float64),
            nan_left=~spread([split.nan_right for split in asked], np.bool_),
            left=np.where(inner, left, ~(left - first_leaf)),
            right=np.where(inner, left + 1, ~(left + 1 - first_leaf)),
            values=values[:, j],
            output=j,
            levels=codes,
        )
        for j in range(k)
    ]
