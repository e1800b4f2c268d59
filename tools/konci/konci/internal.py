"""The internal listeners as an operator reaches them: mutual TLS; one certificate file is all that proves who asks."""

import ssl
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from guard.tls import load
from konci.api import Api, trust
from konci.failure import Failed
from stack import bootstrap_ca
from stack.settings import Stack


def mutual(stack: Stack, identity: Path) -> ssl.SSLContext:
    """TLS 1.3 with the certificate and key of the file `identity`. Raises Failed when it or the root is missing."""
    if not stack.ca.is_file():
        raise Failed(f"there is no platform in {stack.run}", "run `make up` first")
    context = trust(str(stack.ca))
    try:
        load(context, identity)
    except (OSError, ssl.SSLError) as error:
        raise Failed(
            f"the certificate {identity} cannot be read ({error})", "run `konci up`, or add the operator"
        ) from error
    return context


def bootstrap(stack: Stack) -> Path:
    """The bootstrap identity, renewed when old. Who holds the root's file makes operators (ADR 0002)."""
    if not (stack.folder("bootstrap") / "root.key").is_file():
        raise Failed(f"there is no bootstrap secret in {stack.run}", "run `make up` first, as the user that owns it")
    return bootstrap_ca.client(stack)


class Desk:
    """`auth`'s internal routes for operators, asked with one identity file."""

    def __init__(self, stack: Stack, identity: Path) -> None:
        """`identity` is an operator's personal certificate, or the bootstrap one for making operators."""
        self._api = Api(stack.url_of("auth"), mutual(stack, identity))

    def __enter__(self) -> Self:
        """The first request connects."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection."""
        self._api.close()

    def create_client(self, name: str, plan: str, admin_email: str) -> dict[str, Any]:
        """A new client and the activation token of its first administrator."""
        body = {"name": name, "plan": plan, "admin_email": admin_email}
        return dict(self._answer("POST", "/internal/clients", body, 201))

    def clients(self, reason: str) -> list[dict[str, Any]]:
        """Every client of the platform, newest first. Each one's log gets an entry: its name was read for `reason`."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self._answer("POST", "/internal/clients/list", {"reason": reason, "cursor": cursor}, 200)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def token(self, client_id: str, reason: str, rights: list[str]) -> str:
        """A token of ten minutes that names client, reason and rights; the grant is in the client's log."""
        body = {"client_id": client_id, "reason": reason, "rights": rights}
        answer = self._api.ask("POST", "/internal/operator-tokens", body=body, expect=(201, 404))
        if answer.status == HTTPStatus.NOT_FOUND:
            raise Failed(f"there is no client {client_id}", "see `konci client list`")
        return str(cast("dict[str, Any]", answer.body)["access_token"])

    def register(self, name: str, rights: Sequence[str] | None) -> list[str]:
        """Makes `name` an operator who may ask for `rights`, or for all there are; the rights."""
        body = {"name": name, "rights": None if rights is None else list(rights)}
        return list(self._answer("POST", "/internal/operators", body, 201)["rights"])

    def operators(self) -> list[dict[str, Any]]:
        """Every operator that is registered."""
        return list(self._answer("GET", "/internal/operators", None, 200)["items"])

    def remove(self, name: str) -> None:
        """Ends the operator: certificates and tokens of that name are refused from now on."""
        answer = self._api.ask("DELETE", f"/internal/operators/{name}", expect=(204, 404))
        if answer.status == HTTPStatus.NOT_FOUND:
            raise Failed(f"{name} is no operator", "see `konci operator list`")

    def _answer(self, method: str, path: str, body: object | None, *expect: int) -> Any:
        return self._api.ask(method, path, body=body, expect=expect).body
