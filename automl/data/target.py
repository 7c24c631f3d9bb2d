"""What the target column asks for: its task, its classes and the values to learn."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from automl.data.cells import Codes, Floats, Mask, Texts, read_cells
from automl.data.numbers import (
    has_leading_zeros,
    is_soft_missing,
    number_formats,
    parse_numbers,
)
from automl.errors import ConfigError, DataError
from automl.task import Task

_MIN_ROWS = 10
_MAX_CLASSES = 1_000  # more, and more than half of the rows unique: names, not classes
_MAX_CLASS_NUMBERS = 20  # distinct whole numbers that may still be classes
# So few whole numbers are classes even with gaps (codes such as 200, 404, 500) …
_FEW = 5
_ROWS_PER_FEW = 10  # … if each stands for so many rows on average
_TAIL = 0.05  # share of rows in the upper third of the values that makes a count's long tail
_RARE = 0.01  # share of rows of the highest of few counts
# A column of numbers with at most this share of other texts has typing errors, not labels.
_TYPING_ERRORS = 0.05
_POSITIVE_WORDS = frozenset(("yes", "y", "true", "t", "positive", "pos"))
_INFINITE = {"inf": np.inf, "+inf": np.inf, "-inf": -np.inf, "infinity": np.inf}


@dataclass(frozen=True)
class Target:
    """The target of a training table.

    classes: texts of the labels in the order of their indices, () for regression; of a binary
        target (negative, positive).  positive: the class whose probability is predicted.
    y: (n_kept,) float64, class indices or values.  kept: (n_rows,) True for rows with a target.
    n_missing: rows without one.  reason: how the task was decided, for people.
    notes: further facts that people should know.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    positive: str | None
    y: Floats
    kept: Mask
    n_missing: int
    reason: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Labels:
    """The target both ways: as labels, and as numbers where every cell can be read so.

    codes: (n_rows,) index of the label, -1 = missing.  texts: (n_texts,) the labels.
    numeric: (n_texts,) number meant by each label, NaN = none.
    readable: every label is a number.  amounts: they have a currency, unit or thousands mark.
    coded: some begin with a zero, as in '007'.
    """

    name: str
    codes: Codes
    texts: Texts
    numeric: Floats
    readable: bool
    amounts: bool = False
    coded: bool = False
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> Mask:
        return self.codes >= 0

    @property
    def n_rows(self) -> int:
        return int(self.kept.sum())

    @property
    def row_counts(self) -> NDArray[np.intp]:
        """(n_texts,) rows of each label."""
        return np.bincount(self.codes[self.kept], minlength=len(self.texts))

    def row_of(self, wrong: Mask) -> int:
        """Number of the first row (from 1) whose label is marked in `wrong` (n_texts,)."""
        return int(np.argmax(np.append(wrong, False)[self.codes])) + 1


def infer_target(
    column: pd.Series[Any],
    *,
    name: str,
    task: Task | None = None,
    metric_tasks: Collection[Task] | None = None,
    metric_name: str | None = None,
) -> Target:
    """The `Target` in `column`: its task, classes and values, rows without a target left out.

    task: asked for by the user.  metric_tasks: the tasks that the metric asked for is made for;
    both narrow the decision.  Raises ConfigError where they conflict with each other or with the
    values, DataError where the values allow no model: all missing, constant, fewer than 10 rows
    or than two classes of two rows, text where numbers are needed, infinite values.
    """
    metric = f"The metric {metric_name!r}" if metric_name else "The metric"
    if task and metric_tasks is not None and task not in metric_tasks:
        raise ConfigError(
            f"{metric} is for {_either(metric_tasks)}, but the task asked for is {task}.",
            hint="Change --metric or --task.",
        )
    labels = _read(column, name)
    _check_rows(labels)
    if task:
        chosen, reason = task, f"--task {task}"
    elif metric_tasks is None:
        chosen, reason = _decide(labels)
    else:
        chosen, reason = _narrow(labels, frozenset(metric_tasks), metric)
    if chosen is Task.REGRESSION:
        return _regression(labels, reason)
    return _classification(labels, chosen, reason)


def _read(column: pd.Series[Any], name: str) -> _Labels:
    cells = read_cells(column)
    codes, texts = cells.distinct()
    if cells.source == "datetime":
        raise DataError(
            f"Target {name!r} holds dates.",
            hint="Turn it into a number, such as days since a fixed date, or choose another one.",
        )
    if cells.source != "text":
        numeric = np.full(len(texts), np.nan)
        numeric[codes[codes >= 0]] = cells.values[codes >= 0]
        return _Labels(name, codes, texts, numeric, readable=True)
    coded = has_leading_zeros(texts)
    formats = {} if coded else number_formats(texts)
    numeric = parse_numbers(texts, formats)
    for i, text in enumerate(texts):
        numeric[i] = _INFINITE.get(text.lower(), numeric[i])
    known = ~np.isnan(numeric)
    soft = is_soft_missing(texts) & ~known
    amounts = any(formats.get(key) for key in ("thousands", "prefixes", "suffixes"))
    if not known.any() or not (known | soft).all():
        return _Labels(name, codes, texts, numeric, readable=False, notes=_spellings(texts))
    notes: tuple[str, ...] = ()
    if soft.any():  # among numbers a '?' is no label: its rows have no target
        n_soft = int(cells.counts[soft].sum())
        example = str(texts[np.argmax(soft)])
        notes = (f"{n_soft} cells such as {example!r} count as missing",)
    return _readable(_Labels(name, codes, texts, numeric, True, amounts, coded, notes))


def _readable(labels: _Labels) -> _Labels:
    """`labels` of numbers only: '1' and '1.0' are one label unless zeros in front mean codes."""
    known = np.flatnonzero(~np.isnan(labels.numeric))
    first, rank = np.arange(len(known)), np.arange(len(known))
    if not labels.coded:
        _, first, rank = np.unique(labels.numeric[known], return_index=True, return_inverse=True)
    place = np.full(len(labels.texts) + 1, -1, dtype=np.intp)  # the last entry is for missing
    place[known] = rank
    kept = known[first]
    codes, texts, numeric = place[labels.codes], labels.texts[kept], labels.numeric[kept]
    return replace(labels, codes=codes, texts=texts, numeric=numeric)


def _spellings(texts: Texts) -> tuple[str, ...]:
    """A note on labels that differ only in case."""
    if len(texts) > _MAX_CLASSES:
        return ()
    first: dict[str, str] = {}
    for text in texts:
        other = first.setdefault(text.lower(), text)
        if other != text:
            return (f"labels {other!r} and {text!r} differ only in case and are kept apart",)
    return ()


def _check_rows(labels: _Labels) -> None:
    if labels.n_rows == 0:
        raise DataError(
            f"Target {labels.name!r} is missing in every row.", hint="Choose another target."
        )
    if labels.n_rows < _MIN_ROWS:
        noun = "row has" if labels.n_rows == 1 else "rows have"
        raise DataError(
            f"Only {labels.n_rows} {noun} a target in column {labels.name!r}.",
            hint=f"At least {_MIN_ROWS} are needed to train and validate a model.",
        )
    if len(labels.texts) == 1:
        raise DataError(
            f"Target {labels.name!r} is constant: {labels.texts[0]!r} in every row.",
            hint="Choose a target that varies.",
        )


def _decide(labels: _Labels) -> tuple[Task, str]:
    """The task that the values show by themselves."""
    n_classes = len(labels.texts)
    if not labels.readable:
        _check_typing_errors(labels)
    if n_classes == 2:
        return Task.BINARY, "2 distinct values"
    if not labels.readable:
        return Task.MULTICLASS, f"{n_classes:,} text labels"
    if labels.coded:
        return Task.MULTICLASS, f"{n_classes:,} codes with leading zeros"
    amount = _amount(labels)
    if amount:
        return Task.REGRESSION, amount
    return Task.MULTICLASS, f"only {n_classes} distinct whole numbers"


def _amount(labels: _Labels) -> str | None:
    """Why three or more numbers are amounts, or None where they are classes."""
    if labels.amounts:
        return "amounts with a currency, unit or thousands mark"
    if not np.isfinite(labels.numeric).all() or (labels.numeric % 1 != 0).any():
        return "numbers with a fraction"
    values, where = np.unique(labels.numeric, return_inverse=True)
    counts = np.bincount(where, weights=labels.row_counts)
    n_values, n_rows = len(values), labels.n_rows
    if n_values > max(3, min(_MAX_CLASS_NUMBERS, n_rows // 10)):
        return f"{n_values:,} distinct whole numbers in {n_rows:,} rows"
    falling = n_values >= 4 and values[0] == 0 and bool((np.diff(counts) <= 0).all())
    if falling and counts[-1] < _RARE * n_rows:
        return f"counts from 0 that grow rarer, up to {values[-1]:.0f}"
    if n_values <= _FEW and n_rows >= _ROWS_PER_FEW * n_values:
        return None
    if values[0] < -n_values or values[-1] - values[0] >= 2 * n_values:
        return f"{n_values} whole numbers with gaps between them"
    upper = values > values[0] + (values[-1] - values[0]) * 2 / 3
    lowest_is_usual = int(np.argmax(counts)) <= (n_values - 1) / 3
    thin = counts[upper].sum() < _TAIL * n_rows
    if n_values > _FEW and values[0] in (0, 1) and lowest_is_usual and thin:
        return f"counts with a long tail, up to {values[-1]:.0f}"
    return None


def _narrow(labels: _Labels, allowed: frozenset[Task], metric: str) -> tuple[Task, str]:
    """The task that the values show, or the nearest one that the metric is made for."""
    if allowed == {Task.REGRESSION} and labels.readable:
        return Task.REGRESSION, f"{metric[0].lower()}{metric[1:]} is for regression"
    n_classes = len(labels.texts)
    if labels.readable or Task.REGRESSION in allowed:
        shown, reason = _decide(labels)
        if shown in allowed:
            return shown, reason
    by_count = Task.BINARY if n_classes == 2 else Task.MULTICLASS
    for candidate in (by_count, Task.MULTICLASS):
        if candidate in allowed and _may_be_classes(labels):
            return candidate, f"{metric[0].lower()}{metric[1:]} is for {_either(allowed)}"
    if Task.REGRESSION in allowed and labels.readable:
        return Task.REGRESSION, f"{metric[0].lower()}{metric[1:]} is for {_either(allowed)}"
    what = "distinct numbers" if labels.readable else "text labels"
    example = ", ".join(repr(str(text)) for text in labels.texts[:3])
    raise ConfigError(
        f"{metric} is for {_either(allowed)}, but target {labels.name!r} has {n_classes:,} "
        f"{what} ({example}{', …' if n_classes > 3 else ''}).",
        hint="Choose another --metric or --target.",
    )


def _check_typing_errors(labels: _Labels) -> None:
    """Raise for a column of numbers with a few other texts: neither reading would be right."""
    wrong = np.isnan(labels.numeric)
    n_wrong = int(labels.row_counts[wrong].sum())
    if len(labels.texts) - int(wrong.sum()) < _MAX_CLASS_NUMBERS:
        return
    if n_wrong <= _TYPING_ERRORS * labels.n_rows:
        raise _not_a_number(labels, f"{n_wrong} of its {labels.n_rows:,} cells are no numbers")


def _regression(labels: _Labels, reason: str) -> Target:
    if not labels.readable:
        raise _not_a_number(labels, "regression needs numbers")
    infinite = np.isinf(labels.numeric)
    if infinite.any():
        raise DataError(
            f"Target {labels.name!r} is infinite in row {labels.row_of(infinite)}.",
            hint="Correct these rows or leave their target empty.",
        )
    y = labels.numeric[labels.codes[labels.kept]]
    return _target(labels, Task.REGRESSION, (), y, f"regression: {reason}")


def _classification(labels: _Labels, task: Task, reason: str) -> Target:
    n_classes = len(labels.texts)
    if task is Task.BINARY and n_classes != 2:
        raise DataError(
            f"A binary target has two classes, but {labels.name!r} has {n_classes:,}.",
            hint="Leave out --task or pass --task multiclass.",
        )
    if _too_many(labels):
        raise DataError(
            f"Target {labels.name!r} has {n_classes:,} classes in {labels.n_rows:,} rows.",
            hint="Choose a target whose values repeat; names and free text cannot be predicted.",
        )
    if int((labels.row_counts >= 2).sum()) < 2:
        raise DataError(
            f"Fewer than two classes of target {labels.name!r} have two rows.",
            hint="Add rows: a class needs one to learn from and one to be scored on.",
        )
    classes = _class_order(labels)
    rank = {label: i for i, label in enumerate(classes)}
    order = np.array([rank[text] for text in labels.texts], dtype=np.float64)
    y = order[labels.codes[labels.kept]]
    told = f"{task}: {reason}"
    if task is Task.BINARY:
        told = f"{told}; the positive class is {classes[1]!r}"
    return _target(labels, task, classes, y, told)


def _class_order(labels: _Labels) -> tuple[str, ...]:
    """Labels in the order of their numbers, else of their text; of two, the positive one last."""
    texts = [str(text) for text in labels.texts]
    if labels.readable:
        number = dict(zip(texts, labels.numeric.tolist(), strict=True))
        return tuple(sorted(texts, key=lambda text: (number[text], text)))
    texts = sorted(texts)
    positive = [text.lower() in _POSITIVE_WORDS for text in texts]
    return tuple(reversed(texts)) if positive == [True, False] else tuple(texts)


def _target(labels: _Labels, task: Task, classes: tuple[str, ...], y: Floats, told: str) -> Target:
    return Target(
        name=labels.name,
        task=task,
        classes=classes,
        positive=classes[1] if task is Task.BINARY else None,
        y=y,
        kept=labels.kept,
        n_missing=len(labels.codes) - labels.n_rows,
        reason=told,
        notes=labels.notes,
    )


def _too_many(labels: _Labels) -> bool:
    return len(labels.texts) > _MAX_CLASSES and len(labels.texts) > labels.n_rows / 2


def _may_be_classes(labels: _Labels) -> bool:
    """Whether a metric for classes can take these values, however unlike classes they look."""
    if not labels.readable:
        return not _too_many(labels)
    whole = bool(np.isfinite(labels.numeric).all() and (labels.numeric % 1 == 0).all())
    return len(labels.texts) <= (_MAX_CLASSES if whole else _MAX_CLASS_NUMBERS)


def _not_a_number(labels: _Labels, why: str) -> DataError:
    wrong = np.isnan(labels.numeric)
    row = labels.row_of(wrong)
    text = str(labels.texts[labels.codes[row - 1]])
    return DataError(
        f"Target {labels.name!r} has {text!r} in row {row}, but {why}.",
        hint=f"Correct the cells, pass --na-value {text!r} if it means missing, "
        "or pass --task multiclass.",
    )


def _either(tasks: Collection[Task]) -> str:
    return " or ".join(sorted(tasks))
