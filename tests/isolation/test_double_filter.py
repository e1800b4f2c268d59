"""03.2: two filters, each of which holds alone: the application's `client_id = $1`, and forced row-level security.

The same attack runs four times: as built, without RLS, without the application's filters, and without both — when it
must succeed, or it proves nothing.
"""

import secrets
from typing import Any

import httpx2
import pytest

from support.hotel import Hotel
from support.machine import Machine
from support.scratch import scratch


class _Seat:
    """One hotel's agent in front of the scratch service."""

    def __init__(self, http: httpx2.AsyncClient, hotel: Hotel) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {hotel.agent.token}", "x-envoy-external-address": "127.0.0.1"}

    async def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {**self._headers, **options.pop("headers", {})}
        return await self._http.request(method, path, headers=headers, **options)


async def attack(http: httpx2.AsyncClient, otter: Hotel, heron: Hotel) -> list[str]:
    """What Heron Inn got of Otter House's, in every way the API offers; empty when nothing."""
    owner, attacker = _Seat(http, otter), _Seat(http, heron)
    email = f"{secrets.token_hex(4)}@example.com"
    made = await owner.ask("POST", "/v1/guests", json={"name": "Aino", "email": email})
    assert made.status_code == 201, made.text
    guest = made.json()["id"]
    made = await owner.ask(
        "POST", "/v1/calls", json={"guest_id": guest, "direction": "inbound", "started_at": "2026-11-01T10:00:00Z"}
    )
    assert made.status_code == 201, made.text
    call = made.json()["id"]
    turns = {"turns": [{"speaker": "guest", "text": "A room, please."}]}
    assert (await owner.ask("PUT", f"/v1/calls/{call}/transcript", json=turns)).status_code < 300

    leaks = []
    for method, path, body in (
        ("GET", f"/v1/guests/{guest}", None),
        ("PATCH", f"/v1/guests/{guest}", {"name": "Mine"}),
        ("GET", f"/v1/calls/{call}", None),
        ("PATCH", f"/v1/calls/{call}", {"outcome": "mine"}),
        ("GET", f"/v1/calls/{call}/transcript", None),
        ("DELETE", f"/v1/calls/{call}/transcript", None),
        ("DELETE", f"/v1/calls/{call}", None),
        ("DELETE", f"/v1/guests/{guest}", None),
    ):
        answer = await attacker.ask(method, path, json=body, headers={"If-Match": '"1"'})
        if answer.status_code != 404:
            leaks.append(f"{method} {path}: {answer.status_code}")
    for method, path, body in (
        ("GET", "/v1/guests?limit=200", None),
        ("GET", "/v1/calls?limit=200", None),
        ("GET", f"/v1/calls?guest_id={guest}", None),
        ("POST", "/v1/guests/search", {"email": email}),
    ):
        answer = await attacker.ask(method, path, json=body)
        if answer.status_code != 200 or guest in answer.text or call in answer.text:
            leaks.append(f"{method} {path}: {answer.status_code}")

    own = [f"/v1/guests/{guest}", f"/v1/calls/{call}", f"/v1/calls/{call}/transcript"]
    answers = [(path, (await owner.ask("GET", path)).status_code) for path in own]
    return leaks + [f"{path} is not its owner's any more" for path, status in answers if status != 200]


@pytest.mark.parametrize(
    ("rls", "filters"), [(True, True), (False, True), (True, False)], ids=["both", "without RLS", "without filters"]
)
async def test_one_filter_is_enough(stack: Machine, otter: Hotel, heron: Hotel, rls: bool, filters: bool) -> None:
    async with scratch(stack, rls=rls, filters=filters) as http:
        assert await attack(http, otter, heron) == []


async def test_without_both_the_attack_succeeds(stack: Machine, otter: Hotel, heron: Hotel) -> None:
    async with scratch(stack, rls=False, filters=False) as http:
        assert len(await attack(http, otter, heron)) >= 8
