"""02.1: 10⁵ random mutations of stored recordings, and not one byte is released that is not the audio of its place.

Flipped bits, cuts, chunks and segments swapped, repeated and spliced, other recordings, other clients, other keys.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from recording_storage import segment
from recording_storage.segment import Damaged, Sealer

MUTATIONS = 100_000
SMALL = 32 * 1024  # bytes of audio in a segment here: two full chunks and an empty one, as a real one has 64 and one
HEAD, CHUNK = 56, 16 * 1024 + 16


@dataclass(frozen=True)
class Stored:
    """One recording as the zones have it, and the audio it was made of."""

    sealer: Sealer
    plain: tuple[bytes, ...]
    sealed: tuple[bytes, ...]


@dataclass(frozen=True)
class Attempt:
    """`objects` where those of `of` should be."""

    kind: str
    of: Stored
    objects: tuple[bytes, ...]


def stored(dice: random.Random, key: bytes, client: UUID, recording: UUID, *lengths: int) -> Stored:
    plain = tuple(dice.randbytes(length) for length in lengths)
    sealer, last = Sealer(key, client, recording), len(lengths) - 1
    return Stored(sealer, plain, tuple(sealer.seal(n, one, is_last=n == last) for n, one in enumerate(plain)))


def world(dice: random.Random) -> list[Stored]:
    """Recordings that differ in one thing each: key, client or recording. No place has two audios under one key."""
    keys = [dice.randbytes(32) for _ in range(2)]
    clients, recordings = [[UUID(bytes=dice.randbytes(16)) for _ in range(2)] for _ in range(2)]
    one = stored(dice, keys[0], clients[0], recordings[0], SMALL, SMALL, SMALL, 700)
    return [
        one,
        stored(dice, keys[0], clients[0], recordings[1], SMALL, SMALL, 700),
        stored(dice, keys[0], clients[1], recordings[0], SMALL, SMALL, 700),
        stored(dice, keys[1], clients[0], recordings[0], SMALL, SMALL, 700),
        stored(dice, keys[1], clients[1], recordings[1], SMALL, 20_000),
    ]


def flip(dice: random.Random, sealed: bytes) -> bytes:
    changed = bytearray(sealed)
    # Half of them where the salt, the commitment and the first bytes are: chunks are most of an object.
    for at in dice.sample(range(len(sealed) if dice.random() < 0.5 else 72), dice.randint(1, 4)):
        changed[at] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(dice: random.Random, sealed: bytes) -> bytes:
    edges = [HEAD, HEAD + 16, HEAD + CHUNK, HEAD + 2 * CHUNK, len(sealed) - 1, len(sealed) - 16]
    end = dice.choice([edge for edge in edges if edge < len(sealed)] + [dice.randrange(len(sealed))])
    return sealed[:end] if dice.random() < 0.8 else sealed[end:]


def grow(dice: random.Random, sealed: bytes) -> bytes:
    return sealed + dice.choice([dice.randbytes(dice.randint(1, 64)), sealed[HEAD:], sealed[-CHUNK:], sealed])


def chunks(sealed: bytes) -> list[bytes]:
    return [sealed[at : at + CHUNK] for at in range(HEAD, len(sealed), CHUNK)]


def rechunk(dice: random.Random, sealed: bytes) -> bytes:
    """Its own chunks in another order, or one of them twice or not at all."""
    parts = chunks(sealed)
    dice.choice([dice.shuffle, lambda some: some.pop(), lambda some: some.insert(0, dice.choice(some))])(parts)
    return sealed[:HEAD] + b"".join(parts)


def splice(dice: random.Random, sealed: bytes, other: bytes) -> bytes:
    """The head of the one with the chunks of the other, or one chunk of the other in its place, or a seam anywhere."""
    mine, theirs, at = chunks(sealed), chunks(other), dice.randrange(min(len(sealed), len(other)))
    place = dice.randrange(min(len(mine), len(theirs)))
    mine[place] = theirs[place]
    return dice.choice(
        [
            sealed[:HEAD] + other[HEAD:],
            sealed[:HEAD] + b"".join(mine),
            sealed[:at] + other[at:],
            other[:at] + sealed[at:],
        ]
    )


OF_ONE: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "flipped": flip, "cut": cut, "grown": grow, "chunks moved": rechunk,
}  # fmt: skip


def moved(dice: random.Random, objects: list[bytes]) -> str:
    """Whole segments swapped, repeated, lost, or in a random order."""
    here, there = (dice.randrange(len(objects)) for _ in range(2))
    kind = dice.choice(["swapped", "repeated", "inserted", "lost", "shuffled"])
    if kind == "swapped":
        objects[here], objects[there] = objects[there], objects[here]
    elif kind == "repeated":
        objects[here] = objects[there]
    elif kind == "inserted":
        objects.insert(here, objects[there])
    elif kind == "lost":
        del objects[here]
    else:
        dice.shuffle(objects)
    return f"segments {kind}"


def attempt(dice: random.Random, all_of: list[Stored]) -> Attempt:
    """One mutation; the objects differ from the recording's own, or nothing would be tried."""
    while True:
        of, other = dice.choice(all_of), dice.choice(all_of)
        objects, at = list(of.sealed), dice.randrange(len(of.sealed))
        theirs = dice.choice(other.sealed)
        kind = dice.choice([*OF_ONE, "spliced", "another's segment", "another's recording", "moved"])
        if kind in OF_ONE:
            objects[at] = OF_ONE[kind](dice, objects[at])
        elif kind == "spliced":
            objects[at] = splice(dice, objects[at], theirs)
        elif kind == "another's segment":
            objects[at] = other.sealed[at] if at < len(other.sealed) else theirs
        elif kind == "another's recording":
            objects = [*of.sealed[:at], *other.sealed[at:]]
        else:
            kind = moved(dice, objects)
        if tuple(objects) != of.sealed:
            return Attempt(kind, of, tuple(objects))


def released(made: Attempt) -> tuple[list[bytes], bool]:
    """What a reader gives out, as the page says it reads, and whether it came to the end."""
    given, last = [], len(made.objects) - 1
    try:
        for number, sealed in enumerate(made.objects):
            given.append(made.of.sealer.open(number, sealed, is_last=number == last))
    except Damaged:
        return given, False
    return given, bool(given)


def wrong_bytes(made: Attempt) -> int:
    """Bytes given out that are not the audio of their place, or of a recording that was taken for whole."""
    given, is_whole = released(made)
    wrong = sum(len(one) for n, one in enumerate(given) if n >= len(made.of.plain) or one != made.of.plain[n])
    return wrong + (sum(map(len, given)) if is_whole else 0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "SEGMENT", SMALL)


def test_nothing_wrong_is_released() -> None:
    dice = random.Random(5)
    all_of, tried, wrong = world(dice), Counter[str](), Counter[str]()
    for _ in range(MUTATIONS):
        made = attempt(dice, all_of)
        tried[made.kind] += 1
        wrong[made.kind] += wrong_bytes(made)
    print(f"{tried.total()} mutations: {dict(tried)}")
    assert tried.total() == MUTATIONS
    assert min(tried.values()) > 1000, tried
    assert +wrong == Counter()


def test_unchanged_ones_are_released() -> None:
    for of in world(random.Random(5)):
        assert released(Attempt("unchanged", of, of.sealed)) == (list(of.plain), True)


# The place in the context: format, client, recording, number, last.
PARTS = {"client": (19, 35), "recording": (35, 51), "number": (51, 59), "last": (59, 60)}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_the_place_is_needed(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, (start, end) = Sealer._context, PARTS[part]

    def without(self: Sealer, number: int, *, is_last: bool) -> bytes:
        told = whole(self, number, is_last=is_last)
        return told[:start] + told[end:]

    monkeypatch.setattr(Sealer, "_context", without)
    dice = random.Random(5)
    all_of = world(dice)
    assert any(wrong_bytes(attempt(dice, all_of)) for _ in range(5000))


def test_the_tag_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = segment._decrypt

    def trusting(key: bytes, context: bytes, sealed: bytes, room: bytearray | None) -> memoryview:
        try:
            return whole(key, context, sealed, room)
        except Damaged:
            return memoryview(sealed)[HEAD:]

    monkeypatch.setattr(segment, "_decrypt", trusting)
    dice = random.Random(5)
    all_of = world(dice)
    assert any(wrong_bytes(attempt(dice, all_of)) for _ in range(100))
