"""What any web server does with the same bytes: `python -m performance.bare_audio PORT FOLDER`.

A GET sends the file `played`, a POST writes its body to a file and syncs it at its end. The listener and TLS are the
services' own; no token, no key, no digest, no event, one copy. Recordings are measured against it.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import uvloop
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from guard import server
from performance.stage import machine
from support.machine import Machine
from support.workload import certificate, settings

PLAYED = "played"
_PIECE = 2**18  # bytes, as the service sends them


def application(folder: Path) -> FastAPI:
    api = FastAPI(openapi_url=None)

    @api.get("/v1/recordings/{recording_id}/audio")
    async def play(recording_id: UUID) -> StreamingResponse:
        length = (folder / PLAYED).stat().st_size
        return StreamingResponse(
            _read(folder / PLAYED), media_type="audio/wav", headers={"Content-Length": str(length)}
        )

    @api.post("/v1/calls/{call_id}/recordings")
    async def upload(call_id: UUID, request: Request) -> JSONResponse:
        with (folder / f"sunk-{call_id}-{uuid4()}").open("xb", buffering=0) as file:
            async for piece in request.stream():
                file.write(piece)
            await asyncio.to_thread(os.fsync, file.fileno())
        return JSONResponse({}, 201)

    return api


async def _read(path: Path) -> AsyncIterator[bytes]:
    # Not in a thread, piece by piece: it lies in the kernel's memory, and handing it over costs more than reading it.
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            yield piece


async def main(stack: Machine, port: int, folder: Path) -> None:
    told = settings(stack, "recording_storage", listen_port=port)
    await server.serve(application(folder), told, certificate(stack, "recording_storage"))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(machine(), int(sys.argv[1]), Path(sys.argv[2])))
