"""A short session with OpenBao under one identity's certificate: TLS 1.3, logged in, logged out at the end.

For the bootstrap and the keeper; services have `guard.vault`. It must never write a token to disk or to a log.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from guard.tls import load
from stack import bootstrap_ca
from stack.settings import Stack, StackError

_TIMEOUT = 20.0  # seconds; making a certificate authority's key is the slowest call, under one second


class Refused(StackError):
    """OpenBao answered with an error; `status` is HTTP's."""

    def __init__(self, status: int, path: str, reason: str) -> None:
        super().__init__(f"OpenBao refused {path} ({status}: {reason}): see `konci logs openbao`")
        self.status = status


class Bao:
    """OpenBao's API with a token of one identity."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def read(self, path: str) -> dict[str, Any] | None:
        """The `data` at a path, None when nothing is there. Raises Refused."""
        answer = await self._http.get(f"/v1/{path}")
        return None if answer.status_code == 404 else _data(path, answer)  # noqa: PLR2004 - HTTP: not found

    async def list(self, path: str) -> list[str]:
        """The names below a path. Raises Refused."""
        answer = await self._http.request("LIST", f"/v1/{path}")
        return [] if answer.status_code == 404 else list(_data(path, answer).get("keys", []))  # noqa: PLR2004 - not found

    async def write(self, path: str, **values: Any) -> dict[str, Any]:
        """Post values to a path; the `data` of the answer, if any. Raises Refused."""
        return _data(path, await self._http.post(f"/v1/{path}", json=values))

    async def _login(self, role: str) -> None:
        answer = await self._http.post("/v1/auth/cert/login", json={"name": role})
        _data("auth/cert/login", answer)
        self._http.headers["X-Vault-Token"] = answer.json()["auth"]["client_token"]

    async def _logout(self) -> None:
        await self._http.post("/v1/auth/token/revoke-self")


@asynccontextmanager
async def session(stack: Stack, identity: str = "bootstrap") -> AsyncIterator[Bao]:
    """Log in as `bootstrap` or as a workload with a policy. Raises Refused, or StackError when OpenBao is away."""
    try:
        async with client(stack, identity, base_url=stack.url_of("openbao")) as http:
            bao = Bao(http)
            await bao._login(identity)  # noqa: SLF001 - the session is the login's one caller
            try:
                yield bao
            finally:
                # The token's lease would die with its time anyway; no token outlives its use when it can be helped.
                await bao._logout()  # noqa: SLF001 - as above
    except (httpx2.TransportError, ssl.SSLError) as error:
        message = f"OpenBao does not answer ({type(error).__name__}): see `konci status` and `konci logs openbao`"
        raise StackError(message) from error


def client(stack: Stack, identity: str = "bootstrap", *, base_url: str = "") -> httpx2.AsyncClient:
    """An HTTP client with a workload's (or the bootstrap's) certificate, for any of the stack's listeners."""
    context = tls(stack, identity)
    return httpx2.AsyncClient(base_url=base_url, verify=context, timeout=_TIMEOUT, trust_env=False)


def tls(stack: Stack, identity: str = "bootstrap") -> ssl.SSLContext:
    """A client's TLS context: 1.3 only, our root only, with the identity's certificate."""
    context = ssl.create_default_context(cafile=str(stack.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    load(context, pem(stack, identity))
    return context


def pem(stack: Stack, identity: str) -> Path:
    """Key and certificate of an identity in one file; the bootstrap's is made anew when it is about to expire."""
    return bootstrap_ca.client(stack) if identity == "bootstrap" else stack.identity(identity) / "identity.pem"


def _data(path: str, answer: httpx2.Response) -> dict[str, Any]:
    if answer.is_success:
        return (answer.json() or {}).get("data") or {} if answer.content else {}
    try:
        reason = "; ".join(answer.json().get("errors") or []) or "no reason given"
    except ValueError:
        reason = "no reason given"
    raise Refused(answer.status_code, path, " ".join(reason.split())[:300])
