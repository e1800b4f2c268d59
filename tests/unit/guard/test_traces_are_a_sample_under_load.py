"""07.1: a quiet service traces every request; a busy one some of each second, and what it leaves out keeps its id."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from guard import telemetry

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> telemetry._Budget:
    monkeypatch.setattr(telemetry, "_tracer", TracerProvider().get_tracer("test"))
    monkeypatch.setattr(telemetry.time, "monotonic", lambda: 1000.0)  # all of a test is one moment
    budget = telemetry._Budget(5)
    monkeypatch.setattr(telemetry, "_budget", budget)
    return budget


def _serve(headers: dict[str, str]) -> tuple[str, bool]:
    with telemetry.served("GET", headers):
        context = trace.get_current_span().get_span_context()
        return telemetry.trace_id() or "", context.trace_flags.sampled


def test_no_more_than_its_budget(budget: telemetry._Budget) -> None:
    seen = [_serve({}) for _ in range(100)]
    assert sum(is_sampled for _, is_sampled in seen) == 5
    assert len({trace_id for trace_id, _ in seen}) == 100  # each has an id for its access event, traced or not


def test_room_comes_back(budget: telemetry._Budget) -> None:
    while budget.take():
        pass
    budget._at -= 60  # a minute passes
    assert [budget.take() for _ in range(7)] == [True] * 5 + [False] * 2


def test_the_callers_trace_keeps_its_id(budget: telemetry._Budget) -> None:
    while _serve({"traceparent": PARENT})[1]:
        pass
    assert _serve({"traceparent": PARENT}) == ("0af7651916cd43dd8448eb211c80319c", False)


def test_what_is_not_traced_here_is_not_traced_further_on(budget: telemetry._Budget) -> None:
    while budget.take():
        pass
    with telemetry.served("GET", {}):
        assert telemetry.traceparent().endswith("-00")
