"""03.1, 04.4: a guest is created, read and changed by its own client's people, and each of that is in the log."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from events.uuid7 import uuid7
from support.hotel import Hotel, expect

ADA: dict[str, Any] = {
    "name": "Ada Lovelace",
    "email": "Ada@Example.com",
    "phone": "+49 (9831) 12345",
    "language": "de-DE",
    "notes": "Two keys.\nLate check-out 🌙",
    "external_ref": "PMS-7a",
}


class TestRefused:
    def test_without_a_token(self, otter: Hotel) -> None:
        guest = otter.guest()
        for answer in (
            otter.http.post("/v1/guests", json=ADA),
            otter.http.get("/v1/guests"),
            otter.http.get(f"/v1/guests/{guest['id']}"),
            otter.http.patch(f"/v1/guests/{guest['id']}", json={"name": "X"}),
            otter.http.delete(f"/v1/guests/{guest['id']}"),
        ):
            assert answer.status_code == 401

    def test_a_viewer_writes(self, otter: Hotel) -> None:
        guest = otter.guest()
        refused = {
            "guest:create": otter.viewer.post("/v1/guests", json=ADA),
            "guest:update": otter.viewer.patch(f"/v1/guests/{guest['id']}", json={"name": "X"}),
            "guest:delete": otter.viewer.delete(f"/v1/guests/{guest['id']}"),
        }
        for action, answer in refused.items():
            assert answer.status_code == 403
            event = otter.event(answer.headers["Access-Event"])
            assert (event["action"], event["outcome"]) == (action, "denied")
        assert otter.viewer.get(f"/v1/guests/{guest['id']}").json() == guest

    @pytest.mark.parametrize(
        ("method", "action", "body"),
        [("GET", "guest:read", None), ("PATCH", "guest:update", {"name": "X"}), ("DELETE", "guest:delete", None)],
    )
    def test_another_clients_is_not_there(
        self, otter: Hotel, heron: Hotel, method: str, action: str, body: dict[str, str] | None
    ) -> None:
        foreign, absent = heron.guest()["id"], str(uuid7())
        for guest_id in (foreign, absent):
            answer = otter.agent.request(method, f"/v1/guests/{guest_id}", json=body)
            assert answer.status_code == 404
            event = otter.event(answer.headers["Access-Event"])
            assert (event["action"], event["outcome"]) == (action, "denied")
            assert event["resources"] == [{"type": "guest", "id": guest_id}]
        assert heron.agent.get(f"/v1/guests/{foreign}").status_code == 200

    def test_no_id(self, otter: Hotel) -> None:
        assert otter.agent.get("/v1/guests/7").status_code == 422


def test_created_and_read(otter: Hotel) -> None:
    created = expect(otter.agent.post("/v1/guests", json=ADA), 201)
    guest = created.json()
    assert guest == {**ADA, "id": guest["id"], "version": 1, "created_at": guest["created_at"]}
    assert UUID(guest["id"]).version == 7
    assert guest["created_at"].endswith("Z")
    assert created.headers["ETag"] == '"1"'
    read = expect(otter.viewer.get(f"/v1/guests/{guest['id']}"), 200)
    assert (read.json(), read.headers["ETag"]) == (guest, '"1"')


def test_each_access_is_in_the_log(otter: Hotel) -> None:
    created = otter.agent.post("/v1/guests", json=ADA)
    guest_id = created.json()["id"]
    answers = {
        "guest:create": created,
        "guest:read": otter.agent.get(f"/v1/guests/{guest_id}"),
        "guest:update": otter.agent.patch(f"/v1/guests/{guest_id}", json={"notes": None}),
        "guest:delete": otter.agent.delete(f"/v1/guests/{guest_id}"),
    }
    for action, answer in answers.items():
        event = otter.event(answer.headers["Access-Event"])
        assert (event["action"], event["outcome"]) == (action, "allowed")
        assert event["resources"] == [{"type": "guest", "id": guest_id}]
        assert event["actor"]["id"] == otter.agent.user_id


def test_only_a_name_is_needed(otter: Hotel) -> None:
    guest = expect(otter.agent.post("/v1/guests", json={"name": "Ada"}), 201).json()
    assert [guest[field] for field in ("email", "phone", "language", "notes", "external_ref")] == [None] * 5


def test_a_change_merges(otter: Hotel) -> None:
    guest = otter.guest(**ADA)
    path = f"/v1/guests/{guest['id']}"
    changed = expect(otter.agent.patch(path, json={"name": "Ada L.", "email": None}), 200)
    assert changed.json() == {**guest, "name": "Ada L.", "email": None, "version": 2}
    assert changed.headers["ETag"] == '"2"'
    assert otter.agent.get(path).json() == changed.json()


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧‍👦🇩🇪",
        "مرحبا بك في الفندق",
        "שלום עולם",
        "\U0002070e\U00020731",
        "e\u0301 \u202e",
        " a\tb\r\n ",
        "\ufffd\uffff",
        "\u2028",
    ],
)
def test_every_script_comes_back_exactly(otter: Hotel, text: str) -> None:
    guest = expect(otter.agent.post("/v1/guests", json={"name": text, "notes": text, "external_ref": f"r{text}"}), 201)
    read = otter.agent.get(f"/v1/guests/{guest.json()['id']}").json()
    assert (read["name"], read["notes"], read["external_ref"]) == (text, text, f"r{text}")


def test_the_longest_fields(otter: Hotel) -> None:
    body = {
        "name": "😀" * 200,
        "email": "a" * 308 + "@example.com",
        "phone": "+" + "1" * 31,
        "notes": "😀" * 10_000,
        "external_ref": "😀" * 200,
        "language": "de-" + "abcdefgh-" * 3 + "abcde",
    }
    guest = expect(otter.agent.post("/v1/guests", json=body), 201).json()
    assert {field: guest[field] for field in body} == body


def test_two_guests_may_be_alike(otter: Hotel) -> None:
    reference = str(uuid4())
    one, other = otter.guest(external_ref=reference), otter.guest(external_ref=reference)
    assert one["id"] != other["id"]
