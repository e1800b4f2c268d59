"""02.1, 01.3: audio goes in segment by segment and comes out the same; two of them are held, whatever its length."""

import asyncio
import hashlib
import io
import random
import shutil
import struct
import threading
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from guard import errors
from recording_storage import segment, writer, zone
from recording_storage.audio import NotAudio
from recording_storage.effort import Effort
from recording_storage.holder import Away
from recording_storage.key import NewKey
from recording_storage.reader import Reader
from recording_storage.recording import RecordingRow
from recording_storage.segment import SEGMENT, Sealer
from recording_storage.span import Span
from recording_storage.writer import Writer
from recording_storage.zone import Lost

CLIENT, RECORDING = uuid4(), uuid4()
KEY = NewKey(uuid4(), segment.new_key(), "vault:v1:x")


class OneKey:
    """Keys that know one, and hold it for so many segments."""

    def __init__(self, held: int = 1000) -> None:
        self.left = held

    def held(self, client_id, recording_id):
        self.left -= 1
        return Sealer(KEY.plain, client_id, recording_id) if self.left >= 0 else None

    async def sealer(self, client_id, recording_id, wrapped):
        assert wrapped == KEY.wrapped
        return Sealer(KEY.plain, client_id, recording_id)


def wav(length: int, seed: int = 7) -> bytes:
    """So many bytes of a mono 16-bit WAV at 8 kHz."""
    data = random.Random(seed).randbytes(length - 44)
    return b"".join(
        (
            b"RIFF", struct.pack("<I", length - 8), b"WAVEfmt ", struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16),
            b"data", struct.pack("<I", length - 44), data,
        )
    )  # fmt: skip


async def pieces(audio: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    stream = io.BytesIO(audio)
    while piece := stream.read(size):
        yield piece


def writing(zones) -> Writer:
    return Writer(zones, Sealer(KEY.plain, CLIENT, RECORDING), (CLIENT, RECORDING), "audio/wav", Effort())


def reading(zones, length: int, keys: OneKey | None = None, wrapped=None) -> Reader:
    async def is_there() -> str:
        return KEY.wrapped

    row = RecordingRow(RECORDING, uuid4(), None, length, b"\0" * 32, "audio/wav", 1, None, None, None)
    return Reader(zones, keys or OneKey(), CLIENT, row, wrapped or is_there)


async def read(zones, length: int, first: int, last: int) -> bytes:
    reader = reading(zones, length)
    try:
        return b"".join([bytes(piece) async for piece in reader.read(Span(first, last))])
    finally:
        await reader.close()


@pytest.mark.parametrize("audio", [b"", b"\xff\xfb" + b"x" * 5000, wav(3 * SEGMENT)[:-2]])
async def test_what_is_not_the_audio_it_says(zones, audio: bytes) -> None:
    with pytest.raises(NotAudio):
        await writing(zones).write(pieces(audio))


async def test_a_sender_that_goes_away(zones) -> None:
    async def cut() -> AsyncIterator[bytes]:
        async for piece in pieces(wav(3 * SEGMENT)[: 2 * SEGMENT]):
            yield piece
        raise errors.Malformed("The body ended early.")

    writer_ = writing(zones)
    with pytest.raises(errors.Malformed):
        await writer_.write(cut())
    await writer_.rest()
    assert writer_._storing.done()


@pytest.mark.parametrize("length", [46, SEGMENT - 2, SEGMENT, SEGMENT + 2, 3 * SEGMENT, 3 * SEGMENT + 4242])
@pytest.mark.parametrize("size", [65_536, 999_999])
async def test_it_comes_out_as_it_went_in(zones, length: int, size: int) -> None:
    audio = wav(length)
    written = await writing(zones).write(pieces(audio, size))
    assert (written.length, written.sha256) == (length, hashlib.sha256(audio).digest())
    assert written.duration_ms == max(1, round((length - 44) / 16))
    assert not written.is_degraded
    assert await read(zones, length, 0, length - 1) == audio


async def test_any_part_of_it(zones) -> None:
    audio = wav(4 * SEGMENT + 1234)
    await writing(zones).write(pieces(audio))
    drawn = random.Random(1)
    for _ in range(50):
        first = drawn.randrange(len(audio))
        last = drawn.randrange(first, len(audio))
        assert await read(zones, len(audio), first, last) == audio[first : last + 1]


async def test_its_key_is_looked_for_again_once_it_is_not_held_any_more(zones) -> None:
    audio = wav(4 * SEGMENT)
    await writing(zones).write(pieces(audio))
    looked = []

    async def wrapped() -> str:
        looked.append(1)
        if len(looked) > 1:
            raise errors.NotFound  # deleted since
        return KEY.wrapped

    reader = reading(zones, len(audio), OneKey(held=1), wrapped)
    given = aiter(reader.read(Span(0, len(audio) - 1)))
    assert bytes(await anext(given)) + bytes(await anext(given)) == audio[: 2 * SEGMENT]
    with pytest.raises(errors.NotFound):
        await anext(given)
    await reader.close()


async def test_a_part_reads_only_the_segments_that_it_touches(zones, monkeypatch) -> None:
    audio = wav(4 * SEGMENT)
    await writing(zones).write(pieces(audio))
    asked, get = [], zones.get

    async def counted(path, accept):
        asked.append(path)
        return await get(path, accept)

    monkeypatch.setattr(zones, "get", counted)
    assert await read(zones, len(audio), 2 * SEGMENT + 5, 2 * SEGMENT + 65_540) == audio[2 * SEGMENT + 5 :][:65_536]
    assert asked == [zone.path(CLIENT, RECORDING, 2)]


async def test_nothing_is_taken_in_while_a_segment_waits_to_be_stored(zones, monkeypatch) -> None:
    may_store, taken, put = asyncio.Event(), 0, zones.put

    async def slow(path, body):
        await may_store.wait()
        return await put(path, body)

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        async for piece in pieces(wav(6 * SEGMENT)):
            taken += len(piece)
            yield piece

    monkeypatch.setattr(zones, "put", slow)
    work = asyncio.create_task(writing(zones).write(counted()))
    for _ in range(50):
        await asyncio.sleep(0.01)
    assert taken <= 2 * SEGMENT + 65_536
    may_store.set()
    assert (await work).length == 6 * SEGMENT


async def test_one_zone_away(zones, tmp_path) -> None:
    shutil.rmtree(tmp_path / "b")
    audio = wav(2 * SEGMENT)
    written = await writing(zones).write(pieces(audio))
    assert written.is_degraded
    assert await read(zones, len(audio), 0, len(audio) - 1) == audio


def lacking(zones, monkeypatch, name: str) -> None:
    """This zone does not take the second segment."""
    write = zones._named(name).write

    async def but_for_one(path, body):
        if path == zone.path(CLIENT, RECORDING, 1):
            raise Away
        await write(path, body)

    monkeypatch.setattr(zones._named(name), "write", but_for_one)


async def test_one_zone_lacks_a_part(zones, monkeypatch) -> None:
    lacking(zones, monkeypatch, "b")
    assert (await writing(zones).write(pieces(wav(3 * SEGMENT)))).is_degraded


async def test_it_is_settled_once_all_of_it_is_stored(zones, monkeypatch) -> None:
    steps = []

    def told(name):
        real = getattr(zones, name)

        async def step(*arguments):
            steps.append(name)
            return await real(*arguments)

        monkeypatch.setattr(zones, name, step)

    told("put")
    told("settle")
    await writing(zones).write(pieces(wav(3 * SEGMENT)))
    assert steps == ["put", "put", "put", "settle"]


def unsettled(zones, monkeypatch, *names: str) -> None:
    """These zones store, and do not keep."""

    async def fails(below: str) -> None:
        raise Away

    for name in names:
        monkeypatch.setattr(zones._named(name), "settle", fails)


async def test_what_no_zone_keeps_is_refused(zones, monkeypatch) -> None:
    unsettled(zones, monkeypatch, "a", "b")
    with pytest.raises(errors.Unavailable):
        await writing(zones).write(pieces(wav(2 * SEGMENT)))


async def test_what_one_zone_keeps_is_degraded(zones, monkeypatch) -> None:
    unsettled(zones, monkeypatch, "b")
    assert (await writing(zones).write(pieces(wav(2 * SEGMENT)))).is_degraded


async def test_what_one_zone_holds_alone_and_does_not_keep_is_refused(zones, monkeypatch) -> None:
    lacking(zones, monkeypatch, "a")
    unsettled(zones, monkeypatch, "b")
    with pytest.raises(errors.Unavailable):
        await writing(zones).write(pieces(wav(3 * SEGMENT)))


async def test_both_away(zones, tmp_path) -> None:
    for name in ("a", "b"):
        shutil.rmtree(tmp_path / name)
    with pytest.raises(errors.Unavailable):
        await writing(zones).write(pieces(wav(2 * SEGMENT)))


async def test_a_segment_that_is_damaged_in_both(zones, tmp_path) -> None:
    audio = wav(3 * SEGMENT)
    await writing(zones).write(pieces(audio))
    for name in ("a", "b"):
        stored = tmp_path / name / zone.path(CLIENT, RECORDING, 1)
        sealed = bytearray(stored.read_bytes())
        sealed[-40] ^= 1
        stored.write_bytes(sealed)
    reader = reading(zones, len(audio))
    given = aiter(reader.read(Span(0, len(audio) - 1)))
    assert bytes(await anext(given)) == audio[:SEGMENT]
    with pytest.raises(Lost):
        await anext(given)
    await reader.close()


async def test_no_more_than_a_look_of_audio_is_copied_for_the_examiner_and_not_on_the_loop(zones, monkeypatch) -> None:
    sizes, threads = [], set()

    class Watching:
        def __init__(self, media_type: str) -> None:
            pass

        def pass_over(self, length: int) -> bool:
            return False

        def feed(self, chunk: bytes) -> None:
            sizes.append(len(chunk))
            threads.add(threading.current_thread().name)

        def finish(self) -> int:
            threads.add(threading.current_thread().name)
            return 1

    monkeypatch.setattr(writer, "Examiner", Watching)
    await writing(zones).write(pieces(wav(2 * SEGMENT)))
    assert sum(sizes) == 2 * SEGMENT
    assert max(sizes) <= 2**16
    assert threads == {"examiner_0"}
