"""What a person sees: the only module that writes to the terminal. stdout is data, stderr is talk.

On a terminal the talk is drawn with rich; piped, with --quiet, NO_COLOR or TERM=dumb it is plain
lines without control characters. Names and values from a table are shown as text, never obeyed.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

from automl.cli.board import drawn, ranked
from automl.cli.text import (
    cell,
    clean,
    duration,
    escaped_json,
    plain_json,
    score_text,
    visible,
)
from automl.ledger import Board, Decision

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.live import Live

# Lines of one topic in one stage before the rest is only counted; -v shows all.
_LINES_PER_TOPIC = 6


class Console:
    """Tells a person about one command; a `ledger.Progress` for the functions of workflows.

    quiet: say warnings and the result only.  verbose: say every decision with reason and cost.
    A context manager: what is drawn is closed at its end, also after an error.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.drawing = not quiet and _is_terminal(sys.stderr)
        self._live: Live | None = None
        self._board: Board | None = None
        self._rich: RichConsole | None = None
        self._topics: Counter[str] = Counter()
        self._best: float | None = None

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the last leaderboard on the screen and give the cursor back."""
        self._end_stage()

    # Progress

    def stage(self, title: str) -> None:
        """A heading."""
        self._end_stage()
        if not self.quiet:
            self._line(title, "bold")

    def decided(self, decision: Decision) -> None:
        """One decision as a line; only the first few of a topic unless verbose."""
        if decision.warning:
            self.warn(decision.decision, reason=decision.reason)
            return
        if self.quiet:
            return
        self._topics[decision.topic] += 1
        if self.verbose or self._topics[decision.topic] <= _LINES_PER_TOPIC:
            cost = decision.seconds if self.verbose else None
            self._line(decision.decision, reason=_reason(decision.reason, cost), indent=2)

    def board(self, board: Board) -> None:
        """The leaderboard, redrawn in place; on plain output one line for each new best."""
        if self.drawing:
            self._draw(board)
        elif not self.quiet:
            self._say_new_best(board)

    # Talk

    def say(self, text: str) -> None:
        """A line on stderr, unless quiet."""
        if not self.quiet:
            self._line(text)

    def warn(self, text: str, *, reason: str = "") -> None:
        """A warning on stderr, also when quiet."""
        self._line(f"Warning: {clean(text)}", "yellow", reason=_reason(reason, None), indent=2)

    def result(
        self, headline: str, facts: Sequence[tuple[str, str]] = (), next_command: str | None = None
    ) -> None:
        """The end of a command on stderr: a headline, named facts, the next command to type.

        Quiet: the headline only. A fact with an empty name continues the one above it.
        """
        self._end_stage()
        if self.quiet:
            self._line(headline)
            return
        self._line("")
        self._line(headline, "bold green")
        width = max((len(name) for name, _ in facts), default=0)
        for name, value in facts:
            self._line(f"{name:<{width}}  {clean(value)}", indent=2)
        if next_command:
            self._line("")
            self._line("Next:")
            self._line(next_command, "bold", indent=2)

    # Data

    def table(
        self, rows: Sequence[Sequence[Any]], columns: Sequence[str], *, title: str = ""
    ) -> None:
        """A table on stdout; columns of numbers are set flush right, None is an empty cell."""
        self._end_stage()
        cells = [[cell(value) for value in row] for row in rows]
        right = [
            any(row[i] is not None for row in rows)
            and all(row[i] is None or _is_number(row[i]) for row in rows)
            for i in range(len(columns))
        ]
        if _is_terminal(sys.stdout):
            _rich_table(cells, columns, right, title)
        else:
            _write(sys.stdout, _plain_table(cells, columns, right, title))

    def data(self, text: str) -> None:
        """`text` on stdout, with a line end; on a terminal as it can be seen."""
        self._end_stage()
        _write(sys.stdout, (visible(text) if sys.stdout.isatty() else text) + "\n")

    def emit_json(self, value: Any) -> None:
        """`value` as strict JSON on stdout: no NaN, no Infinity; both become null."""
        text = json.dumps(plain_json(value), indent=2, ensure_ascii=not _is_unicode(sys.stdout))
        self.data(escaped_json(text))

    def stdout_bytes(self) -> BinaryIO:
        """stdout as bytes, for a table in CSV or another file format.

        Into a file or a pipe they go as they are. A terminal shows cells and never obeys them.
        """
        self._end_stage()
        sys.stdout.flush()
        if sys.stdout.isatty():
            return cast(BinaryIO, _Shown(sys.stdout))
        return sys.stdout.buffer

    # Drawing

    def _line(self, text: str, style: str = "", *, reason: str = "", indent: int = 0) -> None:
        if not self.drawing:
            line = " " * indent + clean(text) + (f" ({reason})" if reason else "")
            _write(sys.stderr, line.rstrip() + "\n")
            return
        from rich.padding import Padding
        from rich.text import Text

        words = Text(clean(text), style)
        if reason:
            words.append(f" ({reason})", "dim")
        self._screen().print(Padding(words, (0, 0, 0, indent)))

    def _screen(self) -> RichConsole:
        if self._rich is None:
            self._rich = _rich_console(sys.stderr)
        return self._rich

    def _end_stage(self) -> None:
        """Stop drawing the board; count the lines of this stage that were not shown."""
        if self._live is not None and self._board is not None:
            size = self._screen()
            self._live.update(drawn(self._board, size.height, size.width, ended=True))
            self._live.stop()
            self._live = None
        hidden = sum(max(n - _LINES_PER_TOPIC, 0) for n in self._topics.values())
        self._topics.clear()
        if hidden and not self.verbose:
            self._line(f"… and {hidden} more; -v shows all", "dim", indent=2)

    def _draw(self, board: Board) -> None:
        screen = self._screen()
        if self._live is None:
            from rich.live import Live

            # stdout stays as it is: it is data. Redrawn only when the race calls.
            self._live = Live(
                console=screen, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        self._board = board
        self._live.update(drawn(board, screen.height, screen.width), refresh=True)

    def _say_new_best(self, board: Board) -> None:
        done = [row for row in ranked(board) if row.state == "done" and row.score is not None]
        if not done or done[0].score == self._best:
            return
        top = done[0]
        self._best = top.score
        self._line(
            f"{duration(board.spent):>7}  {board.metric} {score_text(top.score, top.spread)}  "
            f"{top.name} ({top.recipe})",
            indent=2,
        )


class _Shown(io.RawIOBase):
    """Bytes of text for a terminal: what it would obey is written as an escape."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        _write(self._terminal, visible(self._decoder.decode(bytes(data))))
        return len(data)


# Before and after a Console: the end of the program has none.


def talk(text: str) -> None:
    """A block of text on stderr, line by line."""
    _write(sys.stderr, visible(text.rstrip("\n")) + "\n")


def error(message: str, *, hint: str | None = None) -> None:
    """One block on stderr: `Error: …`, and `Hint: …` when there is something to do."""
    lines = [("Error: ", message, "bold red")] + ([("Hint: ", hint, "bold")] if hint else [])
    if not _is_terminal(sys.stderr):
        _write(sys.stderr, "".join(f"{label}{clean(text)}\n" for label, text, _ in lines))
        return
    from rich.text import Text

    screen = _rich_console(sys.stderr)
    for label, text, style in lines:
        screen.print(Text.assemble((label, style), clean(text)), soft_wrap=True)


def traceback(failure: BaseException) -> None:
    """The traceback of `failure` on stderr, for --debug."""
    from traceback import format_exception

    _write(sys.stderr, visible("".join(format_exception(failure))))


def _reason(reason: str, seconds: float | None) -> str:
    parts = [clean(reason).rstrip(".")] if reason else []
    if seconds is not None:
        parts.append(duration(seconds))
    return ", ".join(parts)


# Streams


def _is_terminal(stream: TextIO) -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and stream.isatty()


def _is_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") in {"utf8", "utf16", "utf32"}


def _write(stream: TextIO, text: str) -> None:
    """Write `text`; characters that the stream's encoding lacks are written as escapes."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _rich_console(stream: TextIO) -> RichConsole:
    from rich.console import Console as RichConsole

    return RichConsole(file=stream, markup=False, highlight=False, emoji=False)


# Tables


def _plain_table(
    cells: Sequence[Sequence[str]], columns: Sequence[str], right: Sequence[bool], title: str
) -> str:
    names = [clean(name) for name in columns]
    widths = [max([len(names[i]), *(len(row[i]) for row in cells)]) for i in range(len(names))]
    lines = [clean(title)] if title else []
    for row in (names, *cells):
        padded = [
            text.rjust(width) if flush else text.ljust(width)
            for text, width, flush in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines) + "\n"


def _rich_table(
    cells: Sequence[Sequence[str]], columns: Sequence[str], right: Sequence[bool], title: str
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, flush in zip(columns, right, strict=True):
        table.add_column(Text(clean(name)), justify="right" if flush else "left")
    for row in cells:
        table.add_row(*(Text(text) for text in row))
    screen = _rich_console(sys.stdout)
    if title:
        screen.print(Text(clean(title), "bold"))
    screen.print(table)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
