"""04.4, 03.1: a service that asks for its caller says who that is: only where it is named, and nobody else."""

from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Request

from guard import http

SAID = {"x-request-id": "from-a-relay", "x-envoy-external-address": "203.0.113.7"}
OWN = "10.0.0.9"
router = APIRouter()


@router.get("/v1/who")
async def who(request: Request) -> dict[str, str]:
    handed_on = {name.decode(): value.decode("latin-1") for name, value in http.on_behalf(request).items()}
    return {"ip": request.scope["state"]["ip"], **handed_on}


def from_peer(name: str, relays: frozenset[str]) -> httpx2.AsyncClient:
    """A client with the certificate of workload `name`, of a service that names these relays."""
    api = http.app("who", [router], lifespan=lambda _: None, relays=relays)

    async def with_peer(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"] = {"tls_peer": {"names": [f"URI:spiffe://konci/{name}"]}}
        await api(scope, receive, send)

    transport = httpx2.ASGITransport(app=with_peer, client=(OWN, 1))
    return httpx2.AsyncClient(transport=transport, base_url="https://who.test")


@pytest.mark.parametrize(
    ("name", "relays"),
    [
        ("recording_storage", frozenset()),
        ("audit", frozenset({"recording_storage"})),
        ("auth", frozenset({"recording_storage"})),
        ("recording_storage/x", frozenset({"recording_storage"})),
        ("operator/recording_storage", frozenset({"recording_storage"})),
    ],
)
async def test_nobody_else_is(name: str, relays: frozenset[str]) -> None:
    async with from_peer(name, relays) as client:
        answer = await client.get("/v1/who", headers=SAID)
    assert answer.json()["ip"] == OWN
    assert answer.headers["x-request-id"] != SAID["x-request-id"]


@pytest.mark.parametrize("name", ["gateway", "recording_storage"])
async def test_the_gateway_and_the_relay_are(name: str) -> None:
    async with from_peer(name, frozenset({"recording_storage"})) as client:
        answer = await client.get("/v1/who", headers=SAID)
    assert answer.json()["ip"] == SAID["x-envoy-external-address"]
    assert answer.headers["x-request-id"] == SAID["x-request-id"]


async def test_what_is_handed_on_is_token_address_and_browser() -> None:
    async with from_peer("gateway", frozenset()) as client:
        headers = {**SAID, "authorization": "Bearer t", "user-agent": "browser", "cookie": "c=1", "if-match": "x"}
        answer = (await client.get("/v1/who", headers=headers)).json()
    del answer["ip"]
    assert answer == {
        "authorization": "Bearer t",
        "user-agent": "browser",
        "x-envoy-external-address": "203.0.113.7",
    }


async def test_a_browser_whose_name_is_not_ascii() -> None:
    async with from_peer("gateway", frozenset()) as client:
        answer = await client.get("/v1/who", headers={b"user-agent": "Otter Höfe".encode()})
    assert answer.json()["user-agent"].encode("latin-1").decode() == "Otter Höfe"
    request = httpx2.Request("GET", "https://who.test", headers={b"user-agent": "Otter Höfe".encode()})
    assert request.headers.raw[-1][1] == "Otter Höfe".encode()  # and can be sent as it came


async def test_of_two_tokens_the_first_counts() -> None:
    async with from_peer("gateway", frozenset()) as client:
        headers = [(b"authorization", b"Bearer first"), (b"authorization", b"Bearer second")]
        answer = await client.get("/v1/who", headers=headers)
    assert answer.json()["authorization"] == "Bearer first"
