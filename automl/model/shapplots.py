"""Waterfall, beeswarm and dependence plots of an explanation as PNG files, drawn with shap."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.schema import Kind
from automl.errors import ConfigError
from automl.model.explain import Explanation

_LETTERS = 60  # of a name, a cell or a title
_MAX_DOTS = 2000  # rows in one plot: more only hide each other, and a beeswarm takes long


def draw_plots(
    explanation: Explanation,
    folder: Path,
    *,
    rows: Sequence[int] = (0,),
    dependence: int = 4,
    max_columns: int = 12,
    kinds: Sequence[str] = ("beeswarm", "waterfall", "dependence"),
    numbers: Sequence[int] | None = None,
) -> list[Path]:
    """Paths of the PNG files written to `folder`, which is made if need be.

    kinds: those that are drawn.  numbers: what files and titles call the rows of the explanation,
    if not 0, 1, ….
    importance.png holds the mean size of the contributions.
    beeswarm.png, or beeswarm_<class index>.png for each class; waterfall_<row>.png for each index
    in `rows`, multiclass for the predicted class; dependence_<rank>.png for the most important
    `dependence` columns, multiclass for the class that they move most. Files of the same name
    are replaced. Raises ConfigError if there is no such row.
    """
    n_rows = len(explanation.values)
    wrong = [row for row in rows if not 0 <= row < n_rows]
    if wrong or n_rows == 0:
        raise ConfigError(
            f"There is no row {wrong[0]} to plot." if wrong else "There are no rows to plot.",
            hint=f"The table has {n_rows:,} rows, counted from 0.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    with _drawing():
        written = []
        if "importance" in kinds:
            written.append(_importance(explanation, folder, max_columns))
        if "beeswarm" in kinds:
            written.extend(_beeswarms(explanation, folder, max_columns))
        if "waterfall" in kinds:
            names = range(n_rows) if numbers is None else numbers
            for row in rows:
                written.append(_waterfall(explanation, folder, row, names[row], max_columns))
        if "dependence" in kinds:
            written.extend(_dependences(explanation, folder, dependence))
    return written


@contextmanager
def _drawing() -> Iterator[None]:
    """Draw without a display, and leave backend, random state and warnings as they were.

    If no backend had been chosen yet, Agg stays chosen.
    """
    import matplotlib
    import matplotlib.pyplot as plt

    chosen = matplotlib.get_backend(auto_select=False)
    state = np.random.get_state()
    plt.switch_backend("agg")
    np.random.seed(0)  # shap jitters its dots with the global state
    try:
        # Missing glyphs of unusual column names and columns without a value only make a plot
        # plainer; both are warnings of matplotlib and numpy.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(state)
        if chosen is not None and chosen.lower() != "agg":
            plt.switch_backend(chosen)


def _beeswarms(explanation: Explanation, folder: Path, max_columns: int) -> list[Path]:
    import shap

    sample = _sample(len(explanation.values))
    written = []
    for j, output in enumerate(explanation.outputs):
        whole = _shap(explanation, j)[sample]
        name = "beeswarm.png" if len(explanation.outputs) == 1 else f"beeswarm_{j}.png"
        with _figure(folder / name, f"Contributions to {output}") as path:
            shap.plots.beeswarm(whole, max_display=max_columns, show=False)
        written.append(path)
    return written


def _importance(explanation: Explanation, folder: Path, max_columns: int) -> Path:
    """Bars of the mean absolute contributions, the outputs of several classes added up."""
    import matplotlib.pyplot as plt

    importance = explanation.global_importance()
    order = importance.order[:max_columns][::-1]
    with _figure(folder / "importance.png", "Mean size of the contributions") as path:
        axes = plt.gca()
        axes.barh(range(len(order)), importance.total[order])
        axes.set_yticks(range(len(order)), [_plain(explanation.columns[i]) for i in order])
    return path


def _waterfall(
    explanation: Explanation, folder: Path, row: int, name: int, max_columns: int
) -> Path:
    import shap

    j = 0 if explanation.predicted is None else int(explanation.predicted[row])
    title = f"Row {name}: {explanation.outputs[j]}"
    with _figure(folder / f"waterfall_{name}.png", title) as path:
        shap.plots.waterfall(_shap(explanation, j)[row], max_display=max_columns, show=False)
    return path


def _dependences(explanation: Explanation, folder: Path, count: int) -> list[Path]:
    import matplotlib.pyplot as plt
    import shap

    importance = explanation.global_importance()
    sample = _sample(len(explanation.values))
    written = []
    for rank, column in enumerate(importance.order[: max(0, count)], 1):
        j = int(importance.mean_abs[column].argmax())
        name, output = explanation.columns[column], explanation.outputs[j]
        one = _column(explanation, int(column), j, sample)
        title = f"{name}: contribution to {output}"
        with _figure(folder / f"dependence_{rank}.png", title) as path:
            axes = plt.gca()
            shap.plots.scatter(one, ax=axes, show=False)
            if explanation.kinds[column] is Kind.DATETIME:
                _date_axis(axes)
        written.append(path)
    return written


def _date_axis(axes: Any) -> None:
    """Write dates on the x axis; matplotlib counts days from 1970-01-01, as a schema does."""
    dates: Any = import_module("matplotlib.dates")
    locator = dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))


@contextmanager
def _figure(path: Path, title: str) -> Iterator[Path]:
    """A new current figure, saved to `path` with `title` and closed."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(8, 5))
    try:
        yield path
        figure.suptitle(_plain(title), y=1.0)
        figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    finally:
        plt.close(figure)


def _shap(explanation: Explanation, output: int) -> Any:
    """shap's own object for one output: values (n, c), base values (n,)."""
    import shap

    bases = explanation.base_values
    return shap.Explanation(
        values=explanation.cube[:, :, output].copy(),
        base_values=bases[:, output] if bases.ndim == 2 else bases,
        data=explanation.plot_data(),
        display_data=_plain_texts(explanation.texts),
        feature_names=[_plain(name) for name in explanation.columns],
    )


def _column(explanation: Explanation, column: int, output: int, rows: NDArray[np.intp]) -> Any:
    """shap's own object for one column and output: values (n,), data as numbers or texts."""
    import shap

    numeric = explanation.kinds[column] in (Kind.NUMERIC, Kind.DATETIME)
    texts = np.where(explanation.texts == "", "(missing)", explanation.texts)[rows, column]
    return shap.Explanation(
        values=explanation.cube[rows, column, output],
        base_values=0.0,
        data=explanation.numbers[rows, column] if numeric else _plain_texts(texts),
        feature_names=_plain(explanation.columns[column]),
    )


def _plain(text: str) -> str:
    """`text` for matplotlib, which would set what lies between two dollars as a formula.

    Cut, because a picture grows with its texts: of a label of thousands of letters none is left.
    """
    cut = text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
    return cut.replace("$", r"\$")


def _plain_texts(texts: NDArray[np.object_]) -> NDArray[np.object_]:
    """The texts for matplotlib; those that differ still do where they are cut."""
    found: dict[str, str] = {}
    taken: dict[str, int] = {}
    for text in dict.fromkeys(texts.ravel()):
        cut = _plain(text)
        n = taken[cut] = taken.get(cut, 0) + 1
        found[text] = cut if n == 1 else f"{cut} ({n})"
    flat = [found[text] for text in texts.ravel()]
    return np.asarray(flat, dtype=object).reshape(texts.shape)


def _sample(n_rows: int) -> NDArray[np.intp]:
    """Indices of at most `_MAX_DOTS` rows, evenly spread over the table."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, _MAX_DOTS)).astype(np.intp))
