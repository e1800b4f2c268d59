"""What each service holds after 10^4 and after 10^5 requests: a leak would show as growth."""

import asyncio
import json
from dataclasses import dataclass

from performance.figure import Figure
from performance.load import drive, request
from performance.stage import SERVICES, as_gateway, headers, resident
from support.hotel import Hotel
from support.machine import Machine
from support.newcomer import newcomer
from support.recordings import MIB, record, wav

FEW, MANY = 10_000, 100_000
STRETCH = 1_000  # requests of each service between two looks at the tokens: ten minutes, on however busy a machine
CONNECTIONS = 4
SIGN_IN = 200  # requests of auth, of which one is a sign-in by password: its hash takes 64 MiB
_MORE = {
    "auth": f"; of {SIGN_IN} requests one is a sign-in by password",
    "recording_storage": "; of twenty requests twelve play a range of 64 KiB, four read a recording, two list, one"
    " plays 1.5 MiB and one uploads 64 KiB",
}


AUDIO = MIB + MIB // 2  # bytes of the recording that is played: two segments
RANGE = 64 * 1024  # bytes of a seek in it, and of what is uploaded


@dataclass(frozen=True)
class _Subjects:
    """What is there to be asked for."""

    guests: list[str]
    call_id: str
    recording_id: str
    sign_in: bytes


async def measure(stack: Machine, hotel: Hotel) -> list[Figure]:
    """Every service is asked as often as the others, all at once, by people who are signed in."""
    # Anew: what earlier benches made them hold would hide what fills up between the two looks.
    for service in SERVICES:
        await asyncio.to_thread(stack.stop, service)
    await asyncio.to_thread(stack.up)
    guests = [hotel.guest(email=f"{number}@example.com")["id"] for number in range(50)]
    recording = record(hotel, wav(AUDIO))
    person = await asyncio.to_thread(newcomer, hotel)
    given = json.dumps({"email": person.email, "password": person.password}).encode()
    sign_in = request("POST", "/v1/sessions", {"x-envoy-external-address": "127.0.0.2", "x-request-id": "bench"}, given)
    subjects = _Subjects(guests, recording["call_id"], recording["id"], sign_in)
    await _ask(stack, hotel, subjects, FEW)
    first = {service: resident(stack, service) for service in SERVICES}
    await _ask(stack, hotel, subjects, MANY - FEW)
    return [
        Figure(
            f"memory of {service}, 10⁴ to 10⁵ requests", resident(stack, service) / first[service], 1.1,
            f"memory of its own {first[service] / 2**20:.1f} MiB, then {resident(stack, service) / 2**20:.1f} MiB"
            f"{_MORE.get(service, '')}",
            is_ceiling=True, unit="×",
        )
        for service in SERVICES
    ]  # fmt: skip


async def _ask(stack: Machine, hotel: Hotel, subjects: _Subjects, count: int) -> None:
    for _ in range(0, count, STRETCH):
        await _ask_once(stack, hotel, subjects)


async def _ask_once(stack: Machine, hotel: Hotel, subjects: _Subjects) -> None:
    agent, admin = headers(hotel.agent), headers(hotel.admin)
    search = json.dumps({"email": "7@example.com"}).encode()
    asked = {
        "tenant_data": [
            *(request("GET", f"/v1/guests/{guest}", agent) for guest in subjects.guests),
            request("GET", "/v1/guests?limit=20", agent),
            request("POST", "/v1/guests/search", agent, search),
        ],
        "audit": [
            request("GET", "/v1/access-events?limit=1", admin),
            request("GET", "/v1/access-events?limit=5", admin),
        ],
        "recording_storage": _audio(subjects, agent),
        "auth": [request("GET", path, admin) for path in ("/v1/users/me", "/v1/users", "/v1/clients/me")],
    }
    asked["auth"] = [*(asked["auth"] * SIGN_IN)[: SIGN_IN - 1], subjects.sign_in]
    context = as_gateway(stack)
    loads = await asyncio.gather(
        *(
            drive(stack.port_of(service), context, asked[service], connections=CONNECTIONS, count=STRETCH)
            for service in SERVICES
        )
    )
    assert all(set(load.statuses) <= {200, 201, 206} for load in loads), [load.statuses for load in loads]


def _audio(subjects: _Subjects, agent: dict[str, str]) -> list[bytes]:
    """Twenty requests: a listener seeks more than anything else, and one audio in twenty is new."""
    one = f"/v1/recordings/{subjects.recording_id}"
    seeks = [
        request("GET", f"{one}/audio", {**agent, "Range": f"bytes={first}-{first + RANGE - 1}"})
        for first in range(0, AUDIO - RANGE, AUDIO // 12)
    ]
    return [
        *seeks,
        *(request("GET", one, agent) for _ in range(4)),
        request("GET", "/v1/recordings?limit=20", agent),
        request("GET", f"/v1/recordings?limit=20&call_id={subjects.call_id}", agent),
        request("GET", f"{one}/audio", agent),
        request("POST", f"/v1/calls/{subjects.call_id}/recordings", {**agent, "Content-Type": "audio/wav"}, wav(RANGE)),
    ]
