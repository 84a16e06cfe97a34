"""The routes of the server, who may use them, and how errors are answered."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from strop.device.logs import log, log_failure
from strop.errors import StropError
from strop.serve.access import Access
from strop.serve.admission import Admission
from strop.serve.endpoints import Endpoints
from strop.serve.metrics import Metrics
from strop.serve.refusals import Busy, NotFound, Unauthorized, status_of

Answer = Callable[[Request], Awaitable[Response]]

_GONE = 499  # the client went away: nobody reads the answer


class Endpoint:
    """A route's answer: checks who asks, admits, answers errors as JSON, and counts.

    It is an ASGI application, since Starlette wraps functions in two more calls for each request.

    Args:
        answer: answers a request.
        access: what a request must have.
        metrics: counts the requests.
        admission: what a request is inside of, until its answer is sent; None: it is cheap.
        is_open: whether it needs no token.
        logs: whether to log each request.
    """

    def __init__(
        self,
        answer: Answer,
        access: Access,
        metrics: Metrics,
        admission: Admission | None,
        *,
        is_open: bool,
        logs: bool,
    ) -> None:
        self._answer = answer
        self._name = answer.__name__
        self._access = access
        self._metrics = metrics
        self._admission = admission
        self._is_open = is_open
        self._logs = logs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        with contextlib.ExitStack() as inside:
            response = await self._response(Request(scope, receive), inside)
            if response.status_code != _GONE:
                await response(scope, receive, send)
        took_s = time.perf_counter() - began
        self._metrics.count(self._name, response.status_code, took_s)
        if self._logs:
            log(
                "request",
                endpoint=self._name,
                path=scope["path"][:200],
                status=response.status_code,
                took_us=round(took_s * 1e6),
            )

    async def _response(self, request: Request, inside: contextlib.ExitStack) -> Response:
        try:
            self._access.require_host(request.headers)
            if not self._is_open:
                self._access.require_token(request.headers)
            if self._admission is not None:
                inside.enter_context(self._admission)
            return await self._answer(request)
        except ClientDisconnect:
            return Response(status_code=_GONE)
        except StropError as error:
            response = refusal(error)
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(
                error, Busy
            ):
                log_failure("failed", error, endpoint=self._name)
            return response
        except Exception as error:  # noqa: BLE001  a fault of ours; the client learns no more
            log_failure("failed", error, endpoint=self._name)
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")


def refusal(error: StropError) -> Response:
    """Answer an error: its status, and an object with `error`, as the protocol has it."""
    response = _said(status_of(error), str(error))
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _said(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer a path or method that there is no route for."""
    assert isinstance(error, HTTPException)  # noqa: S101  Starlette calls it with no other
    if error.status_code == HTTPStatus.NOT_FOUND:
        return refusal(NotFound(f"there is nothing at {request.url.path[:200]}", "see /v2"))
    response = _said(
        error.status_code, f"{request.method[:20]} is not for {request.url.path[:200]}"
    )
    response.headers.update(error.headers or {})
    return response


def make_app(
    endpoints: Endpoints, access: Access, metrics: Metrics, admission: Admission, *, logs: bool
) -> Starlette:
    """Make the ASGI application.

    Args:
        endpoints: the answers.
        access: what requests must have; those for health need no token.
        metrics: counts the requests.
        admission: limits the requests that run a model.
        logs: whether to log each request.
    """

    def route(method: str, path: str, answer: Answer, **limits: Any) -> Route:
        options = {"admission": None, "is_open": False, "logs": logs, **limits}
        return Route(path, Endpoint(answer, access, metrics, **options), methods=[method])

    get, post = partial(route, "GET"), partial(route, "POST")
    runs = partial(post, admission=admission)
    it = endpoints
    routes = [get("/v2/models/stats", it.statistics)]  # before the models: none may have this name
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes += [
            runs(f"{model}/infer", it.infer),
            get(model, it.model),
            get(f"{model}/ready", it.model_ready),
            get(f"{model}/config", it.config),
            get(f"{model}/stats", it.statistics),
            get(f"{model}/counts", it.counts),
        ]
    routes += [
        get("/v2/health/live", it.live, is_open=True),
        get("/v2/health/ready", it.ready, is_open=True),
        get("/v2", it.server),
        post("/v2/repository/index", it.index),
        post("/v2/repository/models/{name}/load", it.load),
        post("/v2/repository/models/{name}/unload", it.unload),
        runs("/classify", it.classify),
        runs("/classify/{name}", it.classify),
        get("/metrics", it.metrics),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_route})
    app.router.redirect_slashes = False  # to a URL that a proxy's clients may not reach
    return app
