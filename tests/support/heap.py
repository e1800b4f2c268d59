"""How full the gateway's memory was while something went on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from support.edge import Edge


@contextmanager
def fullest(own: Edge) -> Iterator[Callable[[], int]]:
    """How full the gateway's memory was at most, in percent, looked at all the time: afterwards it is back."""
    seen: list[int] = []
    over = Event()

    def look() -> None:
        while not over.wait(0.05):  # more often than the gateway itself looks
            seen.append(own.statistic("overload.envoy.resource_monitors.fixed_heap.pressure"))

    with ThreadPoolExecutor(1) as beside:
        looking = beside.submit(look)
        try:
            yield lambda: max(seen)
        finally:
            over.set()
            looking.result()
