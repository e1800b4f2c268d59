"""Uploads, plays, deletions, expiries, wounds and turning keys, all at once through the gateway, whatever is killed.

What each answer said is kept here, outside the platform: it is held against its database, zones and log afterwards.
"""

import asyncio
import hashlib
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import httpx2

from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine
from support.recordings import MIB, SERVICE, objects, rows, wav
from support.turns import turner

LENGTHS = (60_000, MIB - 8, MIB, MIB + 2, 2 * MIB + 998, 3 * MIB + 5000)
_AWAY = frozenset({429, 502, 503, 504})  # 429: a session that begins uploads faster than the gateway lets it
_COME_AGAIN = frozenset({429, 503})
_PAUSE = 0.4  # seconds after an answer that was none


class _BrokenOff(Exception):
    """An uploader that has had enough."""


@dataclass
class Kept:
    """A recording that was acknowledged. `doomed`: what was asked to end it; `gone`: that was acknowledged, or told."""

    hotel: Hotel
    recording_id: str
    call_id: str
    sha256: str
    doomed: str | None = None
    gone: bool = False
    wounded: bool = False


@dataclass(frozen=True)
class Heard:
    """An answer that carried audio. `whole`: to its end."""

    recording_id: str
    event: str
    request_id: str
    whole: bool


@dataclass
class Load:
    """One run's; `findings` are answers that no kill excuses."""

    stack: Machine
    hotels: list[Hotel]
    chance: random.Random
    kept: dict[str, Kept] = field(default_factory=dict)
    sources: dict[str, tuple[int, int]] = field(default_factory=dict)  # length and seed by digest
    heard: list[Heard] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    _number: int = 0
    _calls: dict[str, str] = field(default_factory=dict)

    def audio(self, sha256: str) -> bytes:
        length, seed = self.sources[sha256]
        return wav(length, seed)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """All of it goes on inside the block."""
        context = ssl.create_default_context(cafile=str(self.stack.run / "ca.pem"))
        async with httpx2.AsyncClient(
            base_url=self.stack.url_of("gateway"), verify=context, trust_env=False, timeout=20
        ) as self._http:
            works = (self._upload, self._upload, self._play, self._play, self._end, self._wound, self._turn)
            self._is_over = False
            async with asyncio.TaskGroup() as group:
                for work in works:
                    group.create_task(self._repeat(work))
                try:
                    yield
                finally:
                    self._is_over = True

    async def _repeat(self, work: Callable[[], Awaitable[float]]) -> None:
        while not self._is_over:
            try:
                pause = await work()
            except httpx2.TransportError as broken:
                self.seen[type(broken).__name__] += 1
                pause = _PAUSE
            await asyncio.sleep(pause)

    def _headers(self, hotel: Hotel, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {hotel.agent.token}", **more}

    def _told(self, what: str, answer: httpx2.Response, *right: int) -> bool:
        """Whether it is a right answer; a wrong one that says nothing of coming again is a finding."""
        self.seen[f"{what} {answer.status_code}"] += 1
        if answer.status_code in right:
            return True
        if answer.status_code not in _AWAY:
            self.findings[f"{what}: {answer.status_code}"] += 1
        elif answer.status_code in _COME_AGAIN and "retry-after" not in answer.headers:
            self.findings[f"{what}: {answer.status_code} without Retry-After"] += 1
        return False

    async def _upload(self) -> float:
        hotel, length = self.chance.choice(self.hotels), self.chance.choice(LENGTHS)
        self._number += 1
        audio = wav(length, self._number)
        digest = hashlib.sha256(audio).hexdigest()
        self.sources[digest] = length, self._number
        call_id = self._calls.pop(hotel.name, None) or await self._call(hotel)
        breaks_at = len(audio) // 2 if self._number % 6 == 0 else None
        try:
            answer = await self._http.post(
                f"/v1/calls/{call_id}/recordings",
                content=_pieces(audio, breaks_at),
                headers=self._headers(hotel, **{"Content-Type": "audio/wav"}),
            )
        except _BrokenOff:
            return 0.0
        if not self._told("upload", answer, 201):
            self._calls[hotel.name] = call_id  # for the next one: nothing was recorded of it
            return _PAUSE
        told = answer.json()
        if told["sha256"] != digest or told["bytes"] != length:
            self.findings["an upload was answered with another digest or length"] += 1
        self.kept[told["id"]] = Kept(hotel, told["id"], call_id, digest)
        return 0.0

    async def _call(self, hotel: Hotel) -> str:
        facts = {"direction": "inbound", "started_at": "2026-11-01T10:00:00Z"}
        made: str = expect(await self._http.post("/v1/calls", json=facts, headers=self._headers(hotel)), 201).json()[
            "id"
        ]
        return made

    async def _play(self) -> float:
        there = [one for one in self.kept.values() if one.doomed is None]
        if not there:
            return _PAUSE
        one = self.chance.choice(there)
        wanted = self.audio(one.sha256)
        headers = self._headers(one.hotel)
        if self.chance.random() < 0.4:
            first = self.chance.randrange(len(wanted))
            last = min(len(wanted), first + self.chance.randrange(1, 2 * MIB)) - 1
            headers["Range"] = f"bytes={first}-{last}"
            wanted = wanted[first : last + 1]
        path = f"/v1/recordings/{one.recording_id}/audio"
        async with self._http.stream("GET", path, headers=headers) as answer:
            if answer.status_code == httpx2.codes.NOT_FOUND and one.doomed is not None:
                return 0.0
            if not self._told("play", answer, 200, 206):
                return _PAUSE
            await self._listen(one, answer, wanted)
        return 0.0

    async def _listen(self, one: Kept, answer: httpx2.Response, wanted: bytes) -> None:
        got = bytearray()
        try:
            async for piece in answer.aiter_raw():
                got += piece
        finally:
            if got != wanted[: len(got)]:
                self.findings["a play gave other bytes than were uploaded"] += 1
            event = answer.headers.get("access-event")
            if event is None:
                self.findings["a play named no entry"] += 1
            elif got:
                self.heard.append(
                    Heard(one.recording_id, event, answer.headers["x-request-id"], len(got) == len(wanted))
                )

    async def _end(self) -> float:
        there = [one for one in self.kept.values() if one.doomed is None]
        if len(there) < 6:
            return _PAUSE
        one, how = self.chance.choice(there), self.chance.choice(("delete", "call", "expiry"))
        one.doomed = how
        if how == "expiry":
            async with superuser(self.stack, SERVICE) as connection:
                await connection.execute(
                    "UPDATE recording SET created_at = created_at - interval '4000 days'"
                    " WHERE client_id = $1 AND recording_id = $2",
                    one.hotel.client_id,
                    UUID(one.recording_id),
                )
            one.gone = True
            return _PAUSE
        path = f"/v1/recordings/{one.recording_id}" if how == "delete" else f"/v1/calls/{one.call_id}"
        answer = await self._http.delete(path, headers=self._headers(one.hotel))
        one.gone = self._told(how, answer, 202, 204)
        return _PAUSE

    async def _wound(self) -> float:
        there = [one for one in self.kept.values() if one.doomed is None and not one.wounded]
        if not there:
            return _PAUSE
        one = self.chance.choice(there)
        whose = {str(row["recording_id"]): row for row in await rows(self.stack, "recording", one.hotel.client_id)}
        stored = objects(self.stack, one.recording_id)
        row = whose.get(one.recording_id)
        if row is None or row["is_degraded"] or len({path.parts[-4] for path in stored}) < 2:
            return _PAUSE
        one.wounded = True  # once, in one zone: what both have lost nobody brings back
        wounded = self.chance.choice(stored)
        if self.chance.random() < 0.5:
            wounded.unlink(missing_ok=True)
        elif wounded.exists():
            wounded.write_bytes(wounded.read_bytes() + b"\0")
        self.seen["wound"] += 1
        return 1.0

    async def _turn(self) -> float:
        if not self.kept:
            return _PAUSE
        hotel = self.chance.choice([*self.kept.values()]).hotel  # one that has a key
        async with turner(self.stack.stack) as session:
            await session.write(f"transit/{SERVICE}/keys/{hotel.client_id}/rotate")
        self.seen["turn"] += 1
        return 4.0


async def _pieces(audio: bytes, breaks_at: int | None) -> AsyncIterator[bytes]:
    for start in range(0, len(audio), 65_536):
        if breaks_at is not None and start >= breaks_at:
            raise _BrokenOff
        yield audio[start : start + 65_536]
