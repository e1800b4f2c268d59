"""HTTP of every service: one edge that names requests, bounds bodies and renders every error as a problem (RFC 9457).

The caller's address is believed only from the gateway's certificate; nothing unknown ever reaches the outside as text.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import httpx2
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.uuid7 import uuid7
from guard import errors, telemetry
from guard.identity import peer_of
from guard.tls import Certificate

_log = logging.getLogger("guard.http")
_BODY = 2**20  # bytes (API.md)
_DEPTH = 32  # of nested JSON; nothing here is deeper than four
_GATEWAY = "gateway"
_QUOTE, _BACKSLASH = b'"\\'

Check = Callable[[], Awaitable[None]]
"""Raises a Problem while the service is not ready to answer."""


def app(
    name: str,
    routers: Sequence[APIRouter],
    *,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """The application of service `name`; `lifespan` calls `Runtime.equip` before it yields."""
    api = FastAPI(
        title=name, version="1", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False,
        openapi_url=f"/v1/openapi/{name}.json", separate_input_output_schemas=False,
    )  # fmt: skip
    for router in routers:
        api.include_router(router)
    api.include_router(_looks())
    api.add_exception_handler(errors.Problem, _problem)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_middleware(_Edge, service=name)
    return api


def client(certificate: Certificate, *, timeout: float = 5.0) -> httpx2.AsyncClient:
    """A pooled client for other services: mTLS, TLS 1.3, no proxies, no redirects."""
    limits = httpx2.Limits(max_connections=50, keepalive_expiry=60)
    return httpx2.AsyncClient(verify=certificate.client(), timeout=timeout, trust_env=False, limits=limits)


def _looks() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def is_alive() -> dict[str, str]:
        return {"status": "alive"}

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

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        state = scope.setdefault("state", {})
        state.update(_origin(scope, headers))
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
            body = await _bounded(receive, headers)
            await self._app(scope, body, watched)
        except errors.Problem as problem:
            await _render(scope, problem)(scope, receive, send)
        except Exception as error:
            _log.exception("unknown error", extra={"error": type(error).__name__})
            if has_started:
                raise
            unknown = errors.Unavailable() if _is_outage(error) else errors.Problem()
            await _render(scope, unknown)(scope, receive, send)


def _origin(scope: Scope, headers: Mapping[str, str]) -> dict[str, Any]:
    # Only the gateway may say who is behind it; from anybody else these headers are just text.
    if peer_of(scope) == _GATEWAY:
        address = headers.get("x-envoy-external-address", "")
        return {"request_id": headers.get("x-request-id") or str(uuid7()), "ip": address}
    return {"request_id": str(uuid7()), "ip": scope["client"][0] if scope.get("client") else ""}


def _named(state: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    named = [(b"x-request-id", state["request_id"].encode())]
    if "access_event" in state:
        named.append((b"access-event", state["access_event"].encode()))
    return named


async def _bounded(receive: Receive, headers: Mapping[str, str]) -> Receive:
    """The whole body, read here: too large, of another type or too deep never reaches a route."""
    chunks: list[bytes] = []
    size = 0
    more = "content-length" in headers or "transfer-encoding" in headers
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > _BODY:
            raise errors.TooLarge
        more = message.get("more_body", False)
    body = b"".join(chunks)
    if body:
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise errors.WrongMedia
        if _depth(body) > _DEPTH:
            raise errors.Malformed("The body is nested too deeply.")
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given


def _depth(body: bytes) -> int:
    if body.count(b"[") + body.count(b"{") <= _DEPTH:
        return 0
    deepest = depth = 0
    is_text = is_escaped = False
    for byte in body:
        if is_text:
            if is_escaped:
                is_escaped = False
            elif byte == _BACKSLASH:
                is_escaped = True
            elif byte == _QUOTE:
                is_text = False
        elif byte == _QUOTE:
            is_text = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


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
    return _render(request.scope, errors.Invalid([(_pointer(entry["loc"]), entry["msg"]) for entry in found]))


def _pointer(location: Sequence[str | int]) -> str:
    # RFC 6901, without FastAPI's first word (body, query, path, header).
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location[1:]) or "/"


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == errors.NotFound.status:
        return _render(request.scope, errors.NotFound())
    if status == errors.NotAllowed.status:
        problem = errors.NotAllowed()
        problem.headers = dict(getattr(error, "headers", None) or {})
        return _render(request.scope, problem)
    if status == errors.Malformed.status:
        return _render(request.scope, errors.Malformed())
    return _render(request.scope, errors.Problem())


def _is_outage(error: Exception) -> bool:
    return isinstance(error, asyncpg.InterfaceError | asyncpg.PostgresConnectionError | ConnectionError | TimeoutError)
