"""The application: addresses to endpoints, every error to an answer, every answer counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from automl.errors import AutoMLError, BundleError
from automl.serve import page
from automl.serve.access import Access
from automl.serve.body import NDJSON, TYPES
from automl.serve.endpoints import Service, curve, explain, predict
from automl.serve.http import (
    Answer,
    ClientLeft,
    Receive,
    Request,
    Scope,
    Send,
    send_answer,
)
from automl.serve.limits import Load
from automl.serve.metrics import CONTENT_TYPE, Metrics
from automl.serve.models import Model, Models
from automl.serve.openapi import openapi
from automl.serve.refusal import Refusal
from automl.serve.shortcut import MARK, SINCE
from automl.serve.stream import predict_stream

# What is posted, by address.
POSTED: dict[str, Callable[[Service, Request, Model], Awaitable[Answer]]] = {
    "predict": predict,
    "explain": explain,
    "curve": curve,
}
_FACTS = ("schema", "card", page.FACTS)
_ROOT = ("health", "ready", "metrics", "openapi.json", "models")
_OPEN = ("", "health", "ready")  # without a token: they say nothing of a model
_AGAIN = {"Retry-After": "1"}


class App:
    """An ASGI application for some models.

    fault: told of errors that are ours.  begin, end: awaited when the server starts and stops.
    """

    def __init__(  # noqa: PLR0913 - the parts of a service, each given once
        self,
        service: Service,
        models: Models,
        metrics: Metrics,
        access: Access,
        *,
        fault: Callable[[BaseException], None],
        begin: Callable[[], Awaitable[None]],
        end: Callable[[], Awaitable[None]],
    ) -> None:
        self._service = service
        self._models = models
        self._metrics = metrics
        self._access = access
        self._fault = fault
        self._begin, self._end = begin, end
        self.load = Load()
        self._document: tuple[int, bytes] | None = None
        self.ready = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(Request(scope, receive, self._service.limits), send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:  # a websocket
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._begin()
        self.ready = True
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.ready = False
        await self._end()
        await send({"type": "lifespan.shutdown.complete"})

    # One request

    async def _http(self, request: Request, send: Send) -> None:
        started = time.perf_counter()
        name, rest = _taken_apart(request.path)
        model = self._models.get(name)
        label, path = model.name if model else "", rest if _known(rest) else "other"
        if model is not None:
            model.users += 1
        headers = {"X-Model-Id": model.id} if model is not None else {}
        status = 0
        try:
            status = await self._answered(request, send, model, name, rest, headers)
        except ClientLeft:
            status = 499  # as others count it; nobody reads it
        except TimeoutError:  # the answer had begun, and its client does not read it
            status = 408
        finally:
            if model is not None:
                model.release()
            self._metrics.request(label, path, status, time.perf_counter() - started)

    async def _answered(
        self,
        request: Request,
        send: Send,
        model: Model | None,
        name: str | None,
        rest: str,
        headers: dict[str, str],
    ) -> int:
        """Send the answer; its status. A stream that breaks off ends its connection."""
        begun = False

        async def sending(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(self._seconds(request)) as request.deadline:
                answer = await self._answer(request, sending, model, name, rest, headers)
        except (ClientLeft, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - the edge: every error becomes an answer
            if begun:
                raise
            answer = self._refused(error, request)
        if answer is None:
            return 200
        answer.headers = {**headers, **answer.headers}
        await send_answer(send, answer, request)  # who does not read it is cut off: `server`
        return answer.status

    def _seconds(self, request: Request) -> float:
        """What is left for the answer."""
        seconds = self._service.limits.timeout
        since = request.scope.get(SINCE)
        return seconds if since is None else seconds - asyncio.get_running_loop().time() + since

    def _refused(self, error: Exception, request: Request) -> Answer:
        """The answer that an error becomes."""
        if isinstance(error, TimeoutError):
            seconds = f"{self._service.limits.timeout:g} s"
            if request.complete:
                error = Refusal(503, f"There was no answer within {seconds}.", headers=_AGAIN)
            else:
                error = Refusal(408, f"The request was not whole after {seconds}.", close=True)
        elif isinstance(error, AutoMLError) and not isinstance(error, BundleError):
            error = Refusal(422, error.message, hint=error.hint)
        if not isinstance(error, Refusal):
            self._fault(error)
            error = Refusal(500, "This is a fault of the service, not of the request.")
        if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            self._metrics.count("automl_violations_total")
        return Answer(error.body(), error.status, headers=error.headers)

    async def _answer(
        self,
        request: Request,
        send: Send,
        model: Model | None,
        name: str | None,
        rest: str,
        headers: dict[str, str],
    ) -> Answer | None:
        """The answer; None if it was sent as a stream."""
        self._access.check_host(request)
        if rest not in _OPEN and not rest.startswith(f"{page.FOLDER}/"):
            self._access.check(request)
        method = "GET" if request.method == "HEAD" else request.method
        if model is None:
            known = ", ".join(self._models.names[:20])
            raise Refusal(404, f"There is no model {str(name)[:100]!r}.", hint=f"Known: {known}.")
        if rest in POSTED:
            _only(method, "POST")
            made = await self._posted(request, send, model, rest, headers)
            if made is not None and made.plain:
                request.scope[MARK] = name
            return made
        if rest in _FACTS or (name is None and rest in _ROOT):
            _only(method, "GET")
        answer = self._shown(request.path, name, rest) or self._fact(model, rest)
        if answer is None and name is None:
            answer = self._of_service(rest)
        if answer is None:
            raise Refusal(
                404, f"There is nothing at {request.path[:200]!r}.", hint="See GET /openapi.json."
            )
        _only(method, "GET")
        return answer

    async def _posted(
        self, request: Request, send: Send, model: Model, rest: str, headers: dict[str, str]
    ) -> Answer | None:
        limits = self._service.limits
        request.check_length()
        if not self.ready:
            raise Refusal(503, "The service is about to end.", headers=_AGAIN, close=True)
        if self.load.refuses(limits):
            raise Refusal(429, "Too many requests at a time.", headers=_AGAIN, close=True)
        length = request.headers.get(b"content-length", b"")
        held = int(length) if length.isdigit() and len(length) < 16 else limits.max_bytes
        self.load.begin(held)
        try:
            kind = request.header(b"content-type").partition(";")[0].strip().lower()
            if rest == "predict" and TYPES.get(kind) == NDJSON:
                await predict_stream(self._service, request, model, send, headers)
                return None
            return await POSTED[rest](self._service, request, model)
        finally:
            self.load.end(held)

    def _shown(self, path: str, name: str | None, rest: str) -> Answer | None:
        """The page and its files; None for another address."""
        if path == f"/models/{name}":
            return Answer(b"", 308, headers={"Location": f"/models/{name}/"})
        if rest == "":
            content = page.document("" if name is None else "../../")
            return Answer(content, content_type="text/html; charset=utf-8", headers=page.HEADERS)
        if name is not None or not rest.startswith(f"{page.FOLDER}/"):
            return None
        file = page.asset(rest.removeprefix(f"{page.FOLDER}/"))
        if file is None:
            return None
        return Answer(file.content, content_type=file.media_type, headers=file.headers)

    def _fact(self, model: Model, rest: str) -> Answer | None:
        """What is told of one model; None if there is no such thing."""
        if rest == "schema":
            return Answer(model.schema)
        if rest == "card":
            if not model.card:
                raise Refusal(404, "The bundle has no model card.")
            return Answer(model.card.encode(), content_type="text/markdown; charset=utf-8")
        if rest == page.FACTS:
            names = self._models.names
            return Answer.json(page.facts(model.predictor, model.name, names, model.explained))
        return None

    def _of_service(self, rest: str) -> Answer | None:
        """What is told of the service; None if there is no such thing."""
        if rest == "health":
            return Answer(b'{"status": "ok"}')
        if rest == "ready":
            return Answer.json({"ready": self.ready}, 200 if self.ready else 503)
        if rest == "metrics":
            models = self._models
            text = self._metrics.text(models.ids, models.processes, self.load.requests)
            return Answer(text.encode(), content_type=CONTENT_TYPE)
        if rest == "openapi.json":
            if self._document is None or self._document[0] != self._models.version:
                self._document = (self._models.version, openapi(self._models, self._service))
            return Answer(self._document[1])
        if rest == "models":
            return Answer.json({"models": [_listed(model) for model in self._models.all()]})
        return None


def _listed(model: Model) -> dict[str, str]:
    predictor = model.predictor
    facts = {"name": model.name, "model": model.id, "target": predictor.target}
    return {**facts, "task": predictor.task.value}


def _taken_apart(path: str) -> tuple[str | None, str]:
    """(name of the model or None, the rest)."""
    if not path.startswith("/models/"):
        return None, path[1:]
    name, _, rest = path[8:].partition("/")
    return name, rest


def _known(rest: str) -> bool:
    return rest in POSTED or rest in _FACTS or rest in _ROOT or rest == ""


def _only(method: str, allowed: str) -> None:
    if method != allowed:
        raise Refusal(
            405,
            f"This address takes {allowed}, not {method[:20]!r}.",
            headers={"Allow": "GET, HEAD" if allowed == "GET" else allowed},
            close=True,
        )
