"""A guarded read (token, sealed RLS, decryption, committed event) against the same route bare; the gateway excluded."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import httpx2

from performance import bare
from performance.figure import Figure
from performance.load import drive, middle, request
from performance.stage import as_gateway, drained, headers, processor_seconds
from stack import postgres
from stack.settings import REPO
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine

WINDOWS = 7
SECONDS = 4.0
CONNECTIONS = 16  # beyond what one commit at a time can keep busy
_PROGRAMS = ("tenant_data", "postgres", "kafka", "audit")  # what a guarded read keeps busy
_REST = (
    "In the service: four round trips to the database where the bare route takes two (0.1 ms each), the event, its way"
    " to Kafka and its confirmation; two thirds of it are Python's interpreter. In PostgreSQL: the seal is verified"
    " three times (0.06 ms each), the outbox row is written, claimed and deleted, and the log's row with the entries"
    " of five indexes is written. All of it runs on the two cores that the load runs on."
)
_COLUMNS = ("name", "email", "phone", "language", "notes", "external_ref", "version")
_OFFSET = 42  # of the bare service's port, beyond the stack's own


async def measure(stack: Machine, hotel: Hotel) -> Figure:
    """Windows of both in turn, so that whatever else the machine does falls on both."""
    guests = [hotel.guest(email=f"guest{n}@example.com", phone="+43 660 1234567", notes="Late.") for n in range(50)]
    context = as_gateway(stack)
    guarded = [request("GET", f"/v1/guests/{guest['id']}", headers(hotel.agent)) for guest in guests]
    async with _bare(stack, guests) as port:
        ratios, rates, spent, late = [], [], [], []
        for window in range(WINDOWS + 1):
            before = _spent(stack)
            load = await drive(stack.port_of("tenant_data"), context, guarded, connections=CONNECTIONS, seconds=SECONDS)
            late.append(await drained(stack))
            spent.append([(now - then) / len(load.latencies) for now, then in zip(_spent(stack), before, strict=True)])
            plain = await drive(port, context, guarded, connections=CONNECTIONS, seconds=SECONDS)
            assert set(load.statuses) == set(plain.statuses) == {200}, (load.statuses, plain.statuses)
            if window:  # the first warms both
                ratios.append(load.rate / plain.rate)
                rates.append((load.rate, plain.rate))
    shares = [f"{name} {middle(of) * 1000:.2f}" for name, of in zip(_PROGRAMS, zip(*spent, strict=True), strict=True)]
    return Figure(
        "guarded read against the same route bare", middle(ratios), 0.5,
        f"median of {WINDOWS} pairs of {SECONDS:g} s windows at {CONNECTIONS} connections straight to the service:"
        f" guarded {middle([rate for rate, _ in rates]):.0f}/s, bare {middle([rate for _, rate in rates]):.0f}/s;"
        f" milliseconds of processor for a guarded one, until it is in the log: {', '.join(shares)};"
        f" all of a window was in the log and confirmed {middle(late):.1f} s after its end",
        series={"guarded": [rate for rate, _ in rates], "bare": [rate for _, rate in rates]}, rest=_REST,
    )  # fmt: skip


def _spent(stack: Machine) -> list[float]:
    return [processor_seconds(stack, program) for program in _PROGRAMS]


@asynccontextmanager
async def _bare(stack: Machine, guests: list[dict[str, object]]) -> AsyncIterator[int]:
    main = await postgres.superuser(stack.stack)
    await main.execute(f"DROP DATABASE IF EXISTS {bare.DATABASE} WITH (FORCE)")
    await main.execute(f"CREATE DATABASE {bare.DATABASE}")
    try:
        async with superuser(stack, bare.DATABASE) as connection:
            await _fill(connection, guests)
        port = stack.stack.port + _OFFSET
        process = _start(stack, port)
        try:
            await _answers(stack, port, guests[0]["id"])
            yield port
        finally:
            process.terminate()
            process.wait(20)
    finally:
        await main.execute(f"DROP DATABASE IF EXISTS {bare.DATABASE} WITH (FORCE)")
        await main.close()


async def _fill(connection: asyncpg.Connection, guests: list[dict[str, object]]) -> None:
    await connection.execute(
        """CREATE TABLE guest (guest_id uuid PRIMARY KEY, name text, email text, phone text, language text, notes text,
                               external_ref text, version integer, created_at timestamptz)"""
    )
    await connection.executemany(
        "INSERT INTO guest VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())",
        [
            (
                UUID(str(g["id"])),
                *(g[name] for name in _COLUMNS),
            )
            for g in guests
        ],
    )


def _start(stack: Machine, port: int) -> "subprocess.Popen[bytes]":
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPO / "tests"),
        "KONCI_BENCH_RUN": str(stack.run), "KONCI_BENCH_PORT": str(stack.stack.port),
    }  # fmt: skip
    with (stack.run / "log" / "bare.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "performance.bare", str(port)], env=environment, stdout=log, stderr=log
        )


async def _answers(stack: Machine, port: int, guest_id: object) -> None:
    async with httpx2.AsyncClient(verify=as_gateway(stack), trust_env=False) as http:
        for _ in range(100):
            try:
                answer = await http.get(f"https://127.0.0.1:{port}/v1/guests/{guest_id}")
            except httpx2.TransportError:
                await asyncio.sleep(0.2)
            else:
                assert answer.status_code == 200, answer.text
                return
    raise AssertionError("the bare route did not come up: see log/bare.log of the run folder")
