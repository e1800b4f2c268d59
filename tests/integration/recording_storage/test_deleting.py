"""02.3, 03.1: a deletion destroys the key first, then what is in both zones, then says so with a receipt."""

import asyncio
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from events.uuid7 import uuid7
from recording_storage import playing, removal, zone
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import MIB, inside, objects, places, play, record, rows, standing, wav
from support.workload import caller
from support.zone_suite import only_in


class Nothing:
    """Of which no token was revoked."""

    async def is_over(self, _: Any) -> bool:
        return False


pytestmark = pytest.mark.usefixtures("zones_of_the_service")


def entries(hotel: Hotel, recording_id: str) -> list[dict[str, Any]]:
    return hotel.log(action="recording:delete", resource_type="recording", resource_id=recording_id)


class TestRefused:
    def test_without_the_right(self, otter: Hotel) -> None:
        expect(otter.viewer.delete(f"/v1/recordings/{record(otter)['id']}"), 403)

    def test_of_another_client(self, otter: Hotel, heron: Hotel) -> None:
        foreign = record(heron)
        expect(otter.agent.delete(f"/v1/recordings/{foreign['id']}"), 404)
        expect(play(heron.agent, foreign["id"]), 200)

    def test_of_nobody(self, otter: Hotel) -> None:
        expect(otter.agent.delete(f"/v1/recordings/{uuid7()}"), 404)


class TestDeleted:
    async def test_nothing_is_left_and_the_log_says_so(self, stack: Machine, otter: Hotel) -> None:
        told = record(otter, wav(3 * MIB))
        [key] = [
            row for row in await rows(stack, "recording_key", otter.client_id) if str(row["recording_id"]) == told["id"]
        ]
        receipt = expect(otter.agent.delete(f"/v1/recordings/{told['id']}"), 202).json()
        assert set(receipt) == {"recording_id", "key_id", "key_destroyed_at", "by", "unrecoverable_after"}
        assert (receipt["recording_id"], receipt["key_id"]) == (told["id"], str(key["key_id"]))
        assert receipt["by"] == f"user {otter.agent.user_id}"
        at, after = (datetime.fromisoformat(receipt[name]) for name in ("key_destroyed_at", "unrecoverable_after"))
        assert after - at == timedelta(days=30)
        for path in ("", "/audio"):
            expect(otter.agent.get(f"/v1/recordings/{told['id']}{path}"), 404)
        wait_until(lambda: not objects(stack, told["id"]), within=60, what="the erasing of its objects")
        wait_until(lambda: len(entries(otter, told["id"])) == 2, within=60, what="the receipt")
        erased, destroyed = entries(otter, told["id"])
        assert (destroyed["actor"]["id"], erased["actor"]["id"]) == (otter.agent.user_id, "recording_storage")
        for entry in (erased, destroyed):
            assert str(key["key_id"]) in entry["reason"]
            assert f"unrecoverable after {after:%Y-%m-%d}" in entry["reason"]
        assert await rows(stack, "removal", otter.client_id) == []

    async def test_again(self, otter: Hotel) -> None:
        told = record(otter)
        expect(otter.agent.delete(f"/v1/recordings/{told['id']}"), 202)
        expect(otter.agent.delete(f"/v1/recordings/{told['id']}"), 404)

    async def test_while_it_is_played_and_its_objects_stay(self, stack: Machine, otter: Hotel) -> None:
        """As in a zone that lets no object go: the key is not opened again from what the play was admitted with."""
        audio, asked = wav(6 * MIB), playing.Asked(None, None)
        recording_id, agent = UUID(record(otter, audio)["id"]), caller(otter.client_id, "agent")
        async with inside(stack) as parts:
            archive, got = replace(parts.archive(), revocations=Nothing()), bytearray()

            async def send(message: Any) -> None:
                got.extend(message.get("body", b""))

            order = await playing.admit(archive, parts.door.entry(), agent, recording_id, asked)
            play_ = playing.Playing(archive, parts.door.entry(), order)
            await play_.begin()
            # Nothing is erased before the play has ended: the service itself stands still.
            with standing(stack):
                await removal.remove(archive, parts.door.entry(), agent, recording_id)
                await play_({"type": "http"}, asyncio.Event().wait, send)
                assert len(objects(stack, recording_id)) == 12
            said = {"action": "recording:played", "resource_type": "recording", "resource_id": str(recording_id)}
            await asyncio.to_thread(wait_until, lambda: bool(otter.log(**said)), within=60, what="the outcome")
        assert got == audio[: len(got)]
        assert len(got) <= 2 * MIB
        assert otter.log(**said)[0]["reason"].startswith(f"cut, {len(got)} bytes")

    @pytest.mark.parametrize("is_on_its_way", [True, False])
    async def test_while_it_is_healed(
        self, stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch, is_on_its_way: bool
    ) -> None:
        """A copy that is written after the erasing does not stay, and what there is nothing left of is no loss."""
        before = playing.lost._value.get()
        recording_id, agent = UUID(record(otter, wav(2 * MIB))["id"]), caller(otter.client_id, "agent")
        objects(stack, recording_id)[1].unlink()
        async with inside(stack) as parts:
            copy = parts.zones.copy

            async def late(path: str, *more: Any) -> None:
                body = places(stack)[1].joinpath(path).read_bytes()
                await removal.remove(parts.archive(), parts.door.entry(), agent, recording_id)
                await removal.finish(parts.door, parts.zones, timedelta(days=30))
                if is_on_its_way:
                    await only_in(parts.zones, "a", path, body)  # what the copy had read before
                else:
                    await copy(path, *more)

            monkeypatch.setattr(parts.zones, "copy", late)
            parts.wounded.note("a", zone.path(otter.client_id, recording_id, 1), "missing")
            with standing(stack):
                await parts.healer.turn()
                assert objects(stack, recording_id) == []
        assert playing.lost._value.get() == before

    async def test_while_a_zone_is_away(self, stack: Machine, otter: Hotel) -> None:
        told = record(otter, wav(2 * MIB))
        zone = places(stack)[1]
        aside = zone.with_name("b.away")
        zone.rename(aside)
        try:
            expect(otter.agent.delete(f"/v1/recordings/{told['id']}"), 202)
            expect(play(otter.agent, told["id"]), 404)
            wait_until(lambda: not objects(stack, told["id"]), within=60, what="the erasing in the zone that is there")
            assert [row["recording_id"] for row in await rows(stack, "removal", otter.client_id)] == [UUID(told["id"])]
        finally:
            shutil.rmtree(zone, ignore_errors=True)
            aside.rename(zone)
        wait_until(lambda: len(entries(otter, told["id"])) == 2, within=40, what="the erasing after the zone's return")
        assert not objects(stack, told["id"])
