"""03.1, 04.4: one transcript for a call, put as a whole, in any script, and no bigger than a conversation."""

from typing import Any

import pytest

from events.uuid7 import uuid7
from support.hotel import Hotel, expect

WORDS: dict[str, Any] = {
    "turns": [
        {"speaker": "guest", "text": "هل لديكم غرفة؟ 🛎", "at": "2026-11-01T10:00:01Z"},
        {"speaker": "concierge", "text": "כן, יש חדר.\n\u202dOK", "at": None},
    ],
    "language": "ar",
}


def path_of(call: dict[str, Any]) -> str:
    return f"/v1/calls/{call['id']}/transcript"


class TestRefused:
    def test_without_a_token(self, otter: Hotel) -> None:
        path = path_of(otter.call())
        assert otter.http.put(path, json=WORDS).status_code == 401
        assert otter.http.get(path).status_code == 401
        assert otter.http.delete(path).status_code == 401

    def test_a_viewer_writes(self, otter: Hotel) -> None:
        path = path_of(otter.call())
        assert otter.viewer.put(path, json=WORDS).status_code == 403
        expect(otter.agent.put(path, json=WORDS), 201)
        assert otter.viewer.delete(path).status_code == 403
        assert otter.viewer.get(path).status_code == 200

    @pytest.mark.parametrize(("method", "kind"), [("GET", "transcript"), ("PUT", "call"), ("DELETE", "call")])
    def test_of_another_clients_call(self, otter: Hotel, heron: Hotel, method: str, kind: str) -> None:
        foreign = heron.call()
        expect(heron.agent.put(path_of(foreign), json=WORDS), 201)
        for call_id in (foreign["id"], str(uuid7())):
            body = WORDS if method == "PUT" else None
            answer = otter.agent.request(method, f"/v1/calls/{call_id}/transcript", json=body)
            assert answer.status_code == 404
            event = otter.event(answer.headers["Access-Event"])
            assert (event["outcome"], event["resources"]) == ("denied", [{"type": kind, "id": call_id}])
        assert heron.agent.get(path_of(foreign)).json()["turns"] == WORDS["turns"]

    def test_of_a_call_without_one(self, otter: Hotel) -> None:
        path = path_of(otter.call())
        assert otter.agent.get(path).status_code == 404
        assert otter.agent.delete(path).status_code == 404

    @pytest.mark.parametrize(
        ("turns", "pointer"),
        [
            ("hello", "/turns"),
            ([{"speaker": "bot", "text": "x"}], "/turns/0/speaker"),
            ([{"speaker": "guest", "text": "x"}, {"speaker": "guest"}], "/turns/1/text"),
            ([{"speaker": "guest", "text": "x" * 5_001}], "/turns/0/text"),
            ([{"speaker": "guest", "text": "x", "at": "10:00"}], "/turns/0/at"),
            ([{"speaker": "guest", "text": "x"}] * 2_001, "/turns"),
        ],
    )
    def test_wrong_words(self, otter: Hotel, turns: object, pointer: str) -> None:
        path = path_of(otter.call())
        answer = otter.agent.put(path, json={"turns": turns})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer
        assert otter.agent.get(path).status_code == 404

    def test_more_than_a_mebibyte(self, otter: Hotel) -> None:
        body = {"turns": [{"speaker": "guest", "text": "x" * 5_000}] * 215}
        assert otter.agent.put(path_of(otter.call()), json=body).status_code == 413


@pytest.mark.parametrize("has_guest", [False, True])
def test_put_and_read(otter: Hotel, has_guest: bool) -> None:
    call = otter.call(guest_id=otter.guest()["id"] if has_guest else None)
    put = expect(otter.agent.put(path_of(call), json=WORDS), 201)
    words = put.json()
    assert words == {**WORDS, "call_id": call["id"], "version": 1, "created_at": words["created_at"]}
    assert put.headers["ETag"] == '"1"'
    read = expect(otter.viewer.get(path_of(call)), 200)
    assert (read.json(), read.headers["ETag"]) == (words, '"1"')
    for answer, action in ((put, "transcript:write"), (read, "transcript:read")):
        event = otter.event(answer.headers["Access-Event"])
        assert (event["action"], event["outcome"]) == (action, "allowed")
        assert event["resources"] == [{"type": "transcript", "id": call["id"]}]


def test_put_again_replaces_it_and_keeps_its_age(otter: Hotel) -> None:
    call = otter.call()
    first = expect(otter.agent.put(path_of(call), json=WORDS), 201).json()
    second = expect(otter.agent.put(path_of(call), json={"turns": []}), 200).json()
    assert second == {**first, "turns": [], "language": None, "version": 2}
    assert otter.agent.get(path_of(call)).json() == second


def test_deleted_and_put_again(otter: Hotel) -> None:
    call = otter.call()
    expect(otter.agent.put(path_of(call), json=WORDS), 201)
    answer = expect(otter.agent.delete(path_of(call)), 204)
    event = otter.event(answer.headers["Access-Event"])
    assert (event["action"], event["resources"]) == ("transcript:delete", [{"type": "transcript", "id": call["id"]}])
    assert otter.agent.get(path_of(call)).status_code == 404
    assert otter.agent.get(f"/v1/calls/{call['id']}").status_code == 200
    assert expect(otter.agent.put(path_of(call), json=WORDS), 201).json()["version"] == 1


def test_the_most_turns(otter: Hotel) -> None:
    call = otter.call()
    turns = [{"speaker": "guest", "text": f"{number} 🗝", "at": None} for number in range(2_000)]
    expect(otter.agent.put(path_of(call), json={"turns": turns}), 201)
    assert otter.agent.get(path_of(call)).json()["turns"] == turns
