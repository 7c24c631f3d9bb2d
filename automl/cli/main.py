"""The `automl` command: a group that loads its commands late, and the end of every error."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from automl import plugins
from automl.cli import console
from automl.cli.interrupts import TERMINATED
from automl.cli.options import debug_option
from automl.cli.streams import mend_streams
from automl.errors import AutoMLError, ConfigError, did_you_mean

COMMANDS = "automl.cli.commands"
# The order of a first reading; commands that are not named here follow by name.
_FIRST = (
    *("fit", "predict", "evaluate", "explain", "show", "report", "compare", "profile", "verify"),
    *("export", "serve", "benchmark"),
)

_MISTAKE, _BUG, _INTERRUPTED = 2, 1, 130
_DISK = {
    errno.ENOSPC: "No space is left on the disk",
    errno.EROFS: "The file system is read-only",
    errno.EACCES: "No permission",
    errno.EPERM: "No permission",
    errno.EFBIG: "The file is too large for its file system",
    errno.ENAMETOOLONG: "The file name is too long",
    errno.EEXIST: "Something else is there already",
    errno.EISDIR: "There is a folder where a file is needed",
    errno.ENOTDIR: "There is a file where a folder is needed",
    **({errno.EDQUOT: "The disk quota is used up"} if hasattr(errno, "EDQUOT") else {}),
}


class _ReaderLeft(Exception):
    """Stands for BrokenPipeError on the way through click, which would exit with 1 on that."""


class LazyGroup(click.Group):
    """A group whose commands are the files of automl/cli/commands, imported when needed."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _past_click():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _past_click():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        words = [name.replace("_", "-") for name in plugins.names(COMMANDS)]
        first = [word for word in _FIRST if word in words]
        return first + [word for word in words if word not in _FIRST]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if not self._has(cmd_name):
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = plugins.load(COMMANDS, name, "command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not self._has(args[0]) and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            raise ConfigError(
                f"Unknown command {args[0]!r}.",
                hint=did_you_mean(args[0], known) or f"Commands: {', '.join(known)}.",
            )
        return super().resolve_command(ctx, args)

    def _has(self, word: str) -> bool:
        """Whether `word` is a command; the installed packages are asked only if it is not ours."""
        name = word.replace("-", "_")
        known = name in plugins.own_names(COMMANDS) or name in plugins.names(COMMANDS)
        return known and "_" not in word


@contextmanager
def _past_click() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderLeft from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="automl", message="%(prog)s %(version)s")
@debug_option
def cli() -> None:
    """Train, validate, blend and explain gradient-boosting models from one table.

    \b
    Example:
        automl fit data.csv --target y
        automl predict data-model new.csv
    """


def run() -> NoReturn:
    """The `automl` command of a process of our own: `main`, with quicker imports of boosters."""
    from automl.engines._imports import use_lean_imports

    use_lean_imports()
    mend_streams()
    # As an exception it runs through every `with`: no half-written folder stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    status = main()
    # Nothing is left to do, and taking the boosters' libraries apart took up to a second.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader left, or it was closed
            stream.flush()
    os._exit(status)


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Every error becomes one short block on stderr here."""
    state = {"debug": False}
    try:
        outcome = cli.main(args, prog_name="automl", standalone_mode=False, obj=state)
        sys.stdout.flush()
    except (BrokenPipeError, _ReaderLeft):
        return _reader_left()
    except (KeyboardInterrupt, click.Abort) as error:
        console.error("Interrupted.", hint=_note(error))
        return _INTERRUPTED
    except SystemExit as error:
        if error.code == TERMINATED:
            console.error("Terminated.", hint=_note(error))
        raise
    except Exception as error:  # noqa: BLE001 - the edge of the program: nothing above can tell it
        status = _told(error, debug=state["debug"])
        _drain_stdout()
        return status
    return outcome if isinstance(outcome, int) else 0


def _told(error: Exception, *, debug: bool) -> int:
    """Write `error` on stderr as one block; the exit status that goes with it."""
    if debug:
        console.traceback(error)
    if isinstance(error, click.ClickException):
        return _told_usage(error)
    if isinstance(error, AutoMLError):
        hints = [hint for hint in (error.hint, _note(error)) if hint]
        console.error(error.message, hint=" ".join(hints) or None)
        return error.exit_code
    if isinstance(error, OSError) and (what := _disk_trouble(error)):
        place = f" for {error.filename!r}" if error.filename else ""
        cure = "Name another place, or make room or rights there."
        again = _note(error)
        console.error(f"{what}{place}.", hint=f"{cure} {again}" if again else cure)
        return _MISTAKE
    if isinstance(error, MemoryError):
        cure = "Use fewer rows (--sample) or --workers 1."
        console.error("The memory is used up.", hint=cure)
        return _BUG
    hint = None if debug else "Run it again with --debug to see where it happened."
    console.error(
        f"This is a bug of automl, not of your input: {type(error).__name__}: {error}", hint=hint
    )
    return _BUG


def _note(error: BaseException) -> str | None:
    """What was added to the error on its way: how an interrupted run goes on."""
    notes: tuple[str, ...] = ()
    cause: BaseException | None = error
    while cause is not None and not notes:  # click puts an Abort around a KeyboardInterrupt
        notes, cause = getattr(cause, "__notes__", ()), cause.__cause__
    return " ".join(notes) or None


def _disk_trouble(error: OSError) -> str | None:
    """What is wrong with the disk or the path; None if that is not it."""
    # numpy gives no number when it could not write an array whole.
    if error.errno is None and "requested and" in str(error):
        return "A file could not be written whole, so the disk or its quota is full"
    return None if error.errno is None else _DISK.get(error.errno)


def _told_usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        console.talk(error.format_message())
        return error.exit_code
    context = getattr(error, "ctx", None)
    hint = f"Try '{context.command_path} --help'." if context is not None else None
    console.error(error.format_message(), hint=hint)
    return error.exit_code


def _reader_left() -> int:
    """End quietly when the reader of stdout left, as `head` does: it has what it wanted."""
    _drain_stdout()
    return 0


def _drain_stdout() -> None:
    """Let go of what stdout could not take, or Python's own flush at the exit fails once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
