"""A good client in a process of its own: asks at a fixed rate, checks each answer, and tells how long each took.

It is no part of an attack: what it sees while one runs is what a customer sees.
"""

import asyncio
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")

CALLERS = 20  # each with a connection that it keeps
EVERY = 0.1  # seconds between two requests of one caller: 200 a second, a fifth of what two cores serve
FRESH_EVERY = 0.25  # seconds between two callers who come new, with a handshake of their own
ENOUGH = 1000  # requests, in peace and under attack
WINDOWS = 5
# Milliseconds. Below it a slice that the scheduler gives to somebody else (attacker, client, gateway and services
# share two cores) doubles the figure; above it the limit of twice the quiet figure decides alone.
FLOOR = 10.0
TRIES = 3
LONGEST = 90  # seconds for enough requests; a machine that gives this client fewer than ten a second judges nothing


@dataclass(frozen=True)
class Sample:
    """One answer: when it was asked for (monotonic), how long it took, how late the timer was that asked (in seconds),
    what was wrong with it, and whether it came over a connection of its own.
    """

    at: float
    took: float
    late: float
    fault: str
    is_fresh: bool


@dataclass(frozen=True)
class Measured:
    """What the good client saw before and during an attack."""

    quiet: list[Sample]
    attacked: list[Sample]
    fresh: bool  # whether who came new had to be served, too

    @property
    def faults(self) -> list[str]:
        return [sample.fault for sample in self.attacked if sample.fault and (self.fresh or not sample.is_fresh)]

    def assert_served(self) -> None:
        """Every request answered rightly, and the 99th percentile within twice the quiet one.

        A busy machine must not decide: the percentile is the median of five windows', so a neighbour's hiccup spoils
        one and an attack all; and the floor grows by what a mere timer of this client was late at the same time.
        """
        attacked, limit, seen = self._compared()
        print(f"{len(self.attacked)} requests: {seen}")
        spoiled = [sample.fault for sample in self.quiet if sample.fault]
        assert not spoiled, f"not served even in peace: {spoiled[:3]}"
        assert not self.faults, f"{len(self.faults)} of {len(self.attacked)} not served: {self.faults[:3]}"
        assert attacked <= limit, seen

    @property
    def is_slowed(self) -> bool:
        """Whether everything was answered and only took too long."""
        attacked, limit, _ = self._compared()
        return not self.faults and attacked > limit

    def _compared(self) -> tuple[float, float, str]:
        late = p99([sample.late for sample in self.attacked if not sample.is_fresh])
        quiet, attacked = (
            p99([sample.took for sample in side if not sample.is_fresh]) for side in (self.quiet, self.attacked)
        )
        limit = 2 * max(quiet, FLOOR + late)
        seen = (
            f"p99 {quiet:.1f} ms quiet, {attacked:.1f} ms attacked ({attacked / quiet:.1f} times; timers {late:.1f} ms"
            f" late), limit {limit:.1f} ms"
        )
        return attacked, limit, seen


def p99(seconds: list[float]) -> float:
    """Milliseconds: the median of the 99th percentiles of five windows."""
    size = len(seconds) // WINDOWS
    windows = [sorted(seconds[number * size : (number + 1) * size]) for number in range(WINDOWS)]
    return 1000 * median(window[int(size * 0.99)] for window in windows)


class GoodClient:
    """The process, seen from the test."""

    def __init__(self, output: Path) -> None:
        self._output = output

    def through(self, attack: Callable[[], T], *, fresh: bool = True, peace: int = ENOUGH) -> tuple[Measured, list[T]]:
        """What it saw before and while `attack` ran (again, until there was enough to see); what each `attack` gave.

        `fresh`: whether who comes new must be served meanwhile, too. `peace`: requests that are looked at before.
        Slowness is looked at three times at most: what a neighbour did does not come back, what an attack does will.
        """
        quiet = self._in_peace(peace)  # once: what an attack leaves behind must not pass for peace
        results: list[T] = []
        for _ in range(TRIES):
            began, ended, gave = self._once(attack)
            results += gave
            seen = Measured(quiet, self.between(began, ended), fresh)
            if not seen.is_slowed:
                break
        return seen, results

    def _in_peace(self, enough: int) -> list[Sample]:
        before = now = time.monotonic()
        while self._has_too_few(before, now, enough):
            time.sleep(0.5)
            now = time.monotonic()
        return self.between(before, now)

    def _once(self, attack: Callable[[], T]) -> tuple[float, float, list[T]]:
        began = ended = time.monotonic()
        results = []
        while self._has_too_few(began, ended):
            results.append(attack())
            ended = time.monotonic()
        # The slowest answers come last, and are judged as well.
        while max(line for line in self._lines() if not isinstance(line, list)) < ended:
            assert time.monotonic() - ended < LONGEST, "the good client has stopped"
            time.sleep(0.25)
        return began, ended, results

    def _has_too_few(self, start: float, end: float, enough: int = ENOUGH) -> bool:
        assert end - start < LONGEST, "the good client gets too little of this machine for a judgement"
        return sum(not sample.is_fresh for sample in self.between(start, end)) < enough

    def between(self, start: float, end: float) -> list[Sample]:
        samples = [Sample(*line) for line in self._lines() if isinstance(line, list)]
        return sorted((sample for sample in samples if start <= sample.at < end), key=lambda sample: sample.at)

    def _lines(self) -> list[Any]:
        """Samples, and times before which there will be no more of them. The last line may be half written."""
        return [json.loads(line) for line in self._output.read_text().split("\n")[:-1]]


@contextmanager
def good_client(folder: Path, **what: Any) -> Iterator[GoodClient]:
    """A good client of `port` with `ca` and `token`, asking for `path` (`{}` is a number, `echo` wants it back).

    `every`: seconds between two requests of one caller.
    """
    output = folder / "good-client.jsonl"
    command = [sys.executable, "-m", "support.good_client", json.dumps({**what, "output": str(output)})]
    tests = str(Path(__file__).parents[1])
    with subprocess.Popen(command, env={"PYTHONPATH": tests}, stdin=subprocess.PIPE) as process:
        client = GoodClient(output)
        end = time.monotonic() + 20
        while not (output.exists() and len(output.read_text().splitlines()) > 5 * CALLERS):
            assert process.poll() is None, "the good client ended"
            assert time.monotonic() < end, "the good client was not served even in peace"
            time.sleep(0.1)
        try:
            yield client
        finally:
            process.terminate()


class _Asker:
    def __init__(self, what: dict[str, Any]) -> None:
        self._what = what
        self._tls = ssl.create_default_context(cafile=what["ca"])
        self._number = 0
        self._open: dict[int, float] = {}  # each caller's question that is not answered yet, since when
        self.samples: list[Sample] = []

    async def keep_asking(self, number: int) -> None:
        """One caller; a connection is kept for as long as its answers are right."""
        every = self._what.get("every", EVERY)
        due = time.monotonic() + every * number / CALLERS
        held: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while True:
            await asyncio.sleep(due - time.monotonic())
            began = self._open[number] = time.monotonic()
            fault = ""
            try:
                held = held or await self._connect()
                fault = await asyncio.wait_for(self._ask(*held), 15)
            except Exception as failed:  # noqa: BLE001 - whatever it is, the caller was not served
                fault = repr(failed)
            if fault and held is not None:
                held[1].close()
                held = None
            self._note(began, began - due, fault, is_fresh=False)
            # It keeps its place in the round: callers that a wait bunched would stay so, and wait for each other. What
            # it would have asked meanwhile has waited as well.
            due += every
            while due < time.monotonic():
                self._note(due, 0.0, fault, is_fresh=False)
                due += every
            del self._open[number]

    async def come_new(self) -> None:
        """One caller after the other, each with a connection of its own."""
        while True:
            await asyncio.sleep(FRESH_EVERY)
            began = self._open[CALLERS] = time.monotonic()
            try:
                reader, writer = await asyncio.wait_for(self._connect(), 15)
                fault = await asyncio.wait_for(self._ask(reader, writer), 15)
                writer.close()
            except Exception as failed:  # noqa: BLE001 - as above
                fault = repr(failed)
            self._note(began, 0.0, fault, is_fresh=True)
            del self._open[CALLERS]

    async def write_down(self) -> None:
        with Path(self._what["output"]).open("w") as output:  # noqa: ASYNC230 - a few lines a second
            while True:
                await asyncio.sleep(0.25)
                told, self.samples = self.samples, []
                output.writelines(json.dumps(astuple(sample)) + "\n" for sample in told)
                output.write(json.dumps(min(self._open.values(), default=time.monotonic())) + "\n")
                output.flush()

    def _note(self, began: float, late: float, fault: str, *, is_fresh: bool) -> None:
        self.samples.append(Sample(began, time.monotonic() - began, late, fault, is_fresh))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", self._what["port"], ssl=self._tls, server_hostname="localhost"
        )

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """What was wrong with the answer; an answer to somebody else's question is."""
        self._number += 1
        path = self._what["path"].format(self._number)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._what['token']}\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n", 1)[0])
        body = await reader.readexactly(length)
        if not head.startswith("http/1.1 200"):
            return f"{head.splitlines()[0]} {body[:200]!r}"
        return "" if not self._what.get("echo") or json.loads(body)["path"] == path else f"another's answer: {body!r}"


async def _run(what: dict[str, Any]) -> None:
    asker = _Asker(what)
    await asyncio.gather(
        asker.write_down(), asker.come_new(), *(asker.keep_asking(number) for number in range(CALLERS))
    )


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(json.loads(sys.argv[1])))
