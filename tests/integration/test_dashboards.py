"""07.1: the real Prometheus answers every panel of every dashboard, and each metric in it is one that is measured."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from dashboards import __main__ as boards
from support.hotel import Hotel, expect
from support.machine import Machine

_ENOUGH = 60.0  # seconds until what takes two measurements, five seconds apart, has them
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
# Nothing to show while all is well: no message stands (letters of another topic may be there), nothing is compared yet.
QUIET = {"services.json: Messages that stand", "recordings.json: Since the last comparison"}
# What Grafana fills in.
VARIABLES = {"$__rate_interval": "1m", "$service": ".+"}


def asked() -> Iterator[tuple[str, str]]:
    """(where it stands, PromQL) of each panel, and of each choice above a dashboard."""
    for name, text in boards.wanted().items():
        board = json.loads(text)
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{name}: {panel['title']}", filled(target["expr"])
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                selected = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
                assert selected, variable["query"]
                yield f"{name}: ${variable['name']}", f"sum by ({selected[2]}) ({selected[1]})"


def filled(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def metrics(expression: str) -> set[str]:
    """The names of metrics in PromQL: what is left of its words without labels, functions, durations and operators."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring) ?\([^)]*\)", "", expression)
    return {word for word in re.findall(r"\b[A-Za-z_:][\w:]*\b(?! *\()", bare) if word not in _WORDS}


@pytest.fixture(scope="module", autouse=True)
def _somebody_asks(otter: Hotel) -> None:
    expect(otter.viewer.get("/v1/recordings"), 200)


@pytest.fixture(scope="module")
def prometheus(stack: Machine) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://127.0.0.1:{stack.port_of('prometheus')}", trust_env=False, timeout=10) as http:
        yield http


@pytest.fixture(scope="module")
def exposed(stack: Machine, prometheus: httpx2.Client) -> set[str]:
    """Every name under which something that runs now is measured; also of what has not happened yet."""
    told = prometheus.get("/api/v1/targets/metadata").json()["data"]
    kinds = {(one["metric"], one["type"]) for one in told}
    # Prometheus asks Envoy only for what it has counted; a connection that failed may not be among it.
    gateway = httpx2.get(f"http://127.0.0.1:{stack.port_of('envoy_admin')}/stats/prometheus", trust_env=False).text
    kinds |= set(re.findall(r"^# TYPE (\w+) (\w+)$", gateway, re.MULTILINE))
    parts = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
    return {f"{name}{part}" for name, kind in kinds for part in parts.get(kind, ("",))} | {"up"}


def ask(prometheus: httpx2.Client, expression: str) -> list[dict[str, Any]]:
    answer = prometheus.get("/api/v1/query", params={"query": expression})
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    result: list[dict[str, Any]] = answer.json()["data"]["result"]
    return result


def test_the_check_can_tell(prometheus: httpx2.Client, exposed: set[str]) -> None:
    said = 'histogram_quantile(0.5, sum by (zone, le) (rate(konci_zone_second_bucket{zone="a"}[1m]))) > 2 and up'
    assert metrics(said) - exposed == {"konci_zone_second_bucket"}
    assert metrics("time() - max(konci_zone_compared_seconds > 0)") == {"konci_zone_compared_seconds"}
    with pytest.raises(AssertionError, match="parse error"):
        ask(prometheus, "sum by (zone (up)")


def test_each_metric_is_one_that_is_measured(exposed: set[str]) -> None:
    unknown = {where: strange for where, expression in asked() if (strange := metrics(expression) - exposed)}
    assert unknown == {}


def test_prometheus_answers_each_panel(prometheus: httpx2.Client) -> None:
    """With something, wherever the metric has a value at all: else a label in it is wrong."""
    waiting = list(asked())
    assert {where for where, _ in waiting} > QUIET
    end = time.monotonic() + _ENOUGH
    while waiting := [(where, said) for where, said in waiting if not (shows(prometheus, said) or where in QUIET)]:
        assert time.monotonic() < end, f"no answer to {waiting}"
        time.sleep(1)


def shows(prometheus: httpx2.Client, expression: str) -> bool:
    """Whether it has an answer, or nothing of it has been counted yet."""
    return bool(ask(prometheus, expression)) or any(
        not ask(prometheus, f"count({name})") for name in metrics(expression)
    )
