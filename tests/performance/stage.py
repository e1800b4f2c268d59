"""Where the bench plays: a stack of its own with production's settings, hotels in it, and a look at its processes."""

import asyncio
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.settings import REPO, Stack
from support.database import superuser
from support.hotel import Person
from support.machine import Machine
from support.recordings import places
from support.workload import certificate, workload

_SPARE = 2**29  # bytes of memory that are left to be used first: what warms up takes them
_STRETCH = 2**30  # bytes that are read between two looks at it
_HOLE = 2**42  # bytes of a file with nothing in it: it is read like any other, and takes no disk
SERVICES = ("auth", "tenant_data", "audit", "recording_storage")


def machine() -> Machine:
    """The stack that `KONCI_BENCH_RUN`/`KONCI_BENCH_PORT` name, by default one of its own."""
    run = Path(os.environ.get("KONCI_BENCH_RUN", str(REPO / ".run-bench")))
    return Machine(Stack(run=run, port=int(os.environ.get("KONCI_BENCH_PORT", "28443"))))


def headers(person: Person) -> dict[str, str]:
    """What the gateway would pass on for `person`."""
    return {
        "Authorization": f"Bearer {person.token}",
        "x-envoy-external-address": "127.0.0.1",
        "x-request-id": "bench",
        "User-Agent": "bench",
    }


def as_gateway(stack: Machine) -> ssl.SSLContext:
    """TLS with the gateway's certificate: straight to a service, as the gateway comes."""
    return certificate(stack, "gateway").client()


def resident(stack: Machine, program: str) -> int:
    """Bytes of memory that are the process's own (`Anonymous`).

    Not `Pss`: the share of a library's pages grows when somebody else who uses it ends, here by 10 MiB in each service.
    """
    return memory(stack.pid(program))["Anonymous"]


def memory(pid: int) -> dict[str, int]:
    """Bytes that the kernel counts for a process (smaps_rollup), by name: `Rss`, `Anonymous`, …"""
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return {words[0].removesuffix(":"): int(words[1]) * 1024 for words in lines}


def kernel_count(pid: int, file: str, name: str) -> int:
    """A number that the kernel has for a process: in `file` of its folder below /proc, after `name` and a colon."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(f"the kernel tells no {name} of {pid}")


@contextmanager
def memory_in_use(folder: Path) -> Iterator[Callable[[], None]]:
    """Call it to have the kernel's memory full, as on a machine that has run for a day: of a file that nobody needs.

    What is written or held from then on takes some of its place. In memory that is nobody's it would cost a virtual
    machine ten times as much (here 1.2 ms a MiB): its host has to find that first, and takes back in seconds what is
    given up. Whoever writes more would pay that more often.
    """
    room = bytearray(2**20)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:  # without a name: a bench may wipe the folder
        file.truncate(_HOLE)

        def fill() -> None:
            while (before := _free()) > _SPARE:
                for _ in range(_STRETCH // len(room)):
                    file.readinto(room)
                if before - _free() < _STRETCH // 4:
                    return  # what we may have is full, and so it takes its own place already

        yield fill


def _free() -> int:
    """Bytes of memory that nothing is in."""
    [line] = (one for one in Path("/proc/meminfo").read_text().splitlines() if one.startswith("MemFree:"))
    return int(line.split()[1]) * 1024


def forget_peak(pid: int) -> None:
    """The kernel's mark of how much a process held at most (`VmHWM`) begins anew (proc_pid_clear_refs(5))."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


async def metrics(stack: Machine, service: str) -> dict[str, float]:
    """What the service counts, by name and labels as they are written."""
    async with workload(stack, "prometheus", service) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    told = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in told}


def processor_seconds(stack: Machine, program: str) -> float:
    """What the process and its children (PostgreSQL's backends) have spent on all cores."""
    return processor_seconds_of(stack.pid(program))


def processor_seconds_of(pid: int) -> float:
    """The same of a process by its number."""
    own, spent = str(pid), 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
            continue
        if own in (path.parent.name, after_name[1]):
            spent += int(after_name[11]) + int(after_name[12])
    return spent / os.sysconf("SC_CLK_TCK")


def is_stored(stack: Machine, *below: str) -> bool:
    """Whether a file is in either zone below this client, or client and recording."""
    # A walk passes over folders that go while it walks.
    return any(files for place in places(stack) for _, _, files in os.walk(place.joinpath(*below)))


async def drained(stack: Machine) -> float:
    """Seconds until every entry is stored and confirmed: what runs next must not pay for what ran before."""
    began = time.monotonic()
    for service in ("tenant_data", "recording_storage", "audit"):  # the log of the log comes last
        async with superuser(stack, service) as connection:
            while await connection.fetchval("SELECT count(*) FROM guard.outbox"):  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.1)
    return time.monotonic() - began
