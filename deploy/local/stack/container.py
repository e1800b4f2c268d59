"""The stack's steps one by one, for an engine that starts each part in a container of its own (compose.yaml).

What `up` does in one process, order and waiting, is the engine's here; it must never start a second process.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import NoReturn

from stack import (
    bao,
    bootstrap_ca,
    databases,
    envoy,
    identity,
    kafka,
    keeper,
    openbao,
    postgres,
    prometheus,
    run_folder,
    trust,
    up,
)
from stack.program import NotReady, Program
from stack.settings import Stack, StackError

USAGE = "usage: python -m stack.container run NAME | ready NAME | trust | databases"
# The services have images of their own.
_PREPARED: Mapping[str, ModuleType] = {
    "openbao": openbao,
    "postgres": postgres,
    "kafka": kafka,
    "keeper": keeper,
    "envoy": envoy,
    "prometheus": prometheus,
}
SERVERS = tuple(_PREPARED)


def run(stack: Stack, name: str) -> NoReturn:
    """Write the configuration of `name` and become it, so that signals reach it."""
    run_folder.prepare(stack)
    if name == "openbao":
        bootstrap_ca.prepare(stack)
    _PREPARED[name].prepare(stack)
    program = _program(stack, name)
    os.execve(program.command[0], program.command, {**os.environ, **program.environment})  # noqa: S606 - no shell wanted


def ready(stack: Stack, name: str) -> int:
    """0 when `name` serves, 1 when it does not yet: an engine's health check."""

    async def asked() -> None:
        await _program(stack, name).ready()

    try:
        asyncio.run(asked())
    except NotReady as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


async def establish_trust(stack: Stack) -> None:
    """Bring OpenBao to what the repository says, and give every workload its first certificate."""
    if not await trust.wait_for_login(stack):
        raise StackError("OpenBao refuses the bootstrap identity: see its container's log")
    await trust.reconcile(stack)
    async with bao.session(stack) as session:
        for name in trust.WORKLOADS:
            if identity.life(stack, name) < identity.FRESH:
                await identity.renew(session, stack, name)


def step(stack: Stack, arguments: list[str]) -> int:
    """One verb; 2 on wrong use."""
    match arguments:
        case ["run", name] if name in SERVERS:
            run(stack, name)
        case ["ready", name] if name in SERVERS:
            return ready(stack, name)
        case ["trust"]:
            asyncio.run(establish_trust(stack))
        case ["databases"]:
            asyncio.run(databases.reconcile(stack))
        case _:
            sys.stderr.write(f"{USAGE}\n")
            return 2
    return 0


def _program(stack: Stack, name: str) -> Program:
    return up.PROGRAMS[name](stack)


if __name__ == "__main__":
    try:
        sys.exit(step(Stack.here(), sys.argv[1:]))
    except StackError as refused:
        sys.stderr.write(f"{refused}\n")
        sys.exit(1)
