"""The route `GET /v1/guests/{id}` as somebody would write it who promises nothing: `python -m performance.bare PORT`.

The same listener, edge (`guard.http`), framework, model and row; no token, no seal, no policy, no key, no event. It is
what the guarded read is measured against, and never runs beside real data.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import uvloop
from fastapi import APIRouter, FastAPI, Request

from guard import errors, http, server, telemetry
from performance.stage import machine
from stack import bao
from support.machine import Machine
from support.workload import certificate, settings
from tenant_data.guest import Guest

DATABASE = "bare_scratch"


def application(stack: Machine) -> FastAPI:
    @asynccontextmanager
    async def run(api: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            host="127.0.0.1", port=stack.port_of("postgres"), user="postgres", database=DATABASE,
            ssl=bao.tls(stack.stack), min_size=12, max_size=12,
        ) as pool:  # fmt: skip
            api.state.pool = pool
            yield

    router = APIRouter()

    @router.get("/v1/guests/{guest_id}")
    async def read_guest(guest_id: UUID, request: Request) -> Guest:
        row = await request.app.state.pool.fetchrow(
            """SELECT guest_id AS id, name, email, phone, language, notes, external_ref, version, created_at
                 FROM guest
                WHERE guest_id = $1""",
            guest_id,
        )
        if row is None:
            raise errors.NotFound
        return Guest(**row)

    return http.app("bare", [router], lifespan=run)


async def main(stack: Machine, port: int) -> None:
    telemetry.start("bare", traces=stack.stack.folder("traces"), otlp=None)
    held = certificate(stack, "tenant_data")
    await server.serve(application(stack), settings(stack, "tenant_data", listen_port=port), held)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(machine(), int(sys.argv[1])))
