"""The text of LightGBM models: the first trees alone, and several models as one of many values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# What a model adds that has stopped growing before the others have.
_NOTHING = """Tree=0
num_leaves=1
num_cat=0
split_feature=
split_gain=
threshold=
decision_type=
left_child=
right_child=
leaf_value=0
leaf_weight=0
leaf_count=0
internal_value=
internal_weight=
internal_count=
is_linear=0
shrinkage=1


"""


@dataclass(frozen=True)
class _Parts:
    """head: up to the sizes of the trees.  trees: one text each.  tail: what follows the trees,
    without the list of importances."""

    head: str
    trees: list[str]
    tail: str

    @classmethod
    def of(cls, text: str, most_trees: int | None = None) -> _Parts:
        head, _, rest = text.partition("tree_sizes=")
        line, _, body = rest.partition("\n")
        place = len(body) - len(body.lstrip("\n"))
        trees = []
        for size in map(int, line.split(" ")[:most_trees]):  # in bytes; the text is ASCII
            trees.append(body[place : place + size])
            place += size
        end = body[body.rindex("end of trees") :]
        importances, parameters = end.find("feature_importances:"), end.index("parameters:")
        start = parameters if importances < 0 else importances
        return cls(head, trees, end[:start] + end[parameters:])

    @property
    def text(self) -> str:
        sizes = " ".join(str(len(tree)) for tree in self.trees)
        return f"{self.head}tree_sizes={sizes}\n\n{''.join(self.trees)}{self.tail}"


def truncated(text: str, n_trees: int) -> str:
    """The model of the first trees, without the list of importances.

    Writing the numbers of all trees again would take a sixth of the time of training, with many
    classes.
    """
    return _Parts.of(text, n_trees).text


def merged(texts: Sequence[str]) -> str:
    """One model with an output for each of `texts`, models of one output and the same features.

    A round is a tree of each. Those that stopped growing earlier add nothing from then on.
    """
    parts = [_Parts.of(text) for text in texts]
    n_rounds = max(len(one.trees) for one in parts)
    trees: list[str] = []
    for i in range(n_rounds):
        for one in parts:
            tree = one.trees[i] if i < len(one.trees) else _NOTHING
            trees.append(f"Tree={len(trees)}\n{tree.partition(chr(10))[2]}")
    lines = []
    for line in parts[0].head.splitlines(keepends=True):
        name = line.partition("=")[0]
        if name in ("num_class", "num_tree_per_iteration"):
            lines.append(f"{name}={len(parts)}\n")
        elif name != "objective":  # there is none of many values; margins need none
            lines.append(line)
    return _Parts("".join(lines), trees, parts[0].tail).text
