"""01.3: the service runs on jemalloc (ADR 16): where it is missing, nothing but a line in the log would say so."""

from pathlib import Path

from support.machine import Machine
from support.recordings import SERVICE


def test_it_is_in_the_running_service(stack: Machine) -> None:
    loaded = Path(f"/proc/{stack.pid(SERVICE)}/maps").read_text(encoding="utf-8")
    assert "libjemalloc.so.2" in loaded
