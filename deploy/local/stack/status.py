"""What runs, and whether it serves. Reads only; it must never start or heal anything."""

import asyncio
from dataclasses import dataclass

from stack import up
from stack.program import NotReady, Program
from stack.settings import Stack
from stack.supervision import Supervisor

_PATIENCE = 3.0  # seconds for a process to say that it is ready


@dataclass(frozen=True)
class Row:
    """One process: supervisord's word for its state, and whether it serves (`reason` says why not)."""

    name: str
    state: str
    ready: bool
    pid: int
    seconds: int
    reason: str

    def line(self) -> str:
        """For a terminal."""
        ready = "ready" if self.ready else f"NOT READY: {self.reason}"
        return f"{self.name:<16} {self.state:<9} pid {self.pid:<8} {self.seconds:>7} s  {ready}"


async def status(stack: Stack) -> list[Row]:
    """Each process that supervisord knows, in start order; empty when nothing was started."""
    known = await asyncio.to_thread(Supervisor(stack).all)
    if not known:
        return []
    known = sorted((info for info in known if info["name"] in up.NAMES), key=lambda info: up.NAMES.index(info["name"]))
    reasons = await asyncio.gather(*(_reason(up.PROGRAMS[info["name"]](stack), info["statename"]) for info in known))
    return [
        Row(
            name=info["name"],
            state=info["statename"],
            ready=not reason,
            pid=info["pid"],
            seconds=max(0, info["now"] - info["start"]) if info["statename"] == "RUNNING" else 0,
            reason=reason,
        )
        for info, reason in zip(known, reasons, strict=True)
    ]


async def _reason(program: Program, state: str) -> str:
    if state != "RUNNING":
        return f"it is {state.lower()}: `konci up` starts it"
    try:
        await asyncio.wait_for(program.ready(), _PATIENCE)
    except NotReady as reason:
        return str(reason)
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} s"
    return ""
