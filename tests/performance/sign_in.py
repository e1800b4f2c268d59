"""Sign-ins by password against the bare Argon2id rate of the same cores and parameters."""

import asyncio
import json
import os
import sys

from auth import password as passwords
from performance.figure import Figure
from performance.load import drive, middle, request
from performance.stage import as_gateway
from stack import services
from support.hotel import Hotel
from support.machine import Machine
from support.newcomer import newcomer

WINDOWS = 5
SECONDS = 8.0
_REST = (
    "Beside its hash a sign-in makes two calls to OpenBao (it unwraps the user's key and has the token signed: neither"
    " is cached, on purpose), some forty statements in four transactions, and three entries in the log. When it was"
    " profiled that was 65 ms of processor beside 225 for the hash: half of it in the service, a fifth in PostgreSQL, a"
    " tenth each in OpenBao and in audit."
)
PEOPLE = 8


async def measure(stack: Machine, hotel: Hotel) -> list[Figure]:
    """Windows of all in turn; the bare ones verify with the service's own hasher, and without the service."""
    people = [await asyncio.to_thread(newcomer, hotel) for _ in range(PEOPLE)]
    asked = [
        request(
            "POST", "/v1/sessions", {"x-envoy-external-address": f"127.0.0.{n + 1}", "x-request-id": "bench"},
            json.dumps({"email": person.email, "password": person.password}).encode(),
        )
        for n, person in enumerate(people)
    ]  # fmt: skip
    context = as_gateway(stack)
    told = services.environment(stack.stack, "auth")
    huge = {name: told[name] for name in ("LD_PRELOAD", "MALLOC_CONF")}
    rates = []
    for window in range(WINDOWS + 1):
        load = await drive(stack.port_of("auth"), context, asked, connections=4, seconds=SECONDS)
        assert set(load.statuses) == {201}, load.statuses
        both = (await _bare({}), await _bare(huge))
        if window:  # the first warms all
            rates.append((load.rate, *both))
    ours, plain, paged = ([rate[n] for rate in rates] for n in range(3))
    how = (
        f"median of {WINDOWS} rounds of {SECONDS:g} s windows, {PEOPLE} users without a second factor, 4 connections:"
        f" {middle(ours):.1f}/s, bare {{:.1f}}/s on {passwords._WORKERS} threads"
    )
    return [
        Figure(
            "password sign-ins against bare Argon2id", middle([own / bare for own, bare, _ in rates]), 0.9,
            f"{how.format(middle(plain))} of a plain process, where auth hashes in huge pages (ADR 16)",
            series={"sign-ins": ours, "bare": plain}, rest=_REST,
        ),
        Figure(
            "password sign-ins against bare Argon2id in huge pages",
            middle([own / bare for own, _, bare in rates]), 0.9,
            f"{how.format(middle(paged))} of a process with auth's own allocator", rest=_REST,
        ),
    ]  # fmt: skip


async def _bare(environment: dict[str, str]) -> float:
    """Hashes a second of a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "performance.hashing", str(SECONDS),
        env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    return float(said)
