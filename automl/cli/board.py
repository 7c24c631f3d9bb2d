"""The live leaderboard as something rich can draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl.cli.text import clean, duration, number, score_text
from automl.ledger import Board, BoardRow

if TYPE_CHECKING:
    from rich.console import RenderableType

# Lines of the live leaderboard, beside heading, blend and progress.
_BOARD_LINES = 10
_BOARD_FRAME = 10
_NOISE = "~"  # marks a score that chance may have put below the best
# Columns of a terminal from which engine, recipe, time and weight are shown.
_WIDE = 76


# Scores of trials that ended early come from fewer folds, so they rank below the others.
_TIERS = {"done": 0, "running": 1, "stopped": 2, "pruned": 2, "failed": 3}
_STYLES = {"running": "cyan", "pruned": "dim", "failed": "red", "stopped": "dim"}


def ranked(board: Board) -> list[BoardRow]:
    """Rows of the board: finished trials first, best score first, those without a score last."""
    sign = -1.0 if board.higher_is_better else 1.0

    def key(row: BoardRow) -> tuple[int, bool, float]:
        tier = _TIERS.get(row.state, max(_TIERS.values()))
        if row.score is None or math.isnan(row.score):
            return tier, True, 0.0
        return tier, False, sign * row.score

    return sorted(board.rows, key=key)


def drawn(board: Board, height: int, width: int, *, ended: bool = False) -> RenderableType:
    """The leaderboard, the blend's score and, unless `ended`, the progress; cut to the screen."""
    from rich.console import Group
    from rich.text import Text

    n_lines = min(_BOARD_LINES, max(height - _BOARD_FRAME, 3))
    rows = ranked(board)
    parts: list[RenderableType] = [_table(board, rows[:n_lines], wide=width >= _WIDE)]
    if _marked(rows[:n_lines]):
        parts.append(Text(f"  {_NOISE} within noise of the best", "dim", no_wrap=True))
    if len(rows) > n_lines:
        parts.append(Text(f"  … {len(rows) - n_lines} more", "dim"))
    if board.blend_score is not None:
        arrow = "higher is better" if board.higher_is_better else "lower is better"
        line = f"  blend  {clean(board.metric)} {number(board.blend_score)} ({arrow})"
        parts.append(Text(line, "bold", no_wrap=True, overflow="ellipsis"))
    if not ended:
        parts.append(_progress_line(board, width))
    if board.running and not ended:
        names = ", ".join(clean(name) for name in board.running)
        parts.append(Text(f"  in training: {names}", "dim", no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def _table(board: Board, rows: Sequence[BoardRow], *, wide: bool) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    metric = clean(board.metric)
    names = ["#", "name", *(["engine", "recipe"] if wide else []), metric, "folds"]
    for name in [*names, *(["time", "weight"] if wide else []), "state"]:
        flush = name in ("#", metric, "folds", "time", "weight")
        table.add_column(Text(name), justify="right" if flush else "left", no_wrap=True)
    marked = _marked(rows)
    for rank, row in enumerate(rows, start=1):
        # Text, not str: brackets in a name are no markup.
        cells = [Text(text) for text in _cells(rank, row, wide, marked)]
        table.add_row(*cells, style=_STYLES.get(row.state, ""))
    return table


def _marked(rows: Sequence[BoardRow]) -> bool:
    """Whether one beside the best is within noise of it."""
    return any(row.within_noise for row in rows[1:])


def _cells(rank: int, row: BoardRow, wide: bool, marked: bool) -> list[str]:
    middle = [clean(row.engine), clean(row.recipe)] if wide else []
    end = [duration(row.seconds), f"{row.weight:.2f}" if row.weight else ""] if wide else []
    folds = f"{row.folds_done}/{row.n_folds}"
    mark = f" {_NOISE}" if row.within_noise and rank > 1 else "  "
    score = score_text(row.score, row.spread) + (mark if marked else "")
    return [str(rank), clean(row.name), *middle, score, folds, *end, clean(row.state)]


def _progress_line(board: Board, width: int) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    words = [f"{board.trials_done} trials"]
    shares = []
    if board.trials_planned:
        words = [f"{board.trials_done} of {board.trials_planned} trials"]
        shares.append(board.trials_done / board.trials_planned)
    if board.budget is not None:
        shares.append(board.spent / board.budget)
        words.append(f"{duration(board.budget - board.spent)} left of {duration(board.budget)}")
    else:
        words.append(duration(board.spent))
    line = Table.grid(padding=(0, 2))
    bar = ProgressBar(
        total=1.0, completed=min(max(shares, default=0.0), 1.0), width=min(width // 3, 40)
    )
    line.add_row("", bar, Text(", ".join(words), no_wrap=True, overflow="ellipsis"))
    return line
