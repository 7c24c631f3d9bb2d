"""`automl show`: what a bundle says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from automl.cli.options import console_options, json_option

if TYPE_CHECKING:
    from automl.cli.console import Console

_WHAT = "leaderboard|schema|decisions|versions|config|all"


@click.command("show")
@click.argument("bundle", metavar="BUNDLE")
@click.argument("what", metavar=f"[{_WHAT}]", default="summary")
@json_option
@console_options
def command(bundle: str, what: str, as_json: bool, console: Console) -> None:
    """Show what BUNDLE is and how it came about.

    Without a second word: target, score, members and the strongest columns. No model is opened,
    and every file is checked against its digest first.

    \b
    Example:
        automl show data-model leaderboard
    """
    from automl.workflows.show import show

    sections = show(bundle, what)
    if as_json:
        only = len(sections) == 1
        console.emit_json(
            sections[0].data if only else {section.name: section.data for section in sections}
        )
        return
    for i, section in enumerate(sections):
        if i:
            console.data("")
        title = section.name.capitalize() if len(sections) > 1 else ""
        console.table(section.rows, section.columns, title=title)
