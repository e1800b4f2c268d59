"""02.3, 02.4: what OpenBao does not give is a 503, never a guess; what it gives is renewed in time, and never said."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from guard import errors, telemetry, vault
from guard.settings import Settings
from guard.tls import Certificate
from guard.vault import Refused, Vault

CLIENT = UUID("0190a0b0-0000-7000-8000-000000000001")
KEY = b"k" * 32


class Bao:
    """A made-up OpenBao: what it answers, and what it was asked."""

    def __init__(self, authority: Any) -> None:
        self.authority = authority
        self.asked: list[tuple[str, str, dict[str, Any], httpx2.Headers]] = []
        self.answers: dict[str, httpx2.Response | Exception] = {}
        self.tokens = 0
        self.users = 0
        self.valid: set[str] = set()
        self.keys: set[str] = set()
        self.opened = 0
        self.lease = 3600.0

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)  # others get their turn while one waits, as with a server
        path = request.url.path.removeprefix("/v1/")
        body = json.loads(request.content or b"null") or {}
        self.asked.append((request.method, path, body, request.headers))
        for start, answer in self.answers.items():
            if path.startswith(start):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        if path == "auth/cert/login":
            self.tokens += 1
            self.valid.add(f"token-{self.tokens}")
            return self.ok(auth={"client_token": f"token-{self.tokens}", "lease_duration": 4 * self.lease})
        if request.headers.get("X-Vault-Token") not in self.valid:
            return httpx2.Response(403, json={"errors": ["permission denied"]})
        return self.data(path, body)

    def data(self, path: str, body: dict[str, Any]) -> httpx2.Response:
        if path.startswith("database/creds/"):
            self.users += 1
            credentials = {"username": f"user-{self.users}", "password": "secret-password"}
            return self.ok(data=credentials, lease_duration=self.lease)
        if path.startswith("pki/issue/"):
            pem = self.authority.pem(path.rsplit("/", 1)[-1])
            cut = pem.index("-----BEGIN CERTIFICATE")
            return self.ok(data={"private_key": pem[:cut], "certificate": pem[cut:], "issuing_ca": ""})
        if "/keys/" in path:
            self.keys.add(path.rsplit("/", 1)[-1])
            return httpx2.Response(204)
        if path.rsplit("/", 1)[-1] not in self.keys:
            return httpx2.Response(400, json={"errors": ["encryption key not found"]})
        return self.ok(data={"plaintext": base64.b64encode(KEY).decode(), "ciphertext": "vault:v1:wrapped"})

    @staticmethod
    def ok(**body: Any) -> httpx2.Response:
        return httpx2.Response(200, json=body)

    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.asked]


@pytest.fixture
def bao(authority: Any) -> Bao:
    return Bao(authority)


@pytest.fixture
def session(bao: Bao, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Vault:
    def client(self: Vault) -> httpx2.AsyncClient:
        bao.opened += 1
        return httpx2.AsyncClient(transport=httpx2.MockTransport(bao), base_url="https://openbao.test/v1/")

    monkeypatch.setattr(Vault, "_client", client)
    return Vault(settings, Certificate(settings.identity))


class TestAway:
    @pytest.mark.parametrize(
        "answer",
        [
            httpx2.Response(503, json={"errors": ["Vault is sealed"]}),
            httpx2.Response(500, json={"errors": ["internal error"]}),
            httpx2.ConnectError("refused"),
            httpx2.ReadTimeout("late"),
            httpx2.RemoteProtocolError("disconnected"),
        ],
    )
    async def test_is_a_503_with_a_time_to_come_back(self, session: Vault, bao: Bao, answer: Any) -> None:
        bao.answers["transit/"] = answer
        with pytest.raises(errors.Unavailable) as away:
            await session.unwrap("tenant_data", CLIENT, "vault:v1:x")
        assert int(away.value.headers["Retry-After"]) > 0
        bao.answers.clear()
        bao.keys.add(str(CLIENT))
        assert await session.unwrap("tenant_data", CLIENT, "vault:v1:x") == KEY  # and it recovers by itself

    async def test_no_sign_in_is_a_503(self, session: Vault, bao: Bao) -> None:
        bao.answers["auth/cert/login"] = httpx2.Response(400, json={"errors": ["invalid certificate"]})
        with pytest.raises(errors.Unavailable):
            await session.secret("seal")

    async def test_a_policy_that_refuses_is_a_503_and_no_flood_of_sign_ins(self, session: Vault, bao: Bao) -> None:
        bao.answers["kv/data/auth"] = httpx2.Response(403, json={"errors": ["permission denied"]})
        for _ in range(20):
            with pytest.raises(errors.Unavailable):
                await session.read("kv/data/auth/seal")
        assert bao.tokens == 1

    async def test_says_so_once_a_second_without_a_secret_or_a_client(
        self, session: Vault, bao: Bao, caplog: pytest.LogCaptureFixture
    ) -> None:
        bao.answers["transit/"] = httpx2.Response(503, json={"errors": ["Vault is sealed"]})
        with caplog.at_level(logging.DEBUG, "guard"):
            for _ in range(20):
                with pytest.raises(errors.Unavailable):
                    await session.unwrap("tenant_data", CLIENT, "vault:v1:ciphertext-marker")
        assert len(caplog.records) == 1
        said = str(caplog.records[0].__dict__)
        assert all(word not in said for word in ("marker", "token-", str(CLIENT)))
        assert caplog.records[0].__dict__["operation"] == "transit/tenant_data/decrypt"


class TestRefusal:
    async def test_another_clients_key_is_no_outage(self, session: Vault) -> None:
        with pytest.raises(Refused):
            await session.unwrap("tenant_data", uuid4(), "vault:v1:x")

    async def test_a_missing_secret_is_waited_for(self, session: Vault, bao: Bao) -> None:
        bao.answers["kv/data/"] = httpx2.Response(404, json={"errors": []})
        with pytest.raises(errors.Unavailable):
            await session.secret("seal")


class TestToken:
    async def test_that_died_is_replaced_within_the_call(self, session: Vault, bao: Bao) -> None:
        bao.keys.add(str(CLIENT))
        await session.unwrap("tenant_data", CLIENT, "vault:v1:x")
        bao.valid.clear()
        session.token = vault.Token(session.token.value, time.monotonic() - 60, session.token.ends_at)
        assert await session.unwrap("tenant_data", CLIENT, "vault:v1:x") == KEY
        assert session.token.value == "token-2"
        assert session.renewal._is_wanted  # its database users died with it

    async def test_many_calls_share_one_sign_in(self, session: Vault, bao: Bao) -> None:
        bao.keys.add(str(CLIENT))
        await asyncio.gather(*(session.unwrap("tenant_data", CLIENT, "vault:v1:x") for _ in range(20)))
        assert bao.tokens == 1

    async def test_is_given_back_at_the_end(self, session: Vault, bao: Bao) -> None:
        bao.keys.add(str(CLIENT))
        await session.unwrap("tenant_data", CLIENT, "vault:v1:x")
        await session.close()
        assert bao.paths()[-1] == "auth/token/revoke-self"

    async def test_a_sign_in_has_a_connection_of_its_own(self, session: Vault, bao: Bao) -> None:
        before = bao.opened
        await session.sign_in(session.token)
        assert bao.opened == before + 1


class TestKeys:
    async def test_a_clients_key_is_made_on_first_need(self, session: Vault, bao: Bao) -> None:
        assert await session.new_data_key("tenant_data", CLIENT) == (KEY, "vault:v1:wrapped")
        made = next(body for _, path, body, _ in bao.asked if "/keys/" in path)
        assert not {"type", "exportable", "derived", "allow_plaintext_backup"} & set(made)  # denied by the policy

    async def test_the_request_is_named_for_the_audit_device(self, session: Vault, bao: Bao) -> None:
        telemetry.set_request_id("request-7")
        await session.new_data_key("tenant_data", CLIENT)
        telemetry.set_request_id("")
        await session.new_data_key("tenant_data", CLIENT)
        named = [headers.get("X-Request-Id") for _, path, _, headers in bao.asked if "datakey" in path]
        assert named[0] == "request-7"
        assert named[-1] is None


class TestDatabaseUsers:
    async def test_one_is_shared_until_it_is_forgotten_or_over(self, session: Vault, bao: Bao) -> None:
        first = await session.database_user("tenant_data-request")
        assert await session.database_user("tenant_data-request") is first
        session.forget_user("tenant_data-request", first)
        second = await session.database_user("tenant_data-request")
        assert second.user != first.user
        session.forget_user("tenant_data-request", first)  # said late: the new one stays
        assert await session.database_user("tenant_data-request") is second
        bao.lease = -1
        session.forget_user("tenant_data-request", second)
        third = await session.database_user("tenant_data-request")
        assert await session.database_user("tenant_data-request") is not third

    async def test_none_is_shown_by_accident(self, session: Vault) -> None:
        user = await session.database_user("tenant_data-request")
        assert "secret-password" not in f"{user!r} {user} {session.token!r}"


class Pool:
    def __init__(self) -> None:
        self.expired = 0

    async def expire(self) -> None:
        self.expired += 1


class TestTurn:
    async def test_replaces_certificate_token_users_and_connections(self, session: Vault, bao: Bao) -> None:
        pool, certificate = Pool(), session.renewal._certificate
        session.on_rotation(pool)  # type: ignore[arg-type]  # a stand-in
        user, serial = await session.database_user("tenant_data-job"), certificate.leaf.serial_number
        await session.renewal.turn()
        assert certificate.leaf.serial_number != serial
        assert session.token.value == "token-2"
        assert (await session.database_user("tenant_data-job")).user != user.user
        assert pool.expired == 1
        issued = next(body for _, path, body, _ in bao.asked if path == "pki/issue/tenant_data")
        assert issued["uri_sans"] == "spiffe://konci/tenant_data"
        assert issued["alt_names"] == "localhost"
        assert issued["ip_sans"] == "127.0.0.1"

    async def test_that_failed_goes_on_where_it_failed(self, session: Vault, bao: Bao) -> None:
        await session.database_user("tenant_data-job")
        bao.answers["database/"] = httpx2.Response(500, json={"errors": ["no database"]})
        since = time.monotonic()
        for _ in range(3):
            with pytest.raises(errors.Unavailable):
                await session.renewal.turn(since)
        assert bao.paths().count("pki/issue/tenant_data") == 1
        bao.answers.clear()
        await session.renewal.turn(since)
        assert bao.paths().count("pki/issue/tenant_data") == 1

    async def test_a_lasting_outage_of_the_database_does_not_cost_the_certificate(
        self, session: Vault, bao: Bao, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await session.database_user("tenant_data-job")
        bao.answers["database/"] = httpx2.Response(500, json={"errors": ["no database"]})
        since = time.monotonic()
        with pytest.raises(errors.Unavailable):
            await session.renewal.turn(since)
        monkeypatch.setattr(session.renewal, "_certificate_due", lambda: -1.0)
        with pytest.raises(errors.Unavailable):
            await session.renewal.turn(since)
        assert bao.paths().count("pki/issue/tenant_data") == 2

    async def test_is_due_before_half_of_the_shortest_life(
        self, session: Vault, bao: Bao, identity: Callable[..., Path]
    ) -> None:
        assert 3600 / 3 - 5 < session.renewal.due_in() <= 1800
        bao.lease = 30
        await session.database_user("tenant_data-request")
        assert 9 < session.renewal.due_in() <= 15
        short = Certificate(identity("audit", timedelta(seconds=12)))
        session.renewal._certificate = short
        assert 2 < session.renewal.due_in() <= 6.5
