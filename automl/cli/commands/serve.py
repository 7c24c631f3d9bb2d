"""`automl serve`: answer requests with one or more bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.options import console_options, digest_option

if TYPE_CHECKING:
    from automl.cli.console import Console


@click.command("serve")
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Listen there  [127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, metavar="N", help="Listen there  [8000]"
)
@click.option(
    "--token-file", type=Path, metavar="FILE", help="Answer only with a token of this file"
)
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="Answer to this name too; * = any"
)
@click.option("--log", type=Path, metavar="DIR", help="Keep requests and answers as Parquet files")
@click.option("--log-sample", type=float, default=1.0, metavar="SHARE", help="… so many  [1]")
@click.option(
    "--log-max-mb", type=int, default=1024, metavar="N", help="… up to this size  [1024]"
)
@click.option("--max-mb", type=int, default=16, metavar="N", help="Refuse larger bodies  [16]")
@click.option("--max-rows", type=int, default=50_000, metavar="N", help="… more rows  [50000]")
@click.option(
    "--max-columns", type=int, default=10_000, metavar="N", help="… more columns  [10000]"
)
@click.option(
    "--max-requests", type=int, default=256, metavar="N", help="Answer so many at a time  [256]"
)
@click.option(
    "--max-connections", type=int, default=1024, metavar="N", help="Keep so many open  [1024]"
)
@click.option(
    "--timeout", type=float, default=30.0, metavar="SECONDS", help="Give up a request  [30]"
)
@click.option(
    "--scorers",
    type=click.IntRange(0, 64),
    metavar="N",
    help="Score in N processes per bundle  [1 if a core is free]",
)
@digest_option
@console_options
def command(
    bundles: tuple[str, ...],
    host: str,
    port: int,
    token_file: Path | None,
    allow_host: tuple[str, ...],
    log: Path | None,
    log_sample: float,
    log_max_mb: int,
    max_mb: int,
    max_rows: int,
    max_columns: int,
    max_requests: int,
    max_connections: int,
    timeout: float,
    scorers: int | None,
    require_digest: str | None,
    console: Console,
) -> None:
    """Serve BUNDLEs as a REST API, with a page to try them.

    The first one answers at /predict, /explain, /curve, /schema and /card, each at
    /models/NAME/...; NAME is the bundle's folder, or what stands before `=` in NAME=BUNDLE.
    /openapi.json describes it all. A bundle that is replaced on disk is taken without dropping a
    request. Ends on SIGTERM or Ctrl-C, when what has begun is answered.

    \b
    Example:
        automl serve data-model --port 8000
    """
    from automl.serve.limits import MB, Limits
    from automl.serve.log import LogOptions
    from automl.serve.server import ServeOptions, serve

    kept = None if log is None else LogOptions(log, sample=log_sample, max_mb=log_max_mb)
    options = ServeOptions(
        host=host,
        port=port,
        token_file=token_file,
        allow_hosts=allow_host,
        require_digest=require_digest,
        limits=Limits(max_mb * MB, max_rows, max_columns, timeout, max_requests, max_connections),
        log=kept,
        scorers=scorers,
    )
    serve(bundles, options, say=console.say, debug=console.verbose)
