"""The options that commands share, and those of `fit`, built from FitConfig's metadata."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field
from functools import wraps
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from automl.cli.console import Console
from automl.config import FIELDS, default_of, option_name, read_setting
from automl.forms import FLAG

Command = TypeVar("Command", bound=Callable[..., Any])


class GroupedOption(click.Option):
    """An option that is listed under a heading of the command's help."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class GroupedCommand(click.Command):
    """A command whose help lists options under headings, in the order of declaration."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        last: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None or not isinstance(parameter, click.Option):
                continue
            if isinstance(parameter, GroupedOption):
                sections.setdefault(parameter.heading, []).append(record)
            else:
                last.append(record)
        for heading, records in [*sections.items(), ("Terminal", last)]:
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def fit_options(command: Command) -> Command:
    """One option per field of FitConfig; values stay text, `resolve` reads and checks them."""
    for item in reversed(list(FIELDS.values())):
        command = _field_option(item)(command)
    return command


def given_settings(ctx: click.Context) -> dict[str, Any]:
    """The FitConfig fields that were typed on the command line, as text."""
    typed = ParameterSource.COMMANDLINE
    return {
        name: value
        for name, value in ctx.params.items()
        if name in FIELDS and ctx.get_parameter_source(name) is typed
    }


def _field_option(item: Field[Any], help: str | None = None) -> Callable[[Command], Command]:
    meta = item.metadata
    name = option_name(item.name)
    shape: dict[str, Any] = {"metavar": meta["metavar"], "type": str}
    if meta["form"] is FLAG:
        # Both ways, so that the command line can take back what a file or a variable says.
        name, shape = f"{name}/--no-{name[2:]}", {"default": item.default}
    else:
        shape["default"] = None
        shape["multiple"] = meta["form"].many
    if choices := meta.get("choices"):
        shape["shell_complete"] = _completion(choices)
    names = [meta["short"], name] if "short" in meta else [name]
    return click.option(
        *names,
        item.name,
        cls=GroupedOption,
        heading=meta["group"],
        help=(help or meta["help"]) + _default_note(item),
        **shape,
    )


def _default_note(item: Field[Any]) -> str:
    default = item.metadata.get("shown", default_of(item))
    if default is None or isinstance(default, bool) or default in ("", (), {}):
        return ""
    return f"  [{default}]"


def _completion(
    choices: tuple[str, ...],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(
        ctx: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(word) for word in choices if word.startswith(incomplete)]

    return complete


def reading_options(command: Command) -> Command:
    """`--delimiter`, `--encoding`, `--header`; None when not given, read by `reading_settings`."""
    for name in ("header", "encoding", "delimiter"):
        command = _field_option(FIELDS[name])(command)
    return command


def reading_settings(
    delimiter: str | None, encoding: str | None, header: bool | None = None
) -> dict[str, Any]:
    """Checked values of the reading options: the delimiter one character, the encoding known.

    Raises ConfigError naming the option.
    """
    given = {"delimiter": delimiter, "encoding": encoding, "header": header}
    return {
        name: None if text is None else read_setting(name, text) for name, text in given.items()
    }


def seed_option(command: Command) -> Command:
    """`--seed`, an integer of at least 0."""
    meta = FIELDS["seed"].metadata
    return click.option(
        "--seed", type=click.IntRange(min=0), default=0, metavar="N", help=f"{meta['help']}  [0]"
    )(command)


def digest_option(command: Command) -> Command:
    """`--require-digest`, passed as `require_digest`: the digest that the bundle must have."""
    return click.option(
        "--require-digest", metavar="SHA256", help="Take only the bundle of this digest"
    )(command)


def json_option(command: Command) -> Command:
    """`--json`, passed as `as_json`: the result as one JSON object on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")(
        command
    )


def console_options(command: Command) -> Command:
    """`--quiet`, `--verbose` and `--debug`; the command receives `console`, a Console.

    Whatever the console draws is closed when the command ends.
    """

    @click.option("-q", "--quiet", is_flag=True, help="Say only warnings and the result")
    @click.option("-v", "--verbose", is_flag=True, help="Say every decision with its reason")
    @debug_option
    @wraps(command)
    def with_console(*args: Any, quiet: bool, verbose: bool, **kwargs: Any) -> Any:
        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose exclude each other.")
        with Console(quiet=quiet, verbose=verbose) as console:
            return command(*args, console=console, **kwargs)

    return with_console  # type: ignore[return-value]  # the same command with options added


def debug_option(command: Command) -> Command:
    """`--debug`, remembered for `main`, which then shows tracebacks."""

    def remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value and isinstance(ctx.obj, dict):
            ctx.obj["debug"] = True

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=remember,
        help="Show tracebacks of errors",
    )(command)
