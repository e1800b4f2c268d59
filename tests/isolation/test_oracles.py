"""03.4: what is another client's and what never was cannot be told apart: not by a byte, not by a header, not by time.

Time is measured at the service itself, where the signal is strongest, in pairs of random order; Welch's t judges.
"""

import json
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence

import httpx2
import pytest

from events.uuid7 import uuid7
from pentest.evidence import Probes
from support.hotel import Hotel
from support.machine import Machine
from support.workload import workload

SAMPLES = 2_000
CONTROLS = 500  # the difference that is there is a whole transaction
LIMIT = 4.5  # of |t|: one false alarm in about 150 000 runs, and the limit that leakage tests use (TVLA)
_TRIMMED = 0.9  # of all measurements, the quickest: what is slower met the machine's other work


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """Welch's t of two samples."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / spread**0.5


def trimmed(one: Sequence[float], other: Sequence[float]) -> tuple[list[float], list[float]]:
    """Both without what is beyond one common limit: a limit for each would hide a tail that only one of them has."""
    limit = sorted([*one, *other])[int((len(one) + len(other)) * _TRIMMED)]
    return [value for value in one if value <= limit], [value for value in other if value <= limit]


@pytest.fixture
async def direct(stack: Machine) -> AsyncIterator[httpx2.AsyncClient]:
    """The service as the gateway reaches it, on one warm connection."""
    async with workload(stack, "gateway", "tenant_data") as http:
        yield http


async def _measure(http: httpx2.AsyncClient, hotel: Hotel, ways: dict[str, list[str]]) -> dict[str, list[float]]:
    """Seconds of each request; the two ways take turns in random order, so that no drift favours one."""
    headers = {"Authorization": f"Bearer {hotel.agent.token}", "x-envoy-external-address": "127.0.0.1"}
    chosen, taken = random.Random(65), {name: [] for name in ways}
    names = list(ways)
    for turn in range(len(ways[names[0]])):
        chosen.shuffle(names)
        for name in names:
            path = ways[name][turn]
            began = time.perf_counter()
            answer = await http.get(path, headers=headers)
            taken[name].append(time.perf_counter() - began)
            assert answer.status_code in (200, 404), answer.text
    return taken


async def test_by_time(direct: httpx2.AsyncClient, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    theirs = [f"/v1/guests/{heron.guest()['id']}" for _ in range(20)]
    ways = {
        "foreign": [theirs[turn % len(theirs)] for turn in range(SAMPLES)],
        "absent": [f"/v1/guests/{uuid7()}" for _ in range(SAMPLES)],
    }
    await _measure(direct, otter, {name: paths[:50] for name, paths in ways.items()})  # warm
    t = 0.0
    for _ in range(3):  # an alarm by chance does not come back; a real one does
        taken = await _measure(direct, otter, ways)
        t = welch(*trimmed(taken["foreign"], taken["absent"]))
        if abs(t) < LIMIT:
            break
    told = f"t = {t:.2f} over {SAMPLES} each"
    probes.denied("whether an id exists, by time", abs(t) < LIMIT, told, route="GET /v1/guests/{guest_id}")
    seen = await _can_tell(direct, otter)
    probes.allowed("a difference that is there is seen", abs(seen) > LIMIT, f"t = {seen:.2f}")


async def _can_tell(http: httpx2.AsyncClient, otter: Hotel) -> float:
    """The control: between one's own guest and an absent one, the same method sees the difference at once; on a machine
    that others make slow, with what it sees the next times beside it.
    """
    own = f"/v1/guests/{otter.guest()['id']}"
    owns, absents, t = list[float](), list[float](), 0.0
    for _ in range(3):
        absent = [f"/v1/guests/{uuid7()}" for _ in range(CONTROLS)]
        taken = await _measure(http, otter, {"own": [own] * CONTROLS, "absent": absent})
        owns, absents = owns + taken["own"], absents + taken["absent"]
        t = welch(*trimmed(owns, absents))
        if abs(t) > LIMIT:
            break
    return t


def test_by_bytes(otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """A hundred answers of each kind, read byte by byte: lengths, orders and headers are the same."""
    shapes: dict[str, set[str]] = {"foreign": set(), "absent": set()}
    for _ in range(50):
        for name, guest in (("foreign", heron.guest()["id"]), ("absent", str(uuid7()))):
            answer = otter.agent.get(f"/v1/guests/{guest}")
            body = answer.text.replace(answer.headers["x-request-id"], "R")
            headers = {
                key: value
                for key, value in answer.headers.items()
                if key not in ("x-request-id", "access-event", "date")
            }
            shapes[name].add(json.dumps([answer.status_code, body, len(answer.content), headers], sort_keys=True))
    holds = shapes["foreign"] == shapes["absent"] and len(shapes["foreign"]) == 1
    probes.denied("whether an id exists, by a byte", holds, shapes, route="GET /v1/guests/{guest_id}")
    own = otter.agent.get(f"/v1/guests/{otter.guest()['id']}")
    probes.allowed("one's own is told apart", own.status_code == 200, own.text)


def test_taken_elsewhere(otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """A word that another client's guest is found by finds nothing here, as a word of nobody's does."""
    email = f"oracle-{uuid7()}@example.com"
    heron.guest(email=email, phone="+358401234567", external_ref="R-1")
    answers = {}
    for name, words in (("theirs", {"email": email}), ("nobody's", {"email": f"x{email}"})):
        answer = otter.agent.post("/v1/guests/search", json=words)
        answers[name] = (answer.status_code, answer.text)
    probes.denied(
        "a search for another's guest",
        answers["theirs"] == answers["nobody's"],
        answers,
        route="POST /v1/guests/search",
    )
    made = otter.agent.post("/v1/guests", json={"name": "The same", "email": email, "external_ref": "R-1"})
    probes.denied("a value that another has taken", made.status_code == 201, made.text, route="POST /v1/guests")
    found = heron.agent.post("/v1/guests/search", json={"email": email})
    probes.allowed("its own client finds it", len(found.json()["items"]) == 1, found.text)
    theirs = {item["id"] for item in found.json()["items"]}
    probes.denied(
        "the other's twin in its result", made.json()["id"] not in theirs, found.text, route="POST /v1/guests/search"
    )
