"""The scoring program: all that stands between raw cells and a prediction, in a few plain steps.

It is made from a loaded predictor (`program_build.program_of`) and says the same thing, but knows
no library: formats write it down in their own language. Nothing here computes.

A program works on columns of float64, NaN = missing, that are numbered from 0: every step makes
one or more new ones from an input or from columns made before it. Trees and linear models take
columns by these numbers. Steps that nothing needs are left out, and equal ones are made once, even
where they come from different folds.

Notation: n = rows, k = outputs (classes for multiclass, else 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.engines._additive import Curve, Levels
from automl.engines._splits import Trees
from automl.model.link import Link
from automl.task import Task

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Input:
    """A column of the table that has to be there, whether or not a step reads it.

    kind: of its cells: "number", "boolean", "category", "datetime" or "text".
    source: what the cells were in training, see `automl.data.schema.Column.source`.
    column: its index in the schema of the bundle.
    """

    name: str
    kind: Literal["number", "boolean", "category", "datetime", "text"]
    source: str
    column: int


# --- Steps that read an input. A text has no white space around it; an empty one is missing. ---


@dataclass(frozen=True)
class Number:
    """A number; NaN for a cell that is none. Infinite is none.

    A text is one if `pattern` matches all of it, after five special characters were made plain
    (see `PLAIN`). Then `remove` is taken out, text by text, and the decimal mark is made a point.
    """

    input: int
    out: int
    pattern: str
    remove: tuple[str, ...] = ()
    decimal: str = "."


@dataclass(frozen=True)
class Boolean:
    """0 or 1; NaN for a cell that is neither. words: what lower-case texts mean."""

    input: int
    out: int
    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Days:
    """Days since 1970-01-01 UTC, the time of day as a fraction; NaN for a cell that is no date.

    formats: as in the schema, and ISO 8601 behind them; the first one that matches counts.
    patterns: the same as regular expressions with a group per part: Y m d H M S f z, y (of two
    digits), b (name of the month), p (am or pm).  epoch: what divides numbers into days, 0 = none.
    """

    input: int
    out: int
    formats: tuple[str, ...]
    patterns: tuple[str, ...]
    epoch: float = 0.0


@dataclass(frozen=True)
class Level:
    """Position of a text in `levels`; len(levels) for any other text, NaN for a missing cell.

    source: how cells of another type are written as levels.  key: hexadecimal; then `levels` are
    keyed hashes of the texts (`automl.data.hashing`).  by_number: a number that is no level is
    the one level that means it, such as '007'.
    """

    input: int
    out: int
    levels: tuple[str, ...] = field(repr=False)
    source: str = "text"
    key: str = ""
    by_number: bool = False


@dataclass(frozen=True)
class Terms:
    """Sizes of a text and its place on the axes of its terms; all NaN where it is missing.

    out: a column for each of `sizes` ("length" in characters, "words"), then one per axis.
    analyzer: "words": terms are words and pairs of neighbouring words with a blank between;
        "letters": terms are all groups of 3 and of 4 letters of " word ", word by word. Words are
        those of the regular expression \\w+ in the first `most` characters in lower case.
    terms: V of them.  idf: (V,).  axes: (a, V). The weight of a term that occurs c > 0 times is
    (1 + log c) x idf; the weights of a text are scaled to length 1. Values are rounded to float32.
    """

    input: int
    out: tuple[int, ...]
    sizes: tuple[str, ...]
    analyzer: str
    most: int
    terms: tuple[str, ...] = field(repr=False)
    idf: Floats = field(repr=False)
    axes: Floats = field(repr=False)


# --- Steps that read columns ------------------------------------------------------------------


@dataclass(frozen=True)
class Lookup:
    """What a table says of a whole number: a row for each of the ascending `keys`.

    keys: (K,).  values: (K, w).  other: (w,) for every other number.  missing: (w,) for NaN. Any
    of the three may hold NaN.
    """

    column: int
    out: tuple[int, ...]
    keys: Ints = field(repr=False)
    values: Floats = field(repr=False)
    other: Floats
    missing: Floats


@dataclass(frozen=True)
class Cross:
    """One whole number for several: ((c0 x s1 + c1) x s2 + c2); s = sizes, below 2**53 in all.

    None of the columns is NaN, and each is below its size.
    """

    columns: tuple[int, ...]
    sizes: tuple[int, ...]
    out: int


@dataclass(frozen=True)
class Bins:
    """How many of the ascending `points` are at most the number; len(points) + 1 for NaN.

    exact: instead which of the points it is, and len(points) for a number that is none of them.
    """

    column: int
    out: int
    points: Floats
    exact: bool = False


@dataclass(frozen=True)
class Clip:
    """The number, or the nearer end if it lies beyond [low, high]; NaN stays NaN."""

    column: int
    out: int
    low: float
    high: float


@dataclass(frozen=True)
class Narrow:
    """The number rounded to float32; NaN if it is infinite then."""

    column: int
    out: int


@dataclass(frozen=True)
class Arithmetic:
    """`first` and `second` added, subtracted, multiplied or divided in float64, by IEEE 754."""

    operation: Literal["sum", "difference", "product", "ratio"]
    first: int
    second: int
    out: int


@dataclass(frozen=True)
class DateParts:
    """Parts of days since 1970-01-01, which are rounded to milliseconds first; NaN stays NaN.

    parts: those of `automl.features.dates.PARTS`, one column each; "elapsed" is the days as they
    are less `start`. Sines and cosines are rounded to nine decimals and then to float32.
    """

    column: int
    out: tuple[int, ...]
    parts: tuple[str, ...]
    start: float = 0.0


Step: TypeAlias = (
    Number
    | Boolean
    | Days
    | Level
    | Terms
    | Lookup
    | Cross
    | Bins
    | Clip
    | Narrow
    | Arithmetic
    | DateParts
)


# --- Models -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forest:
    """Trees of one booster: (n, k) scores are `base` plus a leaf of each tree in its output.

    columns: the column that holds each feature of the trees.
    below: a row goes left where x < threshold, else where x <= threshold.
    narrow: cells and thresholds are rounded to float32 before they are compared.
    set_is_left: codes in the set of a split go left, all others right; else the reverse.
    trees: NaN goes where `nan_left` says, also in a split by a set.
    float32_sums: the library adds the leaves of an output to the base in float32, one by one in
        the order of the trees; else in float64. Other sums differ by what float32 rounds off.
    """

    columns: tuple[int, ...]
    trees: Trees = field(repr=False)
    base: Floats
    below: bool
    narrow: bool
    set_is_left: bool
    float32_sums: bool = False


@dataclass(frozen=True)
class Additive:
    """A linear model: (n, k) scores are `base` plus the effect of each column that has one.

    A curve is linear between its knots and constant beyond. Levels are by code, the last one is
    for NaN (and for codes beyond).
    """

    base: Floats
    effects: tuple[tuple[int, Curve | Levels], ...] = field(repr=False)


@dataclass(frozen=True)
class Member:
    """One member of the blend: its score is the plain mean of those of its ensembles.

    ensembles: indices in `Program.ensembles`.
    """

    name: str
    engine: str
    recipe: str
    weight: float
    ensembles: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """From cells to predictions: margin = sum of weight x score of the members, then the link.

    classes: texts in the order of the probabilities, () for regression.
    threshold: binary: the second class is predicted from this probability on. Multiclass: the
        most probable class, the first of equals.
    value_name: the column of the prediction in what `automl predict` writes.
    markers: cells of delimited text that are missing, the empty one among them.
    named: whether the training table had a header.
    n_columns: columns that the steps make.
    """

    task: Task
    target: str
    metric: str
    classes: tuple[str, ...]
    threshold: float
    value_name: str
    markers: tuple[str, ...]
    named: bool
    inputs: tuple[Input, ...]
    n_columns: int
    steps: tuple[Step, ...]
    ensembles: tuple[Forest | Additive, ...]
    members: tuple[Member, ...]
    link: Link

    @property
    def n_outputs(self) -> int:
        """k: columns of a margin."""
        return self.task.n_outputs(len(self.classes))


# Non-breaking and thin spaces, the real minus sign and the typographic apostrophe in numbers.
PLAIN = {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2019": "'"}
