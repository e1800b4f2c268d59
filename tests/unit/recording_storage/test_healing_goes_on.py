"""01.3: what cannot be healed is left alone for a while, ends nothing and holds up no other recording."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from recording_storage import healer as healers
from recording_storage import zone
from recording_storage.healer import Wounded
from recording_storage.healing import NotTaken
from recording_storage.holder import Away
from recording_storage.playing import lost
from support.lone_healer import BAD, CLIENT, GOOD, Failing, Service
from support.zone_suite import SET, held, only_in


@pytest.fixture
async def service(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Service:
    wounded = Wounded()
    first, second = (zone.Place(str(tmp_path / name)) for name in ("a", "b"))
    zones = zone.open_zones(zone.ZoneSettings((first, second)), wounded.note)
    await zones.prepare(SET, is_new=True)
    made = Service(zones, wounded)
    monkeypatch.setattr(healers, "store", made.store())
    monkeypatch.setattr(healers, "admit", made.admit)
    return made


class TestDeletedMeanwhile:
    @pytest.mark.parametrize("moment", ["copied", "read back", "settled", "marked"])
    async def test_it_is_no_loss_and_nothing_stays(
        self, service: Service, monkeypatch: pytest.MonkeyPatch, moment: str
    ) -> None:
        await service.record(BAD)
        zones, target, lost_before = service.zones, service.zones._named("b"), lost._value.get()
        copy, read, settle, copied = zones.copy, target.read, zones.settle, list[str]()

        async def deleted() -> None:
            await service.delete(BAD)
            await only_in(zones, "b", copied[0], b"what was on its way")

        async def copying(path: str, *more: Any) -> None:
            if moment == "copied" and copied:
                await deleted()
            await copy(path, *more)
            copied.append(path)

        async def reading(path: str) -> bytes:
            if moment == "read back" and copied and path in await held(zones, "b"):
                await deleted()
            return await read(path)

        async def settling(*arguments: Any) -> Any:
            if moment == "settled":
                await service.delete(BAD)
            settled = await settle(*arguments)
            if moment == "marked":
                await deleted()
            return settled

        monkeypatch.setattr(zones, "copy", copying)
        monkeypatch.setattr(target, "read", reading)
        monkeypatch.setattr(zones, "settle", settling)
        assert await service.turn(2) == 0
        assert BAD not in service.lengths
        assert lost._value.get() == lost_before
        assert [await held(zones, name) for name in ("a", "b")] == [[], []]
        assert service.wounded.take() == {}

    async def test_what_is_not_taken_back_at_once_keeps_no_other_and_goes_later(
        self, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        await service.record(BAD)
        settle, stuck = service.zones.settle, tmp_path / "b" / zone.path(CLIENT, BAD, 0)

        async def settling(*arguments: Any) -> Any:
            service.lengths.clear()
            service.degraded.clear()
            stuck.unlink()
            stuck.mkdir()  # which is not deleted as an object is
            return await settle(*arguments)

        monkeypatch.setattr(service.zones, "settle", settling)
        await service.turn()
        assert await held(service.zones, "b") == []
        stuck.rmdir()
        stuck.write_bytes(b"what was copied")
        await service.turn()
        assert await held(service.zones, "b") == []


class TestUnknownMeanwhile:
    async def test_by_a_restored_database_its_only_copy_stays(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await service.record(BAD)
        before, settle = await held(service.zones, "a"), service.zones.settle

        async def settling(*arguments: Any) -> Any:
            del service.lengths[BAD]
            return await settle(*arguments)

        monkeypatch.setattr(service.zones, "settle", settling)
        assert await service.turn() == 0
        assert [await held(service.zones, name) for name in ("a", "b")] == [before, []]


class TestOneThatCannotBeHealed:
    async def test_a_zone_that_reads_back_otherwise(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        await service.record(BAD)
        holder = service.zones._named("b")
        real = holder.read

        async def lie(path: str) -> bytes:
            body = bytes(await real(path))
            return body[:-1] + bytes([body[-1] ^ 1])  # never as it was, whatever that is

        monkeypatch.setattr(holder, "read", lie)
        assert await service.turn(5) == 0
        assert (service.opened, service.degraded) == ([BAD], [BAD])
        # Nor is it there for who lists it, as the next process does.
        assert await held(service.zones, "b") == []
        monkeypatch.setattr(holder, "read", real)
        service.now += 10
        assert await service.turn() == 1
        assert service.degraded == []

    @pytest.mark.parametrize(("operation", "of_each"), [("read", 3), ("settle", 1), ("chunks", 1)])
    async def test_it_holds_up_no_other(
        self, service: Service, monkeypatch: pytest.MonkeyPatch, operation: str, of_each: int
    ) -> None:
        for recording_id in (BAD, GOOD):
            await service.record(recording_id)
        failing = Failing(service, monkeypatch, "a", operation)
        assert await service.turn() == 1
        assert service.degraded == [BAD]
        assert await service.zones.put(zone.path(CLIENT, UUID(int=9), 0), b"x") == {"a", "b"}  # nor an upload
        for waited, tried in (
            (9, 1),
            (1, 2),
            (19, 2),
            (1, 3),
            (39, 3),
            (1, 4),
            *((600, n) for n in range(5, 9)),
            (599, 8),
        ):
            service.now += waited
            await service.turn(2)
            assert failing.asked == tried * of_each
        assert service.opened.count(BAD) == {"read": 8, "settle": 1, "chunks": 0}[operation]
        failing.mend()
        service.now += 1
        assert await service.turn() == 1
        assert service.degraded == []

    async def test_nor_what_is_whole_of_itself(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        await service.record(BAD)
        holder, first = service.zones._named("a"), zone.path(CLIENT, BAD, 0)
        real = holder.read

        async def read(path: str) -> bytes:
            if path == first:
                raise Away
            return await real(path)

        monkeypatch.setattr(holder, "read", read)
        assert await service.turn() == 0
        assert sorted(await held(service.zones, "b")) == [zone.path(CLIENT, BAD, number) for number in (1, 2)]

    async def test_a_full_disk_is_tried_with_one_recording_at_a_time(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for recording_id in (BAD, GOOD):
            await service.record(recording_id)
        holder = service.zones._named("b")
        with monkeypatch.context() as patched:
            patched.setattr(holder, "write", _failing)
            assert await service.turn() == 0
            assert service.opened == [BAD]
            assert await service.turn(3) == 0
            assert service.opened == [BAD, GOOD]
        service.now += 10
        assert await service.turn() == 2

    async def test_a_folder_that_takes_nothing_holds_up_no_other(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for recording_id in (BAD, GOOD):
            await service.record(recording_id)
        Failing(service, monkeypatch, "b", "write")
        service.now += 600
        for _ in range(3):
            await service.turn()
            service.now += 600  # it is tried again in each turn, and is the first in the table
        assert service.degraded == [BAD]

    async def test_its_wounds_are_kept(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        await service.record(GOOD)
        wound = zone.path(CLIENT, GOOD, 1)
        service.wounded.note("a", wound, "unreadable")
        service.is_openbao_away = True
        assert await service.turn() == 0
        service.is_openbao_away = False
        for name, operation in (("b", "write"), ("a", "read")):
            with monkeypatch.context() as patched:
                patched.setattr(service.zones._named(name), operation, _failing)
                assert await service.turn() == 0
            service.now += 600
        assert service.wounded.take() == {(CLIENT, GOOD): {wound}}


async def _failing(*_: Any) -> None:
    raise Away


class TestLost:
    async def test_it_is_told_and_then_left_alone_for_an_hour(self, service: Service) -> None:
        await service.record(BAD, spoilt=1)
        await service.record(GOOD)
        before = lost._value.get()
        assert await service.turn(5) == 1
        assert (service.opened, lost._value.get() - before) == ([BAD, GOOD], 1)
        healed = sorted(await held(service.zones, "b", zone.prefix(CLIENT, BAD)))
        assert healed == [zone.path(CLIENT, BAD, number) for number in (0, 2)]
        service.now += 3599
        await service.turn()
        assert service.opened.count(BAD) == 1
        service.now += 1
        await service.turn(5)
        assert (service.opened.count(BAD), lost._value.get() - before) == (2, 2)

    async def test_unless_something_else_is_found_wrong(self, service: Service) -> None:
        await service.record(BAD, spoilt=1)
        await service.turn()
        for number, opened in ((1, 2), (1, 2), (0, 3)):  # a play that meets what is lost, twice, and then another wound
            await only_in(service.zones, "b", zone.path(CLIENT, BAD, number), b"spoilt")
            service.wounded.note("b", zone.path(CLIENT, BAD, number), "damaged")
            await service.turn(3)
            assert service.opened.count(BAD) == opened

    async def test_many_of_them_hide_no_other(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(healers, "_PAGE", 2)
        for number in range(10, 15):
            await service.record(UUID(int=number), 5, spoilt=0)
        await service.record(UUID(int=20), 5)
        assert await service.turn(3) == 1
        assert UUID(int=20) not in service.degraded

    async def test_what_healing_reads_itself_does_not_wake_it(self, service: Service) -> None:
        await service.record(BAD, spoilt=1)
        working = asyncio.create_task(service.healer.run())
        await asyncio.sleep(1.5)
        working.cancel()
        await asyncio.wait({working})
        assert (service.turns, service.opened) == (1, [BAD])


async def test_what_is_healed_is_opened_once(service: Service) -> None:
    await service.record(GOOD)
    spoilt = zone.path(CLIENT, GOOD, 1)
    await only_in(service.zones, "b", spoilt, b"spoilt")
    service.wounded.note("b", spoilt, "damaged")
    assert await service.turn(3) == 1
    assert service.opened == [GOOD]


async def test_one_clients_folder_that_takes_nothing_holds_up_no_other_client(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two clients, it is a disk that is full: nobody else is tried in this turn."""
    pending = [(UUID(int=client), UUID(int=number)) for client in (1, 2, 3) for number in (1, 2)]
    tried, refusing = list[tuple[UUID, UUID]](), {UUID(int=1)}

    async def attempt(recording: tuple[UUID, UUID], _: set[str]) -> bool:
        tried.append(recording)
        if recording[0] in refusing:
            raise NotTaken
        return True

    async def degraded() -> list[tuple[UUID, UUID]]:
        return pending

    monkeypatch.setattr(service.healer, "_attempt", attempt)
    monkeypatch.setattr(service.healer, "_next_degraded", degraded)
    assert await service.turn() == 4
    assert tried == [pending[0], *pending[2:]]
    tried.clear()
    refusing.add(UUID(int=2))
    assert await service.turn() == 0
    assert tried == [pending[0], pending[2]]
