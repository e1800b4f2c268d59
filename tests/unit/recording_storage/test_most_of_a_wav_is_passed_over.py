"""01.3: bytes of which none matters, as a WAV's samples, take no turn of the examiner's; the verdict is the same."""

import struct
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from recording_storage.audio import Examiner, NotAudio
from recording_storage.effort import Effort
from recording_storage.segment import SEGMENT, Sealer, new_key
from recording_storage.writer import Writer
from support.audio import SAMPLES, Sample, wav

HEAD = 44  # bytes of a WAV before its samples


def told(kind: Sample, cut: int, step: int, take: Callable[[Examiner, bytes], None]) -> int | str:
    """The duration, or why there is none."""
    body = kind.body[: len(kind.body) - cut]
    examiner = Examiner(kind.media_type)
    try:
        for at in range(0, len(body), step):
            take(examiner, body[at : at + step])
        return examiner.finish()
    except NotAudio as refused:
        return refused.detail


def unseen(examiner: Examiner, piece: bytes) -> None:
    if not examiner.pass_over(len(piece)):
        examiner.feed(piece)


@pytest.mark.parametrize("kind", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("step", [1, 3, 16, 700])
@pytest.mark.parametrize("cut", [0, 1, 20])
def test_the_verdict_is_the_same(kind: Sample, step: int, cut: int) -> None:
    assert told(kind, cut, step, unseen) == told(kind, cut, step, Examiner.feed)


def test_only_what_lies_within_the_samples() -> None:
    examiner = Examiner("audio/wav")
    assert not examiner.pass_over(1)
    examiner.feed(wav(samples=10)[:HEAD])
    assert not examiner.pass_over(20)  # a part may begin behind them
    assert examiner.pass_over(19)
    assert not examiner.pass_over(1)
    examiner.feed(b"\0")
    assert not examiner.pass_over(1)


def test_what_was_refused_stays_refused() -> None:
    examiner = Examiner("audio/wav")
    whole = wav(samples=1000)
    examiner.feed(whole[:100])
    with pytest.raises(NotAudio, match="one piece"):
        examiner.feed(whole[100:] + b"data" + struct.pack("<I", 4) + bytes(4))
    assert not examiner.pass_over(1)


async def test_a_segment_of_samples_takes_no_turn(zones, monkeypatch) -> None:
    turns = 0
    spend = Effort.spend

    async def counted(effort: Effort, client_id, work):
        nonlocal turns
        turns += 1
        return await spend(effort, client_id, work)

    async def pieces() -> AsyncIterator[bytes]:
        yield wav(samples=(5 * SEGMENT - HEAD) // 2)

    monkeypatch.setattr(Effort, "spend", counted)
    place = (uuid4(), uuid4())
    written = await Writer(zones, Sealer(new_key(), *place), place, "audio/wav", Effort()).write(pieces())
    assert written.length == 5 * SEGMENT
    assert written.duration_ms == round((5 * SEGMENT - HEAD) / 16)
    assert turns == 3  # the first with its head, the last, and the end
