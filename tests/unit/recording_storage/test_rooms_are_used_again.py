"""02.1: what an upload and a play read into is used again, never while somebody still reads it, and let go of."""

import asyncio
import sys

import pytest

from recording_storage.audio import NotAudio
from recording_storage.segment import SEGMENT
from recording_storage.span import Span
from unit.recording_storage.test_audio_goes_in_and_out import pieces, reading, wav, writing


async def test_what_fails_lets_go_of_its_room(zones) -> None:
    writer_ = writing(zones)
    room, alone = writer_._room, bytearray()
    with pytest.raises(NotAudio) as held:
        await writer_.write(pieces(b"no audio" * SEGMENT))
    await writer_.rest()
    assert held.value.__traceback__ is not None
    assert sys.getrefcount(room) == sys.getrefcount(alone)


async def test_what_is_listened_to_is_not_written_over(zones) -> None:
    audio = wav(4 * SEGMENT)
    await writing(zones).write(pieces(audio))
    reader = reading(zones, len(audio))
    given = aiter(reader.read(Span(0, len(audio) - 1)))
    for start in range(0, len(audio), SEGMENT):
        piece = await anext(given)
        if reader._next is not None:
            await asyncio.wait({reader._next})  # the next one is there, in the other room
        assert bytes(piece) == audio[start : start + SEGMENT]
    await reader.close()


async def test_what_has_ended_lets_go_of_its_rooms_while_it_is_held_itself(zones) -> None:
    audio = wav(2 * SEGMENT)
    writer_ = writing(zones)
    await writer_.write(pieces(audio))
    assert writer_._room == b""
    reader = reading(zones, len(audio))
    given = aiter(reader.read(Span(0, len(audio) - 1)))
    earlier = await anext(given)
    await anext(given)
    with pytest.raises(ValueError, match="released"):
        bytes(earlier)  # by now it might be another segment
    await reader.close()
    assert reader._rooms == {}
