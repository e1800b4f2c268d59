"""04.1: a client's administrator chooses within the platform's limits; nobody else chooses for it."""

from typing import Any

import pytest

from support.hotel import Hotel, expect


def test_without_the_right(otter: Hotel) -> None:
    for person in (otter.agent, otter.viewer):
        assert person.get("/v1/clients/me").status_code == 403
        assert person.patch("/v1/clients/me", json={"name": "Mine"}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"plan": "enterprise"},
        {"client_id": "00000000-0000-7000-8000-000000000000"},
        {"settings": {"session_idle_seconds": 3601}},
        {"settings": {"session_absolute_seconds": 86401}},
        {"settings": {"retention": {"transcripts_days": 0}}},
        {"settings": {"totp_required": "yes"}},
    ],
)
def test_beyond_the_limits(heron: Hotel, body: dict[str, Any]) -> None:
    assert heron.admin.patch("/v1/clients/me", json=body).status_code == 422


def test_a_change(heron: Hotel) -> None:
    before = expect(heron.admin.get("/v1/clients/me"), 200)
    assert before.json()["id"] == str(heron.client_id)
    seen = {"If-Match": before.headers["ETag"]}
    body = {"settings": {"retention": {"recordings_days": 7}}}
    after = expect(heron.admin.patch("/v1/clients/me", json=body, headers=seen), 200)
    assert after.json()["settings"]["retention"]["recordings_days"] == 7
    assert after.json()["settings"]["session_idle_seconds"] == before.json()["settings"]["session_idle_seconds"]
    assert heron.admin.patch("/v1/clients/me", json={"name": "X"}, headers=seen).status_code == 412
    entry = heron.event(after.headers["Access-Event"])
    assert (entry["action"], entry["outcome"]) == ("client:update", "allowed")
