"""`automl verify`: say whether a bundle is whole and safe to use, and its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from automl.cli.options import console_options, digest_option, json_option

if TYPE_CHECKING:
    from automl.cli.console import Console
    from automl.workflows.verify import Verification

_KNOWN = {"fit": "a run of yours wrote it", "checked": "checked before", None: "not before"}
_SHOWN = 5


@click.command("verify")
@click.argument("bundle", metavar="BUNDLE")
@digest_option
@json_option
@console_options
def command(bundle: str, require_digest: str | None, as_json: bool, console: Console) -> None:
    """Check that BUNDLE is whole and can be used, and print its digest.

    Format, file names, sizes and the SHA-256 of every file are compared with the manifest. Then
    a process of its own reads the models and uses them on a few made-up rows, since a file made
    for it can crash the boosting libraries. No code of the bundle is run.

    A bundle that is whole may still predict anything: a digest that you have from its maker
    says that it is theirs.

    \b
    Example:
        automl verify data-model
        automl verify data-model --require-digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b8...
    """
    from automl.workflows.verify import verify

    found = verify(bundle, require_digest=require_digest)
    if as_json:
        console.emit_json(found.to_json())
        return
    console.table(_rows(found), ("fact", "value"))
    console.say(f"'{bundle}' is whole, and its models can be used.")


def _rows(found: Verification) -> list[tuple[str, str]]:
    boosters = ", ".join(f"{count} {engine}" for engine, count in sorted(found.boosters.items()))
    rows = [
        ("digest", found.digest),
        ("format", f"{found.format}, written by automl {found.automl}"),
        ("model", f"{found.task}, target {found.target!r}"),
        ("files", f"{found.n_files:,}, {found.n_bytes:,} bytes, all as they were written"),
        ("boosters", f"{boosters}; read and used on {found.n_rows} rows"),
        ("known", _KNOWN[found.known]),
        ("run", "there" if found.run else "not there; only --resume needs it"),
    ]
    if found.unlisted:
        more = ", …" if len(found.unlisted) > _SHOWN else ""
        names = ", ".join(map(repr, found.unlisted[:_SHOWN]))
        rows.append(("unlisted", f"{names}{more}; never read"))
    return rows
