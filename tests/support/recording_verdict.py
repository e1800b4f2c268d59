"""What is left after a run of kills, held against what was acknowledged: rows, both zones, keys and the access log."""

import asyncio
import time
from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

from recording_storage.healing import Expected
from support.database import superuser
from support.hotel import Hotel
from support.ledger import waiting
from support.machine import Machine
from support.recording_load import Heard, Kept, Load
from support.recordings import SERVICE, places, play, rows
from support.turns import turner

_SETTLES = 120.0  # seconds


async def settled(stack: Machine, hotels: list[Hotel], within: float = _SETTLES) -> float:
    """Seconds until nothing is left to do, nobody having helped. Fails with what is."""
    began = time.monotonic()
    while time.monotonic() - began < within:
        left = await unsettled(stack, hotels)
        if not any(left.values()):
            return round(time.monotonic() - began, 1)
        await asyncio.sleep(0.5)
    raise AssertionError(f"not settled within {within:g} s: {left}")


async def unsettled(stack: Machine, hotels: list[Hotel]) -> dict[str, int]:
    """What is still to be done, by kind: all 0 when everything is as it should be."""
    left: Counter[str] = Counter()
    for hotel in hotels:
        recordings = await rows(stack, "recording", hotel.client_id)
        keys = await rows(stack, "recording_key", hotel.client_id)
        newest = await _newest(stack, hotel.client_id)
        left["uploads"] += len(await rows(stack, "upload", hotel.client_id))
        left["removals"] += len(await rows(stack, "removal", hotel.client_id))
        left["degraded"] += sum(row["is_degraded"] for row in recordings)
        left["expired"] += sum(row["created_at"].year < 2020 for row in recordings)
        left["old keys"] += sum(key["key_version"] < newest for key in keys)
        left["rows without a key, or keys without a row"] += len(
            {row["recording_id"] for row in recordings} ^ {key["recording_id"] for key in keys}
        )
        left["objects"] += len(_differing(stack, hotel.client_id, recordings))
    left["events"] = await waiting(stack)
    return dict(left)


async def _newest(stack: Machine, client_id: UUID) -> int:
    async with turner(stack.stack) as session:
        key = await session.read(f"transit/{SERVICE}/keys/{client_id}")
    return int((key or {})["latest_version"])


def _differing(stack: Machine, client_id: UUID, recordings: list[dict[str, Any]]) -> set[tuple[str, str, int]]:
    """Objects that a zone lacks, has too much, or in another length; half-written files are objects here."""
    wanted = {
        (path, length)
        for row in recordings
        for path, length in Expected(client_id, row["recording_id"], row["bytes"]).lengths().items()
    }
    differing = set[tuple[str, str, int]]()
    for place in places(stack):
        files = (path for path in place.glob(f"{client_id}/**/*") if path.is_file())
        stored = {(str(path.relative_to(place)), path.stat().st_size) for path in files}
        differing |= {(place.name, path, length) for path, length in stored ^ wanted}
    return differing


async def findings(load: Load) -> list[str]:
    """What must not be: a recording lost, kept beyond its end, other than uploaded, or an answer without its entry."""
    there = {str(row["recording_id"]): row for hotel in load.hotels
             for row in await rows(load.stack, "recording", hotel.client_id)}  # fmt: skip
    found = [f"{what} ({times} times)" for what, times in load.findings.items()]
    found += [
        f"acknowledged and lost: {one}" for name, one in load.kept.items() if not one.doomed and name not in there
    ]
    found += [f"ended and still there: {one}" for name, one in load.kept.items() if one.gone and name in there]
    found += [f"there, and nobody uploaded it: {name}" for name, row in there.items()
              if row["sha256"].hex() not in load.sources]  # fmt: skip
    found += await _unlike(load, there)
    return found + await _unaccounted(load, there)


async def _unlike(load: Load, there: dict[str, dict[str, Any]]) -> list[str]:
    """Recordings that do not play as what was uploaded, and objects that are not the same in both zones."""
    owners = {hotel.client_id: hotel for hotel in load.hotels}
    found = list[str]()
    known = {name: row for name, row in there.items() if row["sha256"].hex() in load.sources}
    for name, row in known.items():
        answer = await asyncio.to_thread(play, owners[row["client_id"]].agent, name)
        if answer.status_code != 200 or answer.content != load.audio(row["sha256"].hex()):
            found.append(f"{name} does not play as it was uploaded: {answer.status_code}")
            continue
        load.heard.append(Heard(name, answer.headers["access-event"], answer.headers["x-request-id"], whole=True))
    first, second = (
        {path.relative_to(place): path.read_bytes() for name in there for path in place.glob(f"*/{name}/*")}
        for place in places(load.stack)
    )
    return found + [f"{path} differs in the zones" for path in first if first[path] != second.get(path)]


async def _unaccounted(load: Load, there: dict[str, dict[str, Any]]) -> list[str]:
    """Answers with audio whose admission, or whose end, is not in the log exactly once; removals without a receipt."""
    while await waiting(load.stack):  # noqa: ASYNC110 - another database has no event to wait for
        await asyncio.sleep(0.2)
    admitted, ended, removed = await _log(load)
    found = list[str]()
    for heard in load.heard:
        if admitted[heard.event, heard.recording_id] != 1:
            found.append(f"a play was admitted {admitted[heard.event, heard.recording_id]} times in the log: {heard}")
        if heard.whole and ended[heard.request_id, heard.recording_id] != 1:
            found.append(f"a play ended {ended[heard.request_id, heard.recording_id]} times in the log: {heard}")
    gone = {name: one for name, one in load.kept.items() if name not in there}
    return found + [
        f"removed {removed[name]} in the log: {one}" for name, one in gone.items() if not _told(one, removed)
    ]


def _told(one: Kept, removed: dict[str, list[str]]) -> bool:
    """The key's destruction and the receipt, once each."""
    receipts = [why for why in removed[one.recording_id] if "erased in both zones" in why]
    return len(receipts) == 1 and len(removed[one.recording_id]) == 2


async def _log(load: Load) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]], dict[str, list[str]]]:
    admitted, ended = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    removed = defaultdict[str, list[str]](list)
    async with superuser(load.stack, "audit") as connection:
        entries = await connection.fetch(
            "SELECT event_id::text AS event, request_id, action, coalesce(reason, '') AS why, name"
            "  FROM access_event, unnest(resource_ids, resource_types) AS r (name, kind)"
            " WHERE service = $1 AND kind = 'recording' AND outcome = 'allowed' AND client_id = ANY($2::uuid[])",
            SERVICE,
            [hotel.client_id for hotel in load.hotels],
        )
    for entry in entries:
        if entry["action"] == "recording:play":
            admitted[entry["event"], entry["name"]] += 1
        elif entry["action"] == "recording:played" and entry["why"].startswith("complete"):
            ended[entry["request_id"], entry["name"]] += 1
        elif entry["action"] == "recording:delete":
            removed[entry["name"]].append(entry["why"])
    return admitted, ended, removed
