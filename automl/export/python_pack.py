"""A scoring program as JSON and arrays, in the form that the scorer reads.

All trees of all members are put together: each is weighed, each split compares a whole number, a
cell's place among the thresholds of its column, and nodes stand level by level, so that where the
children of a split are need not be written down.

Notation: S = splits, L = leaves, T = trees, k = outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.engines._additive import Curve
from automl.engines._splits import Trees
from automl.export.program import Additive, Floats, Forest, Ints, Program

VERSION = 1  # of the form, which the scorer must know


@dataclass
class Pack:
    """JSON facts, and the arrays that they name."""

    facts: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    def put(self, array: NDArray[Any]) -> str:
        """The name under which an array is kept."""
        name = f"a{len(self.arrays)}"
        self.arrays[name] = array
        return name

    def value(self, value: Any) -> Any:
        """A value of a step as JSON; arrays are named."""
        return {"npz": self.put(value)} if isinstance(value, np.ndarray) else value


def packed(program: Program, *, leaves: type[np.floating[Any]]) -> Pack:
    """The program as the scorer reads it. leaves: the type that values of leaves are kept in."""
    pack = Pack({}, {})
    k = program.n_outputs
    weighed = [
        (program.ensembles[i], member.weight / len(member.ensembles))
        for member in program.members
        for i in member.ensembles
    ]
    base = np.zeros(k)
    for each, weight in weighed:
        if not (isinstance(each, Forest) and each.float32_sums):
            base += weight * each.base
    steps = [
        {"kind": type(step).__name__}
        | {field.name: pack.value(getattr(step, field.name)) for field in fields(step)}
        for step in program.steps
    ]
    forests = [(each, weight) for each, weight in weighed if isinstance(each, Forest)]
    axes, groups = _forests(forests, pack, k, leaves)
    pack.facts |= {
        "format": VERSION,
        "task": str(program.task),
        "target": program.target,
        "classes": list(program.classes),
        "threshold": program.threshold,
        "value_name": program.value_name,
        "markers": list(program.markers),
        "named": program.named,
        "inputs": [
            {"name": each.name, "kind": each.kind, "source": each.source}
            for each in program.inputs
        ],
        "n_columns": program.n_columns,
        "steps": steps,
        "base": base.tolist(),
        "effects": [
            effect
            for each, weight in weighed
            if isinstance(each, Additive)
            for effect in _effects(each, weight, pack)
        ],
        "axes": axes,
        "forests": groups,
        "link": program.link.to_json(),
    }
    return pack


def _effects(model: Additive, weight: float, pack: Pack) -> list[dict[str, Any]]:
    made = []
    for column, effect in model.effects:
        told: dict[str, Any] = {"column": column, "values": pack.value(effect.values * weight)}
        if isinstance(effect, Curve):
            told |= {
                "knots": pack.value(effect.knots),
                "missing": pack.value(effect.missing * weight),
            }
        made.append(told)
    return made


def _forests(
    forests: Sequence[tuple[Forest, float]], pack: Pack, k: int, leaves: type[np.floating[Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all splits compare, and the trees, those whose leaves score all outputs apart."""
    parts = [_Part.of(forest, weight, k) for forest, weight in forests]
    if not parts:
        pack.arrays |= {"points": np.empty(0), "number_axes": np.empty((0, 5), np.int64)}
        return {"sets": []}, []
    limits = _number_axes(parts, pack)
    sets = _set_axes(parts, limits, pack)
    kinds: dict[tuple[bool, bool], list[_Part]] = {}
    for part in parts:
        kinds.setdefault((part.several, part.forest.float32_sums), []).append(part)
    return {"sets": sets}, [_levels(some, pack, k, leaves) for some in kinds.values()]


@dataclass
class _Part:
    """The trees of one booster, splits and leaves numbered through.

    left, right: (S,) a split, or ~leaf.  root: (T,) likewise.  leaves: (L, k) if several, else
    (L,); weighed, unless they are to be added in float32.  axis, limit: (S,) as in the scorer,
    filled in later.
    """

    forest: Forest
    weight: float
    trees: Trees
    leaves: Floats
    several: bool
    left: Ints
    right: Ints
    root: Ints
    axis: Ints
    limit: Ints

    @classmethod
    def of(cls, forest: Forest, weight: float, k: int) -> _Part:
        trees, values, several = forest.trees, forest.trees.values, False
        if not forest.float32_sums:
            values = values * weight
        if k > 1 and not forest.float32_sums and _alike(trees, k):
            several = True
            firsts = np.flatnonzero(trees.output == 0)
            values = _side_by_side(trees, values, k)
            trees = _only(trees, firsts)
        first_split = np.cumsum(trees.n_splits) - trees.n_splits
        first_leaf = np.cumsum(trees.n_leaves) - trees.n_leaves
        split, leaf = first_split[trees.tree], first_leaf[trees.tree]
        left, right = (
            np.where(child >= 0, child + split, ~(~child + leaf))
            for child in (trees.left, trees.right)
        )
        root = np.where(trees.n_splits > 0, first_split, ~first_leaf)
        none = np.zeros(len(trees.feature), dtype=np.int64)
        return cls(forest, weight, trees, values, several, left, right, root, none, none.copy())


def _alike(trees: Trees, k: int) -> bool:
    """Whether the trees of all outputs of a round are one tree, with other leaves."""
    n_rounds, rest = divmod(len(trees.output), k)
    if rest or not np.array_equal(trees.output, np.tile(np.arange(k), n_rounds)):
        return False
    sizes = trees.n_splits.reshape(n_rounds, k)
    if (sizes != sizes[:, :1]).any():
        return False
    own = np.repeat(trees.output, trees.n_splits)
    kept = (trees.feature, trees.threshold, trees.left, trees.right, trees.nan_left, trees.is_set)
    # Symmetric trees have their sets from equal splits, so that equal thresholds and features of
    # trees that differ in sets cannot be told; sets are compared by their sizes and codes.
    codes = [trees.level_code[own[trees.level_split] == j] for j in range(k)]
    return all(
        all(np.array_equal(part[own == 0], part[own == j]) for part in kept)
        and np.array_equal(codes[0], codes[j])
        for j in range(1, k)
    )


def _side_by_side(trees: Trees, values: Floats, k: int) -> Floats:
    """(L, k) values of the leaves of all outputs."""
    output = np.repeat(trees.output, trees.n_leaves)
    return np.column_stack([values[output == j] for j in range(k)])


def _only(trees: Trees, which: NDArray[np.intp]) -> Trees:
    """Those trees only."""
    splits, leaves = (
        np.isin(trees.tree, which),
        np.repeat(np.isin(np.arange(len(trees.output)), which), trees.n_leaves),
    )
    place = np.cumsum(splits) - 1
    kept = splits[trees.level_split]
    return Trees(
        n_splits=trees.n_splits[which],
        n_leaves=trees.n_leaves[which],
        output=trees.output[which],
        feature=trees.feature[splits],
        threshold=trees.threshold[splits],
        nan_left=trees.nan_left[splits],
        left=trees.left[splits],
        right=trees.right[splits],
        is_set=trees.is_set[splits],
        level_split=place[trees.level_split[kept]],
        level_code=trees.level_code[kept],
        values=trees.values[leaves],
    )


def _number_axes(parts: Sequence[_Part], pack: Pack) -> int:
    """Fill in axis and limit of the splits of numbers; how many axes there are."""
    kinds, thresholds = [], []
    for part in parts:
        forest, trees, number = part.forest, part.trees, ~part.trees.is_set
        narrow = forest.narrow
        own = trees.threshold[number]
        thresholds.append(own.astype(np.float32).astype(np.float64) if narrow else own)
        column = np.array(forest.columns, dtype=np.int64)[trees.feature[number]]
        kinds.append(8 * column + 4 * narrow + 2 * forest.below + trees.nan_left[number])
    kind, threshold = np.concatenate(kinds), np.concatenate(thresholds)
    axes, axis = np.unique(kind, return_inverse=True)
    limit = np.empty(len(kind), dtype=np.int64)
    told: list[list[int]] = []
    points: list[Floats] = []
    for i, number in enumerate(axes.tolist()):
        mine = axis == i
        distinct, limit[mine] = np.unique(threshold[mine], return_inverse=True)
        points.append(distinct)
        flags = [number >> bit & 1 for bit in (2, 1, 0)]  # narrow, below, nan_left
        told.append([number >> 3, len(distinct), *flags])
    start = 0
    for part in parts:
        number = ~part.trees.is_set
        stop = start + int(number.sum())
        part.axis[number], part.limit[number] = axis[start:stop], limit[start:stop]
        start = stop
    pack.arrays["points"] = np.concatenate([np.empty(0), *points])
    pack.arrays["number_axes"] = np.array(told, dtype=np.int64).reshape(-1, 5)
    return len(axes)


def _set_axes(parts: Sequence[_Part], first_axis: int, pack: Pack) -> list[list[Any]]:
    """Fill in axis and limit of the splits of sets; (column, sets, codes, bits) of each column."""
    known: dict[int, dict[bytes, int]] = {}  # by column: which codes go right -> number
    places: list[tuple[_Part, int, int, int]] = []  # part, split, column, number
    n_codes = _n_codes(parts)
    for part in parts:
        trees = part.trees
        ends = np.cumsum(np.bincount(trees.level_split, minlength=len(trees.feature)))
        for split in np.flatnonzero(trees.is_set).tolist():
            column = part.forest.columns[trees.feature[split]]
            codes = trees.level_code[ends[split - 1] if split else 0 : ends[split]]
            right = np.full(n_codes[column] + 2, part.forest.set_is_left)
            right[codes] = not part.forest.set_is_left
            right[-1] = not trees.nan_left[split]
            mine = known.setdefault(column, {})
            places.append((part, split, column, mine.setdefault(right.tobytes(), len(mine))))
    told, first = [], {}
    for column, sets in known.items():
        first[column] = first_axis
        first_axis += len(sets)
        bits = np.frombuffer(b"".join(sets), dtype=bool)
        told.append([column, len(sets), n_codes[column] + 2, pack.put(np.packbits(bits))])
    for part, split, column, number in places:
        part.axis[split] = first[column] + number
    return told


def _n_codes(parts: Sequence[_Part]) -> dict[int, int]:
    """By column, how many codes the sets that are asked for tell apart."""
    found: dict[int, int] = {}
    for part in parts:
        trees = part.trees
        for feature in np.unique(trees.feature[trees.is_set]).tolist():
            column = part.forest.columns[feature]
            mine = trees.level_code[trees.feature[trees.level_split] == feature]
            found[column] = max(found.get(column, 0), int(mine.max(initial=-1)) + 1)
    return found


def _levels(
    parts: Sequence[_Part], pack: Pack, k: int, dtype: type[np.floating[Any]]
) -> dict[str, Any]:
    """The trees of some boosters, level by level."""
    n_splits = np.cumsum([0, *(len(part.left) for part in parts)])
    n_leaves = np.cumsum([0, *(len(part.leaves) for part in parts)])

    def moved(nodes: Ints, i: int) -> Ints:
        return np.asarray(np.where(nodes >= 0, nodes + n_splits[i], nodes - n_leaves[i]))

    left, right, node = (
        np.concatenate([moved(getattr(part, name), i) for i, part in enumerate(parts)])
        for name in ("left", "right", "root")
    )
    order = []
    while len(node):
        order.append(node)
        going = node[node >= 0]
        node = np.column_stack([left[going], right[going]]).reshape(-1)
    nodes = np.concatenate(order)
    splits, ends = nodes[nodes >= 0], ~nodes[nodes < 0]
    output = np.concatenate([part.trees.output for part in parts])
    leaves = np.concatenate([part.leaves for part in parts])
    segments = None
    if parts[0].forest.float32_sums:
        dtype = np.float32
        segments = [
            [len(part.root), part.weight, np.broadcast_to(part.forest.base, k).tolist()]
            for part in parts
        ]
    return {
        "n_trees": len(output),
        "n_nodes": len(nodes),
        "n_outputs": k,
        "split": pack.put(np.packbits(nodes >= 0)),
        "axis": pack.put(_small(np.concatenate([part.axis for part in parts])[splits])),
        "limit": pack.put(_small(np.concatenate([part.limit for part in parts])[splits])),
        "leaves": pack.put(leaves[ends].astype(dtype)),
        "segments": segments,
        "output": None if parts[0].several else pack.put(_small(output)),
    }


def _small(numbers: Ints) -> NDArray[np.unsignedinteger[Any]]:
    """The numbers in as few bytes as they need."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))
