"""`automl serve`: bundles as a REST service, until the process is asked to end."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.cores import usable_cores
from automl.errors import ConfigError
from automl.serve.access import Access, hosts_for
from automl.serve.app import App
from automl.serve.endpoints import Service
from automl.serve.limits import Limits
from automl.serve.log import Log, LogOptions
from automl.serve.metrics import Metrics
from automl.serve.models import Means, Model, Models, load_model, named_places
from automl.serve.shortcut import Shortcut, with_shortcut

if TYPE_CHECKING:
    from uvicorn import Server

_SWITCH_SECONDS = 0.0005  # how long one thread keeps the interpreter while another waits for it
_HEAD_SECONDS = 10.0  # for the head of a request
_KEEP_ALIVE_SECONDS = 75
_END_SECONDS = 30
_LOOK_SECONDS = 1.0
_STOP_SECONDS = 0.05


@dataclass(frozen=True)
class ServeOptions:
    """How bundles are served.

    port: 0 = any free one.  token_file: one bearer token a line; None = everybody may ask.
    allow_hosts: names to answer to besides those of this machine, "*" = any; only asked without
    a token on a local address.  require_digest: what the digest of the only bundle must be.
    scorers: processes that score small requests of each bundle beside the service; None = one
    where there is a core for it.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token_file: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    require_digest: str | None = None
    limits: Limits = field(default_factory=Limits)
    log: LogOptions | None = None
    scorers: int | None = None

    @property
    def processes(self) -> int:
        """Scoring processes of each bundle; what is logged is scored by the service itself."""
        if self.log is not None:
            return 0
        if self.scorers is not None:
            return self.scorers
        return 1 if usable_cores() > 1 else 0


def serve(
    bundles: Sequence[str],
    options: ServeOptions | None = None,
    *,
    say: Callable[[str], None] = lambda text: None,
    debug: bool = False,
    stop: threading.Event | None = None,
) -> None:
    """Serve the bundles (PATH or NAME=PATH) until SIGTERM or Ctrl-C; then finish what has begun.

    say: told what happens, in sentences.  debug: with tracebacks of our own faults.
    stop: ends the service, too, which may then run in any thread.
    Raises BundleError, ConfigError before the service has begun.
    """
    options = options or ServeOptions()
    uvicorn = _uvicorn()
    places = named_places(bundles)
    if options.require_digest is not None and len(places) > 1:
        raise ConfigError(
            "--require-digest names one bundle, but several are given.", hint="Leave it out."
        )
    loaded = [load_model(name, path, options.require_digest) for name, path in places.items()]
    with ThreadPoolExecutor(usable_cores(), "score-many") as pool:
        running = _Running(options, places, loaded, pool, say, debug=debug, stop=stop)
        config = uvicorn.Config(
            running.app,
            http=_protocol(running.shortcut),
            host=options.host,
            port=options.port,
            log_config=None,
            log_level="critical",
            access_log=False,
            ws="none",
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=options.limits.max_connections,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_END_SECONDS,
        )
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            running.run(uvicorn.Server(config))
        finally:
            sys.setswitchinterval(before)


def _uvicorn() -> Any:
    try:
        import uvicorn
    except ImportError as error:
        raise ConfigError(
            "The service needs uvicorn, which is not installed.",
            hint="Run `pip install 'automl[serve]'`.",
        ) from error
    return uvicorn


def _protocol(shortcut: Shortcut) -> type[Any]:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    return with_shortcut(AutoHTTPProtocol, shortcut)


class _Running:
    """One run of the service: what begins and ends with it."""

    def __init__(
        self,
        options: ServeOptions,
        places: dict[str, Path],
        loaded: Sequence[Model],
        pool: ThreadPoolExecutor,
        say: Callable[[str], None],
        *,
        debug: bool,
        stop: threading.Event | None,
    ) -> None:
        self._options, self._say, self._debug, self._stop = options, say, debug, stop
        self._loaded = loaded
        metrics = Metrics()
        self._access = Access(
            options.token_file, hosts_for(options.host, options.token_file, options.allow_hosts)
        )
        self._log = None if options.log is None else Log(options.log, metrics, say)
        means = Means(options.limits, pool, options.processes)
        self._models = Models(places, metrics, means, say, options.require_digest)
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Server | None = None
        self.app = App(
            Service(options.limits, pool, self._log),
            self._models,
            metrics,
            self._access,
            fault=self._fault,
            begin=self._begin,
            end=self._end,
        )
        self.shortcut = Shortcut(self._models, metrics, self.app.load, options.limits)

    def run(self, server: Server) -> None:
        """Serve until a signal; raises ConfigError if the address cannot be taken."""
        self._server = server
        try:
            server.run()
        except (SystemExit, KeyboardInterrupt):  # the signal that ended it, once more
            if server.started:
                return
            raise ConfigError(
                f"Nothing can listen on {self._options.host}, port {self._options.port}: "
                "it is taken, or not allowed.",
                hint="Choose another --port, or --host.",
            ) from None

    async def _begin(self) -> None:
        for model in self._loaded:
            self._models.put(model)
        # Windows has no SIGHUP, and only the main thread has signals.
        with suppress(NotImplementedError, AttributeError, ValueError, RuntimeError):
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self._asked_to_look)
        self._tasks = [
            asyncio.create_task(self._models.watch()),
            asyncio.create_task(self._close_idle()),
            asyncio.create_task(self._say_where()),
            asyncio.create_task(self._await_stop()),
        ]

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._models.close()
        if self._log is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._log.close)

    async def _say_where(self) -> None:
        assert self._server is not None
        while not self._server.started:
            await asyncio.sleep(0.01)
        address = self._server.servers[0].sockets[0].getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        for name, digest in self._models.ids.items():
            self._say(f"{name}: answered by the bundle {digest}.")
        self._say(f"Serving on http://{host}:{address[1]} (Ctrl-C ends it).")

    async def _await_stop(self) -> None:
        assert self._server is not None
        while self._stop is not None and not self._stop.is_set():
            await asyncio.sleep(_STOP_SECONDS)
        if self._stop is not None:
            self._server.should_exit = True

    def _asked_to_look(self) -> None:
        """SIGHUP: read tokens and bundles again."""
        try:
            self._access.read()
            self.shortcut.forget()
        except ConfigError as error:
            self._say(f"The tokens stay as they are: {error}")
        self._tasks.append(asyncio.create_task(self._models.look(now=True)))
        self._tasks = [task for task in self._tasks if not task.done()]

    async def _close_idle(self) -> None:
        """Close connections that send no whole head of a request, or do not read their answer."""
        assert self._server is not None
        since: dict[Any, tuple[int, float]] = {}
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now, stuck = loop.time(), {}
            for connection in list(self._server.server_state.connections):
                state = _stuck(connection)
                if state is None:
                    continue
                before = since.get(connection, (state, now))
                stuck[connection] = before if before[0] == state else (state, now)
                longest = self._options.limits.timeout
                if state == 0:
                    longest = min(longest, _HEAD_SECONDS)
                if now - stuck[connection][1] > longest:
                    connection.transport.abort()
            since = stuck

    def _fault(self, error: BaseException) -> None:
        self._say(f"A request failed by a fault of ours: {type(error).__name__}: {error}")
        if self._debug:
            self._say("".join(traceback.format_exception(error)))


def _stuck(connection: Any) -> int | None:
    """0 for a connection whose next request has not come, 1 for one that is not read; else None.

    One that is kept alive between two requests has a timer of its own.
    """
    flow, cycle = connection.flow, connection.cycle
    if flow is not None and flow.write_paused:
        return 1
    idle = cycle is None or cycle.response_complete
    return 0 if idle and connection.timeout_keep_alive_task is None else None
