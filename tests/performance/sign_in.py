"""Sign-ins by password against the bare Argon2id rate of the same cores and parameters."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from auth import password as passwords
from performance.figure import Figure
from performance.load import drive, middle, request
from performance.stage import as_gateway
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


async def measure(stack: Machine, hotel: Hotel) -> Figure:
    """Windows of both in turn; the bare one verifies the same password with the service's own hasher, without it."""
    people = [await asyncio.to_thread(newcomer, hotel) for _ in range(PEOPLE)]
    asked = [
        request(
            "POST", "/v1/sessions", {"x-envoy-external-address": f"127.0.0.{n + 1}", "x-request-id": "bench"},
            json.dumps({"email": person.email, "password": person.password}).encode(),
        )
        for n, person in enumerate(people)
    ]  # fmt: skip
    context = as_gateway(stack)
    hasher = passwords._argon2
    stored = hasher.hash(people[0].password)
    with ThreadPoolExecutor(passwords._WORKERS) as threads:
        ratios, rates = [], []
        for window in range(WINDOWS + 1):
            load = await drive(stack.port_of("auth"), context, asked, connections=4, seconds=SECONDS)
            assert set(load.statuses) == {201}, load.statuses
            bare = await asyncio.to_thread(_bare, threads, lambda: hasher.verify(stored, people[0].password))
            if window:
                ratios.append(load.rate / bare)
                rates.append((load.rate, bare))
    return Figure(
        "password sign-ins against bare Argon2id", middle(ratios), 0.9,
        f"median of {WINDOWS} pairs of {SECONDS:g} s windows, {PEOPLE} users without a second factor, 4 connections:"
        f" {middle([rate for rate, _ in rates]):.1f}/s, bare {middle([rate for _, rate in rates]):.1f}/s on"
        f" {passwords._WORKERS} threads",
        series={"sign-ins": [rate for rate, _ in rates], "bare": [rate for _, rate in rates]}, rest=_REST,
    )  # fmt: skip


def _bare(threads: ThreadPoolExecutor, verify: Callable[[], object]) -> float:
    began = time.perf_counter()

    def until_over() -> int:
        count = 0
        while time.perf_counter() - began < SECONDS:
            verify()
            count += 1
        return count

    done = sum(job.result() for job in [threads.submit(until_over) for _ in range(passwords._WORKERS)])
    return done / (time.perf_counter() - began)
