"""01.3: the services run on jemalloc (ADR 16): where it is missing, nothing but a line in the log would say so."""

from pathlib import Path

import pytest

from stack.settings import SERVICES
from support.machine import Machine


@pytest.mark.parametrize("service", [*SERVICES, "audit_collector"])
def test_it_is_in_the_running_service(stack: Machine, service: str) -> None:
    loaded = Path(f"/proc/{stack.pid(service)}/maps").read_text(encoding="utf-8")
    assert "libjemalloc.so.2" in loaded


def test_passwords_are_hashed_in_huge_pages(stack: Machine) -> None:
    """It has asked the kernel for them: what it says of a setting that it does not know, nobody reads."""
    mapped = Path(f"/proc/{stack.pid('auth')}/smaps").read_text(encoding="utf-8")
    flags = [line.split()[1:] for line in mapped.splitlines() if line.startswith("VmFlags:")]
    assert any("hg" in of_one for of_one in flags)
