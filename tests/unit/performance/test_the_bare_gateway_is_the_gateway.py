"""What recordings are measured against has the same gateway: no filter, limit or TLS less, and another server."""

import copy
from pathlib import Path
from typing import Any

import pytest

from performance import bare_gateway
from stack import envoy
from stack.envoy import Limits
from stack.settings import Stack

STACK = Stack(run=Path("/nowhere"), port=20_000)


def differences(one: Any, other: Any, at: str = "") -> set[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        names = one.keys() | other.keys()
        return set().union(*(differences(one.get(name), other.get(name), f"{at}.{name}") for name in names))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return set().union(*(differences(*pair, f"{at}[{n}]") for n, pair in enumerate(zip(one, other, strict=True))))
    return set() if one == other else {f"{at}: {one} -> {other}"}


@pytest.fixture(scope="module")
def found() -> set[str]:
    return differences(envoy.configuration(STACK, Limits()), bare_gateway.configuration(STACK, Limits()))


def test_its_ports_its_log_and_the_server_behind_audio_alone(found: set[str]) -> None:
    told = sorted(line.rsplit(": ", 1)[1] for line in found)
    assert told == sorted(
        [
            "20000 -> 20044",
            "20016 -> 20045",
            "20004 -> 20043",
            "20004 -> 20043",
            "/nowhere/log/gateway-access.log -> /nowhere/log/bare-gateway-access.log",
        ]
    )


def test_no_other_program_has_one_of_its_ports() -> None:
    own = {STACK.port + offset for offset in (bare_gateway.SERVER, bare_gateway.GATEWAY, bare_gateway.ADMIN)}
    assert len(own) == 3
    assert not own & set(STACK.ports().values())


def test_the_comparison_can_tell() -> None:
    whole = envoy.configuration(STACK, Limits())
    less = copy.deepcopy(whole)
    del less["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][-1]["typed_config"]["http_filters"][0]
    assert differences(whole, less)
