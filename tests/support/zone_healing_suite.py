"""What healing, comparing and sweeping promise, whatever the zones are made of."""

from uuid import UUID

import pytest

from recording_storage import healing, zone
from recording_storage.healing import Difference, Expected
from recording_storage.holder import Missing
from recording_storage.segment import SEGMENT, Damaged, sealed_length
from support.zone_suite import CLIENT, FIRST, RECORDING, SECOND, anything, held, only, only_in

THIRD = zone.path(CLIENT, RECORDING, 2)
WHOLE = Expected(CLIENT, RECORDING, SEGMENT + 5)


def known(*recordings):
    async def is_known(client_id, recording_id):
        return recording_id in recordings

    return is_known


async def rows(*expected):
    for one in expected:
        yield one


async def due(*recordings, client_id=CLIENT):
    for recording_id in recordings:
        yield client_id, recording_id


async def store(zones, expected):
    for path, length in expected.lengths().items():
        await zones.put(path, bytes(length))


async def found(zones, *expected, is_recording=None, is_known=None):
    is_known = is_known or known(*(one.recording_id for one in expected))
    return [one async for one in healing.differences(zones, rows(*expected), is_recording or is_known, is_known)]


class HealingSuite:
    async def test_what_no_zone_holds_rightly_is_not_healed(self, zones):
        await zones.put(FIRST, b"wrong")
        with pytest.raises(zone.Lost):
            await healing.heal(zones, FIRST, only(b"right"))
        assert await zones.read("a", FIRST, anything) == b"wrong"

    @pytest.mark.parametrize("spoilt", ["a", "b"])
    async def test_a_spoilt_object_is_written_anew_from_the_good_zone(self, zones, spoilt):
        await zones.put(FIRST, b"right")
        await only_in(zones, spoilt, FIRST, b"wrong")
        assert await healing.heal(zones, FIRST, only(b"right")) == {spoilt}
        assert await zones.read(spoilt, FIRST, anything) == b"right"
        assert await healing.heal(zones, FIRST, only(b"right")) == frozenset()

    async def test_a_missing_object_is_written_anew(self, zones):
        await only_in(zones, "b", FIRST, b"right")
        assert await healing.heal(zones, FIRST, only(b"right")) == {"a"}
        assert await zones.read("a", FIRST, anything) == b"right"

    async def test_a_copy_that_reads_back_otherwise_is_no_copy(self, zones, monkeypatch):
        await only_in(zones, "a", FIRST, b"other")
        await only_in(zones, "b", FIRST, b"right")

        async def forget(path, body):
            pass

        monkeypatch.setattr(zones._named("a"), "write", forget)
        with pytest.raises(Damaged, match="reads back"):
            await healing.heal(zones, FIRST, only(b"right"))
        assert await held(zones, "a") == []  # listed as what it is: not there
        assert await zones.read("b", FIRST, anything) == b"right"

    async def test_what_is_erased_while_it_is_copied_is_missing(self, zones, monkeypatch):
        await only_in(zones, "b", FIRST, b"right")
        write = zones._named("a").write

        async def late(path, body):
            await write(path, body)
            await zones.erase(zone.prefix(CLIENT, RECORDING))

        monkeypatch.setattr(zones._named("a"), "write", late)
        with pytest.raises(Missing):
            await healing.heal(zones, FIRST, only(b"right"))

    async def test_what_is_as_it_should_be_is_no_difference(self, zones):
        await store(zones, WHOLE)
        assert await found(zones, WHOLE) == []

    async def test_a_recording_without_bytes_in_one_zone_or_both_is_told(self, zones):
        await only_in(zones, "b", FIRST, bytes(sealed_length(SEGMENT)))
        assert await found(zones, WHOLE) == [
            Difference("a", FIRST, "missing"), Difference("a", SECOND, "missing"), Difference("b", SECOND, "missing"),
        ]  # fmt: skip

    async def test_a_wrong_length_and_a_surplus_are_told(self, zones):
        await store(zones, WHOLE)
        await only_in(zones, "a", SECOND, b"short")
        await only_in(zones, "b", THIRD, b"beyond the end")
        assert await found(zones, WHOLE) == [Difference("a", SECOND, "length"), Difference("b", THIRD, "surplus")]
        assert healing.differences_found.labels("a", "length")._value.get() == 1

    async def test_each_difference_of_a_recording_is_healed_and_then_there_is_none(self, zones):
        await store(zones, WHOLE)
        await only_in(zones, "a", SECOND, b"short")
        await zones._named("b").delete([FIRST])
        lengths = WHOLE.lengths()
        for one in await healing.of_recording(zones, WHOLE, known(RECORDING)):
            await healing.heal(zones, one.path, only(bytes(lengths[one.path])))
        assert await found(zones, WHOLE) == []
        assert healing.differences_found.labels("a", "length")._value.get() == 0

    async def test_what_was_deleted_meanwhile_is_no_difference(self, zones):
        assert await found(zones, WHOLE, is_known=known()) == []

    async def test_what_is_being_erased_is_none_either(self, zones):
        await only_in(zones, "b", SECOND, b"the rest of it")
        assert await found(zones, WHOLE, is_recording=known(), is_known=known(RECORDING)) == []

    async def test_objects_without_a_row_are_told_once_a_recording(self, zones):
        await store(zones, WHOLE)
        await only_in(zones, "b", zone.path(CLIENT, UUID(int=9), 0), b"x")
        orphans = await found(zones)
        assert sorted(orphans, key=lambda one: (one.zone, one.path)) == [
            Difference("a", zone.prefix(CLIENT, RECORDING), "orphan"),
            Difference("b", zone.prefix(CLIENT, RECORDING), "orphan"),
            Difference("b", zone.prefix(CLIENT, UUID(int=9)), "orphan"),
        ]

    async def test_what_is_erased_while_it_is_compared_is_no_orphan(self, zones):
        await store(zones, WHOLE)

        async def is_known(client_id, recording_id):
            await zones.erase(zone.prefix(client_id, recording_id))
            return False

        assert await found(zones, is_known=is_known) == []

    async def test_what_has_an_owner_again_is_swept_by_nobody(self, zones):
        await store(zones, WHOLE)
        assert await healing.sweep(zones, known(RECORDING), due(RECORDING)) == 0
        assert len(await held(zones, "a")) == len(await held(zones, "b")) == 2

    async def test_what_is_not_due_is_swept_by_nobody(self, zones):
        await store(zones, WHOLE)
        assert await healing.sweep(zones, known(), due()) == 0
        assert len(await held(zones, "a")) == 2

    async def test_what_is_due_is_swept_and_its_neighbours_stay(self, zones):
        await store(zones, WHOLE)
        ids = [UUID(int=number) for number in (1, 3, 9)]
        for recording_id in ids:
            await zones.put(zone.path(CLIENT, recording_id, 0), b"x")
        await only_in(zones, "b", zone.path(UUID(int=7), UUID(int=7), 0), b"x")
        assert await healing.sweep(zones, known(RECORDING), due(*ids, RECORDING)) == 3
        assert await healing.sweep(zones, known(RECORDING), due(UUID(int=7), client_id=UUID(int=7))) == 1
        assert await held(zones, "a") == await held(zones, "b")
        assert sorted(await held(zones, "a")) == [FIRST, SECOND]
        assert await found(zones, WHOLE) == []

    async def test_known_is_asked_once_a_recording_and_after_its_objects_were_seen(self, zones):
        await store(zones, WHOLE)
        asked = []

        async def is_known(client_id, recording_id):
            asked.append((client_id, recording_id))
            return True

        assert await found(zones, is_known=is_known) == []
        assert asked == [(CLIENT, RECORDING)] * 2
