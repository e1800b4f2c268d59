"""Two who write at once: the second is told (412), a repeated POST creates once, and nobody waits for ever."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from support.hotel import Hotel, expect

CALL = {"direction": "inbound", "started_at": "2026-11-01T10:00:00Z"}
WORDS = {"turns": [{"speaker": "guest", "text": "Hello."}]}


class TestStale:
    @pytest.mark.parametrize("if_match", ['"2"', 'W/"1"', "1", '"x"', ""])
    def test_another_version(self, otter: Hotel, if_match: str) -> None:
        guest, call = otter.guest(), otter.call()
        expect(otter.agent.put(f"/v1/calls/{call['id']}/transcript", json=WORDS), 201)
        stale = {"If-Match": if_match}
        for answer in (
            otter.agent.patch(f"/v1/guests/{guest['id']}", json={"name": "X"}, headers=stale),
            otter.agent.patch(f"/v1/calls/{call['id']}", json={"outcome": "X"}, headers=stale),
            otter.agent.put(f"/v1/calls/{call['id']}/transcript", json=WORDS, headers=stale),
            otter.agent.delete(f"/v1/calls/{call['id']}/transcript", headers=stale),
            otter.agent.delete(f"/v1/calls/{call['id']}", headers=stale),
            otter.agent.delete(f"/v1/guests/{guest['id']}", headers=stale),
        ):
            assert answer.status_code == 412
            assert answer.headers["Content-Type"] == "application/problem+json"
        assert otter.agent.get(f"/v1/guests/{guest['id']}").json() == guest
        assert otter.agent.get(f"/v1/calls/{call['id']}").json() == call

    @pytest.mark.parametrize("if_match", ['"1"', "*"])
    def test_a_transcript_that_is_not_there(self, otter: Hotel, if_match: str) -> None:
        path = f"/v1/calls/{otter.call()['id']}/transcript"
        assert otter.agent.put(path, json=WORDS, headers={"If-Match": if_match}).status_code == 412
        assert otter.agent.get(path).status_code == 404

    def test_of_twenty_with_one_version_one_wins(self, otter: Hotel) -> None:
        guest = otter.guest()

        def change(number: int) -> int:
            headers = {"If-Match": '"1"'}
            return otter.agent.patch(
                f"/v1/guests/{guest['id']}", json={"notes": str(number)}, headers=headers
            ).status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = sorted(pool.map(change, range(20)))
        assert statuses == [200] + [412] * 19
        assert otter.agent.get(f"/v1/guests/{guest['id']}").json()["version"] == 2

    def test_the_version_there_is(self, otter: Hotel) -> None:
        guest = otter.guest()
        path = f"/v1/guests/{guest['id']}"
        etag = otter.agent.get(path).headers["ETag"]
        etag = expect(otter.agent.patch(path, json={"notes": "1"}, headers={"If-Match": etag}), 200).headers["ETag"]
        expect(otter.agent.patch(path, json={"notes": "2"}, headers={"If-Match": etag}), 200)


def test_changes_without_a_version_all_count(otter: Hotel) -> None:
    guest = otter.guest()
    fields = ("email", "phone", "notes", "external_ref", "language") * 2
    values = {"email": "a@b.c", "phone": "+1", "notes": "n", "external_ref": "r", "language": "de"}

    def change(field: str) -> None:
        expect(otter.agent.patch(f"/v1/guests/{guest['id']}", json={field: values[field]}), 200)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(change, fields))
    assert otter.agent.get(f"/v1/guests/{guest['id']}").json() == {**guest, **values, "version": 11}


class TestRepeated:
    @pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ключ".encode()])
    def test_a_bad_key(self, otter: Hotel, key: str | bytes) -> None:
        answer = otter.agent.post("/v1/guests", json={"name": "Ada"}, headers={"Idempotency-Key": key})
        assert answer.status_code == 422

    @pytest.mark.parametrize(("path", "body", "other"), [
        ("/v1/guests", {"name": "Ada"}, {"name": "Bob"}),
        ("/v1/calls", CALL, {**CALL, "direction": "outbound"}),
    ])  # fmt: skip
    def test_with_another_body(self, otter: Hotel, path: str, body: dict[str, Any], other: dict[str, Any]) -> None:
        headers = {"Idempotency-Key": str(uuid4())}
        expect(otter.agent.post(path, json=body, headers=headers), 201)
        assert otter.agent.post(path, json=other, headers=headers).status_code == 409

    def test_another_clients_key_is_another_key(self, otter: Hotel, heron: Hotel) -> None:
        headers = {"Idempotency-Key": str(uuid4())}
        one = expect(otter.agent.post("/v1/guests", json={"name": "Ada"}, headers=headers), 201)
        other = expect(heron.agent.post("/v1/guests", json={"name": "Bob"}, headers=headers), 201)
        assert one.json()["id"] != other.json()["id"]

    @pytest.mark.parametrize(("path", "body"), [("/v1/guests", {"name": "Ada"}), ("/v1/calls", CALL)])
    def test_the_first_answer_again_and_an_event_of_its_own(
        self, otter: Hotel, path: str, body: dict[str, Any]
    ) -> None:
        headers = {"Idempotency-Key": str(uuid4())}
        first = expect(otter.agent.post(path, json=body, headers=headers), 201)
        expect(otter.agent.patch(f"{path}/{first.json()['id']}", json={"name": "X"} if "name" in body else {}), 200)
        again = expect(otter.agent.post(path, json=body, headers=headers), 201)
        assert again.json() == first.json()
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Access-Event"] != first.headers["Access-Event"]
        event = otter.event(again.headers["Access-Event"])
        assert [resource["id"] for resource in event["resources"]] == [first.json()["id"]]

    def test_twenty_at_once_create_one(self, otter: Hotel) -> None:
        headers = {"Idempotency-Key": str(uuid4())}
        with ThreadPoolExecutor(20) as pool:
            made = pool.map(lambda _: otter.agent.post("/v1/guests", json={"name": "Ada"}, headers=headers), range(20))
            assert len({expect(answer, 201).json()["id"] for answer in made}) == 1


def test_moving_calls_while_their_guests_are_erased(otter: Hotel) -> None:
    """Erasure locks the guest and then its calls; a move the other way round would be a deadlock, which is a 500."""
    for _ in range(5):
        one, other = otter.guest()["id"], otter.guest()["id"]
        calls = [otter.call(guest_id=one)["id"] for _ in range(4)]

        def move(call_id: str, to: str = other) -> int:
            return otter.agent.patch(f"/v1/calls/{call_id}", json={"guest_id": to}).status_code

        def stay(call_id: str, at: str = one) -> int:
            return move(call_id, at)

        def put(call_id: str) -> int:
            return otter.agent.put(f"/v1/calls/{call_id}/transcript", json=WORDS).status_code

        with ThreadPoolExecutor(10) as pool:
            erased = [pool.submit(otter.agent.delete, f"/v1/guests/{guest_id}") for guest_id in (one, other)]
            moved = [pool.submit(work, call_id) for call_id in calls for work in (move, stay, put)]
        assert {work.result().status_code for work in erased} == {202}
        assert {work.result() for work in moved} <= {200, 201, 404}
        for call_id in calls:
            assert otter.agent.get(f"/v1/calls/{call_id}").status_code == 404
