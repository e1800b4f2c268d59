"""03.1: what a legal hold is on stays, whatever becomes of its call, its guest and its time; lifted, it goes."""

from datetime import timedelta

import pytest

from recording_storage import retention
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import inside, objects, play, record

WHY = {"reason": "case 47"}
pytestmark = pytest.mark.usefixtures("zones_of_the_service")


def hold(hotel: Hotel, recording_id: str) -> None:
    told = expect(hotel.admin.put(f"/v1/recordings/{recording_id}/legal-hold", json=WHY), 200).json()
    assert told["legal_hold"] is True


def lift(hotel: Hotel, recording_id: str) -> None:
    expect(hotel.admin.request("DELETE", f"/v1/recordings/{recording_id}/legal-hold", json=WHY), 204)


def is_there(hotel: Hotel, recording_id: str) -> bool:
    return expect(hotel.agent.get(f"/v1/recordings/{recording_id}"), 200, 404).status_code == 200


class TestRefused:
    def test_without_the_right(self, otter: Hotel) -> None:
        path = f"/v1/recordings/{record(otter)['id']}/legal-hold"
        for person in (otter.agent, otter.viewer):
            expect(person.put(path, json=WHY), 403)
            expect(person.request("DELETE", path, json=WHY), 403)

    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 201}, {"reason": "a", "until": "b"}])
    def test_without_a_reason(self, otter: Hotel, body: dict[str, str]) -> None:
        path = f"/v1/recordings/{record(otter)['id']}/legal-hold"
        expect(otter.admin.put(path, json=body), 422)
        expect(otter.admin.request("DELETE", path, json=body), 422)

    def test_of_another_client(self, otter: Hotel, heron: Hotel) -> None:
        foreign = record(heron)
        expect(otter.admin.put(f"/v1/recordings/{foreign['id']}/legal-hold", json=WHY), 404)
        expect(otter.admin.request("DELETE", f"/v1/recordings/{foreign['id']}/legal-hold", json=WHY), 404)
        assert expect(heron.admin.get(f"/v1/recordings/{foreign['id']}"), 200).json()["legal_hold"] is False

    def test_where_there_is_none(self, otter: Hotel) -> None:
        """As with a transcript: what is not there cannot be taken away, and a second time it is not there."""
        path = f"/v1/recordings/{record(otter)['id']}/legal-hold"
        expect(otter.admin.request("DELETE", path, json=WHY), 404)
        expect(otter.admin.put(path, json=WHY), 200)
        expect(otter.admin.request("DELETE", path, json=WHY), 204)
        expect(otter.admin.request("DELETE", path, json=WHY), 404)


class TestHeld:
    def test_it_is_not_deleted(self, otter: Hotel) -> None:
        told = record(otter)
        hold(otter, told["id"])
        answer = expect(otter.agent.delete(f"/v1/recordings/{told['id']}"), 409)
        entry = otter.event(answer.headers["access-event"])
        assert (entry["action"], entry["outcome"]) == ("recording:delete", "denied")
        expect(play(otter.agent, told["id"]), 200)
        lift(otter, told["id"])
        expect(otter.agent.delete(f"/v1/recordings/{told['id']}"), 202)

    def test_the_log_says_why(self, otter: Hotel) -> None:
        told = record(otter)
        hold(otter, told["id"])
        lift(otter, told["id"])
        for action in ("recording:hold", "recording:release"):
            asked = {"action": action, "resource_type": "recording", "resource_id": told["id"]}
            wait_until(lambda asked=asked: bool(otter.log(**asked)), within=60, what=f"the entry of {action}")
            assert otter.log(**asked)[0]["reason"] == WHY["reason"]

    async def test_its_time_is_over(self, stack: Machine, otter: Hotel) -> None:
        told, free = record(otter), record(otter)
        hold(otter, told["id"])
        async with inside(stack, timedelta(days=4000)) as later:
            await retention.sweep_expired(later.door)
        assert is_there(otter, told["id"])
        assert not is_there(otter, free["id"])  # the client was looked at, and this one was due
        lift(otter, told["id"])
        async with inside(stack, timedelta(days=4000)) as later:
            assert await retention.sweep_expired(later.door) >= 1
        assert not is_there(otter, told["id"])

    def test_its_call_is_gone(self, stack: Machine, otter: Hotel) -> None:
        held, free = record(otter), record(otter)
        hold(otter, held["id"])
        for told in (held, free):
            expect(otter.agent.delete(f"/v1/calls/{told['call_id']}"), 200, 202, 204)
        wait_until(lambda: not is_there(otter, free["id"]), within=60, what="the deletion of the call's recording")
        assert is_there(otter, held["id"])
        expect(play(otter.agent, held["id"]), 200)
        lift(otter, held["id"])
        wait_until(lambda: not is_there(otter, held["id"]), within=60, what="the deletion after the hold")
        wait_until(lambda: not objects(stack, held["id"]), within=60, what="the erasing of its objects")

    def test_its_guest_is_gone_and_the_answer_names_what_is_kept(self, stack: Machine, otter: Hotel) -> None:
        guest_id = otter.guest()["id"]
        held, free = record(otter, guest_id=guest_id), record(otter, guest_id=guest_id)
        hold(otter, held["id"])
        path = f"/v1/guests/{guest_id}"

        wait_until(
            lambda: bool(otter.log(action="recording:hold", resource_id=held["id"])), within=60, what="the hold's entry"
        )
        answer = expect(otter.agent.delete(path), 202).json()
        assert answer["kept"] == [{"type": "recording", "id": held["id"]}]
        wait_until(lambda: not is_there(otter, free["id"]), within=60, what="the deletion of the guest's recording")
        wait_until(lambda: not objects(stack, free["id"]), within=60, what="the erasing of its objects")
        assert is_there(otter, held["id"])
