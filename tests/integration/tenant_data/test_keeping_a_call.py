"""03.1, 04.4: calls, with a guest or without; a call may learn later whose it was, and its words move with it."""

from typing import Any

import pytest

from events.uuid7 import uuid7
from support.hotel import Hotel, expect

FACTS: dict[str, Any] = {
    "direction": "inbound",
    "started_at": "2026-11-01T10:00:00.123456Z",
    "ended_at": "2026-11-01T10:05:00Z",
    "from_number": "+49 9831 1",
    "to_number": "sip:desk@example.com",
    "outcome": "booked 🛏 غرفة",
}
WORDS = {"turns": [{"speaker": "guest", "text": "Is there a room?", "at": None}], "language": "en"}


class TestRefused:
    def test_without_a_token(self, otter: Hotel) -> None:
        call_id = otter.call()["id"]
        for answer in (
            otter.http.post("/v1/calls", json=FACTS),
            otter.http.get(f"/v1/calls/{call_id}"),
            otter.http.patch(f"/v1/calls/{call_id}", json={}),
            otter.http.delete(f"/v1/calls/{call_id}"),
        ):
            assert answer.status_code == 401

    def test_a_viewer_writes(self, otter: Hotel) -> None:
        call_id = otter.call()["id"]
        assert otter.viewer.post("/v1/calls", json=FACTS).status_code == 403
        assert otter.viewer.patch(f"/v1/calls/{call_id}", json={}).status_code == 403
        assert otter.viewer.delete(f"/v1/calls/{call_id}").status_code == 403
        assert otter.viewer.get(f"/v1/calls/{call_id}").status_code == 200

    @pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
    def test_another_clients_is_not_there(self, otter: Hotel, heron: Hotel, method: str) -> None:
        foreign = heron.call()["id"]
        for call_id in (foreign, str(uuid7())):
            answer = otter.agent.request(method, f"/v1/calls/{call_id}", json={} if method == "PATCH" else None)
            assert answer.status_code == 404
            event = otter.event(answer.headers["Access-Event"])
            assert (event["outcome"], event["resources"]) == ("denied", [{"type": "call", "id": call_id}])
        assert heron.agent.get(f"/v1/calls/{foreign}").status_code == 200

    def test_given_to_another_clients_guest(self, otter: Hotel, heron: Hotel) -> None:
        call = otter.call()
        for guest_id in (heron.guest()["id"], str(uuid7())):
            for answer in (
                otter.agent.post("/v1/calls", json={**FACTS, "guest_id": guest_id}),
                otter.agent.patch(f"/v1/calls/{call['id']}", json={"guest_id": guest_id}),
            ):
                assert answer.status_code == 404
                event = otter.event(answer.headers["Access-Event"])
                assert (event["outcome"], event["resources"]) == ("denied", [{"type": "guest", "id": guest_id}])
        assert otter.agent.get(f"/v1/calls/{call['id']}").json() == call

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({**FACTS, "direction": "sideways"}, "/direction"),
            ({**FACTS, "started_at": "2026-11-01T10:00:00"}, "/started_at"),
            ({**FACTS, "started_at": 1762000000}, "/started_at"),
            ({**FACTS, "ended_at": "2026-11-01T09:00:00Z"}, "/ended_at"),
            ({**FACTS, "guest_id": "7"}, "/guest_id"),
            ({**FACTS, "recording": "x"}, "/recording"),
            ({"direction": "inbound"}, "/started_at"),
        ],
    )
    def test_wrong_facts(self, otter: Hotel, body: dict[str, Any], pointer: str) -> None:
        answer = otter.agent.post("/v1/calls", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer

    def test_a_change_that_ends_it_before_it_started(self, otter: Hotel) -> None:
        call = otter.call(**FACTS)
        answer = otter.agent.patch(f"/v1/calls/{call['id']}", json={"started_at": "2026-11-01T11:00:00Z"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/ended_at"
        assert otter.agent.get(f"/v1/calls/{call['id']}").json() == call


@pytest.mark.parametrize("has_guest", [False, True])
def test_created_and_read(otter: Hotel, has_guest: bool) -> None:
    guest_id = otter.guest()["id"] if has_guest else None
    created = expect(otter.agent.post("/v1/calls", json={**FACTS, "guest_id": guest_id}), 201)
    call = created.json()
    assert call == {**FACTS, "guest_id": guest_id, "id": call["id"], "version": 1, "created_at": call["created_at"]}
    assert created.headers["ETag"] == '"1"'
    assert expect(otter.viewer.get(f"/v1/calls/{call['id']}"), 200).json() == call
    assert otter.event(created.headers["Access-Event"])["resources"] == [{"type": "call", "id": call["id"]}]


def test_times_are_answered_in_utc(otter: Hotel) -> None:
    call = otter.call(started_at="2026-11-01T12:00:00+02:00")
    assert call["started_at"] == "2026-11-01T10:00:00Z"


def test_a_change_merges(otter: Hotel) -> None:
    call = otter.call(**FACTS)
    path = f"/v1/calls/{call['id']}"
    changed = expect(otter.agent.patch(path, json={"outcome": None, "direction": "outbound"}), 200)
    assert changed.json() == {**call, "outcome": None, "direction": "outbound", "version": 2}
    assert changed.headers["ETag"] == '"2"'
    assert otter.agent.get(path).json() == changed.json()


def test_a_call_moves_between_people_with_its_transcript(otter: Hotel) -> None:
    call = otter.call(**FACTS)
    path = f"/v1/calls/{call['id']}"
    words = expect(otter.agent.put(f"{path}/transcript", json=WORDS), 201).json()
    for guest_id in (otter.guest()["id"], otter.guest()["id"], None, otter.guest()["id"]):
        moved = expect(otter.agent.patch(path, json={"guest_id": guest_id}), 200).json()
        assert moved == {**call, "guest_id": guest_id, "version": moved["version"]}
        assert otter.agent.get(path).json() == moved
        assert otter.agent.get(f"{path}/transcript").json() == words


def test_a_call_that_moved_away_survives_its_former_guest(otter: Hotel) -> None:
    former, call_id = otter.guest()["id"], None
    call_id = otter.call(guest_id=former, **FACTS)["id"]
    expect(otter.agent.put(f"/v1/calls/{call_id}/transcript", json=WORDS), 201)
    expect(otter.agent.patch(f"/v1/calls/{call_id}", json={"guest_id": None}), 200)
    expect(otter.agent.delete(f"/v1/guests/{former}"), 202)
    assert otter.agent.get(f"/v1/calls/{call_id}").json()["from_number"] == FACTS["from_number"]
    assert otter.agent.get(f"/v1/calls/{call_id}/transcript").json()["turns"] == WORDS["turns"]


def test_deleted_with_its_transcript(otter: Hotel) -> None:
    call_id = otter.call()["id"]
    expect(otter.agent.put(f"/v1/calls/{call_id}/transcript", json=WORDS), 201)
    answer = expect(otter.agent.delete(f"/v1/calls/{call_id}"), 204)
    assert answer.content == b""
    event = otter.event(answer.headers["Access-Event"])
    named = {(resource["type"], resource["id"]) for resource in event["resources"]}
    assert (event["action"], named) == ("call:delete", {("call", call_id), ("transcript", call_id)})
    for path in (f"/v1/calls/{call_id}", f"/v1/calls/{call_id}/transcript"):
        assert otter.agent.get(path).status_code == 404
