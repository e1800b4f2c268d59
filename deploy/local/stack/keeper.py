"""The keeper: a process that renews servers' certificates, keeps Kafka's topics and rules, sets long logs aside, and
collects Envoy's spans.
It holds nothing of its own and may be killed at any moment. Its rights in OpenBao: deploy/openbao/keeper.hcl.
"""

import asyncio
import logging
import sys

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from guard import telemetry
from stack import private_file, renewal, rotation, upkeep
from stack.measurements import Measurements
from stack.program import NotReady, Program
from stack.settings import Stack
from stack.traces import Collector


def prepare(stack: Stack) -> None:
    """The folder of Envoy's spans. Idempotent."""
    private_file.folder(stack.folder("traces"))


def program(stack: Stack) -> Program:
    """`python -m stack keeper`, ready when Kafka holds every topic and rule."""
    return Program(
        name="keeper",
        command=[sys.executable, "-m", "stack", "keeper"],
        environment=stack.environment(),
        ready=lambda: ready(stack),
    )


async def ready(stack: Stack) -> None:
    """Raises NotReady until the keeper has once seen Kafka as it must be."""
    address = f"http://127.0.0.1:{stack.port_of('traces')}/metrics"
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=2) as http:
            text = (await http.get(address)).text
    except httpx2.TransportError as away:
        reason = "the keeper does not answer yet"
        raise NotReady(reason) from away
    if "konci_kafka_up 1.0" not in text:
        reason = "Kafka's topics are not all there yet"
        raise NotReady(reason)


async def run(stack: Stack) -> None:
    """Until told to stop. Each loop heals itself; a defect in one ends the process, and it is started again."""
    measurements = Measurements(stack)
    async with httpx2.AsyncClient(timeout=2) as http:
        collector = Collector(stack.folder("traces") / "gateway.jsonl", stack.otlp, http)
        server = uvicorn.Server(
            uvicorn.Config(
                application(collector, measurements),
                host="127.0.0.1",
                port=stack.port_of("traces"),
                log_config=None,
                access_log=False,
                lifespan="off",
            ),
        )
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(renewal.keep(stack)),
                tasks.create_task(upkeep.keep(stack, measurements)),
                tasks.create_task(rotation.keep(stack)),
                tasks.create_task(measurements.watch_postgres()),
            ]
            await server.serve()
            for loop in loops:
                loop.cancel()


def application(collector: Collector, measurements: Measurements) -> Starlette:
    """Two routes on loopback: spans in, measurements out."""

    async def metrics(_: Request) -> Response:
        return Response(measurements.text(), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/v1/traces", collector.export, methods=["POST"]),
            Route("/metrics", metrics, methods=["GET"]),
        ],
    )


def main(stack: Stack) -> None:
    """The process."""
    telemetry.start("keeper", traces=None, otlp=None)
    # kafka-python tells every failed connection in several lines; the upkeep says it once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    asyncio.run(run(stack))
