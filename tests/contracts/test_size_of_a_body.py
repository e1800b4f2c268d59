"""04.1, 05.4: what the contract says of a body's size is what the gateway takes at that very route."""

import re
from importlib import import_module
from typing import Any

import pytest

from guard import contract
from stack import envoy
from stack.envoy import Limits
from stack.settings import SERVICES, Stack

BUFFER = "envoy.filters.http.buffer"
STREAMED = "envoy.filters.http.body_size_limit"


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    bootstrap = envoy.configuration(Stack(run=tmp_path_factory.mktemp("run"), port=22_000), Limits())
    return bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][-1]["typed_config"]


def taken(manager: dict[str, Any], method: str, path: str) -> int:
    """Bytes of the first route that fits, as the gateway chooses."""
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        match = route["match"]
        prefix = match.get("path_separated_prefix", path)
        asked = [header["string_match"]["exact"] for header in match.get("headers", [])]
        pattern = match.get("safe_regex", {"regex": ".*"})["regex"]
        is_meant = match.get("path", path) == path and f"{path}/".startswith(f"{prefix}/")
        if is_meant and re.fullmatch(pattern, path) and asked in ([], [method]):
            own = route.get("typed_per_filter_config", {}).get(BUFFER, {})
            if "buffer" in own:
                return own["buffer"]["max_request_bytes"]
            limit = STREAMED if own.get("disabled") else BUFFER
            return next(each["typed_config"] for each in manager["http_filters"] if each["name"] == limit)[
                "max_request_bytes"
            ]
    raise AssertionError(path)


@pytest.mark.parametrize("service", SERVICES)
def test_it_is_the_gateways(service: str, manager: dict[str, Any]) -> None:
    api = import_module(f"{service}.app").build(None, None)  # as it is served, and not begun
    told = {
        (method.upper(), path): operation["responses"]["413"]["description"]
        for path, methods in api.openapi()["paths"].items()
        for method, operation in methods.items()
        if path.startswith(("/v1/", "/.well-known/"))
    }
    assert told == {of: f"The body is over {taken(manager, *of) // 1024} KiB" for of in told}
    assert told


def test_each_limit_is_met(manager: dict[str, Any]) -> None:
    asked = [("POST", "/v1/guests"), ("POST", "/v1/sessions"), ("GET", "/v1/openapi.json")]
    assert tuple(taken(manager, *one) for one in asked) == contract.LIMITS
