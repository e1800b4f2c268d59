"""01.3: the services run on jemalloc (ADR 16): where it is missing, nothing but a line in the log would say so."""

from pathlib import Path

import pytest

from stack.settings import SERVICES
from support.machine import Machine


@pytest.mark.parametrize("service", SERVICES)
def test_it_is_in_the_running_service(stack: Machine, service: str) -> None:
    loaded = Path(f"/proc/{stack.pid(service)}/maps").read_text(encoding="utf-8")
    assert "libjemalloc.so.2" in loaded
