"""HTTP of every service: one edge that names requests, bounds bodies and renders every error as a problem (RFC 9457).

The caller's address is believed only from the gateway's certificate, and a relay's where a service names one; nothing
unknown ever reaches the outside as text.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any

import asyncpg
import httpx2
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.routing import Match, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.uuid7 import uuid7
from guard import contract, errors, intake, query, telemetry
from guard.body import pointer_of
from guard.identity import peer_of
from guard.tls import Certificate

_log = logging.getLogger("guard.http")
_GATEWAY = "gateway"
_ADDRESS = "x-envoy-external-address"
_TOLD = 100  # faults of one body; a megabyte of unknown fields would be answered by several
# Pydantic's own words for these quote a piece of the input, or speak of Python.
_SAID = {
    "uuid_parsing": "Input should be a valid UUID",
    "model_attributes_type": "Input should be an object",
    "model_type": "Input should be an object",
}

Check = Callable[[], Awaitable[None]]
"""Raises a Problem while the service is not ready to answer."""


def app(
    name: str,
    routers: Sequence[APIRouter],
    *,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    streamed: Mapping[tuple[str, str], int] = MappingProxyType({}),
    relays: frozenset[str] = frozenset(),
) -> FastAPI:
    """The application of service `name`; `lifespan` calls `Runtime.equip` before it yields.

    `streamed`: the routes (method, path as the router has it) that read their body themselves, piece by piece and of
    whatever media type, and how many bytes each takes at most. `relays`: the services that ask this one for a caller of
    theirs (`on_behalf`), and are believed what they say of it.
    """
    api = contract.Api(
        title=name, version="1", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False,
        openapi_url=f"/v1/openapi/{name}.json", separate_input_output_schemas=False,
        # Its own would double every span and metric, and put the texts of exceptions into log records.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )  # fmt: skip
    api.streamed = streamed
    for router in routers:
        api.include_router(router)
    api.include_router(_looks())
    api.add_exception_handler(errors.Problem, _problem)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_middleware(_Edge, service=name, streamed=streamed, believed=relays | {_GATEWAY})
    return api


def client(certificate: Certificate, *, peer: str = "auth", timeout: float = 5.0) -> httpx2.AsyncClient:
    """A pooled client for one other service, `peer` and nobody else: mTLS, TLS 1.3, no proxies.

    It names the request that it serves (`X-Request-Id`) and its span (`traceparent`). `timeout` is in seconds.
    """
    limits = httpx2.Limits(max_connections=50, keepalive_expiry=60)
    hooks = {"request": [_introduce]}
    tls = certificate.client(peer)
    return httpx2.AsyncClient(verify=tls, timeout=timeout, trust_env=False, limits=limits, event_hooks=hooks)


async def _introduce(request: httpx2.Request) -> None:
    for name, value in (("X-Request-Id", telemetry.request_id()), ("traceparent", telemetry.traceparent())):
        if value:
            request.headers[name] = value


def on_behalf(request: Request) -> dict[bytes, bytes]:
    """Headers with which a service asks another one for its caller: token, address, user agent (`relays` of `app`).
    In bytes, as they came: a user agent need not be ASCII. The first of each, as `identity` takes it.
    """
    kept = {name: value for name, value in reversed(request.headers.raw) if name in (b"authorization", b"user-agent")}
    return {**kept, _ADDRESS.encode(): request.scope["state"]["ip"].encode()}


def _looks() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def is_alive(request: Request) -> dict[str, str]:
        return {"status": "alive", "build": request.app.state.build}

    @router.get("/readyz")
    async def is_ready(request: Request) -> dict[str, str]:
        checks: Sequence[Check] = request.app.state.checks
        for check in checks:
            await check()
        return {"status": "ready"}

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


class _Edge:
    """The outermost layer: request id, caller's address, body limits, the last word on errors, one metric, one span."""

    def __init__(
        self, app: ASGIApp, service: str, streamed: Mapping[tuple[str, str], int], believed: frozenset[str]
    ) -> None:
        self._app = app
        self._service = service
        self._believed = believed
        # Matched as the router does: what is streamed here is what arrives at that route, and nothing else.
        self._streamed = [(method, compile_path(path)[0], most) for (method, path), most in streamed.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        state = scope.setdefault("state", {})
        state.update(_origin(scope, headers, self._believed))
        telemetry.set_request_id(state["request_id"])
        began = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_named(state)]
            await send(message)

        with telemetry.served(scope["method"], headers) as span:
            try:
                await self._serve(scope, receive, answer, headers)
            finally:
                path = getattr(scope.get("route"), "path", "unknown")  # the template: ids stay out of names
                span.update_name(f"{scope['method']} {path}")
                span.set_attributes({"http.route": path, "http.response.status_code": status})
                seconds = time.perf_counter() - began
                telemetry.requests.labels(self._service, scope["method"], path, status).observe(seconds)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str]) -> None:
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "http.response.start"
            await send(message)

        try:
            methods = scope["app"].words.get(scope["path"])
            if methods and scope["method"] not in methods:
                raise _not_allowed(methods)
            query.require_each_once(scope["query_string"])
            most = self._most_streamed(scope)
            if most is None:
                body = await intake.whole(receive, headers)
            else:
                body = intake.pieces(receive, headers, most)
            await self._app(scope, body, watched)
        except errors.Problem as problem:
            await _render(scope, problem)(scope, receive, send)
        except Exception as error:
            _log.exception("unknown error", extra={"error": type(error).__name__})
            if has_started:
                raise
            unknown = errors.Unavailable() if _is_outage(error) else errors.Problem()
            await _render(scope, unknown)(scope, receive, send)

    def _most_streamed(self, scope: Scope) -> int | None:
        fits = (
            most for method, path, most in self._streamed if method == scope["method"] and path.match(scope["path"])
        )
        return next(fits, None)


def _origin(scope: Scope, headers: Mapping[str, str], believed: frozenset[str]) -> dict[str, Any]:
    # Only the gateway, and a relay, may say who is behind it; from anybody else these headers are just text.
    if peer_of(scope) in believed:
        address = headers.get(_ADDRESS, "")
        return {"request_id": headers.get("x-request-id") or str(uuid7()), "ip": address}
    return {"request_id": str(uuid7()), "ip": scope["client"][0] if scope.get("client") else ""}


def _named(state: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    named = [(b"x-request-id", state["request_id"].encode())]
    if "access_event" in state:
        named.append((b"access-event", state["access_event"].encode()))
    return named


def _render(scope: Scope, problem: errors.Problem) -> Response:
    content: dict[str, Any] = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail or problem.title,
        "instance": f"/requests/{scope['state']['request_id']}",
        "request_id": scope["state"]["request_id"],
    }
    if problem.errors:
        content["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in problem.errors]
    headers = {**problem.headers, "Cache-Control": "no-store"}
    return JSONResponse(content, problem.status, headers, media_type="application/problem+json")


async def _problem(request: Request, error: Exception) -> Response:
    return _render(request.scope, error if isinstance(error, errors.Problem) else errors.Problem())


async def _invalid(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    if any(entry["type"] == "json_invalid" for entry in found):
        return _render(request.scope, errors.Malformed("The body is not valid JSON."))
    # Places and reasons, never the input: a refused password must not come back in an answer or a log.
    return _render(request.scope, errors.Invalid([(_pointer(entry), _reason(entry)) for entry in found[:_TOLD]]))


def _pointer(entry: Mapping[str, Any]) -> str:
    # Without FastAPI's first word (body, query, path, header). The whole body is "/": an empty text looks forgotten.
    return pointer_of(*entry["loc"][1:]) + str(entry.get("ctx", {}).get("pointer", "")) or "/"


def _reason(entry: Mapping[str, Any]) -> str:
    return _SAID.get(entry["type"]) or str(entry["msg"]).removeprefix("Value error, ")


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == errors.NotFound.status:
        return _render(request.scope, errors.NotFound())
    if status == errors.NotAllowed.status:
        return _render(request.scope, _not_allowed(_methods(request)))
    if status == errors.Malformed.status:
        return _render(request.scope, errors.Malformed())
    return _render(request.scope, errors.Problem())


def _not_allowed(methods: Sequence[str]) -> errors.NotAllowed:
    problem = errors.NotAllowed()
    problem.headers = {"Allow": ", ".join(methods)}
    return problem


def _methods(request: Request) -> list[str]:
    # The router names the methods of the first route with this path only.
    known = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
    routes = request.app.router.routes
    scopes = [{**request.scope, "method": method} for method in known]
    return [s["method"] for s in scopes if any(route.matches(s)[0] is Match.FULL for route in routes)]


def _is_outage(error: Exception) -> bool:
    return isinstance(error, asyncpg.InterfaceError | asyncpg.PostgresConnectionError | ConnectionError | TimeoutError)
