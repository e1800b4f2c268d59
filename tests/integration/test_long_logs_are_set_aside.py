"""Real writers go on in a new file once the keeper has set the old one aside; no entry is lost between them (02.4)."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stack import rotation
from stack.rotation import Log
from support.hotel import Hotel
from support.machine import Machine, wait_until


@pytest.fixture
def both(stack: Machine) -> Iterator[tuple[Log, Log]]:
    gateway, openbao = rotation.logs(stack.stack)
    yield gateway, openbao
    for path in (*gateway.aside(), *openbao.aside()):
        assert path.stat().st_mode & 0o077 == 0


def set_aside(stack: Machine, one: Log) -> Path:
    before = one.aside()
    rotation.step(stack.stack, one, datetime.now(UTC), long=0)
    [made] = set(one.aside()) - set(before)
    return made


def test_the_gateway_goes_on(stack: Machine, otter: Hotel, both: tuple[Log, Log]) -> None:
    gateway, _ = both
    old = set_aside(stack, gateway)
    asked = otter.agent.get("/v1/guests").headers["X-Request-Id"]
    wait_until(lambda: gateway.path.exists() and asked in gateway.path.read_text(), within=30, what="the new log")
    assert asked not in old.read_text()


def test_every_use_of_a_key_is_in_the_log_once(stack: Machine, otter: Hotel, both: tuple[Log, Log]) -> None:
    _, openbao = both
    guest = otter.guest()["id"]
    asked = []
    for _ in range(3):
        time.sleep(stack.stack.key_cache_seconds + 0.5)
        asked.append(otter.agent.get(f"/v1/guests/{guest}").headers["X-Request-Id"])
        set_aside(stack, openbao)
        wait_until(openbao.path.exists, within=10, what="OpenBao's new audit file")
    time.sleep(stack.stack.key_cache_seconds + 0.5)
    asked.append(otter.agent.get(f"/v1/guests/{guest}").headers["X-Request-Id"])

    def seen() -> list[int]:
        noted = [entry["request_id"] for entry in otter.log(action="key:unwrap")]
        return [noted.count(one) for one in asked]

    wait_until(lambda: 0 not in seen(), within=20, what="the uses of the key in the client's log")
    assert seen() == [1, 1, 1, 1]
