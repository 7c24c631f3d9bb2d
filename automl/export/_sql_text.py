"""Names, numbers and conditions in SQL that PostgreSQL and DuckDB read alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from automl.errors import ConfigError
from automl.export.program import Forest

NULL: Final = "NULL::float8"
_LEAF_DIGITS: Final = 10
_CONDITIONS: Final = {
    (True, False): "<",
    (True, True): ">=",
    (False, False): "<=",
    (False, True): ">",
}


def name(text: str) -> str:
    """A quoted identifier; ConfigError for a name that no table can have."""
    if "\0" in text or not text:
        raise ConfigError(f"The column {text!r} cannot be named in SQL.")
    return '"' + text.replace('"', '""') + '"'


def string(text: str) -> str:
    """A quoted text."""
    if "\0" in text:
        raise ConfigError(f"The text {text!r} cannot be written in SQL.")
    return "'" + text.replace("'", "''") + "'"


def number(value: float) -> str:
    """A float64 to the bit; with an exponent, since DuckDB takes others for decimals."""
    if math.isnan(value):
        return NULL
    if math.isinf(value):
        return f"'{'-' if value < 0 else ''}Infinity'::float8"
    text = repr(float(value))
    return text if "e" in text else f"{text.removesuffix('.0')}e0"


def total(terms: Sequence[str]) -> str:
    """The sum of terms, in pairs of pairs: DuckDB bounds how deep an expression may be."""
    if not terms:
        return "0e0"
    while len(terms) > 1:
        pairs = [f"({a}\n+{b})" for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = [*pairs, *terms[len(terms) & ~1 :]]
    return terms[0]


def case(column: str, table: Mapping[str, float], other: float, missing: float) -> str:
    """What a table says of a column; other: of any other value, missing: of NULL."""
    whens = "".join(f" WHEN {key} THEN {number(value)}" for key, value in table.items())
    known = f"CASE {column}{whens} ELSE {_typed(other)} END" if whens else _typed(other)
    return f"CASE WHEN {column} IS NULL THEN {_typed(missing)} ELSE {known} END"


def trees(forest: Forest, columns: Sequence[str], scale: float) -> Iterator[str]:
    """One expression per tree, its leaves times `scale`; columns: the text of each feature."""
    t = forest.trees
    thresholds = _thresholds(forest)
    splits = np.concatenate([[0], np.cumsum(t.n_splits)])
    leaves = np.concatenate([[0], np.cumsum(t.n_leaves)])
    sets: dict[int, list[int]] = {}
    for split, code in zip(t.level_split.tolist(), t.level_code.tolist(), strict=True):
        sets.setdefault(split, []).append(code)

    def branch(first: int, leaf: int, child: int, typed: bool) -> str:
        if child < 0:
            return _leaf(scale * float(t.values[leaf + ~child]), typed=typed)
        split = first + child
        left, right = int(t.left[split]), int(t.right[split])
        typed_left = left < 0 and right < 0  # one float8 makes the whole CASE one
        sides = branch(first, leaf, left, typed_left), branch(first, leaf, right, False)
        column = columns[int(t.feature[split])]
        if t.is_set[split]:
            inside = forest.set_is_left
            codes = ",".join(map(str, sets.get(split, [-1])))
            turned = bool(t.nan_left[split]) == inside  # NULL goes to the side of ELSE
            condition = f"{column} {'NOT ' * turned}IN ({codes})"
            then = sides[0] if inside != turned else sides[1]
            other = sides[1] if inside != turned else sides[0]
            return f"CASE WHEN {condition} THEN {then} ELSE {other} END"
        turned = bool(t.nan_left[split])
        then, other = sides[::-1] if turned else sides
        sign = _CONDITIONS[forest.below, turned]
        bound = number(thresholds[split])
        return f"CASE WHEN {column}{sign}{bound} THEN {then} ELSE {other} END"

    for k in range(len(t.n_splits)):
        yield branch(int(splits[k]), int(leaves[k]), 0 if t.n_splits[k] else -1, True)


def _leaf(value: float, *, typed: bool) -> str:
    text = f"{value:.{_LEAF_DIGITS - 1}e}"
    digits, _, exponent = text.partition("e")
    short = f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{short}::float8" if typed else short


def _typed(value: float) -> str:
    return number(value) if math.isnan(value) else f"{number(value)}::float8"


def _thresholds(forest: Forest) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(S,) thresholds for cells in float64, where the trees round both to float32 first."""
    plain = forest.trees.threshold.astype(np.float64)
    if not forest.narrow:
        return plain
    above = forest.trees.threshold.astype(np.float32)
    if not forest.below:  # x <= t is x < the next one
        above = np.nextafter(above, np.float32(np.inf))
    under = np.nextafter(above, np.float32(-np.inf))
    middle = (above.astype(np.float64) + under.astype(np.float64)) / 2.0
    even = (under.view(np.uint32) & 1) == 0  # ties go to the even one, here the lower
    found = np.where(even, np.nextafter(middle, np.inf), middle)
    return found if forest.below else np.nextafter(found, -np.inf)
